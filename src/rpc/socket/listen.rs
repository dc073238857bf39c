//! Lets people in: accepts on both doors, keeps to the number of connections, and lets everybody finish at the end.
//!
//! Asked by `daemon`. One task per connection, on one thread; a connection can neither stop nor slow down another.

use std::future::Future;
use std::os::fd::AsRawFd as _;
use std::os::unix::net::UnixListener as StdUnixListener;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use nix::sys::socket::{MsgFlags, send};
use tokio::net::UnixListener;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::census::{Census, Full};
use super::closing::{Closer, Leaving};
use super::connection::Arrival;
use super::doors::Doors;
use super::limits::{Limits, Rates};
use super::stop::{self, Stop};
use super::stream::Stream;
use super::subordinate_uids::SubordinateUids;
use super::turn_away::turn_away;
use super::workers::Workers;
use super::{metrics_port, peer, rights};
use crate::rpc::call::answers::Answers;
use crate::rpc::call::caller::Service;
use crate::rpc::call::envelope::Fault;
use crate::rpc::figures::SocketFigures;
use entitled_core::domain::peer::Door;

/// How long to wait when the kernel has no file descriptor or memory for another connection.
const BACK_OFF: Duration = Duration::from_millis(100);
/// How many are told at a time that there is no place for them, in a way that is sure to be read.
const FAREWELLS: usize = 64;

/// What the doors have done, from opening to closing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SocketSummary {
    pub connections: u64,
    pub requests: u64,
    /// Connections that were not finished when the time to finish was over.
    pub cut_off: usize,
}

/// What both doors have in common.
struct Hall {
    service: Arc<Service>,
    delegates: Vec<u32>,
    census: Arc<Census>,
    /// Begun where it is needed.
    closer: OnceLock<Arc<Closer>>,
    holder: Option<PathBuf>,
    are_of_others: bool,
    workers: Workers,
    subordinates: SubordinateUids,
    farewells: Arc<Semaphore>,
    arrivals: AtomicUsize,
    stop: Stop,
}

/// Serves until `stop`, then accepts nobody, finishes what is in flight for at most `limits.drain`, and closes.
/// Sockets we bound ourselves are removed first, so that nobody waits at a door that will not open.
pub async fn serve(
    doors: Doors,
    answers: Arc<dyn Answers>,
    limits: Limits,
    stop: impl Future<Output = ()>,
) -> SocketSummary {
    let (tell, told) = stop::announcement();
    let figures = doors.figures();
    let (public, admin, files) = (doors.public, doors.admin, doors.files);
    let scraped = (doors.metrics, Arc::clone(&answers));
    let service = Service {
        methods: answers.methods(),
        answers,
        rates: Rates::new(&limits),
        limits,
        figures: Arc::clone(&figures),
        admin_group: doors.admin_group,
    };
    let hall = Hall {
        service: Arc::new(service),
        delegates: doors.delegates,
        census: Arc::default(),
        closer: OnceLock::new(),
        holder: doors.holder,
        are_of_others: doors.are_of_others,
        workers: Workers::start(doors.threads),
        subordinates: SubordinateUids::default(),
        farewells: Arc::new(Semaphore::new(FAREWELLS)),
        arrivals: AtomicUsize::new(0),
        stop: told,
    };
    let closing = async {
        stop.await;
        drop(files);
        tell.announce();
    };
    let attending = async {
        tokio::join!(
            closing,
            hall.attend(public, Door::Public),
            hall.attend(admin, Door::Admin),
            metrics_port::attend(scraped.0, scraped.1, hall.stop.clone()),
        )
    };
    let ((), public_cut, admin_cut, ()) = tokio::select! {
        attended = attending => attended,
        never = hall.subordinates.follow() => match never {},
    };
    SocketSummary {
        connections: figures.connections_total.get(),
        requests: figures.requests.get(),
        cut_off: public_cut + admin_cut,
    }
}

