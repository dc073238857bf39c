//! What a compiled contract can be asked, and questions to ask it: each function that changes nothing, with
//! arguments that are there, that are not, and at the edges of their types.

use alloy_dyn_abi::{DynSolType, DynSolValue};
use alloy_primitives::{Address, B256, Bytes, I256, U256, keccak256};
use serde_json::Value;

use crate::support::tests_dir;

/// Combinations of arguments for all functions of a contract together, and for one of them; taken evenly from
/// all there are.
const OF_ALL: usize = 160;
const OF_ONE: std::ops::RangeInclusive<usize> = 3..=24;

/// A compiled contract of `tests/contracts`.
pub struct Artifact {
    pub name: String,
    pub json: Value,
}

/// A function of a contract.
pub struct Function {
    pub name: String,
    selector: [u8; 4],
    inputs: Vec<DynSolType>,
    pub changes_nothing: bool,
}

/// Values that mean something in the scene the contracts were put in.
pub struct Scene {
    pub addresses: Vec<Address>,
    pub numbers: Vec<U256>,
    pub texts: Vec<Bytes>,
}

impl Artifact {
    /// All there are, in order of their names.
    pub fn all() -> Vec<Self> {
        let folder = tests_dir().join("contracts/out");
        let files = std::fs::read_dir(&folder)
            .unwrap_or_else(|it| panic!("{}: {it}: run `make prepare`", folder.display()));
        let mut all: Vec<Self> = files
            .map(|it| it.unwrap().path())
            .filter(|it| it.extension().is_some_and(|it| it == "json"))
            .map(|path| Self {
                name: path.file_stem().unwrap().to_str().unwrap().to_owned(),
                json: serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap(),
            })
            .collect();
        all.sort_by(|left, right| left.name.cmp(&right.name));
        assert!(!all.is_empty(), "{} is empty: run `make prepare`", folder.display());
        all
    }

    fn entries(&self, kind: &str) -> impl Iterator<Item = &Value> {
        let kind = kind.to_owned();
        self.json["abi"].as_array().unwrap().iter().filter(move |it| it["type"] == *kind)
    }

    pub fn functions(&self) -> Vec<Function> {
        self.entries("function").map(Function::new).collect()
    }

    /// The types of the constructor's arguments.
    pub fn constructor(&self) -> Vec<DynSolType> {
        self.entries("constructor").next().map(inputs).unwrap_or_default()
    }
}

fn inputs(entry: &Value) -> Vec<DynSolType> {
    let name = |it: &Value| DynSolType::parse(&type_name(it)).unwrap();
    entry["inputs"].as_array().unwrap().iter().map(name).collect()
}

/// As signatures write it: structs as tuples.
fn type_name(input: &Value) -> String {
    let kind = input["type"].as_str().unwrap();
    let Some(array) = kind.strip_prefix("tuple") else { return kind.to_owned() };
    let parts: Vec<String> =
        input["components"].as_array().unwrap().iter().map(type_name).collect();
    format!("({}){array}", parts.join(","))
}

impl Function {
    fn new(entry: &Value) -> Self {
        let name = entry["name"].as_str().unwrap().to_owned();
        let types: Vec<String> =
            entry["inputs"].as_array().unwrap().iter().map(type_name).collect();
        let hash = keccak256(format!("{name}({})", types.join(",")));
        Self {
            selector: hash[..4].try_into().unwrap(),
            inputs: inputs(entry),
            changes_nothing: ["view", "pure"].map(Value::from).contains(&entry["stateMutability"]),
            name,
        }
    }

    /// The function of this signature, whether a contract has it or not.
    pub fn of(signature: &str) -> Self {
        let (name, types) = signature.split_once('(').unwrap();
        let types = DynSolType::parse(&format!("({types}")).unwrap();
        let DynSolType::Tuple(inputs) = types else { panic!("{signature} has no arguments") };
        let selector = keccak256(signature)[..4].try_into().unwrap();
        Self { name: name.to_owned(), selector, inputs, changes_nothing: true }
    }

