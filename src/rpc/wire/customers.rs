//! Changes to customers, as they are asked for.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use super::params::{Params, name_nobody, requests};
use entitled_core::domain::ids::CustomerId;

requests! {
    CustomerCreate {
        name: String,
        #[serde(default)] external_id: Option<String>,
        #[serde(default)] uids: Vec<u32>,
        #[serde(default)] metadata: BTreeMap<String, String>,
    }
    CustomerUpdate {
        #[schemars(with = "String")]
        customer: CustomerId,
        #[serde(default)] name: Option<String>,
        /// Empty to take it away.
        #[serde(default)] external_id: Option<String>,
        /// In place of all there are; not beside `add_uids` and `remove_uids`.
        #[serde(default)] uids: Option<Vec<u32>>,
        /// In place of all there is; not beside `metadata_changes`.
        #[serde(default)] metadata: Option<BTreeMap<String, String>>,
        #[serde(default)] active: Option<bool>,
        /// Keys to set, and those to take away with `null`; all others stay, whoever changes them at the same time.
        #[serde(default)] metadata_changes: Option<BTreeMap<String, Option<String>>>,
        /// Users it stands for from now on, beside those it has, whoever changes them at the same time.
        #[serde(default)] add_uids: Vec<u32>,
        /// Users it stands for no more; those it does not have are passed over.
        #[serde(default)] remove_uids: Vec<u32>,
    }
    CustomerDeactivate {
        #[schemars(with = "String")]
        customer: CustomerId,
    }
}

name_nobody!(CustomerCreate, CustomerUpdate, CustomerDeactivate);
