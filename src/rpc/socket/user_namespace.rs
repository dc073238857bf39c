//! Which users the daemon can tell apart (user_namespaces(7)): in a user namespace the kernel names all who are not mapped by
//! one number, the overflow uid.

use std::fs;
use std::io::ErrorKind;
use std::sync::LazyLock;

const MAP: &str = "/proc/self/uid_map";
const OVERFLOW: &str = "/proc/sys/kernel/overflowuid";
/// What the overflow uid is where the kernel does not say.
const USUAL: u32 = 65_534;
/// All uids there are: the last number is none.
const ALL: u64 = u32::MAX as u64;

/// The uid that stands for more users than one. `None` where each has one of their own. Who it was once stays so: a map is
/// written once, and before anybody mapped could come.
pub(super) fn shared_uid() -> Option<u32> {
    static SHARED: LazyLock<Option<u32>> = LazyLock::new(read);
    *SHARED
}

fn read() -> Option<u32> {
    let map = match fs::read_to_string(MAP) {
        Ok(map) => map,
        // A kernel without user namespaces.
        Err(error)
            if error.kind() == ErrorKind::NotFound && fs::exists(OVERFLOW).is_ok_and(|it| it) =>
        {
            return None;
        }
        Err(_) => String::new(),
    };
    let overflow = fs::read_to_string(OVERFLOW).ok().and_then(|it| it.trim().parse().ok());
    let shared = shared(&map, overflow.unwrap_or(USUAL));
    if let Some(uid) = shared {
        tracing::info!(uid, "in a user namespace: users who are not mapped cannot be told apart");
    }
    shared
}

/// By the lines of a map: the first uid here, the first outside, and how many.
fn shared(map: &str, overflow: u32) -> Option<u32> {
    let counts = map.lines().filter_map(|it| it.split_whitespace().nth(2)?.parse::<u64>().ok());
    (counts.sum::<u64>() < ALL).then_some(overflow)
}

#[cfg(test)]
mod tests;
