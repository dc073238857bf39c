//! Tells somebody for whom there is no place why, so that it can be read.
//!
//! Whoever connects writes a request next, and reads after that. A socket closed at once would have that write fail
//! (EPIPE), and the reason lie unread. So what was sent is read first, then answered in the way it was asked, and then
//! the connection is closed. Bounded: a second for each step, and so many at a time as the caller of this allows.

use std::time::Duration;

use tokio::io::AsyncWriteExt;

use super::connection::first_bytes;
use super::linger::linger;
use super::scan;
use super::stream::Stream;
use crate::rpc::call::envelope::{self, Fault};

/// How long each step may take.
const STEP: Duration = Duration::from_secs(1);
/// How deep a request may nest for its id to be looked for.
const DEPTH: usize = 64;

/// Reads what was sent, answers `fault`, and closes.
pub(in crate::rpc) async fn turn_away(mut io: Stream, fault: Fault) {
    let asked = tokio::time::timeout(STEP, first_bytes(&mut io)).await.ok().flatten();
    let answer = answer(asked.as_deref().unwrap_or_default(), &fault);
    // Whatever comes of it, the connection ends here.
    let _ = tokio::time::timeout(STEP, async {
        io.write_all(&answer).await?;
        io.shutdown().await
    })
    .await;
    linger(&mut io).await;
}

/// The fault as who sent `asked` understands it.
fn answer(asked: &[u8], fault: &Fault) -> Vec<u8> {
    if asked.starts_with(b"PRI ") {
        return going_away(&fault.line());
    }
    if asked.first().is_some_and(u8::is_ascii_alphabetic) {
        let line = fault.line();
        let head = format!(
            "HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json\r\n\
             content-length: {}\r\nconnection: close\r\n\r\n",
            line.len()
        );
        return [head.as_bytes(), &line].concat();
    }
    let text = scan::only_frame(asked, DEPTH).ok().and_then(|it| std::str::from_utf8(it).ok());
    let id = text.and_then(|it| envelope::read(it).ok()).and_then(|it| it.id);
    let mut line = Vec::with_capacity(256);
    fault.write(id, &mut line);
    line.push(b'\n');
    line
}

/// HTTP/2: our (empty) settings, and GOAWAY with ENHANCE_YOUR_CALM and the reason (RFC 9113, 6.8).
fn going_away(reason: &[u8]) -> Vec<u8> {
    let length = u8::try_from(reason.len().min(240)).unwrap_or(u8::MAX);
    let mut frames = vec![0, 0, 0, 4, 0, 0, 0, 0, 0];
    frames.extend([0, 0, 8 + length, 7, 0, 0, 0, 0, 0]);
    frames.extend([0, 0, 0, 0, 0, 0, 0, 0x0b]);
    frames.extend(reason.iter().take(usize::from(length)));
    frames
}

#[cfg(test)]
mod tests;
