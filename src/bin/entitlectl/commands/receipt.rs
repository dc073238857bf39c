//! `receipt`: a verdict that carries its proof: made by the daemon, verified without one, brought to one.

use std::path::{Path, PathBuf};

use alloy_primitives::hex;
use clap::Subcommand;
use entitled::clock::Clock;
use entitled_client::Verdict;
use entitled_core::domain::entitlement::Code;
use entitled_core::domain::ids::ProductId;
use entitled_core::domain::publisher::PublisherKey;
use entitled_core::receipt::{Binding, Demands, ReceiptFault, Verified, Vouched, verify};
use serde_json::{Value, json};

use crate::exit::{Exit, Failure};
use crate::screen::Screen;
use crate::session::{self, Behalf, PROOF_WAIT, Question, Session};
use crate::{advice, files, tables, verdicts, words};

#[derive(Debug, Subcommand)]
pub(crate) enum ReceiptCommand {
    /// Make a receipt of being entitled to a product
    Make {
        /// The product's id or name
        product: String,
        /// What the one who will verify it has chosen, in hexadecimal: 1 to 64 bytes
        #[arg(long, value_name = "HEX")]
        nonce: Option<String>,
        /// Write it there, and print what it proves; standard output for -
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
        #[command(flatten)]
        behalf: Behalf,
    },
    /// Whether a receipt proves that its holder is entitled; asks no daemon and no network
    Verify {
        /// The receipt; `-` is standard input
        file: PathBuf,
        /// The publisher's public key: the 56 characters that begin with `RW`
        #[arg(long, value_name = "KEY")]
        publisher: PublisherKey,
        /// What the receipt has to be made for, in hexadecimal
        #[arg(long, value_name = "HEX")]
        nonce: Option<String>,
        /// The product it has to be about
        #[arg(long, value_name = "PRODUCT")]
        product: Option<ProductId>,
        /// The least version of the product's file that does: an older one may have asked for less
        #[arg(long, value_name = "VERSION")]
        min_version: Option<u32>,
        /// Also take a block that no validators signed for: the word of whoever made the receipt, as files with trust `single`
        /// or `quorum` allow
        #[arg(long)]
        accept_maker: bool,
    },
    /// Let the daemon take what a receipt proves for a look at the chain
    Import {
        /// The receipt; `-` is standard input
        file: PathBuf,
    },
}

pub(crate) fn run(
    command: &ReceiptCommand,
    session: &Session,
    screen: &mut Screen,
) -> Result<Exit, Failure> {
    match command {
        ReceiptCommand::Make { product, nonce, out, behalf } => {
            let question = Question::new("entitlement_receipt")
                .with("product", product)?
                .with_some("nonce", nonce.as_ref())?
                .for_whom(behalf)?;
            make(session, screen, (&question, out.as_deref()))
        }
        ReceiptCommand::Verify { file, publisher, nonce, product, min_version, accept_maker } => {
            let nonce = nonce.as_deref().map(bytes).transpose()?;
            let text = files::read(file)?;
            let now = Clock::system().now();
            let (min_version, accept_maker) = (min_version.unwrap_or_default(), *accept_maker);
            let nonce = nonce.as_deref();
            let demands = Demands { publisher, nonce, now, min_version, accept_maker };
            let found = verify(text.as_bytes(), &demands);
            Ok(tell(screen, found, product.as_ref()))
        }
        ReceiptCommand::Import { file } => {
            let receipt = files::read(file)?;
            let question = Question::admin("receipt_import").with("receipt", &receipt)?;
            let result = session.patient(PROOF_WAIT).ask(&question)?;
            let reply: Value = session::read(question.method, &result)?;
            match screen.is_json() {
                true => screen.raw(&result),
                false => screen.line(&words::tame(&format!(
                    "taken: {}",
                    tables::text(tables::field(&reply, "verdict"), "detail")
                ))),
            }
            Ok(Exit::Done)
        }
    }
}

fn make(
    session: &Session,
    screen: &mut Screen,
    (question, out): (&Question, Option<&Path>),
) -> Result<Exit, Failure> {
    let out = out.map(files::Target::of).transpose()?.flatten();
    let result = session.patient(PROOF_WAIT).ask(question)?;
    let mut reply: Value = session::read(question.method, &result)?;
    let receipt = tables::text(&reply, "receipt").to_owned();
    let verdict: Verdict = serde_json::from_value(reply["verdict"].take())
        .map_err(|source| Failure::Shape { method: question.method, source })?;
    match (out, screen.is_json()) {
        (Some(file), is_json) => {
            file.write(&receipt)?;
            match is_json {
                true => screen.raw(&result),
                false => {
                    let next = advice::next_step(session, &verdict);
                    let text = verdicts::check_text(screen, &verdict, None, &next);
                    screen.line(&text);
                }
            }
        }
        (None, true) => screen.raw(&result),
        (None, false) => screen.write(&receipt),
    }
    Ok(verdicts::exit(&verdict))
}

