//! Raw JSON on a stream: values one after the other, replies one to a line.
//!
//! What geth's IPC, web3.py, alloy and `nc` speak. Requests answered at once are answered in order and written
//! together; the others run beside each other and are written as they finish.

use std::future::{Future, poll_fn};
use std::hint::black_box;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd};
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;

use nix::sys::socket::{Shutdown, shutdown};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::JoinSet;
use tokio::time::{Instant, Sleep};

use super::canonical::Form;
use super::handover::Handover;
use super::linger::linger;
use super::outbox::{Outbox, TooSlow};
use super::reply::{Held, Reply, append_line};
use super::scan::{Scanner, Step};
use super::stop::Stop;
use super::stream::Stream;
use super::waiting::{Event, Waiting};
use crate::rpc::call::answers::{Batch, Warm};
use crate::rpc::call::caller::Caller;
use crate::rpc::call::enclosure::Line;
use crate::rpc::call::envelope::Fault;

/// One read asks for at least so much.
const READ: usize = 4 * 1024;
/// Replies are written when so many bytes have gathered, if not before.
const FLUSH_AT: usize = 256 * 1024;
/// What any request takes of a turn, beside its bytes.
const ANY_REQUEST: usize = 64;
/// Buffers that grew are given back above this size.
const KEEP: usize = 64 * 1024;
/// How many times the longest request may be thrown away, to reach the end of a longer one.
const SKIP: usize = 16;

/// A connection that speaks raw JSON.
struct Raw {
    io: Stream,
    caller: Arc<Caller>,
    input: Vec<u8>,
    scanner: Scanner,
    form: Form,
    warm: Box<dyn Warm>,
    out: Vec<u8>,
    /// What the replies in `out` take up until they are written.
    held: Vec<Held>,
    /// What goes with them beside bytes.
    handover: Handover,
    jobs: JoinSet<Reply>,
    outbox: Outbox,
    waiting: Waiting,
    last_request: Instant,
    /// How much was done since others had their turn.
    worked: usize,
    /// After so much they have it.
    turn: usize,
    /// Whether something was read that may have carried a key: anything but a check.
    wipes: bool,
    /// Bytes thrown away of a request that is too long, until it ends.
    skipped: Option<usize>,
    /// Nothing more is read; what is under way is finished.
    ended: bool,
    broken: bool,
}

/// Serves `io` until the other side closes, breaks the rules for good, or the daemon stops. `input` is what has been
/// read already.
pub(in crate::rpc) async fn converse(io: Stream, input: Vec<u8>, caller: Arc<Caller>, stop: Stop) {
    let mut raw = Raw::new(io, input, caller, stop);
    let idle = tokio::time::sleep(raw.caller.limits().idle);
    tokio::pin!(idle);
    loop {
        let more = raw.serve_frames();
        raw.collect_finished();
        if raw.flush().await.is_err() {
            return;
        }
        if raw.worked >= raw.turn {
            raw.turn = raw.caller.turn.next(std::mem::take(&mut raw.worked)).await;
        }
        if more {
            continue;
        }
        if raw.ended && raw.jobs.is_empty() {
            break;
        }
        raw.make_room();
        match raw.next_event(idle.as_mut()).await {
            Event::Read(count) => raw.has_read(count),
            Event::Reply(reply) => raw.append_reply(reply),
            Event::Line(line) => append_line(line.get().as_bytes(), &mut raw.out),
            Event::Stop => raw.hear_no_more(),
            Event::Idle => match raw.idle_until() {
                Some(later) => idle.as_mut().reset(later),
                None => break,
            },
        }
    }
    raw.close().await;
}

impl Raw {
    /// Waits for whatever comes first. Bytes are looked for first and nearly always come first: what else there is to wait
    /// for is polled once, and again only when it has something to tell.
    async fn next_event(&mut self, mut idle: Pin<&mut Sleep>) -> Event {
        let Self { io, input, jobs, outbox, waiting, ended, .. } = self;
        let read = io.read_buf(input);
        tokio::pin!(read);
        poll_fn(|context| {
            if !*ended && let Poll::Ready(read) = read.as_mut().poll(context) {
                return Poll::Ready(Event::Read(read.ok()));
            }
            let is_quiet = jobs.is_empty() && outbox.is_empty() && !idle.is_elapsed();
            if is_quiet && waiting.is_armed() {
                return Poll::Pending;
            }
            let event = if let Poll::Ready(Some(done)) = jobs.poll_join_next(context) {
                Event::Reply(done.ok())
            } else if let Poll::Ready(line) = outbox.poll_next(context) {
                Event::Line(line)
            } else if waiting.poll_stop(context).is_ready() {
                Event::Stop
            } else if idle.as_mut().poll(context).is_ready() {
                Event::Idle
            } else {
                waiting.arm();
                return Poll::Pending;
            };
            waiting.disarm();
            Poll::Ready(event)
        })
        .await
    }

