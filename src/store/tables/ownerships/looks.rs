//! How looks open and close ownerships.

use std::collections::{BTreeMap, BTreeSet};

use alloy_primitives::{Address, B256};

use super::{active_of, put, suspension_of};
use crate::store::asked::Asked;
use crate::store::error::StoreError;
use crate::store::schema::{self, Table};
use crate::store::tables::{audit, kept_rows, sightings};
use crate::store::view::{Changes, next_number};
use entitled_core::domain::audit::AuditAction;
use entitled_core::domain::confirmed::Holder;
use entitled_core::domain::ids::{Collection, Timestamp, Token};
use entitled_core::domain::kept::{Look, Rests};
use entitled_core::domain::ownership::{
    Anchor, Evidence, Finality, Finding, Ownership, Sighting, Target, Terms,
};
use entitled_core::domain::precedence::{self, Newest};

/// Records one look. Returns the ownerships that opened or closed.
///
/// # Errors
/// A conflict when the look cannot be recorded as a whole.
pub fn record_look(
    changes: &mut Changes<'_>,
    look: &Look,
    asked: &Asked,
) -> Result<Vec<Ownership>, StoreError> {
    sightings::check(look)?;
    let mut turned = Vec::new();
    for (place, part) in look.by_holder() {
        let mut confirmations = kept_rows::confirmations(changes, place)?;
        if look.transaction.is_none() && confirmations.confirm(part.iter().copied()) {
            kept_rows::put_confirmations(changes, place, &confirmations)?;
            continue;
        }
        let holder = kept_rows::holder(changes, place, confirmations)?;
        turned.extend(record_part(changes, (holder, place), &part, look.transaction, asked)?);
    }
    sightings::keep_beside(changes, look)?;
    Ok(turned)
}

/// Records what a look saw of one wallet in one collection, row by row.
fn record_part(
    changes: &mut Changes<'_>,
    (mut holder, place): (Holder, (Collection, Address)),
    part: &[&Sighting],
    transaction: Option<B256>,
    asked: &Asked,
) -> Result<Vec<Ownership>, StoreError> {
    let mut rests = Rests::default();
    // What an ownership rested on last is written with its end: after that no row says it any more.
    let mut held = BTreeMap::new();
    for token in concerned(&holder, part) {
        if let Standing::Held(last) = standing(&holder.proofs_about(&mut rests, token)) {
            held.insert(token, last.clone());
        }
    }
    holder.record(part);
    let (mut rests, mut turned) = (Rests::default(), Vec::new());
    for token in concerned(&holder, part) {
        let proofs = holder.proofs_about(&mut rests, token);
        let known = (proofs.as_slice(), held.get(&token), transaction);
        turned.extend(settle(changes, (place.1, token), known, asked)?);
    }
    kept_rows::put_holder(changes, place, holder)?;
    Ok(turned)
}

/// The tokens of a wallet whose holding a look may have changed. What is unknown changes none.
fn concerned(holder: &Holder, part: &[&Sighting]) -> BTreeSet<Token> {
    let mut found = BTreeSet::new();
    for sighting in part.iter().filter(|it| it.finding.anchor().is_some()) {
        match &sighting.target {
            Target::Token(token) => {
                found.insert(*token);
            }
            Target::Rest { .. } => {
                let known = holder.own_tokens().into_iter();
                found.extend(known.filter(|it| sighting.target.includes(it)));
            }
        }
    }
    found
}

/// Whether "not held" by `gone` ends what "held" by `held` began. Of one question only one of them counts; of two the
/// word at the higher block does.
fn ends(gone: &Sighting, held: &Sighting) -> bool {
    precedence::concerns(gone, held) && place(gone) > place(held)
}

/// Where what counts on one question stands beside what counts on another.
fn place(sighting: &Sighting) -> impl Ord + use<> {
    (precedence::block(sighting), sighting.look)
}

/// What all kept proofs together say about one holding.
pub(super) enum Standing<'a> {
    Held(&'a Sighting),
    Gone(&'a Sighting),
    /// Nothing was ever proven.
    Nothing,
}

pub(super) fn standing(proofs: &[Sighting]) -> Standing<'_> {
    let mut questions: BTreeMap<Terms, Newest<'_>> = BTreeMap::new();
    for proof in proofs {
        questions.entry(proof.terms()).or_default().consider(proof);
    }
    let words: Vec<&Sighting> = questions.values().filter_map(|it| it.counting(..)).collect();
    let refuted = |word: &&Sighting| words.iter().any(|it| precedence::refutes(it, word));
    let words = words.iter().copied().filter(|it| !refuted(it));
    let (held, gone): (Vec<&Sighting>, Vec<&Sighting>) =
        words.partition(|it| matches!(it.finding, Finding::Held { .. }));
    let lasting = held.iter().filter(|held| !gone.iter().any(|it| ends(it, held)));
    let last = |it: &&&Sighting| (place(it), Sighting::clone(it));
    match (lasting.max_by_key(last), gone.iter().max_by_key(last)) {
        (Some(held), _) => Standing::Held(held),
        (None, Some(gone)) => Standing::Gone(gone),
        (None, None) => Standing::Nothing,
    }
}

