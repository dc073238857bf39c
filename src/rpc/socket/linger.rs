//! Reading on before a connection is closed, so that what was said last is read.

use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt};

/// How long is read on.
const LONGEST: Duration = Duration::from_secs(1);
/// How much is read of what nobody will answer.
const MOST: u64 = 1024 * 1024;

/// Goes on reading for a while, so that the other side, which may still be writing, comes to read what was said.
pub(in crate::rpc) async fn linger(io: &mut (impl AsyncRead + Unpin)) {
    let mut rest = io.take(MOST);
    let _ = tokio::time::timeout(LONGEST, tokio::io::copy(&mut rest, &mut tokio::io::sink())).await;
}