    fn new(io: Stream, input: Vec<u8>, caller: Arc<Caller>, stop: Stop) -> Self {
        let scanner = Scanner::new(caller.limits().depth);
        let outbox = Outbox::new(caller.limits().send_queue);
        let (warm, turn) = (caller.warm(), caller.turn.size());
        Self {
            io,
            caller,
            input,
            scanner,
            form: Form::default(),
            warm,
            out: Vec::with_capacity(READ),
            held: Vec::new(),
            handover: Handover::default(),
            jobs: JoinSet::new(),
            outbox,
            waiting: Waiting::new(stop),
            last_request: Instant::now(),
            worked: 0,
            turn,
            wipes: false,
            skipped: None,
            ended: false,
            broken: false,
        }
    }

    fn make_room(&mut self) {
        if self.input.is_empty() && self.input.capacity() > KEEP {
            self.input = Vec::new();
        }
        if self.input.capacity() - self.input.len() < READ / 2 {
            self.input.reserve(READ.max(self.input.len()));
        }
    }

    /// `None` when reading failed, which is an end like any other.
    fn has_read(&mut self, count: Option<usize>) {
        match count {
            Some(count) if count > 0 => self.caller.heard(count),
            _ => {
                self.ended = true;
                self.caller.hang_up();
                if self.scanner.is_inside() && self.skipped.is_none() {
                    self.refuse(&Fault::parse("the connection ended inside a request"));
                }
            }
        }
    }

    /// What was sent before the daemon stopped is still read and answered. What is sent from now on fails at the
    /// sender (EPIPE), who so knows that nobody has read it and nobody will.
    fn hear_no_more(&mut self) {
        if !self.ended
            && let Err(error) = shutdown(self.io.as_fd().as_raw_fd(), Shutdown::Read)
        {
            tracing::debug!(%error, "a connection is gone already");
            self.ended = true;
        }
    }

    /// Answers every complete request there is, or hands it to its own task. True when replies should be written
    /// before going on.
    fn serve_frames(&mut self) -> bool {
        let limits = self.caller.limits();
        let (longest, deepest) = (limits.request_bytes, limits.depth);
        let (mut served, mut batch, before) = (0, Batch::default(), self.worked);
        while self.out.len() < FLUSH_AT && self.worked < self.turn {
            if self.serve_warm(&mut batch) {
                served += 1;
                continue;
            }
            self.wipes |= self.scanner.start() < self.input.len();
            match self.scanner.next(&self.input) {
                Step::More => {
                    // What was read and is no request was looked at as well: blanks, and what does not end.
                    let useful = self.worked - before - served * ANY_REQUEST;
                    self.worked += self.input.len().saturating_sub(useful);
                    self.keep_the_unfinished(longest);
                    if served > 0 {
                        self.last_request = Instant::now();
                    }
                    return false;
                }
                Step::Broken => {
                    self.give_up("not a JSON object or array, or its brackets do not match");
                    return false;
                }
                Step::Frame { .. } | Step::TooDeep { .. } if self.skipped.is_some() => {
                    self.skipped = None;
                }
                Step::Frame { start, end } if end - start > longest => {
                    self.refuse(&Fault::too_long(longest));
                }
                Step::Frame { start, end } => self.serve(start, end),
                Step::TooDeep { .. } => self.refuse(&Fault::too_deep(deepest)),
            }
            self.worked += ANY_REQUEST;
            served += 1;
        }
        true
    }

    /// Answers the next request if it is a check as nearly everybody sends it, whose verdict is at hand.
    fn serve_warm(&mut self, batch: &mut Batch) -> bool {
        if self.skipped.is_some() {
            return false;
        }
        let next = self.scanner.between(&self.input);
        let Some(check) = next.and_then(|it| self.form.recognise(it)) else { return false };
        let length = check.length;
        if !self.caller.take_check(check, (&mut *self.warm, batch), &mut self.out) {
            return false;
        }
        self.scanner.pass(length);
        self.worked += length + ANY_REQUEST;
        self.out.push(b'\n');
        true
    }

