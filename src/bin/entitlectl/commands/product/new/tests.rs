use super::*;

const LOCK: &str = "eip155:8453/erc721:0x00000000000000000000000000000000000000a1";
const EDITION: &str = "eip155:1/erc1155:0x00000000000000000000000000000000000000a1/3";

fn answered(said: [&str; 5]) -> Result<Answers, String> {
    let questions = QUESTIONS.iter().zip(said);
    questions
        .into_iter()
        .try_fold(Answers::default(), |so_far, (question, said)| taken(question, &so_far, said))
}

#[test]
fn whatever_is_sold_the_file_is_right() {
    for (sold, rule) in SOLD {
        let token = if rule == "balance" { EDITION } else { LOCK };
        for trust in ["single", "quorum", "consensus"] {
            let answers = answered(["Acme \"CAD\" 2", token, sold, trust, "3d"]).expect(sold);
            let product = product::parse(&written(&answers)).expect(sold);
            assert_eq!(
                (product.id.to_string().as_str(), product.name.as_str()),
                ("acme-cad-2", "Acme \"CAD\" 2")
            );
            assert_eq!((product.trust.as_str(), product.grants[0].rule.as_str()), (trust, rule));
        }
    }
}

#[test]
fn a_wrong_answer_is_refused_at_its_question() {
    for (at, said) in
        [(0, "…"), (1, "0x1234"), (2, "ownership"), (3, "blind"), (4, "soon"), (4, "1s")]
    {
        let refused = taken(&QUESTIONS[at], &Answers::default(), said);
        assert!(refused.is_err(), "{at}: {said}");
    }
    // An edition is nothing that one can own as such, and a lock no edition.
    assert!(answered(["Acme", EDITION, "subscription", "single", "1d"]).is_err());
    assert!(answered(["Acme", LOCK, "edition", "single", "1d"]).is_err());
}

/// Whoever uncomments a line has a file that can be read.
#[test]
fn what_is_commented_out_is_right_too() {
    let answers = answered(["Acme CAD", LOCK, "licence", "single", "14d"]).expect("answers");
    let lines = written(&answers);
    let whole: Vec<&str> = lines
        .lines()
        .map(|it| match it.strip_prefix('#') {
            Some(rest)
                if rest.starts_with(|it: char| it.is_ascii_lowercase())
                    && !rest.starts_with("key") =>
            {
                rest
            }
            _ => it,
        })
        .collect();
    let product = product::parse(&whole.join("\n")).expect("a product");
    assert!(product.tiers[0].seats == Some(5) && product.grants[0].reach.token_bound);
}
