use crate::domain::consensus::Checkpoint;
use crate::domain::product::parse;

const ROOT: &str = "0x0101010101010101010101010101010101010101010101010101010101010101";

fn parsed(checkpoint: &str) -> Result<Vec<Checkpoint>, Vec<String>> {
    let text = format!(
        "product = \"a\"\nname = \"A\"\n[tiers.t]\nrank = 0\n[[grants]]\ntier = \"t\"\ntoken = \"eip155:1/erc721:0x52908400098527886e0f7030069857d2e4169ee7/7\"\n[[checkpoint]]\n{checkpoint}\n"
    );
    let faults = |them: Vec<_>| them.iter().map(ToString::to_string).collect();
    parse(&text).map(|it| it.checkpoints).map_err(faults)
}

#[test]
fn a_checkpoint_names_a_chain_and_a_root() {
    let read = parsed(&format!("chain = \"eip155:1\"\nroot = \"{ROOT}\"")).unwrap();
    assert_eq!(read[0].root.to_string(), ROOT);
    assert_eq!((read[0].slot, read[0].spec), (None, None));
    assert_eq!(read[0].max_age.as_secs(), 14 * 86_400);
}

#[test]
fn all_of_it_can_be_said() {
    let read = parsed(&format!(
        "chain = \"eip155:5\"\nroot = \"{ROOT}\"\nslot = 7\nmax_age = \"90d\"\nspec = \"sha256:{}\"",
        &ROOT[2..]
    ));
    let read = read.unwrap();
    assert_eq!((read[0].chain.0, read[0].slot), (5, Some(7)));
    assert_eq!(read[0].max_age.as_secs(), 90 * 86_400);
    assert_eq!(read[0].spec, Some(read[0].root));
}

#[test]
fn what_is_wrong_is_named_with_its_line() {
    for (text, line) in [
        (format!("root = \"{ROOT}\""), "line 8: `checkpoint[0].chain`: is missing"),
        (
            "chain = \"eip155:1\"\nroot = \"0x12\"".to_owned(),
            "line 10: `checkpoint[0].root`: must be a beacon block's root: 0x and 64 digits",
        ),
        (
            format!("chain = \"eip155:1\"\nroot = \"{ROOT}\"\nspec = \"mainnet\""),
            "line 11: `checkpoint[0].spec`: must be `sha256:` and the 64 digits that `sha256sum` gives for the specification's file",
        ),
    ] {
        assert_eq!(parsed(&text).unwrap_err(), [line]);
    }
}
