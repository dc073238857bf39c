//! Of how many connections others may have sent descriptors: of none where the kernel refuses them (`crate::sent_descriptors`).

use std::os::fd::AsFd;
use std::path::Path;

use crate::regular_file;
use crate::sent_descriptors::refuse;

/// So many of the connections that are accepted first may bring some, by which time they had connected.
pub(super) fn connections_before_refusal(listener: &impl AsFd, is_of_others: bool) -> usize {
    match (refuse(listener), is_of_others) {
        (false, _) => {
            tracing::info!(
                "this kernel (before 6.16) lets others send us descriptors: each connection is guarded"
            );
            usize::MAX
        }
        (true, true) => longest_queue(),
        (true, false) => 0,
    }
}

/// How many connections may wait to be accepted: one more than the kernel lets anybody ask for.
fn longest_queue() -> usize {
    let most = regular_file::read_text(Path::new("/proc/sys/net/core/somaxconn"), 64).ok();
    let most = most.and_then(|it| it.trim().parse().ok());
    most.unwrap_or(usize::from(u16::MAX)).saturating_add(1)
}