impl Hall {
    /// Serves one door. Gives the number of connections cut off at the end.
    async fn attend(&self, listener: StdUnixListener, door: Door) -> usize {
        let listener =
            match listener.set_nonblocking(true).and_then(|()| UnixListener::from_std(listener)) {
                Ok(listener) => listener,
                Err(error) => {
                    tracing::error!(?door, %error, "cannot listen on the socket");
                    return 0;
                }
            };
        // So many that come are guarded.
        let mut guarded = rights::connections_before_refusal(&listener, self.are_of_others);
        let are_all_guarded = guarded == usize::MAX;
        if guarded > 0 {
            self.closer();
        }
        let mut connections = JoinSet::new();
        let stopped = self.stop.clone().requested();
        tokio::pin!(stopped);
        let mut failing = false;
        loop {
            // While somebody connects without a pause those that have ended are as many: none of them waits for another.
            while connections.try_join_next().is_some() {}
            let accepted = tokio::select! {
                () = &mut stopped => break,
                accepted = listener.accept() => accepted,
                Some(_) = connections.join_next(), if !connections.is_empty() => continue,
            };
            match accepted {
                Ok((stream, _)) => {
                    failing = false;
                    let stream = match guarded {
                        0 => Ok(Stream::plain(stream)),
                        _ => Stream::guarded(stream, self.closer()),
                    };
                    guarded = guarded.saturating_sub(1);
                    if let Ok(stream) = stream {
                        self.receive(stream, door, &mut connections);
                    }
                }
                Err(error) => {
                    self.figures().accept_failures.one_more();
                    if !failing {
                        tracing::warn!(?door, %error, "cannot accept connections for now");
                    }
                    failing = true;
                    tokio::select! {
                        () = &mut stopped => break,
                        () = tokio::time::sleep(BACK_OFF) => {}
                    }
                }
            }
        }
        if are_all_guarded {
            self.close(listener);
        } else {
            drop(listener);
        }
        self.drain(connections).await
    }

    /// Closes a door, and with it whoever waits to be accepted.
    fn close(&self, listener: UnixListener) {
        if let Ok(socket) = listener.into_std() {
            let (account, socket) = (Leaving::NOBODY, socket.into());
            self.closer().close(Leaving { account, socket, seat: None });
        }
    }

    async fn drain(&self, mut connections: JoinSet<()>) -> usize {
        let finishing = async { while connections.join_next().await.is_some() {} };
        if tokio::time::timeout(self.service.limits.drain, finishing).await.is_ok() {
            return 0;
        }
        let cut_off = connections.len();
        tracing::warn!(cut_off, "connections were not finished in time and were closed");
        connections.shutdown().await;
        cut_off
    }

    /// Serves a new connection, or tells it that there is no place.
    fn receive(&self, mut stream: Stream, door: Door, connections: &mut JoinSet<()>) {
        let figures = self.figures();
        let Some(mut peer) = peer::identify(stream.io(), door) else {
            figures.connections_refused.one_more();
            tracing::debug!(?door, "a connection without credentials was closed");
            return;
        };
        if peer.door == Door::Public && !peer.shares_uid && self.delegates.contains(&peer.uid) {
            peer.door = Door::Delegate;
        }
        peer.account = self.subordinates.account(peer.uid);
        peer.chose_gid = self.subordinates.hold_gid(peer.gid);
        let Service { limits, rates, .. } = &*self.service;
        rates.forget_the_quiet();
        match self.census.admit(&peer, limits, figures) {
            Ok(seat) => {
                let seat = Arc::new(seat);
                stream.belongs_to(&peer, Some(&seat));
                let number = self.arrivals.fetch_add(1, Ordering::Relaxed);
                let arrival = Arrival { io: stream, peer, seat, number };
                let with = (Arc::clone(&self.service), self.stop.clone());
                self.workers.serve(arrival, with, connections);
            }
            Err(full) => {
                stream.belongs_to(&peer, None);
                figures.connections_refused.one_more();
                tracing::debug!(?door, uid = peer.uid, ?full, "a connection was turned away");
                self.refuse(stream, &no_place(full, limits), connections);
            }
        }
    }

    fn refuse(&self, stream: Stream, fault: &Fault, connections: &mut JoinSet<()>) {
        match Arc::clone(&self.farewells).try_acquire_owned() {
            Ok(place) => {
                let fault = fault.clone();
                connections.spawn(async move {
                    turn_away(stream, fault).await;
                    drop(place);
                });
            }
            Err(_) => say_and_close(&stream, fault),
        }
    }

    fn closer(&self) -> &Arc<Closer> {
        self.closer.get_or_init(|| Closer::start(self.holder.clone()))
    }

    fn figures(&self) -> &Arc<SocketFigures> {
        &self.service.figures
    }
}

fn no_place(full: Full, limits: &Limits) -> Fault {
    let detail = match full {
        Full::Daemon => format!(
            "there are at most {} connections, {} of them kept for administrators",
            limits.connections,
            limits.kept_for_administrators()
        ),
        Full::User => format!("a user has at most {} connections", limits.connections_per_uid),
    };
    Fault::limit(detail, "close connections that are not needed, and try again")
}

/// Says why and closes, without waiting.
fn say_and_close(stream: &Stream, fault: &Fault) {
    // A fresh socket has room for one line; if not, closing says enough.
    let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL;
    let _ = send(stream.io().as_raw_fd(), &fault.line(), flags);
}
