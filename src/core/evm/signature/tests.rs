//! Which call a signature is asked by, in what order, and by whom.

use alloy_primitives::{KECCAK256_EMPTY, keccak256};
use alloy_signer::SignerSync;
use alloy_signer_local::PrivateKeySigner;
use alloy_trie::{EMPTY_ROOT_HASH, TrieAccount};
use revm::primitives::hardfork::SpecId;

use super::*;
use crate::proof::account_proof::ProvenAccount;

mod envelopes;

const CONTRACT: Address = Address::repeat_byte(0xc0);
/// Returns ERC-1271's yes to whatever it is asked.
const YES: [u8; 14] = hex!("631626ba7e60e01b5f5260205ff3");

fn key() -> PrivateKeySigner {
    PrivateKeySigner::from_slice(&[7; 32]).unwrap()
}

fn signed() -> Bytes {
    key().sign_hash_sync(&B256::ZERO).unwrap().as_bytes().into()
}

/// Judges `signature` of the zero hash where these accounts are proven, with this code.
fn judge(
    accounts: &[(Address, &[u8])],
    account: Address,
    signature: Bytes,
) -> Result<Result<SignedBy, NotSigned>, Stop> {
    judge_within((u64::MAX, Rules::exactly(SpecId::OSAKA)), accounts, account, signature)
}

fn judge_within(
    (gas, rules): (u64, Rules),
    accounts: &[(Address, &[u8])],
    account: Address,
    signature: Bytes,
) -> Result<Result<SignedBy, NotSigned>, Stop> {
    let (mut facts, mut library) = (Facts::default(), Library::default());
    for (address, code) in accounts {
        let code_hash = if code.is_empty() { KECCAK256_EMPTY } else { keccak256(code) };
        let proven =
            TrieAccount { code_hash, storage_root: EMPTY_ROOT_HASH, ..TrieAccount::default() };
        facts.learn(*address, ProvenAccount { account: Some(proven), slots: Vec::new() });
        library.learn(*address, code_hash, Bytes::copy_from_slice(code));
    }
    let signed = SignedHash { account, hash: B256::ZERO, signature };
    let header = Header { base_fee_per_gas: Some(1), ..Header::default() };
    let (facts, library) = (Mutex::new(facts), Mutex::new(library));
    let limits = Limits { gas, go_on: &|| true };
    Ground::new((1, rules), &header, (&facts, &library), limits).judge(&signed)
}

#[test]
fn nothing_is_said_of_an_account_that_is_not_proven() {
    let lacking = Err(Stop::Lacking(Need::Account(key().address())));
    assert_eq!(judge(&[], key().address(), signed()), lacking);
}

#[test]
fn a_key_signs_for_an_account_without_code() {
    let own = key().address();
    assert_eq!(judge(&[(own, &[])], own, signed()), Ok(Ok(SignedBy::Key)));
    assert_eq!(judge(&[(CONTRACT, &[])], CONTRACT, signed()), Ok(Err(NotSigned::ByNobody)));
    let short = signed().slice(..64);
    assert_eq!(judge(&[(own, &[])], own, short), Ok(Err(NotSigned::ByNobody)));
}

#[test]
fn code_at_the_address_of_a_key_outranks_it() {
    let own = key().address();
    let stop = hex!("00");
    assert_eq!(judge(&[(own, &stop)], own, signed()), Ok(Err(NotSigned::ByNobody)));
    assert_eq!(judge(&[(own, &YES)], own, Bytes::new()), Ok(Ok(SignedBy::Contract)));
}

#[test]
fn a_delegating_account_is_asked_for_its_key_first() {
    let own = key().address();
    let delegation = [&hex!("ef0100"), CONTRACT.as_slice()].concat();
    let accounts: [(Address, &[u8]); 2] = [(own, &delegation), (CONTRACT, &YES)];
    assert_eq!(judge(&accounts, own, signed()), Ok(Ok(SignedBy::Key)));
    assert_eq!(judge(&accounts, own, Bytes::new()), Ok(Ok(SignedBy::Contract)));
    let without: [(Address, &[u8]); 1] = [(own, &delegation)];
    let lacking = Err(Stop::Lacking(Need::Account(CONTRACT)));
    assert_eq!(judge(&without, own, Bytes::new()), lacking);
}

