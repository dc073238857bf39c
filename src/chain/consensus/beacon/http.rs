//! A beacon node, or a web server with a mirror of its files.
//!
//! Owns: the connection. Asked by: `beacon`. Never: follows a redirect, or puts an address into an error.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use url::Url;

use super::{BODY, FOLDER, Query, SourceFault, UPDATES};
use crate::chain::endpoint::http_client::http_client;
use crate::web_address;

/// No longer than this for one request: updates of many periods are megabytes.
const TOTAL: Duration = Duration::from_secs(20);

pub(in crate::chain) struct Remote {
    client: reqwest::Client,
    base: Url,
    /// Found to be a mirror: asked for files from then on.
    is_mirror: AtomicBool,
}

impl Remote {
    /// # Errors
    /// When TLS cannot be set up.
    pub(in crate::chain) fn new(base: Url) -> Result<Self, reqwest::Error> {
        let client = http_client(web_address::is_loopback(&base), TOTAL)?;
        Ok(Self { client, base, is_mirror: AtomicBool::new(false) })
    }

    /// As a beacon node is asked; and where the answer is that there is no such thing, as a mirror is.
    pub(in crate::chain) async fn ask(&self, query: Query) -> Result<Vec<Vec<u8>>, SourceFault> {
        if self.is_mirror.load(Ordering::Relaxed) {
            return self.files(query).await;
        }
        let asked = self.get(self.question(query)).await;
        let Err(SourceFault::Absent | SourceFault::Status { .. }) = asked else {
            return asked.map(|it| vec![it]);
        };
        match self.files(query).await {
            Ok(pieces) => {
                self.is_mirror.store(true, Ordering::Relaxed);
                Ok(pieces)
            }
            Err(_) => asked.map(|it| vec![it]),
        }
    }

    async fn files(&self, query: Query) -> Result<Vec<Vec<u8>>, SourceFault> {
        let mut pieces = Vec::new();
        let mut left = BODY;
        for name in query.files() {
            match self.get(self.below(&name)).await {
                Ok(piece) if piece.len() <= left => {
                    left -= piece.len();
                    pieces.push(piece);
                }
                // What came already is enough for now.
                _ if !pieces.is_empty() => break,
                Ok(_) => return Err(SourceFault::TooLarge),
                Err(fault) => return Err(fault),
            }
        }
        Ok(pieces)
    }

    /// The address by which a beacon node is asked.
    fn question(&self, query: Query) -> Url {
        match query {
            Query::Bootstrap(root) => self.below(&format!("bootstrap/{root}")),
            Query::Finality => self.below("finality_update"),
            Query::Optimistic => self.below("optimistic_update"),
            Query::Updates { from, count } => {
                let mut url = self.below("updates");
                url.query_pairs_mut()
                    .append_pair("start_period", &from.to_string())
                    .append_pair("count", &count.min(UPDATES).to_string());
                url
            }
        }
    }

    /// An address below the base; path and query of the base may hold a key and stay.
    fn below(&self, name: &str) -> Url {
        let mut url = self.base.clone();
        url.set_path(&format!("{}/{FOLDER}/{name}", self.base.path().trim_end_matches('/')));
        url
    }

    async fn get(&self, url: Url) -> Result<Vec<u8>, SourceFault> {
        let request = self.client.get(url).header(::http::header::ACCEPT, "application/json");
        let mut response = request.send().await.map_err(|error| named(&error))?;
        let status = response.status().as_u16();
        if status == 404 {
            return Err(SourceFault::Absent);
        }
        if !(200..300).contains(&status) {
            return Err(SourceFault::Status { status });
        }
        let mut read = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| named(&error))? {
            if read.len() + chunk.len() > BODY {
                return Err(SourceFault::TooLarge);
            }
            read.extend_from_slice(&chunk);
        }
        Ok(read)
    }
}

