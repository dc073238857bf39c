//! Parameters as they come.

use serde::de::DeserializeOwned;

use crate::rpc::error::RpcError;
use entitled_core::domain::ids::{clip, clip_to};

/// Reads parameters by name or by position.
///
/// # Errors
/// `INVALID_PARAMS`, naming what is wrong.
pub(in crate::rpc) fn parse<P: DeserializeOwned>(params: Option<&str>) -> Result<P, RpcError> {
    let params = params.map(str::trim).filter(|it| !it.is_empty() && *it != "null");
    let text = params.unwrap_or("{}");
    serde_json::from_str(text).map_err(|error| wrong_params::<P>(text, &error))
}

/// Says which parameter is wrong. Reads once more, with an eye on the path: only who is wrong pays for it.
fn wrong_params<P: DeserializeOwned>(text: &str, error: &serde_json::Error) -> RpcError {
    let reader = &mut serde_json::Deserializer::from_str(text);
    let path = match serde_path_to_error::deserialize::<_, P>(reader) {
        Err(error) => error.path().to_string(),
        Ok(_) => String::new(),
    };
    // Where in the line says nothing to a caller: the parameters are a part of the request only.
    let said = error.to_string();
    let said = said.split(" at line ").next().unwrap_or_default();
    let said = clip_to(said, 300);
    RpcError::invalid_params(match path.trim_start_matches('.') {
        "" | "?" => said,
        path => format!("`{}`: {said}", clip(path)),
    })
}
