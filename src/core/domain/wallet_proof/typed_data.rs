//! EIP-712 typed data, in the JSON form wallets know as `eth_signTypedData_v4`.
//!
//! The hash itself is `alloy-dyn-abi`'s. Before it is asked, everything is refused that would make it
//! work without end, or that would let a signature seem to cover what it does not: a field that the
//! types do not mention, a domain whose declared type differs from what it holds.

use std::collections::{BTreeMap, BTreeSet};

use alloy_dyn_abi::{DynSolType, TypedData};
use alloy_primitives::B256;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::domain::ids::clip;

/// The longest typed data accepted, in bytes of JSON.
pub const TYPED_DATA_LIMIT: usize = 64 * 1024;

const DEPTH_LIMIT: usize = 32;
/// Values in the whole document. With the limit on types, the worst document makes some 8 MiB to hash.
const VALUES_LIMIT: usize = 2_048;
const TYPES_LIMIT: usize = 64;
const TYPES_LENGTH_LIMIT: usize = 8 * 1024;
/// Structs times bytes of `types`: every struct value has the text of its type put together and hashed once more.
/// Wide enough for two hundred structs of what exchanges sign, and some milliseconds of work.
const TYPE_WORK_LIMIT: usize = 512 * 1024;
/// Fields after all structs have been written out in the place of their names.
const EXPANDED_LIMIT: usize = 2_048;
const NAME_LIMIT: usize = 128;
const ARRAY_LIMIT: usize = 4;

const DOMAIN: &str = "EIP712Domain";

/// The fields a domain may have, in the order and with the types the EIP gives.
const DOMAIN_FIELDS: [(&str, &str); 5] = [
    ("name", "string"),
    ("version", "string"),
    ("chainId", "uint256"),
    ("verifyingContract", "address"),
    ("salt", "bytes32"),
];

/// Why typed data cannot be hashed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TypedDataFault {
    #[error("the typed data is too large: at most {limit} {what}")]
    TooLarge { what: &'static str, limit: usize },
    #[error(
        "the typed data is not an object of exactly `types`, `primaryType`, `domain` and `message`"
    )]
    Shape,
    #[error("the typed data's `{part}` is not of the form the EIP describes")]
    Part { part: &'static str },
    #[error("`{name}` cannot be the name or type of a field, or the name of a struct")]
    Name { name: String },
    #[error("the type `{name}` is not defined")]
    Undefined { name: String },
    #[error("the type `{name}` contains itself")]
    Cycle { name: String },
    #[error(
        "`types.EIP712Domain` must list exactly the fields that `domain` has, in the order and with the types of EIP-712: {wanted}"
    )]
    Domain { wanted: String },
    #[error("`{name}` is not in the type, so the signature would not cover it")]
    Uncovered { name: String },
    #[error("a value does not fit its type: {why}")]
    Value { why: String },
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Field {
    name: String,
    #[serde(rename = "type")]
    kind: String,
}

type Types = BTreeMap<String, Vec<Field>>;

/// The hash a wallet signs: `keccak256(0x1901 ‖ domainSeparator ‖ hashStruct(message))`.
///
/// # Errors
/// [`TypedDataFault`]. Recursive struct types are refused, though the EIP allows them.
pub fn typed_data_hash(json: &Value) -> Result<B256, TypedDataFault> {
    check_size(json)?;
    let object = json.as_object().ok_or(TypedDataFault::Shape)?;
    let part = |name| object.get(name).ok_or(TypedDataFault::Shape);
    if object.len() != 4 {
        return Err(TypedDataFault::Shape);
    }
    let types = read_types(part("types")?)?;
    let wrong = |part| TypedDataFault::Part { part };
    let primary = part("primaryType")?.as_str().ok_or_else(|| wrong("primaryType"))?;
    let domain = part("domain")?.as_object().ok_or_else(|| wrong("domain"))?;
    // A message of the domain's own type would not be hashed at all.
    if primary == DOMAIN {
        return Err(wrong("primaryType"));
    }
    check_domain(&types, domain)?;
    expanded_size(&types, primary, &mut BTreeMap::new(), &mut Vec::new())?;
    check_covered(&types, primary, part("message")?)?;
    let structs = 1 + count_structs(&types, primary, part("message")?);
    if structs.saturating_mul(part("types")?.to_string().len()) > TYPE_WORK_LIMIT {
        let what = "bytes of types, counted once for each struct";
        return Err(TypedDataFault::TooLarge { what, limit: TYPE_WORK_LIMIT });
    }

    let refused = |it: String| TypedDataFault::Value { why: clip(&it) };
    let typed = TypedData::deserialize(json).map_err(|error| refused(error.to_string()))?;
    typed.eip712_signing_hash().map_err(|error| refused(error.to_string()))
}

