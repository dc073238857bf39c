//! What is answered when something is refused: RFC 9457, with the codes of the daemon.

use std::sync::LazyLock;

use bytes::Bytes;
use http::{HeaderValue, StatusCode, header};
use serde_json::json;

use super::answer::{Answer, Body};
use super::seldom::Seldom;
use entitled_client::{ClientError, ErrorCode};

const NO_ANSWER: &str = "the daemon gave no answer, which says nothing of what is so";

/// Why there is no answer.
#[derive(Debug, Clone)]
pub(super) struct Problem {
    pub(super) status: StatusCode,
    code: String,
    detail: String,
    help: Option<String>,
    retry_after: Option<u32>,
}

impl Problem {
    pub(super) fn new(status: StatusCode, code: &str, detail: impl Into<String>) -> Self {
        let retry_after =
            [StatusCode::TOO_MANY_REQUESTS, StatusCode::SERVICE_UNAVAILABLE].contains(&status);
        Self {
            status,
            code: code.to_owned(),
            detail: detail.into(),
            help: None,
            retry_after: retry_after.then_some(1),
        }
    }

    pub(super) fn bad(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, ErrorCode::InvalidParams.name(), detail)
    }

    pub(super) fn forbidden(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, ErrorCode::PermissionDenied.name(), detail)
    }

    pub(super) fn not_found() -> Self {
        let why = "there is no such address; /openapi.json lists those there are";
        Self::new(StatusCode::NOT_FOUND, ErrorCode::NotFound.name(), why)
    }

    pub(super) fn busy(detail: &str) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, ErrorCode::Busy.name(), detail)
    }

    pub(super) fn limited(detail: &str) -> Self {
        Self::new(StatusCode::TOO_MANY_REQUESTS, ErrorCode::LimitExceeded.name(), detail)
    }

    pub(super) fn unauthenticated() -> Self {
        let why = "say who asks: with a bearer token, or with a certificate";
        Self::new(StatusCode::UNAUTHORIZED, "UNAUTHENTICATED", why)
    }

    /// The daemon says nothing.
    pub(super) fn late() -> Self {
        Self::new(StatusCode::GATEWAY_TIMEOUT, "DAEMON_TIMEOUT", NO_ANSWER)
    }

    /// What the daemon said, or that it said nothing.
    pub(super) fn of(error: &ClientError) -> Self {
        let ClientError::Refused { message, .. } = error else {
            let (status, code) = match error {
                ClientError::Timeout { .. } => (StatusCode::GATEWAY_TIMEOUT, "DAEMON_TIMEOUT"),
                ClientError::Protocol { .. } => (StatusCode::BAD_GATEWAY, "DAEMON_MISUNDERSTOOD"),
                _ => (StatusCode::SERVICE_UNAVAILABLE, "DAEMON_UNREACHABLE"),
            };
            tell_unreachable(error);
            return Self::new(status, code, NO_ANSWER);
        };
        let status = status_of(error.code());
        let code = error.name().or(error.code().map(ErrorCode::name)).unwrap_or("INTERNAL_ERROR");
        let mut problem = Self::new(status, code, error.detail().unwrap_or(message));
        problem.help = error.help().map(str::to_owned);
        problem
    }

    pub(super) fn code(&self) -> &str {
        &self.code
    }

    pub(super) fn detail(&self) -> &str {
        &self.detail
    }

    pub(super) fn into_answer(self, request: &str) -> Answer {
        let mut body = json!({
            "type": format!("urn:entitled:problem:{}", self.code.to_ascii_lowercase().replace('_', "-")),
            "title": self.status.canonical_reason().unwrap_or("refused"),
            "status": self.status.as_u16(),
            "detail": self.detail,
            "code": self.code,
            "request_id": request,
        });
        if let Some(help) = self.help {
            body["help"] = help.into();
        }
        let mut answer = Answer::new(self.status, Body::Whole(Bytes::from(body.to_string())));
        let set = |answer: &mut Answer, name, value| answer.headers.insert(name, value);
        let problem = HeaderValue::from_static("application/problem+json");
        set(&mut answer, header::CONTENT_TYPE, problem);
        set(&mut answer, header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(seconds) = self.retry_after {
            set(&mut answer, header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            let how = HeaderValue::from_static("Bearer realm=\"entitled\"");
            set(&mut answer, header::WWW_AUTHENTICATE, how);
        }
        answer
    }
}

/// Each question finds it out again while it lasts.
pub(super) fn tell_unreachable(error: &dyn std::fmt::Display) {
    static TOLD: LazyLock<Seldom> = LazyLock::new(Seldom::new);
    if TOLD.is_due() {
        tracing::warn!(event = "daemon_unreachable", %error, "the daemon gave no answer");
    }
}

fn status_of(code: Option<ErrorCode>) -> StatusCode {
    match code {
        Some(ErrorCode::ParseError | ErrorCode::InvalidRequest | ErrorCode::InvalidParams) => {
            StatusCode::BAD_REQUEST
        }
        Some(ErrorCode::MethodNotFound) => StatusCode::NOT_IMPLEMENTED,
        Some(ErrorCode::PermissionDenied) => StatusCode::FORBIDDEN,
        Some(ErrorCode::NotFound) => StatusCode::NOT_FOUND,
        Some(ErrorCode::Conflict) => StatusCode::CONFLICT,
        Some(ErrorCode::Locked) => StatusCode::LOCKED,
        Some(ErrorCode::LimitExceeded) => StatusCode::TOO_MANY_REQUESTS,
        Some(ErrorCode::SignatureInvalid) => StatusCode::UNPROCESSABLE_ENTITY,
        Some(ErrorCode::ChainUnavailable | ErrorCode::StoreUnavailable | ErrorCode::Busy) => {
            StatusCode::SERVICE_UNAVAILABLE
        }
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    }
}
