//! What the call of an envelope may do for a wallet to be judged: bring it into being.

use super::*;
use crate::domain::wallet_proof::NotSigned;

const FACTORY: Address = Address::repeat_byte(0xfa);
const OTHER: Address = Address::repeat_byte(0x0e);

/// Pushes some bytes, 32 at most.
fn push(bytes: &[u8]) -> Vec<u8> {
    [&[0x5f + u8::try_from(bytes.len()).unwrap()], bytes].concat()
}

/// Code that leaves these bytes, 32 at most, as the code of what it creates.
fn leaving(code: &[u8]) -> Vec<u8> {
    let length = u8::try_from(code.len()).unwrap();
    [push(code), vec![0x5f, 0x52], push(&[length]), push(&[32 - length]), vec![0xf3]].concat()
}

/// Creates something by its init code, with CREATE2 and salt zero: leaves its address.
fn create2(init: &[u8]) -> Vec<u8> {
    [stored(init), vec![0x5f], where_stored(init), vec![0x5f, 0xf5]].concat()
}

/// The same by the creator's nonce.
fn create(init: &[u8]) -> Vec<u8> {
    [stored(init), where_stored(init), vec![0x5f, 0xf0]].concat()
}

/// At the beginning of the memory.
fn stored(code: &[u8]) -> Vec<u8> {
    let words = code.chunks(32).enumerate().map(|(at, chunk)| {
        let mut word = [0; 32];
        word[..chunk.len()].copy_from_slice(chunk);
        [push(&word), push(&[u8::try_from(32 * at).unwrap()]), vec![0x52]].concat()
    });
    words.collect::<Vec<_>>().concat()
}

/// Length and offset.
fn where_stored(code: &[u8]) -> Vec<u8> {
    [push(&[u8::try_from(code.len()).unwrap()]), vec![0x5f]].concat()
}

/// Calls somebody with nothing.
fn call(to: Address, value: u8) -> Vec<u8> {
    let nothing = [0x5f; 4];
    [&nothing[..], &push(&[value]), &push(to.as_slice()), &[0x5a, 0xf1, 0x50]].concat()
}

/// Writes into its own storage.
const WRITE: [u8; 4] = hex!("60015f55");

fn enveloped(inner: &Bytes) -> Bytes {
    let content = (FACTORY, Bytes::new(), inner.clone()).abi_encode_params();
    [&content[..], &ENVELOPE].concat().into()
}

/// Where the factory's CREATE2 puts something.
fn place(init: &[u8]) -> Address {
    FACTORY.create2_from_code(B256::ZERO, init)
}

/// What comes of an envelope for what the factory creates by `init`, where the factory does this, and somebody else that.
fn judged(
    (factory, other): (&[u8], &[u8]),
    init: &[u8],
    more: &[(Address, &[u8])],
) -> Result<Result<SignedBy, NotSigned>, Stop> {
    let account = place(init);
    let accounts = [&[(account, &[][..]), (FACTORY, factory), (OTHER, other)][..], more].concat();
    judge(&accounts, account, enveloped(&Bytes::new()))
}

const DEPLOYED: Result<Result<SignedBy, NotSigned>, Stop> = Ok(Ok(SignedBy::Counterfactual));
const REFUSED: Result<Result<SignedBy, NotSigned>, Stop> = Ok(Err(NotSigned::DeployFirst));

#[test]
fn a_call_that_only_deploys_is_made() {
    let init = leaving(&YES);
    assert_eq!(judged((&create2(&init), &[]), &init, &[]), DEPLOYED);
    // What is created may write its own storage, and call others who do not write.
    for begins in [WRITE.to_vec(), call(OTHER, 0)] {
        let init = [begins, leaving(&YES)].concat();
        assert_eq!(judged((&create2(&init), &[0]), &init, &[]), DEPLOYED);
    }
}

#[test]
fn a_call_that_changes_what_was_there_is_not_made() {
    let init = leaving(&YES);
    let deploy = create2(&init);
    let reverting = [&WRITE[..], &hex!("5f5ffd")].concat();
    let cases: [(&str, Vec<u8>, &[u8]); 9] = [
        ("the factory's storage", WRITE.to_vec(), &[]),
        ("its transient storage", hex!("60015f5d").to_vec(), &[]),
        ("somebody's storage", call(OTHER, 0), &WRITE),
        ("somebody's storage, and back again", call(OTHER, 0), &reverting),
        ("ether", call(OTHER, 1), &[]),
        ("ether of somebody else", call(OTHER, 0), &call(FACTORY, 1)),
        ("ether for what is created", hex!("5f5f5f6001f5").to_vec(), &[]),
        ("what can be made by the next nonce only", create(&leaving(&[0])), &[]),
        ("somebody destroys itself", call(OTHER, 0), &hex!("5fff")),
    ];
    for (what, first, other) in cases {
        let factory = [first.clone(), deploy.clone()].concat();
        assert_eq!(judged((&factory, other), &init, &[]), REFUSED, "{what}, before");
        let factory = [deploy.clone(), first].concat();
        assert_eq!(judged((&factory, other), &init, &[]), REFUSED, "{what}, after");
    }
}

