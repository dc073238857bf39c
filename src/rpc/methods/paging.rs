//! Pages of lists.

use crate::rpc::error::RpcError;
use crate::rpc::wire;

/// One page of `items`, for lists that are made whole. The cursor is the number of items before it.
pub(in crate::rpc) fn page<T>(
    items: Vec<T>,
    limit: Option<u64>,
    cursor: Option<&str>,
) -> Result<wire::Listed<T>, RpcError> {
    let (limit, start) = (page_size(limit)?, after(cursor)?.unwrap_or(0));
    let start = usize::try_from(start).unwrap_or(usize::MAX);
    let more = items.len() > start.saturating_add(limit);
    let items: Vec<T> = items.into_iter().skip(start).take(limit).collect();
    let next_cursor = more.then(|| (start + items.len()).to_string());
    Ok(wire::Listed { items, next_cursor })
}

/// A page whose cursor is the key of its last item. `items` holds one more than `limit` if there are more.
pub(super) fn page_by_key<T, R>(
    mut items: Vec<T>,
    limit: usize,
    key: impl Fn(&T) -> String,
    reply: impl Fn(T) -> R,
) -> wire::Listed<R> {
    let more = items.len() > limit;
    items.truncate(limit);
    let next_cursor = items.last().filter(|_| more).map(key);
    wire::Listed { items: items.into_iter().map(reply).collect(), next_cursor }
}

pub(super) fn page_size(limit: Option<u64>) -> Result<usize, RpcError> {
    match limit.unwrap_or(100) {
        limit @ 1..=1_000 => Ok(usize::try_from(limit).unwrap_or(1_000)),
        _ => Err(RpcError::invalid_params("`limit` must be between 1 and 1000")),
    }
}

pub(super) fn after<N: std::str::FromStr>(cursor: Option<&str>) -> Result<Option<N>, RpcError> {
    let read =
        |it: &str| it.parse().map_err(|_| RpcError::invalid_params("`cursor` is not one of ours"));
    cursor.map(read).transpose()
}