/// Only the kind of failure: `reqwest` would name the address, which may hold a key.
fn named(error: &reqwest::Error) -> SourceFault {
    if error.is_timeout() {
        SourceFault::Timeout
    } else if error.is_connect() {
        SourceFault::Connect
    } else {
        SourceFault::Broken
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    /// Serves fixed answers by path and query; everything else is 404. Says what was asked for.
    async fn serving(
        pages: Vec<(&'static str, String)>,
    ) -> (Remote, std::sync::Arc<std::sync::Mutex<Vec<String>>>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let asked = std::sync::Arc::<std::sync::Mutex<Vec<String>>>::default();
        let noted = std::sync::Arc::clone(&asked);
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut request = vec![0_u8; 8192];
                let length = stream.read(&mut request).await.unwrap();
                let text = String::from_utf8_lossy(&request[..length]).into_owned();
                let path = text.split(' ').nth(1).unwrap_or_default().to_owned();
                let page = pages.iter().find(|(it, _)| *it == path).map(|(_, page)| page.clone());
                noted.lock().unwrap().push(path);
                let none = "HTTP/1.1 404 No\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
                let _ = stream.write_all(page.as_deref().unwrap_or(none).as_bytes()).await;
            }
        });
        let base = format!("http://127.0.0.1:{port}/KEY/?token=KEY").parse().unwrap();
        (Remote::new(base).unwrap(), asked)
    }

    fn page(body: &str) -> String {
        format!(
            "HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
            body.len()
        )
    }

    const FOLDER_THERE: &str = "/KEY/eth/v1/beacon/light_client";

    #[tokio::test]
    async fn a_beacon_node_is_asked_with_periods() {
        let path = "/KEY/eth/v1/beacon/light_client/updates?token=KEY&start_period=3&count=2";
        let (remote, asked) = serving(vec![(path, page("[1,2]"))]).await;
        let pieces = remote.ask(Query::Updates { from: 3, count: 2 }).await.unwrap();
        assert_eq!(pieces, [b"[1,2]"]);
        assert_eq!(asked.lock().unwrap().len(), 1);
    }

    #[tokio::test]
    async fn a_mirror_is_found_out_and_then_asked_for_files() {
        let (three, four) = (
            "/KEY/eth/v1/beacon/light_client/updates/3.json?token=KEY",
            "/KEY/eth/v1/beacon/light_client/updates/4.json?token=KEY",
        );
        let (remote, asked) = serving(vec![(three, page("3")), (four, page("4"))]).await;
        for _ in 0..2 {
            let pieces = remote.ask(Query::Updates { from: 3, count: 9 }).await.unwrap();
            assert_eq!(pieces, [b"3", b"4"]);
        }
        let asked = asked.lock().unwrap();
        let as_a_node = asked.iter().filter(|it| it.contains("start_period"));
        assert_eq!(as_a_node.count(), 1, "{asked:?}");
        assert!(asked.iter().all(|it| it.starts_with(FOLDER_THERE)), "{asked:?}");
    }

    #[tokio::test]
    async fn what_is_nowhere_is_absent() {
        let (remote, _) = serving(Vec::new()).await;
        assert_eq!(remote.ask(Query::Finality).await, Err(SourceFault::Absent));
    }

    #[tokio::test]
    async fn a_body_is_bounded_whatever_it_says_of_itself() {
        let mut endless = "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n".to_owned();
        endless.push_str(&" ".repeat(BODY + 1));
        let path = "/KEY/eth/v1/beacon/light_client/finality_update?token=KEY";
        let (remote, _) = serving(vec![(path, endless)]).await;
        assert_eq!(remote.ask(Query::Finality).await, Err(SourceFault::TooLarge));
    }

    #[tokio::test]
    async fn a_redirect_is_not_followed_and_an_error_names_no_address() {
        let to = "HTTP/1.1 302 There\r\nlocation: http://127.0.0.1:9/\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
        let path = "/KEY/eth/v1/beacon/light_client/finality_update?token=KEY";
        let (remote, _) = serving(vec![(path, to.to_owned())]).await;
        let fault = remote.ask(Query::Finality).await.unwrap_err();
        assert_eq!(fault, SourceFault::Status { status: 302 });
        assert!(!fault.to_string().contains("KEY"));
    }
}
