//! The body of a request, within its length, its time and the bytes that its user may have.

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::{Body as _, Incoming};

use super::{Answer, Desk, is_json, text};
use crate::rpc::call::envelope::Fault;
use crate::rpc::socket::census::{Crowded, Taken};

/// Why a body is not taken in.
enum Refused {
    Crowded(Crowded),
    Body(Box<dyn std::error::Error + Send + Sync>),
}

impl Desk {
    /// The body of a request with JSON and the room that it takes, or what is answered in its place.
    pub(super) async fn body(
        &self,
        request: Request<Incoming>,
    ) -> Result<(Bytes, Option<Taken>), Answer> {
        if !is_json(request.headers()) {
            let why = "send requests with content-type application/json\n";
            return Err(text(StatusCode::UNSUPPORTED_MEDIA_TYPE, why));
        }
        let limits = self.caller.limits();
        let body = Limited::new(request.into_body(), limits.request_bytes);
        let (body, room) = match tokio::time::timeout(limits.first_byte, self.take_in(body)).await {
            Ok(Ok(body)) => body,
            Ok(Err(Refused::Crowded(crowded))) => {
                let fault = self.caller.no_room(crowded);
                return Err(self.refuse(StatusCode::TOO_MANY_REQUESTS, &fault));
            }
            Ok(Err(Refused::Body(error))) if error.is::<LengthLimitError>() => {
                let too_long = Fault::too_long(limits.request_bytes);
                return Err(self.refuse(StatusCode::PAYLOAD_TOO_LARGE, &too_long));
            }
            Ok(Err(Refused::Body(_))) => {
                let cut = Fault::parse("the body is cut off");
                return Err(self.refuse(StatusCode::BAD_REQUEST, &cut));
            }
            Err(_) => {
                let slow = Fault::limit("the body did not arrive in time", "send it at once");
                return Err(self.refuse(StatusCode::REQUEST_TIMEOUT, &slow));
            }
        };
        self.progress.completed();
        Ok((body, room))
    }

    /// What comes counts as it comes: by HTTP/2 very many bodies of one connection do at a time, and none has to end.
    async fn take_in(
        &self,
        mut body: Limited<Incoming>,
    ) -> Result<(Bytes, Option<Taken>), Refused> {
        let (mut bytes, mut room) = (Vec::new(), None::<Taken>);
        while let Some(frame) = body.frame().await {
            let Ok(part) = frame.map_err(Refused::Body)?.into_data() else { continue };
            let more = self.caller.share.hold(part.len()).map_err(Refused::Crowded)?;
            match &mut room {
                Some(room) => room.join(more),
                // Most come at once. A part of one that goes on is copied: it would keep all that was read with it.
                None if body.is_end_stream() => return Ok((part, Some(more))),
                None => room = Some(more),
            }
            bytes.extend_from_slice(&part);
        }
        Ok((bytes.into(), room))
    }
}