#[test]
fn an_endless_loop_is_a_doubt_and_an_invalid_opcode_a_no() {
    let ask = |code: &[u8]| judge(&[(CONTRACT, code)], CONTRACT, signed());
    assert_eq!(ask(&hex!("5b5f56")), Err(Stop::Doubt));
    assert_eq!(ask(&hex!("fe")), Ok(Err(NotSigned::ByNobody)));
    let writes = [&hex!("60015f55")[..], &YES].concat();
    assert_eq!(ask(&writes), Ok(Err(NotSigned::ByNobody)), "nothing may be written");
}

#[test]
fn who_asks_is_a_hash_and_has_no_key() {
    let hash = keccak256("entitled: who asks a contract for a signature");
    assert_eq!(ASKER, Address::from_word(hash));
    // Says yes where sender and origin are who they should be.
    let sender = [&hex!("33")[..], &hex!("73"), ASKER.as_slice(), &hex!("14")].concat();
    let origin = [&hex!("32")[..], &hex!("73"), ASKER.as_slice(), &hex!("14")].concat();
    for asked in [sender, origin] {
        // Jumps over a stop, to the yes.
        let jump = u8::try_from(asked.len() + 4).unwrap();
        let code = [&asked[..], &[0x60, jump, 0x57, 0x00, 0x5b], &YES].concat();
        let said = judge(&[(CONTRACT, &code)], CONTRACT, signed());
        assert_eq!(said, Ok(Ok(SignedBy::Contract)));
    }
}

/// CLZ (EIP-7939) came with Osaka, and no header tells Osaka from Prague.
#[test]
fn the_rules_are_those_that_calls_go_by() {
    let code = [&hex!("5f1e50")[..], &YES].concat();
    let ask = |rules| judge_within((u64::MAX, rules), &[(CONTRACT, &code)], CONTRACT, signed());
    assert_eq!(ask(Rules::exactly(SpecId::OSAKA)), Ok(Ok(SignedBy::Contract)));
    assert_eq!(ask(Rules::exactly(SpecId::PRAGUE)), Ok(Err(NotSigned::ByNobody)));
}

/// Whose headers are as London's, and whose wallets use what came later.
#[test]
fn a_wallet_is_not_refused_because_rules_are_old() {
    let ask = |rules| judge_within((u64::MAX, rules), &[(CONTRACT, &YES)], CONTRACT, signed());
    assert_eq!(ask(Rules::exactly(SpecId::LONDON)), Ok(Err(NotSigned::ByNobody)));
    assert_eq!(ask(Rules::at_least(SpecId::LONDON)), Err(Stop::RulesInDoubt));
    assert_eq!(ask(Rules::at_least(SpecId::SHANGHAI)), Ok(Ok(SignedBy::Contract)));
}

#[test]
fn who_is_stopped_has_said_nothing() {
    assert_eq!(
        judge_within((0, Rules::exactly(SpecId::OSAKA)), &[(CONTRACT, &YES)], CONTRACT, signed()),
        Err(Stop::Doubt)
    );
}

#[test]
fn an_envelope_is_read_or_is_broken_but_never_plain() {
    let plain = signed();
    assert_eq!(SignatureFormat::of(&plain), SignatureFormat::Plain);
    let content = (CONTRACT, Bytes::from_static(b"call"), plain.clone()).abi_encode_params();
    let whole = Bytes::from([&content[..], &ENVELOPE].concat());
    let deployment = (CONTRACT, Bytes::from_static(b"call"));
    assert_eq!(
        SignatureFormat::of(&whole),
        SignatureFormat::Enveloped { deployment, inner: plain }
    );
    for broken in [ENVELOPE.to_vec(), [&content[..64], &ENVELOPE].concat()] {
        assert_eq!(SignatureFormat::of(&broken.into()), SignatureFormat::Broken);
    }
    let cut = whole.slice(..whole.len() - 1);
    assert_eq!(SignatureFormat::of(&cut), SignatureFormat::Plain, "without its mark it is none");
}

#[test]
fn only_one_word_is_a_yes() {
    let word = |bytes: [u8; 4]| [&bytes[..], &[0; 28]].concat();
    assert!(is_yes(&word(ACCEPTED)));
    assert!(is_yes(&[word(ACCEPTED), vec![1; 32]].concat()), "as any contract may return more");
    let mut dirty = word(ACCEPTED);
    dirty[31] = 1;
    for no in [Vec::new(), ACCEPTED.to_vec(), word(ACCEPTED)[..31].to_vec(), dirty, word([0xff; 4])]
    {
        assert!(!is_yes(&no), "{no:?}");
    }
}
