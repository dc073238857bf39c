//! What a request takes up, from when it is taken to when its reply is written: a place in flight, and bytes.
//!
//! Asked by `caller`, `batch` and the framings. Asks `census`, which counts for each user and for all.

use std::sync::Arc;

use serde_json::value::RawValue;

use super::caller::Caller;
use super::envelope::Fault;
use crate::rpc::socket::census::Crowded;
use crate::rpc::socket::reply::{Flight, Held, Reply};

/// A request under way is there as it came, as its parameters, and as what was read of them.
const FORMS_OF_A_REQUEST: usize = 3;

impl Caller {
    /// A place among the requests in flight, for one of so many bytes.
    pub(in crate::rpc) fn fly(&self, bytes: usize) -> Result<Arc<Flight>, Fault> {
        let full = |whose, most| {
            let detail = format!("{whose} has at most {most} requests in flight");
            Fault::limit(detail, "wait for replies, and read them, before asking more")
        };
        let of_connection = Arc::clone(&self.in_flight)
            .try_acquire_owned()
            .map_err(|_| full("a connection", self.limits().in_flight))?;
        let of_user =
            self.share.begin().ok_or_else(|| full("a user", self.limits().in_flight_per_uid))?;
        let bytes = bytes.saturating_mul(FORMS_OF_A_REQUEST);
        let bytes = self.share.hold(bytes).map_err(|it| self.no_room(it))?;
        Ok(Arc::new(Flight::new(of_connection, of_user, bytes)))
    }

    /// Finishes a reply: its bytes count until they are written. Where its user has too many such bytes already, a
    /// refusal takes its place.
    pub(in crate::rpc) fn hold(
        &self,
        mut bytes: Vec<u8>,
        flight: Option<Arc<Flight>>,
        id: Option<&RawValue>,
    ) -> Reply {
        if bytes.is_empty() {
            return Reply::default();
        }
        match self.held(bytes.len(), flight) {
            Ok(held) => Reply { bytes, held: Some(held), descriptor: None },
            Err(fault) => {
                // Another, so that what there is no room for is given back.
                bytes = Vec::new();
                self.refuse(id, &fault, &mut bytes);
                Reply { bytes, held: None, descriptor: None }
            }
        }
    }

    /// Room for so many bytes of a reply.
    ///
    /// # Errors
    /// What is answered where there is none.
    pub(in crate::rpc) fn held(
        &self,
        bytes: usize,
        flight: Option<Arc<Flight>>,
    ) -> Result<Held, Fault> {
        let room = self.share.hold(bytes).map_err(|it| self.no_room(it))?;
        Ok(Held::new(room, flight))
    }

    pub(in crate::rpc) fn no_room(&self, crowded: Crowded) -> Fault {
        let most = self.limits().reply_bytes_per_uid;
        match crowded {
            Crowded::User => Fault::limit(
                format!("a user has at most {most} bytes of requests, and of replies that are not read"),
                "read the replies there are before asking more",
            ),
            Crowded::All => Fault::limit(
                "all users together have as many bytes of requests and unread replies as there is room for".to_owned(),
                "ask again in a moment, for less at a time",
            ),
        }
    }
}
