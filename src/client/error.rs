//! Why an answer could not be had.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;

use crate::error_code::ErrorCode;

/// No answer, and why. None of these says that the caller is not entitled.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Nobody answers at the socket, or the connection broke off.
    #[error("the daemon cannot be reached at {}", path.display())]
    Unreachable { path: PathBuf, source: io::Error },

    /// Somebody answers at the socket who is neither root, nor the caller, nor the owner of its directory.
    #[error(
        "{} is served by uid {uid}, who is neither root, nor you, nor the owner of its directory",
        path.display()
    )]
    Untrusted { path: PathBuf, uid: u32 },

    /// The daemon understood and declined, with a code of JSON-RPC 2.0 or of its own.
    #[error("{message}")]
    Refused {
        code: i64,
        message: String,
        /// `{"code": "NOT_FOUND", "detail": "…", "help": "…"}`, where the daemon gave it.
        data: Option<Value>,
    },

    #[error("the daemon did not answer within {after:?}")]
    Timeout { after: Duration },

    /// What was said is not JSON-RPC 2.0, or not an answer to what was asked.
    #[error("the conversation with the daemon failed: {reason}")]
    Protocol { reason: &'static str, source: Option<serde_json::Error> },
}

impl ClientError {
    pub(super) fn protocol(reason: &'static str) -> Self {
        Self::Protocol { reason, source: None }
    }

    /// Which refusal it is; `None` for what is none, and for a code that this version of the client does not know.
    pub fn code(&self) -> Option<ErrorCode> {
        match self {
            Self::Refused { code, .. } => ErrorCode::of_number(*code),
            _ => None,
        }
    }

    /// The name of a refusal, such as `NOT_FOUND`.
    pub fn name(&self) -> Option<&str> {
        self.data_text("code")
    }

    /// What exactly was wrong, where the daemon said so.
    pub fn detail(&self) -> Option<&str> {
        self.data_text("detail")
    }

    /// What to do about a refusal, where the daemon knows.
    pub fn help(&self) -> Option<&str> {
        self.data_text("help")
    }

    fn data_text(&self, key: &str) -> Option<&str> {
        match self {
            Self::Refused { data: Some(data), .. } => data.get(key)?.as_str(),
            _ => None,
        }
    }
}