fn check_size(json: &Value) -> Result<(), TypedDataFault> {
    let too_large = |what, limit| Err(TypedDataFault::TooLarge { what, limit });
    let mut values = 0;
    let mut level = vec![json];
    for _ in 0..DEPTH_LIMIT {
        values += level.len();
        if values > VALUES_LIMIT {
            return too_large("values", VALUES_LIMIT);
        }
        level = level.into_iter().flat_map(children).collect();
        if level.is_empty() {
            // Written out only now, when it is known to be shallow.
            return match json.to_string().len() > TYPED_DATA_LIMIT {
                true => too_large("bytes", TYPED_DATA_LIMIT),
                false => Ok(()),
            };
        }
    }
    too_large("levels", DEPTH_LIMIT)
}

fn children(value: &Value) -> Vec<&Value> {
    match value {
        Value::Array(items) => items.iter().collect(),
        Value::Object(fields) => fields.values().collect(),
        _ => Vec::new(),
    }
}

fn read_types(json: &Value) -> Result<Types, TypedDataFault> {
    if json.to_string().len() > TYPES_LENGTH_LIMIT {
        let limit = TYPES_LENGTH_LIMIT;
        return Err(TypedDataFault::TooLarge { what: "bytes of types", limit });
    }
    let types = Types::deserialize(json).map_err(|_| TypedDataFault::Part { part: "types" })?;
    if types.len() > TYPES_LIMIT {
        return Err(TypedDataFault::TooLarge { what: "types", limit: TYPES_LIMIT });
    }
    for (name, fields) in &types {
        // A struct called `uint256` would be taken for one thing here and another there.
        check_name(name, is_identifier(name) && DynSolType::parse(name).is_err())?;
        let mut seen = BTreeSet::new();
        for field in fields {
            let once = seen.insert(field.name.as_str());
            check_name(&field.name, is_identifier(&field.name) && once)?;
            check_name(&field.kind, split_arrays(&field.kind).is_some())?;
        }
    }
    Ok(types)
}

fn check_name(name: &str, fits: bool) -> Result<(), TypedDataFault> {
    if fits { Ok(()) } else { Err(TypedDataFault::Name { name: clip(name) }) }
}

fn is_identifier(text: &str) -> bool {
    text.len() <= NAME_LIMIT
        && text.starts_with(|it: char| it.is_ascii_alphabetic() || it == '_' || it == '$')
        && text.bytes().all(|it| it.is_ascii_alphanumeric() || it == b'_' || it == b'$')
}

/// `Person[2][]` is the root `Person` and two dimensions.
fn split_arrays(kind: &str) -> Option<(&str, usize)> {
    let root = kind.split('[').next()?;
    let mut rest = kind.get(root.len()..)?;
    let mut dimensions = 0;
    while !rest.is_empty() {
        let (length, after) = rest.strip_prefix('[')?.split_once(']')?;
        let fits = length.len() <= 5 && length.bytes().all(|it| it.is_ascii_digit());
        dimensions += 1;
        if !fits || length.starts_with('0') || dimensions > ARRAY_LIMIT {
            return None;
        }
        rest = after;
    }
    is_identifier(root).then_some((root, dimensions))
}