/// Modules keep what belongs to a wallet by who calls.
#[test]
fn what_the_wallet_itself_calls_may_write_and_nobody_else() {
    let init = [call(OTHER, 0), leaving(&YES)].concat();
    assert_eq!(judged((&create2(&init), &WRITE), &init, &[]), DEPLOYED);
    // By way of somebody else.
    let between = Address::repeat_byte(0xbe);
    let relay = call(between, 0);
    let more: [(Address, &[u8]); 1] = [(between, &WRITE)];
    assert_eq!(judged((&create2(&init), &relay), &init, &more), REFUSED);
    // Something else that was created beside the wallet.
    let wallet = leaving(&YES);
    let beside = [call(OTHER, 0), leaving(&[0])].concat();
    let factory = [create2(&wallet), create2(&beside)].concat();
    let more: [(Address, &[u8]); 1] = [(place(&beside), &[])];
    assert_eq!(judged((&factory, &WRITE), &wallet, &more), REFUSED);
    // Nor does the wallet pay.
    let pays = [call(OTHER, 1), leaving(&YES)].concat();
    assert_eq!(judged((&create2(&pays), &[]), &pays, &[]), REFUSED);
}

#[test]
fn a_wallet_that_is_still_not_there_has_said_nothing() {
    let init = leaving(&YES);
    let by_nobody = Ok(Err(NotSigned::ByNobody));
    assert_eq!(judged((&[0], &[]), &init, &[]), by_nobody);
    let undone = [create2(&init), hex!("5f5ffd").to_vec()].concat();
    assert_eq!(judged((&undone, &[]), &init, &[]), by_nobody);
    let empty = hex!("5f5ff3");
    assert_eq!(judged((&create2(&empty), &[]), &empty, &[]), by_nobody);
    let gone = hex!("5fff");
    assert_eq!(judged((&create2(&gone), &[]), &gone, &[]), REFUSED);
}

#[test]
fn what_is_transient_ends_with_the_call() {
    // Says yes where its transient slot is set, as it is in the call that creates it.
    let wallet = [&hex!("5f5c600657005b")[..], &YES].concat();
    let init = [&hex!("60015f5d")[..], &leaving(&wallet)].concat();
    assert_eq!(judged((&create2(&init), &[]), &init, &[]), Ok(Err(NotSigned::ByNobody)));
}

/// Else the code of whoever is there would be asked in a world that nobody made.
#[test]
fn the_call_is_not_made_for_what_is_there() {
    // Called with nothing it writes; asked, it says yes if that was done.
    let opened = [&hex!("3660095760015f55005b5f54601057005b")[..], &YES].concat();
    let accounts: [(Address, &[u8]); 2] = [(FACTORY, &opened), (CONTRACT, &[])];
    let said = judge(&accounts, FACTORY, enveloped(&Bytes::new()));
    assert_eq!(said, Ok(Err(NotSigned::ByNobody)));
    let accounts: [(Address, &[u8]); 1] = [(CONTRACT, &YES)];
    let said = judge(&accounts, CONTRACT, enveloped(&Bytes::new()));
    assert_eq!(said, DEPLOYED, "not even who is named to be called has to be known");
}

#[test]
fn a_question_changes_nothing() {
    let within = |code: &[u8]| [code, &YES].concat();
    let other = Address::repeat_byte(0x0e);
    for code in [
        within(&WRITE),
        within(&hex!("60015f5d")),
        within(&hex!("5f5fa0")),
        within(&hex!("5f5f5ff0")),
        within(&hex!("5f5f5f5ff5")),
        within(&call(other, 1)),
        hex!("5fff").to_vec(),
        // What it calls may not, either: it says yes if that succeeded.
        [
            &hex!("5f5f5f5f5f")[..],
            &push(other.as_slice()),
            &hex!("5af1"),
            &hex!("602157"),
            &hex!("00"),
            &[0; 1],
            &hex!("5b"),
            &YES,
        ]
        .concat(),
    ] {
        let accounts: [(Address, &[u8]); 2] = [(CONTRACT, &code), (other, &WRITE)];
        let said = judge(&accounts, CONTRACT, Bytes::new());
        assert_eq!(said, Ok(Err(NotSigned::ByNobody)), "{}", hex::encode(&code));
    }
}
