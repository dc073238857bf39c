//! From a request to the parameters of its method, for the client's customer; and what of the result the client sees.

use serde_json::{Map, Value};

use super::clients::Client;
use super::endpoints::{Endpoint, Narrowing, PARAMETERS, names_customer};
use super::problem::Problem;

/// The parameters as they are asked for.
pub(super) fn read(
    endpoint: &Endpoint,
    path: Vec<(&'static str, String)>,
    query: &str,
    body: Map<String, Value>,
) -> Result<Map<String, Value>, Problem> {
    let mut given = Map::new();
    for (name, value) in path {
        given.insert(name.to_owned(), Value::from(value));
    }
    for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
        if !endpoint.query.contains(&&*name) {
            return Err(Problem::bad(format!("unknown parameter `{}`", shown(&name))));
        }
        let value = typed(endpoint.method, &name, &value)?;
        if given.insert(name.to_string(), value).is_some() {
            return Err(Problem::bad(format!("`{name}` is given twice")));
        }
    }
    for (name, value) in body {
        let is_customer = ["customer", "customer_id"].contains(&name.as_str());
        if !is_customer && !endpoint.body.contains(&name.as_str()) {
            return Err(Problem::bad(format!("unknown member `{}`", shown(&name))));
        }
        given.insert(name, value);
    }
    Ok(given)
}

fn shown(name: &str) -> String {
    name.chars().filter(|it| !it.is_control()).take(64).collect()
}

/// A text of the query as the method takes it.
fn typed(method: &str, name: &str, text: &str) -> Result<Value, Problem> {
    let schema = PARAMETERS.get(method).and_then(|it| it.get(name));
    let is = |kind: &str| match schema.map(|it| &it["type"]) {
        Some(Value::String(one)) => one == kind,
        Some(Value::Array(several)) => several.iter().any(|it| it == kind),
        _ => false,
    };
    let wrong = |what: &str| Problem::bad(format!("`{name}` must be {what}"));
    if is("integer") {
        // As it is written in JSON: no sign, no leading zero.
        let number: u64 = text.parse().map_err(|_| wrong("a whole number"))?;
        return match number.to_string() == text {
            true => Ok(number.into()),
            false => Err(wrong("a whole number")),
        };
    }
    if is("boolean") {
        return text.parse::<bool>().map(Value::from).map_err(|_| wrong("true or false"));
    }
    Ok(text.into())
}

/// Holds parameters against what the client may ask for, and names its customer in them. `listed`: of all products the
/// result is narrowed afterwards.
pub(super) fn admit(
    client: &Client,
    method: &str,
    listed: bool,
    mut given: Map<String, Value>,
) -> Result<Map<String, Value>, Problem> {
    let own = client.customer.to_string();
    for name in ["customer", "customer_id"] {
        if given.remove(name).is_some_and(|it| it != own.as_str()) {
            return Err(Problem::forbidden("this client asks for another customer"));
        }
    }
    match given.get("product") {
        Some(product) if !client.may_ask_about(product.as_str().unwrap_or_default()) => {
            return Err(Problem::forbidden("this client may not ask about that product"));
        }
        None if !listed && !client.may_ask_about_all() && takes_product(method) => {
            return Err(Problem::forbidden("name a product that this client may ask about"));
        }
        _ => {}
    }
    if names_customer(method) {
        given.insert("customer".to_owned(), own.into());
    }
    Ok(given)
}

fn takes_product(method: &str) -> bool {
    PARAMETERS.get(method).is_some_and(|it| it.contains_key("product"))
}

/// Whether `narrow` would take anything away.
pub(super) fn narrows(client: &Client, narrowing: Narrowing) -> bool {
    match narrowing {
        Narrowing::Nothing => false,
        Narrowing::Products(_) | Narrowing::Seats => !client.may_ask_about_all(),
        Narrowing::Catalogue => true,
    }
}

/// Takes away from a list what is not the client's.
pub(super) fn narrow(client: &Client, narrowing: Narrowing, result: &mut Value) {
    let may_see = |it: &Value, key: &str| {
        client.may_ask_about_all() || client.may_ask_about(it[key].as_str().unwrap_or_default())
    };
    match narrowing {
        Narrowing::Nothing => {}
        Narrowing::Products(key) => retain(result, "items", |it| may_see(it, key)),
        Narrowing::Catalogue => {
            retain(result, "items", |it| may_see(it, "id"));
            for item in result.get_mut("items").and_then(Value::as_array_mut).into_iter().flatten()
            {
                let name = item["source"].as_str().and_then(|it| it.rsplit('/').next());
                item["source"] = name.map(str::to_owned).into();
            }
        }
        Narrowing::Seats => {
            for list in ["items", "pools", "holders"] {
                retain(result, list, |it| may_see(it, "product"));
            }
        }
    }
}

/// The narrowing of a method's result, whichever row asks it.
pub(super) fn narrowing_of(method: &str) -> Narrowing {
    let row = super::endpoints::ENDPOINTS.iter().find(|it| it.method == method);
    row.map_or(Narrowing::Nothing, |it| it.narrowing)
}

fn retain(result: &mut Value, list: &str, keep: impl Fn(&Value) -> bool) {
    if let Some(items) = result.get_mut(list).and_then(Value::as_array_mut) {
        items.retain(keep);
    }
}

#[cfg(test)]
mod tests;