    fn serve(&mut self, start: usize, end: usize) {
        self.worked += end - start;
        let frame = self.input.get(start..end).unwrap_or_default();
        let before = self.out.len();
        let (sink, stream) = (Some(self.outbox.sink()), Some(self.io.as_fd()));
        let line = Line { sink, stream, hands_over: true };
        if let Some(later) = self.caller.take(frame, line, &mut self.out) {
            self.jobs.spawn(later);
        } else if self.out.len() > before {
            self.out.push(b'\n');
        }
    }

    /// Drops what has been served, and bounds what has not.
    fn keep_the_unfinished(&mut self, longest: usize) {
        let start = self.scanner.start();
        let unfinished = self.input.len() - start;
        if self.skipped.is_none() && unfinished > longest {
            self.refuse(&Fault::too_long(longest));
            self.skipped = Some(0);
        }
        let gone = match &mut self.skipped {
            Some(skipped) => {
                *skipped += self.input.len();
                self.input.len()
            }
            None => start,
        };
        self.input.drain(..gone);
        if self.wipes {
            self.wipe(gone);
        }
        self.scanner.forget(gone);
        if self.skipped.is_some_and(|it| it > longest.saturating_mul(SKIP)) {
            self.give_up("a request that does not end");
        }
    }

    /// What was a request may have carried a key; it must not lie here for as long as the connection lasts.
    fn wipe(&mut self, gone: usize) {
        let room = self.input.spare_capacity_mut();
        room.iter_mut().take(gone).for_each(|it| *it = MaybeUninit::new(0));
        black_box(room);
        // What has begun and not ended may carry one as well.
        self.wipes = !self.input.is_empty();
    }

    fn refuse(&mut self, fault: &Fault) {
        self.caller.refuse(None, fault, &mut self.out);
        self.out.push(b'\n');
    }

    fn give_up(&mut self, why: &'static str) {
        self.refuse(&Fault::parse(why));
        self.input.clear();
        self.scanner = Scanner::new(self.caller.limits().depth);
        self.skipped = None;
        self.ended = true;
        self.broken = true;
    }

    /// Replies and notifications that are ready, without waiting for any.
    fn collect_finished(&mut self) {
        while self.out.len() < FLUSH_AT
            && let Some(done) = self.jobs.try_join_next()
        {
            self.append_reply(done.ok());
        }
        while self.out.len() < FLUSH_AT
            && let Some(line) = self.outbox.try_next()
        {
            self.waiting.disarm();
            append_line(line.get().as_bytes(), &mut self.out);
        }
    }

    fn append_reply(&mut self, reply: Option<Reply>) {
        let Some(Reply { bytes, held, descriptor }) = reply else { return };
        if let Some(descriptor) = descriptor {
            self.handover.add(self.out.len(), descriptor);
        }
        if !bytes.is_empty() {
            append_line(&bytes, &mut self.out);
        }
        self.held.extend(held);
    }

    /// Writes everything that has gathered.
    async fn flush(&mut self) -> Result<(), TooSlow> {
        if self.out.is_empty() {
            return Ok(());
        }
        let figures = Arc::clone(&self.caller.service.figures);
        let hands_over = !self.handover.is_empty();
        let done = if hands_over { 0 } else { self.io.io().try_write(&self.out).unwrap_or(0) };
        if done < self.out.len() {
            let allowed = self.caller.limits().write;
            let rest = self.out.get(done..).unwrap_or_default();
            let writing = self.handover.write_all(&mut self.io, rest);
            let writing = self.outbox.while_writing(allowed, writing).await;
            if !matches!(writing, Ok(Ok(()))) {
                if writing.is_err() {
                    figures.slow_readers.one_more();
                }
                return Err(TooSlow);
            }
        }
        figures.bytes_out.add(self.out.len());
        self.out.clear();
        self.held.clear();
        if self.out.capacity() > KEEP {
            self.out.shrink_to(READ);
        }
        Ok(())
    }

    /// Until when the connection may go on being idle; `None` when that is over.
    fn idle_until(&self) -> Option<Instant> {
        let limit = self.caller.limits().idle;
        if !self.jobs.is_empty() || self.caller.may_be_silent() {
            return Some(Instant::now() + limit);
        }
        let until = self.last_request + limit;
        (until > Instant::now()).then_some(until)
    }

    async fn close(mut self) {
        if self.io.shutdown().await.is_err() || !self.broken {
            return;
        }
        linger(&mut self.io).await;
    }
}
