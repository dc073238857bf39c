//! What a verdict was asked about, and whether one answers that.

use serde::Serialize;
use serde_json::Value;

use crate::error::ClientError;
use crate::exchange::require_product;
use crate::verdict::{Code, Feature, Verdict};

/// What parameters of `entitlement_check` or `entitlement_subscribe` name.
#[derive(Debug, Default)]
pub(super) struct Asked {
    product: Option<String>,
    feature: Option<String>,
    publisher: Option<String>,
}

impl Asked {
    pub(super) fn in_params<P: Serialize + ?Sized>(params: &P) -> Self {
        let params = serde_json::to_value(params).unwrap_or_default();
        let named = |it: &str| params.get(it).and_then(|it| it.as_str()).map(str::to_owned);
        Self { product: named("product"), feature: named("feature"), publisher: named("publisher") }
    }

    pub(super) fn product(product: &str) -> Self {
        Self { product: Some(product.to_owned()), ..Self::default() }
    }

    /// An answer about something else is none: neither a yes nor a no. A yes also has to be one to the feature and of the
    /// publisher that were named; a no may say of neither.
    pub(super) fn require(&self, verdict: &Verdict) -> Result<(), ClientError> {
        require_product(&verdict.product, self.product.as_deref())?;
        if !verdict.valid || verdict.code == Code::Undetermined {
            return Ok(());
        }
        let is_in = |name: &String| {
            let value = verdict.features.get(name);
            value
                .is_some_and(|it| !matches!(it, Feature::Flag(false) | Feature::Other(Value::Null)))
        };
        if !self.feature.as_ref().is_none_or(is_in) {
            return Err(ClientError::protocol("the answer is not about the feature asked for"));
        }
        if self.publisher.is_some() && verdict.publisher != self.publisher {
            return Err(ClientError::protocol("the answer rests on another publisher's word"));
        }
        Ok(())
    }
}
