//! A batch: its entries are answered in turn, and it is one request in flight and no more.
//!
//! Asked by `call`. What can be answered at once is; from the first entry that has to wait, the rest is a [`Later`].

use std::sync::Arc;

use serde_json::value::RawValue;

use super::caller::{Caller, Later};
use super::envelope::{self, Envelope, Fault};
use crate::rpc::socket::census::Taken;
use crate::rpc::socket::reply::Flight;

impl Caller {
    pub(in crate::rpc) fn take_batch(
        self: &Arc<Self>,
        text: &str,
        out: &mut Vec<u8>,
    ) -> Option<Later> {
        let entries = match envelope::read_batch(text, self.limits().batch) {
            Ok(entries) => entries,
            Err(fault) => {
                self.refuse(None, &fault, out);
                return None;
            }
        };
        self.figures().requests.add(entries.len());
        let mut batch = BatchReply::default();
        for (index, entry) in entries.iter().enumerate() {
            let waits = batch.add(|reply, so_far| match self.room_for(so_far) {
                Ok(()) => self.at_once(entry.get(), reply),
                Err(fault) => {
                    self.refuse_entry(entry, &fault, reply);
                    None
                }
            });
            if waits.is_some() {
                let rest = entries.iter().skip(index).map(|it| (*it).to_owned()).collect();
                return self.rest_of_batch(batch, rest, out);
            }
        }
        batch.finish(out);
        None
    }

    /// The entries of a batch from the first that has to wait: one after the other, so that a batch is one
    /// request in flight and no more. Each reply counts among its user's bytes from when it is made, so that the batch cannot be
    /// refused as a whole when some of it was done.
    fn rest_of_batch(
        self: &Arc<Self>,
        mut batch: BatchReply,
        rest: Vec<Box<RawValue>>,
        out: &mut Vec<u8>,
    ) -> Option<Later> {
        let bytes = rest.iter().map(|it| it.get().len()).sum();
        // What there is of the reply, and what stands between and behind the others.
        let begun = batch.0.len() + rest.len() + 1;
        let flown = self.fly(bytes).and_then(|flight| Ok((flight, self.room(begun, None)?)));
        let (flight, mut room) = match flown {
            Ok(flown) => flown,
            Err(fault) => {
                self.refuse(None, &fault, out);
                return None;
            }
        };
        let caller = Arc::clone(self);
        Some(Box::pin(async move {
            for entry in rest {
                let (one, held) = caller.entry_of_batch(&entry, batch.0.len(), &flight).await;
                room.join(held);
                batch.add(|reply, _| {
                    reply.extend_from_slice(&one);
                    None::<()>
                });
            }
            let mut reply = Vec::new();
            batch.finish(&mut reply);
            caller.told(reply, Ok(room), Some(flight), None)
        }))
    }

    /// What one entry of a batch is answered, after so many bytes of others, and room for it.
    async fn entry_of_batch(
        self: &Arc<Self>,
        entry: &RawValue,
        so_far: usize,
        flight: &Arc<Flight>,
    ) -> (Vec<u8>, Taken) {
        let mut reply = Vec::new();
        let mut reserved = None;
        if let Err(fault) = self.room_for(so_far) {
            self.refuse_entry(entry, &fault, &mut reply);
        } else if let Some((id, envelope)) = self.at_once(entry.get(), &mut reply) {
            match self.work(id, &envelope, None) {
                Ok(mut work) => {
                    reserved = work.reserved.take();
                    reply = work.run(flight).await;
                }
                Err(fault) => self.refuse(Some(id), &fault, &mut reply),
            }
        }
        match self.room(reply.len(), reserved.as_ref()) {
            Ok(room) => (reply, room),
            Err(fault) => {
                reply = Vec::new();
                self.refuse_entry(entry, &fault, &mut reply);
                let room = self.share.hold_anyway(reply.len());
                (reply, room)
            }
        }
    }

    /// Refuses one entry of a batch, if it wants an answer.
    fn refuse_entry(&self, entry: &RawValue, fault: &Fault, reply: &mut Vec<u8>) {
        match envelope::read(entry.get()) {
            Ok(Envelope { id: Some(id), .. }) => self.refuse(Some(id), fault, reply),
            Ok(_) => {}
            Err((fault, id)) => self.refuse(id, &fault, reply),
        }
    }
}

/// The replies of a batch so far. Empty, or `[` and replies with commas between them.
#[derive(Default)]
struct BatchReply(Vec<u8>);

impl BatchReply {
    /// Lets `write` append one reply, or none, and tells it how many bytes there are. When it gives something back, what
    /// it wrote is its own affair.
    fn add<T>(&mut self, write: impl FnOnce(&mut Vec<u8>, usize) -> Option<T>) -> Option<T> {
        let before = self.0.len();
        self.0.push(if before == 0 { b'[' } else { b',' });
        let opened = self.0.len();
        let given = write(&mut self.0, before);
        if self.0.len() == opened {
            self.0.truncate(before);
        }
        given
    }

    /// A batch of notifications only has no reply.
    fn finish(self, out: &mut Vec<u8>) {
        if !self.0.is_empty() {
            out.extend_from_slice(&self.0);
            out.push(b']');
        }
    }
}