    pub fn call(&self, arguments: Vec<DynSolValue>) -> Bytes {
        let arguments = DynSolValue::Tuple(arguments).abi_encode_params();
        [self.selector.as_slice(), &arguments].concat().into()
    }

    /// Calls with arguments that fit, and some that do not. `functions`: how many the contract has.
    pub fn questions(&self, scene: &Scene, functions: usize) -> Vec<Bytes> {
        let most = (OF_ALL / functions.max(1)).clamp(*OF_ONE.start(), *OF_ONE.end());
        let choices: Vec<Vec<DynSolValue>> =
            self.inputs.iter().map(|it| scene.values(it)).collect();
        let all: usize = choices.iter().map(Vec::len).product();
        // A stride that shares no factor with the sizes goes through all arguments of each.
        let stride = (all / most).max(1) | 1;
        let picked = (0..all.min(most)).map(|it| (it * stride) % all);
        let mut questions: Vec<Bytes> = picked
            .map(|mut which| {
                let argument = |choice: &Vec<DynSolValue>| {
                    let value = choice[which % choice.len()].clone();
                    which /= choice.len();
                    value
                };
                self.call(choices.iter().map(argument).collect())
            })
            .collect();
        if let Some(first) = questions.first().filter(|it| it.len() > 4).cloned() {
            let dirty = [&first[..4], &[0xff; 32], first.get(36..).unwrap_or_default()].concat();
            let (short, long) = (first.slice(..first.len() - 1), [&first[..], &[1; 7]].concat());
            questions.extend([dirty.into(), short, long.into()]);
        }
        questions
    }
}

impl Scene {
    /// Some values of a type: those that mean something here, and the type's edges.
    pub fn values(&self, kind: &DynSolType) -> Vec<DynSolValue> {
        match kind {
            DynSolType::Address => self.addresses.iter().map(|it| (*it).into()).collect(),
            DynSolType::Bool => vec![false.into(), true.into()],
            DynSolType::Uint(bits) => {
                let most = U256::MAX >> (256 - bits);
                let numbers = self.numbers.iter().copied().filter(|it| *it <= most).chain([most]);
                numbers.map(|it| DynSolValue::Uint(it, *bits)).collect()
            }
            DynSolType::Int(bits) => {
                let ends = [U256::ZERO, U256::from(7), U256::MAX];
                ends.map(|it| DynSolValue::Int(I256::from_raw(it), *bits)).to_vec()
            }
            DynSolType::FixedBytes(4) => ["80ac58cd", "780e9d63", "01ffc9a7", "ffffffff"]
                .map(|it| DynSolValue::FixedBytes(left_word(it), 4))
                .to_vec(),
            DynSolType::FixedBytes(size) => {
                let words = [B256::ZERO, B256::with_last_byte(7), B256::repeat_byte(0xff)];
                words.map(|it| DynSolValue::FixedBytes(it, *size)).to_vec()
            }
            DynSolType::Bytes => {
                self.texts.iter().map(|it| DynSolValue::Bytes(it.to_vec())).collect()
            }
            DynSolType::String => ["", "pro"].map(|it| DynSolValue::String(it.to_owned())).to_vec(),
            DynSolType::Array(of) => {
                let values = self.values(of);
                vec![DynSolValue::Array(Vec::new()), DynSolValue::Array(values)]
            }
            DynSolType::FixedArray(of, size) => self
                .values(of)
                .into_iter()
                .map(|it| DynSolValue::FixedArray(vec![it; *size]))
                .collect(),
            DynSolType::Tuple(parts) => {
                let each: Vec<Vec<DynSolValue>> = parts.iter().map(|it| self.values(it)).collect();
                let most = each.iter().map(Vec::len).max().unwrap_or(0);
                let nth = |n: usize| each.iter().map(|it| it[n % it.len()].clone()).collect();
                (0..most).map(|n| DynSolValue::Tuple(nth(n))).collect()
            }
            other => panic!("no values of {other}"),
        }
    }
}

fn left_word(hex: &str) -> B256 {
    format!("0x{hex:0<64}").parse().unwrap()
}
