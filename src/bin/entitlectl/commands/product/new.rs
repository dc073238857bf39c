//! `product new`: five questions, and a product file with a remark at each line.
//!
//! An answer is judged by the reader of product files itself, of the file as it stands so far, so that nothing that is
//! written here is refused elsewhere.

use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};

use entitled_core::domain::ids::ProductId;
use entitled_core::domain::product;
use serde_json::json;

use crate::exit::{Exit, Failure};
use crate::files;
use crate::screen::Screen;
use crate::words;

/// So often a person may answer one question.
const TRIES: usize = 5;

/// What is sold, and the rule that says so.
const SOLD: [(&str, &str); 6] = [
    ("licence", "owner"),
    ("subscription", "subscription"),
    ("term", "expiry"),
    ("rental", "user"),
    ("unlock", "unlock"),
    ("edition", "balance"),
];

/// The answers so far; those that were not given yet are right ones.
#[derive(Debug, Clone)]
struct Answers {
    name: String,
    token: String,
    rule: &'static str,
    trust: String,
    grace: String,
}

impl Default for Answers {
    fn default() -> Self {
        Self {
            name: "Acme CAD".to_owned(),
            token: "eip155:1/erc721:0x0000000000000000000000000000000000000001".to_owned(),
            rule: "owner",
            trust: "quorum".to_owned(),
            grace: "14d".to_owned(),
        }
    }
}

struct Question {
    asks: &'static str,
    /// What an empty line means.
    usual: Option<&'static str>,
    /// Writes the answer down; what is wrong with it, otherwise.
    take: fn(&mut Answers, &str) -> Result<(), String>,
}

const QUESTIONS: [Question; 5] = [
    Question {
        asks: "1/5  What is the product called? People read this, such as: Acme CAD",
        usual: None,
        take: |answers, said| {
            answers.name = said.to_owned();
            id_of(said).parse::<ProductId>().map(drop).map_err(|error| error.to_string())
        },
    },
    Question {
        asks: "2/5  Which contract sells it? Such as eip155:1/erc721:0x…, with /ID behind it for one id alone",
        usual: None,
        take: |answers, said| {
            said.clone_into(&mut answers.token);
            Ok(())
        },
    },
    Question {
        asks: "3/5  What does a customer have? licence, subscription (ERC-5643), term (ERC-7858), rental (ERC-4907),\n     \
               unlock (a key of a lock), or edition (ERC-1155)",
        usual: Some("licence"),
        take: |answers, said| {
            let found = SOLD.iter().find(|(word, _)| word.eq_ignore_ascii_case(said));
            let words: Vec<&str> = SOLD.iter().map(|(word, _)| *word).collect();
            let wrong = || format!("say one of {}", words.join(", "));
            answers.rule = found.map(|(_, rule)| *rule).ok_or_else(wrong)?;
            Ok(())
        },
    },
    Question {
        asks: "4/5  Whose word about the newest block is enough? single (one endpoint), quorum (several that agree), or\n     \
               consensus (the chain's validators)",
        usual: Some("quorum"),
        take: |answers, said| {
            answers.trust = said.to_lowercase();
            Ok(())
        },
    },
    Question {
        asks: "5/5  For how long may it be used without the chain? Such as 12h or 14d",
        usual: Some("14d"),
        take: |answers, said| {
            said.clone_into(&mut answers.grace);
            Ok(())
        },
    },
];

pub(super) fn run(screen: &mut Screen, output: Option<&Path>) -> Result<Exit, Failure> {
    let mut answers = Answers::default();
    for question in &QUESTIONS {
        answers = asked(screen, question, &answers)?;
    }
    let id = id_of(&answers.name);
    let path = output.map_or_else(|| PathBuf::from(format!("{id}.toml")), Path::to_owned);
    let text = written(&answers);
    if path.as_os_str() == "-" {
        screen.write(&text);
        return Ok(Exit::Done);
    }
    files::write_new(&path, &text, 0o644)?;
    let path = path.display().to_string();
    match screen.is_json() {
        true => screen.json(&json!({"product": id, "path": path})),
        false => {
            let path = words::tame(&path);
            screen.line(&format!("{path} is written; each line in it has a remark"));
            screen.aside(&format!(
                "Next: look through it, then `entitlectl product lint {path} --online`. To sign it, make a key once with\n\
                 `entitlectl product keygen`, name its public half under [publisher], and `entitlectl product sign` it."
            ));
        }
    }
    Ok(Exit::Done)
}