/// Opens or closes the record of one holding as the proofs say. Returns it if it did. What an ownership rests on while
/// it lasts is not written with each proof: whoever reads it finds that in the rows of sightings.
fn settle(
    changes: &mut Changes<'_>,
    (wallet, token): (Address, Token),
    (proofs, before, transaction): (&[Sighting], Option<&Sighting>, Option<B256>),
    asked: &Asked,
) -> Result<Option<Ownership>, StoreError> {
    let active = active_of(changes, wallet, token)?;
    match (standing(proofs), active) {
        (Standing::Held(held), None) => {
            let Some(evidence) = evidence(held, transaction) else { return Ok(None) };
            open(changes, (wallet, token), evidence, held.seen_at, asked).map(Some)
        }
        (Standing::Held(held), Some(mut kept)) => {
            if transaction.is_some() && kept.evidence.transaction != transaction {
                kept.evidence.transaction = transaction;
                rest_on(&mut kept, held);
                put(changes, &kept)?;
            }
            Ok(None)
        }
        (Standing::Gone(gone), Some(mut kept)) => {
            let Some(anchor) = gone.finding.anchor() else { return Ok(None) };
            if let Some(held) = before {
                rest_on(&mut kept, held);
            }
            close(changes, kept, (gone.seen_at, anchor), asked).map(Some)
        }
        (Standing::Gone(_) | Standing::Nothing, _) => Ok(None),
    }
}

/// Has an ownership rest on another proof of the same holding.
pub(super) fn rest_on(ownership: &mut Ownership, held: &Sighting) {
    if let Some(evidence) = evidence(held, ownership.evidence.transaction) {
        ownership.last_proven = held.seen_at;
        ownership.evidence = evidence;
    }
}

/// What an ownership rests on; `None` for what proves nothing.
fn evidence(sighting: &Sighting, transaction: Option<B256>) -> Option<Evidence> {
    let Sighting { rule, reach, amount, via, .. } = sighting.clone();
    let anchor = sighting.finding.anchor()?.clone();
    Some(Evidence { rule, reach, via, amount, anchor, transaction })
}

fn open(
    changes: &mut Changes<'_>,
    (wallet, token): (Address, Token),
    evidence: Evidence,
    seen_at: Timestamp,
    asked: &Asked,
) -> Result<Ownership, StoreError> {
    let number = next_number(changes, Table::Ownerships)?;
    let ownership = Ownership {
        number,
        token,
        wallet,
        first_seen: seen_at,
        last_proven: seen_at,
        evidence,
        closed: None,
        suspended: suspension_of(changes, token)?,
    };
    put(changes, &ownership)?;
    let by_token: [u8; 69] = schema::numbered(&schema::token(token), number);
    let by_wallet: [u8; 28] = schema::numbered(wallet.as_slice(), number);
    changes.put(Table::TokenOwnerships, &by_token, &[])?;
    changes.put(Table::WalletOwnerships, &by_wallet, &[])?;
    let active = schema::active(wallet, token);
    changes.put(Table::ActiveOwnerships, &active, &number.to_be_bytes())?;
    let detail = format!("held by {wallet} {}", at_block(&ownership.evidence.anchor));
    audit::append(changes, asked, AuditAction::OwnershipOpened, &token, detail)?;
    Ok(ownership)
}

fn close(
    changes: &mut Changes<'_>,
    mut ownership: Ownership,
    (seen_at, anchor): (Timestamp, &Anchor),
    asked: &Asked,
) -> Result<Ownership, StoreError> {
    ownership.closed = Some((seen_at, anchor.clone()));
    put(changes, &ownership)?;
    let active = schema::active(ownership.wallet, ownership.token);
    changes.remove(Table::ActiveOwnerships, &active)?;
    let detail = format!("no longer held by {} {}", ownership.wallet, at_block(anchor));
    audit::append(changes, asked, AuditAction::OwnershipClosed, &ownership.token, detail)?;
    Ok(ownership)
}

fn at_block(anchor: &Anchor) -> String {
    let finality = match anchor.finality {
        Finality::Latest => "latest",
        Finality::Safe => "safe",
        Finality::Finalized => "finalized",
    };
    format!("at block {} {} ({finality})", anchor.number, anchor.hash)
}
