use proptest::prelude::*;

use super::*;

fn date_time() -> impl Strategy<Value = DateTime> {
    let plain = (0_i64..4_000_000_000, 0_i32..1_000_000_000)
        .prop_map(|(s, ns)| DateTime::from(Timestamp::new(s, ns).unwrap()));
    let shifted = (1970_u16..2200, 1_u8..=12, 1_u8..=28, 0_u8..24, 0_u8..60).prop_map(
        |(year, month, day, hour, minute)| {
            format!("{year}-{month:02}-{day:02}T{hour:02}:{minute:02}:07.250+{hour:02}:30")
                .parse()
                .unwrap()
        },
    );
    prop_oneof![plain, shifted]
}

prop_compose! {
    fn asker()(
        scheme in proptest::option::of("[a-zA-Z][a-zA-Z0-9+.-]{0,8}"),
        domain in "[a-z0-9-]{1,20}(\\.[a-z]{2,8}){0,2}(:[0-9]{1,5})?",
        address in any::<[u8; 20]>().prop_map(Address::from),
        statement in proptest::option::of("[A-Za-z0-9:/?#@!$&'()*+,;=._~ -]{1,80}"),
    ) -> (Option<String>, String, Address, Option<String>) {
        (scheme, domain, address, statement)
    }
}

prop_compose! {
    fn message()(
        (scheme, domain, address, statement) in asker(),
        uri in "[a-z][a-z0-9+.-]{0,8}:(//[a-z.]{0,12})?(/[a-zA-Z0-9%_~]{0}[a-z0-9]{0,9})?(\\?[a-z=&]{0,9})?(#[a-z]{0,5})?",
        chain in any::<u64>(),
        nonce in "[A-Za-z0-9]{8,40}",
        issued_at in date_time(),
        expires_at in proptest::option::of(date_time()),
        not_before in proptest::option::of(date_time()),
        request_id in proptest::option::of("[A-Za-z0-9:@._~!$-]{0,20}"),
        resources in proptest::option::of(proptest::collection::vec("[a-z]{1,5}:[a-z0-9/]{0,12}", 0..4)),
    ) -> SignInMessage {
        SignInMessage {
            scheme, domain, address, statement, uri, chain, nonce, issued_at, expires_at,
            not_before, request_id, resources,
        }
    }
}

proptest! {
    #[test]
    fn what_is_written_reads_back(message in message()) {
        let text = message.to_string();
        prop_assert_eq!(text.parse::<SignInMessage>(), Ok(message));
    }

    #[test]
    fn what_is_read_is_written_back(message in message(), at in 0_usize..600, with in "[ -~\n\r]{0,2}") {
        let mut text = message.to_string();
        let at = at.min(text.len());
        let to = (at + 1).min(text.len());
        text.replace_range(at..to, &with);
        if let Ok(read) = text.parse::<SignInMessage>() {
            prop_assert_eq!(read.to_string(), text);
        }
    }

    #[test]
    fn any_text_is_read_or_refused(text in "\\PC{0,200}") {
        let _: Result<SignInMessage, MessageFault> = text.parse();
    }
}

#[test]
fn a_long_message_is_refused_before_it_is_read() {
    let text = "a".repeat(MESSAGE_LIMIT + 1);
    assert_eq!(text.parse::<SignInMessage>(), Err(MessageFault::TooLong));
}
