//! An answer on its way out: the bytes of a reply, and what has to last until they are written.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::StreamExt as _;
use http::Response;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::{Body as HttpBody, Frame, Incoming, SizeHint};

use super::answer::{Answer, Body};
use super::census::Open;
use super::clients::Owed;
use crate::rpc::socket::progress::{Progress, Unwritten};

pub(super) type Reply = Response<Outgoing>;

/// The body of a reply.
pub(super) struct Outgoing {
    body: UnsyncBoxBody<Bytes, Infallible>,
    /// The body of the request, where it was not read to its end. By HTTP/2, who lets go of it before the reply is written
    /// cancels the stream, and the reply with it; afterwards it is told that the rest is not wanted (RFC 9113, 8.1).
    _request: Option<Incoming>,
}

impl HttpBody for Outgoing {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// The bytes of a reply: written, or never to be, when the last copy of them is gone.
struct Text {
    bytes: Bytes,
    _unwritten: Unwritten,
    _open: Option<Open>,
    _owed: Option<Owed>,
}

impl AsRef<[u8]> for Text {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// Makes a reply of an answer. `request`: what is left of the question.
pub(super) fn reply(
    answer: Answer,
    is_head: bool,
    (progress, open): (&Arc<Progress>, Option<Open>),
    request: Option<Incoming>,
) -> Reply {
    let Answer { status, headers, body, owed } = answer;
    let body = match body {
        Body::Whole(bytes) if bytes.is_empty() || is_head => Full::default().boxed_unsync(),
        Body::Whole(bytes) => {
            let text = Text { bytes, _unwritten: progress.reply(), _open: open, _owed: owed };
            Full::new(Bytes::from_owner(text)).boxed_unsync()
        }
        // A head asks for no events, and who listens to none is gone.
        Body::Events(_) if is_head => Full::default().boxed_unsync(),
        Body::Events(events) => {
            StreamBody::new(events.map(|it| Ok(Frame::data(it)))).boxed_unsync()
        }
    };
    let mut reply = Response::new(Outgoing { body, _request: request });
    *reply.status_mut() = status;
    *reply.headers_mut() = headers;
    reply
}
