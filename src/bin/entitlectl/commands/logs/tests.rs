use clap::Parser;

use super::*;

#[derive(Debug, Parser)]
struct Line {
    #[command(flatten)]
    arguments: LogsArguments,
}

fn told(line: &str) -> String {
    let line = Line::try_parse_from(format!("logs {line}").split_whitespace()).unwrap();
    line.arguments.told(false).join(" ")
}

#[test]
fn the_journal_is_asked_by_its_fields() {
    assert_eq!(told(""), "--unit=entitled --no-pager --lines=50");
    assert_eq!(
        told("acme-cad --follow --event entitlement_changed --uid 1002"),
        "--unit=entitled --no-pager --follow --lines=50 ENTITLED_PRODUCT=acme-cad \
         ENTITLED_EVENT=entitlement_changed ENTITLED_UID=1002"
    );
    assert_eq!(
        told("--user --since yesterday"),
        "--user-unit=entitled --no-pager --since=yesterday"
    );
}