fn bytes(text: &str) -> Result<Vec<u8>, Failure> {
    hex::decode(text).map_err(|_| Failure::Usage("--nonce must be hexadecimal".to_owned()))
}

fn tell(
    screen: &mut Screen,
    found: Result<Verified, ReceiptFault>,
    product: Option<&ProductId>,
) -> Exit {
    let (exit, said, json) = match found {
        Ok(verified) if product.is_some_and(|it| *it != verified.verdict.product) => {
            let why = format!("the receipt is about {}", verified.verdict.product);
            (Exit::No, format!("not entitled: {why}"), json!({"valid": false, "why": why}))
        }
        Ok(verified) => (Exit::Done, in_words(&verified), as_json(&verified)),
        Err(fault) => {
            let exit = match &fault {
                ReceiptFault::NotValid { verdict } if verdict.code == Code::Undetermined => {
                    Exit::Undetermined
                }
                _ => Exit::No,
            };
            let word = if exit == Exit::No { "not entitled" } else { "undetermined" };
            let more = match fault {
                ReceiptFault::Unvouched => " (--accept-maker takes it)",
                _ => "",
            };
            let why = fault.to_string();
            (exit, format!("{word}: {why}{more}"), json!({"valid": false, "why": why}))
        }
    };
    match screen.is_json() {
        true => screen.json(&json),
        false => {
            let tamed: Vec<String> = said.lines().map(words::tame).collect();
            screen.line(&tamed.join("\n"));
        }
    }
    exit
}

fn in_words(it: &Verified) -> String {
    let verdict = &it.verdict;
    let tier = verdict.tier.as_ref().map_or("yes", |it| it.as_str());
    let binding = match it.binding {
        Binding::Nonce => "this machine, now: the wallet's key signed the nonce",
        Binding::Key => "the machine that made it: the wallet's key signed it",
        Binding::None => "nobody: the wallet is linked, and the receipt can be copied",
    };
    let block = match it.vouched {
        Vouched::Validators => "the chain's validators signed for it",
        Vouched::Maker => "not proven: the word of whoever made the receipt, as the product allows",
    };
    let time = |at: Option<_>| at.map(|it: jiff::Timestamp| it.to_string()).unwrap_or_default();
    let anchor = verdict.anchor.as_ref();
    let lines = [
        ("product", format!("{}, version {} of its file", verdict.product, it.version)),
        ("detail", verdict.detail.clone()),
        ("bound to", binding.to_owned()),
        ("block", format!("{}: {block}", anchor.map_or(0, |it| it.number))),
        ("as of", time(anchor.map(|it| it.time))),
        ("holds until", time(verdict.grace_until)),
    ];
    let lines = lines.map(|(name, text)| (name.to_owned(), text));
    let pairs = tables::pairs(&lines);
    let shown: Vec<String> = pairs.lines().map(|it| format!("  {it}")).collect();
    format!("entitled: {tier}\n{}", shown.join("\n"))
}

fn as_json(it: &Verified) -> Value {
    let verdict = &it.verdict;
    json!({
        "valid": true,
        "product": verdict.product.as_str(),
        "version": it.version,
        "code": verdict.code.as_str(),
        "tier": verdict.tier.as_ref().map(|it| it.as_str()),
        "detail": verdict.detail,
        "trust": verdict.trust.map(|it| it.as_str()),
        "wallet": verdict.wallet.map(|it| it.to_string()),
        "token": verdict.token.map(|it| it.to_string()),
        "binding": match it.binding {
            Binding::Nonce => "nonce",
            Binding::Key => "key",
            Binding::None => "none",
        },
        "block": match it.vouched {
            Vouched::Validators => "validators",
            Vouched::Maker => "maker",
        },
        "anchor": verdict.anchor.as_ref().map(|it| json!({
            "chain": it.chain.to_string(),
            "number": it.number,
            "hash": it.hash,
            "time": it.time.to_string(),
            "finality": it.finality.as_str(),
        })),
        "grace_until": verdict.grace_until.map(|it| it.to_string()),
        "expires_at": verdict.expires_at.map(|it| it.to_string()),
    })
}
