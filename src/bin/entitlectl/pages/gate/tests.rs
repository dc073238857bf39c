use http::{HeaderMap, HeaderName, HeaderValue, Method};

use super::{Denied, Gate};

const HOST: &str = "127.0.0.1:4000";
const ORIGIN: &str = "http://127.0.0.1:4000";

fn gate() -> Gate {
    let hosts = vec!["entitled-0123456789ab.localhost:4000".to_owned(), HOST.to_owned()];
    Gate::new(hosts, 4000, ("token".to_owned(), "session".to_owned()))
}

fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in pairs {
        let name: HeaderName = name.parse().unwrap();
        headers.append(name, HeaderValue::from_str(value).unwrap());
    }
    headers
}

fn admitted(method: &Method, pairs: &[(&str, &str)]) -> Result<(), Denied> {
    gate().admit(method, &headers(pairs))
}

#[test]
fn a_name_that_was_rebound_to_this_machine_is_turned_away() {
    for host in
        ["evil.example:4000", "evil.example", "127.0.0.1", "localhost:4000", "127.0.0.1:40000"]
    {
        assert_eq!(admitted(&Method::GET, &[("host", host)]), Err(Denied::OtherHost), "{host}");
    }
    assert_eq!(admitted(&Method::GET, &[]), Err(Denied::OtherHost));
    let twice = [("host", HOST), ("host", "evil.example")];
    assert_eq!(admitted(&Method::GET, &twice), Err(Denied::OtherHost));
    assert_eq!(admitted(&Method::GET, &[("host", HOST)]), Ok(()));
    // Each of its names is an origin of its own.
    let named = ("host", "entitled-0123456789ab.localhost:4000");
    assert_eq!(admitted(&Method::GET, &[named]), Ok(()));
    assert_eq!(admitted(&Method::GET, &[named, ("origin", ORIGIN)]), Err(Denied::OtherOrigin));
}

#[test]
fn what_another_page_sends_is_turned_away() {
    for origin in ["null", "http://127.0.0.1:5000", "http://127.0.0.1", "https://127.0.0.1:4000"] {
        for method in [Method::GET, Method::POST] {
            let sent = admitted(&method, &[("host", HOST), ("origin", origin)]);
            assert_eq!(sent, Err(Denied::OtherOrigin), "{method} {origin}");
        }
    }
    for site in ["cross-site", "same-site", "none, same-origin"] {
        let sent = admitted(&Method::GET, &[("host", HOST), ("sec-fetch-site", site)]);
        assert_eq!(sent, Err(Denied::OtherOrigin), "{site}");
    }
    let twice = [("host", HOST), ("sec-fetch-site", "none"), ("sec-fetch-site", "cross-site")];
    assert_eq!(admitted(&Method::GET, &twice), Err(Denied::OtherOrigin));
}

#[test]
fn what_changes_something_says_where_it_comes_from() {
    let post = |more: &[(&str, &str)]| {
        let all: Vec<_> = [("host", HOST)].iter().chain(more).copied().collect();
        admitted(&Method::POST, &all)
    };
    assert_eq!(post(&[]), Err(Denied::OtherOrigin), "without an origin");
    assert_eq!(post(&[("origin", ORIGIN)]), Ok(()));
    assert_eq!(post(&[("origin", ORIGIN), ("sec-fetch-site", "none")]), Err(Denied::OtherOrigin));
    assert_eq!(post(&[("origin", ORIGIN), ("sec-fetch-site", "same-origin")]), Ok(()));
}

#[test]
fn the_token_is_taken_once_and_not_by_a_browser_that_looks_ahead() {
    let gate = gate();
    let none = HeaderMap::new();
    assert_eq!(gate.exchange("other", &none), Err(Denied::SpentToken));
    let ahead = headers(&[("sec-purpose", "prefetch;prerender")]);
    assert_eq!(gate.exchange("token", &ahead), Err(Denied::NoSession));
    let cookie = gate.exchange("token", &none).unwrap();
    assert_eq!(cookie, "entitled-4000=session; Path=/; HttpOnly; SameSite=Strict");
    assert_eq!(gate.exchange("token", &none), Err(Denied::SpentToken));
}

#[test]
fn a_session_is_the_cookie_of_this_port() {
    let gate = gate();
    for cookie in ["entitled-4000=sessio", "entitled-4001=session", "x=session", "entitled-4000"] {
        assert_eq!(
            gate.session(&headers(&[("cookie", cookie)])),
            Err(Denied::NoSession),
            "{cookie}"
        );
    }
    assert_eq!(gate.session(&headers(&[("cookie", "a=b; entitled-4000=session; c=d")])), Ok(()));
}