fn check_domain(types: &Types, domain: &Map<String, Value>) -> Result<(), TypedDataFault> {
    let present: Vec<(&str, &str)> =
        DOMAIN_FIELDS.into_iter().filter(|(name, _)| domain.contains_key(*name)).collect();
    let declared = types.get(DOMAIN).map(Vec::as_slice).unwrap_or_default();
    let declared = declared.iter().map(|it| (it.name.as_str(), it.kind.as_str()));
    let is_known = present.len() == domain.len() && !domain.values().any(Value::is_null);
    if is_known && types.contains_key(DOMAIN) && declared.eq(present.iter().copied()) {
        return Ok(());
    }
    let wanted: Vec<String> =
        DOMAIN_FIELDS.iter().map(|(name, kind)| format!("{kind} {name}")).collect();
    Err(TypedDataFault::Domain { wanted: wanted.join(", ") })
}

/// How many fields `name` has once its structs are written out in place. Twenty structs of two fields
/// each can stand for a million.
fn expanded_size<'a>(
    types: &'a Types,
    name: &'a str,
    known: &mut BTreeMap<&'a str, usize>,
    path: &mut Vec<&'a str>,
) -> Result<usize, TypedDataFault> {
    if let Some(size) = known.get(name) {
        return Ok(*size);
    }
    let Some(fields) = types.get(name) else {
        return match DynSolType::parse(name) {
            Ok(_) if !path.is_empty() => Ok(1),
            _ => Err(TypedDataFault::Undefined { name: clip(name) }),
        };
    };
    if path.contains(&name) {
        return Err(TypedDataFault::Cycle { name: clip(name) });
    }
    if path.len() >= DEPTH_LIMIT {
        return Err(TypedDataFault::TooLarge { what: "levels", limit: DEPTH_LIMIT });
    }
    path.push(name);
    let mut size = 1_usize;
    for field in fields {
        let (root, dimensions) = split_arrays(&field.kind).unwrap_or((field.kind.as_str(), 0));
        let inner = expanded_size(types, root, known, path)?;
        size = size.saturating_add(inner).saturating_add(dimensions);
    }
    path.pop();
    if size > EXPANDED_LIMIT {
        return Err(TypedDataFault::TooLarge { what: "fields", limit: EXPANDED_LIMIT });
    }
    known.insert(name, size);
    Ok(size)
}

/// Whether the types mention every field of the message. Values that do not fit at all are left to the
/// hash, which refuses them. The depth is bounded by [`check_size`].
fn check_covered(types: &Types, kind: &str, value: &Value) -> Result<(), TypedDataFault> {
    let root = kind.split('[').next().unwrap_or_default();
    match (types.get(root), value) {
        (Some(_), Value::Array(items)) => {
            items.iter().try_for_each(|it| check_covered(types, root, it))
        }
        (Some(fields), Value::Object(members)) => members.iter().try_for_each(|(name, member)| {
            match fields.iter().find(|it| it.name == *name) {
                Some(field) => check_covered(types, &field.kind, member),
                None => Err(TypedDataFault::Uncovered { name: clip(name) }),
            }
        }),
        _ => Ok(()),
    }
}

/// How many structs have to be hashed for `value`.
fn count_structs(types: &Types, kind: &str, value: &Value) -> usize {
    let root = kind.split('[').next().unwrap_or_default();
    match (types.get(root), value) {
        (Some(_), Value::Array(items)) => {
            items.iter().map(|it| count_structs(types, root, it)).sum()
        }
        (Some(fields), Value::Object(members)) => {
            let inside = |it: &Field| {
                members.get(&it.name).map_or(0, |value| count_structs(types, &it.kind, value))
            };
            1 + fields.iter().map(inside).sum::<usize>()
        }
        _ => 0,
    }
}

#[cfg(test)]
mod tests;
