//! An error and its causes in one text, for the log and for people. Each says what it was doing; together they are the
//! whole story.

use std::error::Error;

pub fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(it) = cause {
        text.push_str(": ");
        text.push_str(&it.to_string());
        cause = it.source();
    }
    text
}

#[cfg(test)]
mod tests;
