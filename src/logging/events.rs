//! What happens often enough to have a name: the events an administrator may want to find, count or be told of.
//!
//! A record whose field `event` is one of these names carries that id to the journal, where
//! `journalctl MESSAGE_ID=…` finds it and the catalog (systemd/entitled.catalog) explains it. A name's id never
//! changes, and no id is used again (systemd.journal-fields(7)).

/// Names and their ids, 128 bits in lower-case hexadecimal.
pub(super) const IDS: [(&str, &str); 23] = [
    ("actor_gave_up", "a60cc01ca0924f9fa202737071ae1275"),
    ("actor_restarted", "7af82403a9cb4670a4848b3f0147760c"),
    ("backup_failed", "e78434a3776e45e7ad1c62bbcb053d54"),
    ("chain_found", "fd62a8a15134421cae33e5c74d302222"),
    ("chain_lost", "b7ac0a949e464e09a1d2e70ad5674f00"),
    ("chain_reset", "36ad8a58a0cb423bbfdf62c8e6dbd308"),
    ("clock_rolled_back", "0c02090ab52c4b2abaaa39fa4198c528"),
    ("ended", "593693bfc6894342b0727f110664b6d7"),
    ("endpoint_lied", "dc33c93828134946b54e3c817ccc6c70"),
    ("entitlement_changed", "268e9367fac14ce2b064714d59dcc444"),
    ("keys_locked", "f2b746dd8b004af59b6fed8a58de6832"),
    ("keys_rotated", "24ae812002644315ac384ba8e0a203c8"),
    ("keys_unlocked", "4d0d4f253e564dde9fadf927f1870f90"),
    ("message_signed", "3a9353428a54447d8f94b427d25e7beb"),
    ("product_refused", "3a7d80293ab04080912c0681e0a48bf6"),
    ("reload_refused", "6da7840c42614e9896bc52ad55c3fe29"),
    ("reloaded", "67336c6029ed458ba13b8e3e9892bf9a"),
    ("started", "49f299eac66a4e608c3fd501c8d362ab"),
    ("store_damaged", "654f0d6964a94ed29acf286c22bc84d7"),
    ("store_migrated", "8aa2f07852ac4a2fa94dd9ecaabb0fa1"),
    ("store_write_failed", "cae67639ebeb4a0c978db30b6dd7d2bc"),
    ("wrong_chain", "2710736e4f714484bec18cf1835b112f"),
    ("wrong_passphrase", "0c07239c242c49e488d2b68dcb76665b"),
];

pub(super) fn id(name: &str) -> Option<&'static str> {
    IDS.iter().find(|(known, _)| *known == name).map(|(_, id)| *id)
}

#[cfg(test)]
mod tests;
