//! What a request takes up, from when it is taken to when its reply is written: a place in flight, and bytes.
//!
//! Asked by `caller`, `batch` and the framings. Asks `census`, which counts for each user and for all.

use std::sync::Arc;

use serde_json::value::RawValue;

use super::caller::Caller;
use super::envelope::Fault;
use crate::rpc::socket::census::{Crowded, Taken};
use crate::rpc::socket::reply::{Flight, Held, Reply};

/// A request under way is there as it came, as its parameters, and as what was read of them.
const FORMS_OF_A_REQUEST: usize = 3;

/// Room for the reply of a change, which most of them fit into.
const REPLY_OF_A_CHANGE: usize = 4 * 1024;

impl Caller {
    /// Room for the reply of a method that changes something, to be taken before it runs: afterwards it is too late to refuse it.
    pub(in crate::rpc) fn reserve(&self, method: &str) -> Result<Option<Taken>, Fault> {
        let changes = self.service.answers.changes(method);
        let room = changes.then(|| self.share.hold(REPLY_OF_A_CHANGE)).transpose();
        room.map_err(|it| self.no_room(it))
    }

    /// Room for the reply of a method that has run. What is longer than was reserved for a change is told all the same.
    ///
    /// # Errors
    /// What is answered to a question where there is no room.
    pub(in crate::rpc) fn room(
        &self,
        bytes: usize,
        reserved: Option<&Taken>,
    ) -> Result<Taken, Fault> {
        match reserved {
            Some(_) => Ok(self.share.hold_anyway(bytes)),
            None => self.share.hold(bytes).map_err(|it| self.no_room(it)),
        }
    }

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
        bytes: Vec<u8>,
        flight: Option<Arc<Flight>>,
        id: Option<&RawValue>,
    ) -> Reply {
        let room = self.room(bytes.len(), None);
        self.told(bytes, room, flight, id)
    }

    /// A reply, where there is room for it.
    pub(in crate::rpc) fn told(
        &self,
        mut bytes: Vec<u8>,
        room: Result<Taken, Fault>,
        flight: Option<Arc<Flight>>,
        id: Option<&RawValue>,
    ) -> Reply {
        if bytes.is_empty() {
            return Reply::default();
        }
        match room {
            Ok(room) => Reply { bytes, held: Some(Held::new(room, flight)), descriptor: None },
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
        Ok(Held::new(self.room(bytes, None)?, flight))
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
