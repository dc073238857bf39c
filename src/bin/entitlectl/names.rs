//! Names where ids are: `bob` or `1002` for a Unix user, `"Acme AG"` for a customer, `"Acme CAD"` for a product.
//!
//! An id always means itself. A name that means several things is refused with all of them.

use entitled_core::domain::ids::{CustomerId, ProductId};
use nix::unistd::User;
use serde_json::Value;

use crate::exit::Failure;
use crate::session::{self, Question, Session};
use crate::tables;

/// The question with ids in the place of names; nothing where it names none.
pub(crate) fn resolved(
    session: &Session,
    question: &Question,
) -> Result<Option<Question>, Failure> {
    let customer = question.text("customer").filter(|it| it.parse::<CustomerId>().is_err());
    let product = question.text("product").filter(|it| it.parse::<ProductId>().is_err());
    if customer.is_none() && product.is_none() {
        return Ok(None);
    }
    let mut resolved = question.clone();
    if let Some(name) = customer {
        let all = list(session, Question::admin("customer_list"))?;
        resolved = resolved.with("customer", &customer_of(&all, &name, uid_of(&name))?)?;
    }
    if let Some(name) = product {
        let all = list(session, Question::new("product_list"))?;
        resolved = resolved.with("product", &product_of(&all, &name)?)?;
    }
    Ok(Some(resolved))
}

fn list(session: &Session, question: Question) -> Result<Vec<Value>, Failure> {
    let method = question.method;
    let mut items = Vec::new();
    for page in session.ask_all_as_is(question)? {
        items.extend(tables::items(session::read(method, &page)?));
    }
    Ok(items)
}

/// Reads a Unix user, by its name or its number.
pub(crate) fn parse_uid(text: &str) -> Result<u32, String> {
    uid_of(text).ok_or_else(|| format!("there is no Unix user `{text}`"))
}

/// The customer who stands for a Unix user.
pub(crate) fn customer_with(session: &Session, uid: u32) -> Result<String, Failure> {
    Ok(standing_for(&list(session, Question::admin("customer_list"))?, uid))
}

/// The Unix user of a name or number on this machine.
fn uid_of(name: &str) -> Option<u32> {
    let named = || User::from_name(name).ok().flatten().map(|it| it.uid.as_raw());
    name.parse().ok().or_else(named)
}

/// A customer by its name or its name in others' books, or else the one who stands for a Unix user.
fn customer_of(all: &[Value], name: &str, uid: Option<u32>) -> Result<String, Failure> {
    let is = |it: &&Value, key: &str| tables::text(it, key).eq_ignore_ascii_case(name);
    let named: Vec<_> = all.iter().filter(|it| is(it, "name") || is(it, "external_id")).collect();
    match (&named[..], uid) {
        ([one], _) => return Ok(tables::text(one, "id").to_owned()),
        ([], Some(uid)) => return Ok(standing_for(all, uid)),
        ([], None) => {}
        (many, _) => {
            let ids: Vec<_> = many.iter().map(|it| tables::text(it, "id")).collect();
            return Err(Failure::Usage(format!(
                "several customers are called `{name}`: say which, {}",
                ids.join(" or ")
            )));
        }
    }
    Err(Failure::Unknown(format!(
        "there is no customer and no Unix user `{name}`; `entitlectl customer list` shows all customers"
    )))
}

fn standing_for(all: &[Value], uid: u32) -> String {
    let stands = |it: &&Value| {
        let uids = tables::field(it, "uids").as_array();
        uids.is_some_and(|uids| uids.iter().any(|it| it.as_u64() == Some(uid.into())))
    };
    match all.iter().find(stands) {
        Some(customer) => tables::text(customer, "id").to_owned(),
        None => format!("uid:{uid}"),
    }
}

fn product_of(all: &[Value], name: &str) -> Result<String, Failure> {
    let named: Vec<_> =
        all.iter().filter(|it| tables::text(it, "name").eq_ignore_ascii_case(name)).collect();
    match &named[..] {
        [one] => Ok(tables::text(one, "id").to_owned()),
        [] => Err(Failure::Unknown(format!(
            "no product is called `{name}`; `entitlectl product list` shows all products"
        ))),
        many => {
            let ids: Vec<_> = many.iter().map(|it| tables::text(it, "id")).collect();
            Err(Failure::Usage(format!(
                "several products are called `{name}`: say which, {}",
                ids.join(" or ")
            )))
        }
    }
}

#[cfg(test)]
mod tests;
