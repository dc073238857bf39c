//! Answer pages, as they are asked for and handed over.

use jsonrpsee::Extensions;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::params::Params;
use crate::rpc::call::enclosure::Enclosure;
use entitled_core::domain::ids::ProductId;
use entitled_core::domain::publisher::PublisherKey;

#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EntitlementPage {
    #[schemars(with = "String")]
    pub product: ProductId,
    /// Also require this feature.
    #[serde(default)]
    pub feature: Option<String>,
    /// The minisign public key that must have signed the product's file.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub publisher: Option<PublisherKey>,
    /// How long to wait for the chain before the reply, in milliseconds: 0 to 30,000; 2,000 if absent.
    #[serde(default)]
    pub wait_ms: Option<u64>,
    #[serde(skip)]
    #[schemars(skip)]
    pub(in crate::rpc) enclosure: Option<Enclosure>,
}

impl Params for EntitlementPage {
    fn meet(&mut self, extensions: &Extensions) {
        self.enclosure = extensions.get::<Enclosure>().cloned();
    }
}

#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EntitlementRevisions {
    #[serde(skip)]
    #[schemars(skip)]
    pub(in crate::rpc) enclosure: Option<Enclosure>,
}

impl Params for EntitlementRevisions {
    fn meet(&mut self, extensions: &Extensions) {
        self.enclosure = extensions.get::<Enclosure>().cloned();
    }
}

/// How a page of revisions is read.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct RevisionPage {
    /// For no longer does a revision hold by itself, in milliseconds.
    pub lease_ms: u64,
    /// Whether the page's descriptor came with this reply, as `SCM_RIGHTS`; only with the first on a connection.
    pub descriptor: bool,
}

/// Where in a page an answer stands.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct AnswerPage {
    /// The slot of the page: it begins at 16 times this.
    pub slot: u64,
    /// What the slot has to name.
    pub generation: u32,
    /// For no longer does an answer hold by itself, in milliseconds.
    pub lease_ms: u64,
    /// Whether the page's descriptor came with this reply, as `SCM_RIGHTS`; only with the first on a connection.
    pub descriptor: bool,
}
