//! The names of actions are a contract with every ledger there is, and with who searches one.

use std::collections::BTreeSet;

use super::*;

#[test]
fn actions_are_called_in_the_audit_as_they_always_were() {
    let names: Vec<&str> = AuditAction::ALL.iter().map(|it| it.as_str()).collect();
    assert_eq!(
        names,
        [
            "customer_created",
            "customer_updated",
            "customer_deactivated",
            "customer_reactivated",
            "wallet_challenged",
            "wallet_created",
            "wallet_linked",
            "wallet_imported",
            "wallet_exported",
            "wallet_unlinked",
            "wallet_key_destroyed",
            "keys_rotated",
            "ownership_opened",
            "ownership_closed",
            "ownership_suspended",
            "ownership_reinstated",
            "product_installed",
            "product_removed",
            "products_reloaded",
            "publisher_changed",
            "receipt_imported",
            "seat_borrowed",
            "seat_lent",
            "seat_loan_imported",
            "seat_loan_returned",
            "seat_given_back",
            "seat_revoked",
            "fleet_evicted",
            "fleet_drained",
            "fleet_restored",
            "store_backed_up",
            "store_recovered",
            "store_restored",
            "store_recovery_acknowledged",
        ]
    );
    assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len(), "no two are called alike");
}
