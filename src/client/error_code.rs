//! The codes of errors: the one table, of which the daemon sends and the client understands.
//!
//! Asked by: the daemon's `rpc`, `entitlectl`, and programs that want to tell refusals apart.

/// The kinds of failure a caller can tell apart. Values: JSON-RPC 2.0 §5.1, and our own from -32001.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorCode {
    /// Before any method is reached, as the next two.
    ParseError,
    InvalidRequest,
    MethodNotFound,
    InvalidParams,
    Internal,
    PermissionDenied,
    NotFound,
    Conflict,
    Locked,
    LimitExceeded,
    ChainUnavailable,
    StoreUnavailable,
    SignatureInvalid,
    Busy,
}

impl ErrorCode {
    pub const ALL: &[Self] = &[
        Self::ParseError,
        Self::InvalidRequest,
        Self::MethodNotFound,
        Self::InvalidParams,
        Self::Internal,
        Self::PermissionDenied,
        Self::NotFound,
        Self::Conflict,
        Self::Locked,
        Self::LimitExceeded,
        Self::ChainUnavailable,
        Self::StoreUnavailable,
        Self::SignatureInvalid,
        Self::Busy,
    ];

    /// The code of this number; `None` for one that this version of the client does not know.
    pub fn of_number(number: i64) -> Option<Self> {
        Self::ALL.iter().copied().find(|it| i64::from(it.number()) == number)
    }

    pub fn number(self) -> i32 {
        self.row().number
    }

    pub fn name(self) -> &'static str {
        self.row().name
    }

    /// What it is in a few words, for people. What a method says continues with what exactly was wrong.
    pub fn message(self) -> &'static str {
        self.row().message
    }

    /// What usually helps.
    pub fn help(self) -> &'static str {
        self.row().help
    }

    /// The table of errors.
    #[expect(clippy::too_many_lines, reason = "a table")]
    fn row(self) -> Row {
        match self {
            Self::ParseError => Row {
                number: -32700,
                name: "PARSE_ERROR",
                message: "not JSON",
                help: "send one JSON-RPC 2.0 object, or an array of them, in UTF-8",
            },
            Self::InvalidRequest => Row {
                number: -32600,
                name: "INVALID_REQUEST",
                message: "not a JSON-RPC 2.0 request",
                help: "send {\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"...\",\"params\":{...}}",
            },
            Self::MethodNotFound => Row {
                number: -32601,
                name: "METHOD_NOT_FOUND",
                message: "no such method",
                help: "rpc_discover lists the methods",
            },
            Self::InvalidParams => Row {
                number: -32602,
                name: "INVALID_PARAMS",
                message: "invalid params",
                help: "see rpc_discover for what the method takes",
            },
            Self::Internal => Row {
                number: -32603,
                name: "INTERNAL_ERROR",
                message: "internal error",
                help: "this is a defect; the daemon's log has the cause",
            },
            Self::PermissionDenied => Row {
                number: -32001,
                name: "PERMISSION_DENIED",
                message: "permission denied",
                help: "ask on the admin socket, or for yourself",
            },
            Self::NotFound => Row {
                number: -32002,
                name: "NOT_FOUND",
                message: "not found",
                help: "check the name, and that it was made before",
            },
            Self::Conflict => Row {
                number: -32003,
                name: "CONFLICT",
                message: "conflict",
                help: "something stands in the way, as the message says",
            },
            Self::Locked => Row {
                number: -32004,
                name: "LOCKED",
                message: "locked",
                help: "the daemon has no key to open sealed keys with; `entitlectl keys status` says what to do",
            },
            Self::LimitExceeded => Row {
                number: -32005,
                name: "LIMIT_EXCEEDED",
                message: "limit exceeded",
                help: "send less, or later",
            },
            Self::ChainUnavailable => Row {
                number: -32006,
                name: "CHAIN_UNAVAILABLE",
                message: "chain unavailable",
                help: "try again later; see chain_status",
            },
            Self::StoreUnavailable => Row {
                number: -32007,
                name: "STORE_UNAVAILABLE",
                message: "store unavailable",
                help: "check disk space and the daemon's log; nothing was changed",
            },
            Self::SignatureInvalid => Row {
                number: -32008,
                name: "SIGNATURE_INVALID",
                message: "signature invalid",
                help: "sign exactly the text that was given, without a newline at its end, with that account",
            },
            Self::Busy => {
                Row { number: -32009, name: "BUSY", message: "busy", help: "try again in a moment" }
            }
        }
    }
}

/// What is told of a kind of failure.
struct Row {
    number: i32,
    name: &'static str,
    message: &'static str,
    help: &'static str,
}

#[cfg(test)]
mod tests;