/// Asks until the answer is right: a person a few times, and a script once.
fn asked(screen: &Screen, question: &Question, so_far: &Answers) -> Result<Answers, Failure> {
    let tries = if io::stdin().is_terminal() { TRIES } else { 1 };
    let mut wrong = String::new();
    for _ in 0..tries {
        let usual = question.usual.map(|it| format!(" [{it}]")).unwrap_or_default();
        screen.aside(&format!("{}{usual}", question.asks));
        let line = files::read_line()?;
        let said = match (line.is_empty(), question.usual) {
            (false, _) => line.as_str(),
            (true, Some(usual)) => usual,
            (true, None) => {
                "nothing was said".clone_into(&mut wrong);
                screen.aside("     Please say something.");
                continue;
            }
        };
        match taken(question, so_far, said) {
            Ok(answers) => return Ok(answers),
            Err(error) => {
                screen.aside(&format!("     That does not work: {error}."));
                wrong = error;
            }
        }
    }
    Err(Failure::Usage(format!("no file was written: {wrong}")))
}

/// The answers with this one, if the file could still be read.
fn taken(question: &Question, so_far: &Answers, said: &str) -> Result<Answers, String> {
    let mut answers = so_far.clone();
    (question.take)(&mut answers, said)?;
    // The contract's kind may only go with the answer to come.
    let is_edition = answers.token.contains("/erc1155:");
    if is_edition && so_far.rule == "owner" && answers.rule == "owner" {
        answers.rule = "balance";
    }
    match product::parse(&written(&answers)) {
        Ok(_) => Ok(answers),
        Err(faults) => Err(faults.into_iter().map(|it| it.message).collect::<Vec<_>>().join("; ")),
    }
}

/// `acme-cad` for `Acme CAD`.
fn id_of(name: &str) -> String {
    let kept = |it: char| if it.is_ascii_alphanumeric() { it.to_ascii_lowercase() } else { '-' };
    let dashed: String = name.chars().map(kept).collect();
    dashed.split('-').filter(|it| !it.is_empty()).collect::<Vec<_>>().join("-")
}

fn written(answers: &Answers) -> String {
    let Answers { name, token, rule, trust, grace } = answers;
    // A text of JSON is one of TOML as well.
    let quoted = |text: &str| serde_json::Value::from(text).to_string();
    let checkpoint = match trust.as_str() {
        "consensus" => CHECKPOINT,
        _ => "",
    };
    format!(
        "\
# The product file of {name_in_words}. entitled-product(5) explains every key, and `entitlectl product lint` says what
# is wrong with it. Customers' machines read it from /usr/share/entitled/products.d, where your package puts it.

product = {id}    # by this your program asks
name    = {name}    # this is what people read
version = 1    # raise it with every file that you ship: an older one is not taken any more

trust       = {trust}    # single, quorum or consensus: the least that you accept
finality    = \"finalized\"    # or \"safe\", \"latest\": when a purchase counts. finalized cannot be undone any more
provisional = true    # count a purchase at once, marked as provisional, until it is final
refresh     = \"10m\"    # how long a proof counts as fresh
grace       = {grace}    # how long the last proof counts without the chain

# Sign it, so that nobody else's file passes for yours: `entitlectl product keygen`, then `product sign`.
#[publisher]
#key = \"RW…\"

[tiers.standard]
rank     = 10    # who holds two tiers has the one of the higher rank
features = {{}}    # yours to name: {{ export = true, max_projects = 50 }}
#seats   = 5    # how many may use it at a time; no limit if left out
#price   = {{ amount = \"49.00\", currency = \"USD\", per = \"month\" }}    # shown, never charged

# Whoever holds this token has that tier. There may be several, for other tiers and other contracts.
[[grants]]
tier  = \"standard\"
token = {token}
rule  = {rule}    # owner, subscription, expiry, user, unlock or balance
#ids  = [\"1-999\", \"2000\"]    # only these of the collection
#delegation  = true    # what a vault holds counts for the wallets that it delegated to
#token_bound = true    # what an ERC-6551 account holds counts for the owner of its token
{checkpoint}",
        name_in_words = quoted(name),
        id = quoted(&id_of(name)),
        name = quoted(name),
        trust = quoted(trust),
        grace = quoted(grace),
        token = quoted(token),
        rule = quoted(rule),
    )
}

const CHECKPOINT: &str = "
# What you vouch for: a beacon block that is final. Without one there is no trust `consensus`. Renew it with each
# release.
#[[checkpoint]]
#chain   = \"eip155:1\"
#root    = \"0x…\"    # of the beacon block
#max_age = \"90d\"    # how long your customers may begin from it
";

#[cfg(test)]
mod tests;
