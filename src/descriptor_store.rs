//! Descriptors that outlive the process: handed to the service manager, which hands them back at the next start.
//!
//! Asked by: SeatKeeper, for pidfds; `daemon`, before it ends. Without a service manager all of this does nothing.
//!
//! A descriptor is handed over a moment after it was asked for, so that one that is let go of soon costs the service
//! manager nothing. Names are told as `FDNAME`; see systemd's FILE DESCRIPTOR STORE for the protocol.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::io::{self, IoSlice};
use std::os::fd::{AsRawFd as _, OwnedFd, RawFd};
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::sync::Arc;
use std::time::Duration;

use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg};
use tokio::io::{AsyncReadExt as _, Interest};
use tokio::sync::{mpsc, oneshot};

/// What is let go of within this is not handed over.
const MOMENT: Duration = Duration::from_millis(200);
/// How long the service manager may take to take note of everything.
const FLUSH_TIME: Duration = Duration::from_secs(5);

#[derive(Debug)]
enum Order {
    Keep(String, Arc<OwnedFd>),
    Forget(String),
    Flush(oneshot::Sender<()>),
}

/// Hands over and lets go. Clones are the same; the default does nothing.
#[derive(Debug, Clone, Default)]
pub struct DescriptorStore {
    orders: Option<mpsc::UnboundedSender<Order>>,
}

impl DescriptorStore {
    /// To the service manager that started us, if one did. `there` are the names of what it has already.
    pub fn start(there: impl IntoIterator<Item = String>) -> Self {
        let Some(path) = std::env::var_os("NOTIFY_SOCKET") else { return Self::default() };
        let socket = connect(&path).and_then(tokio::net::UnixDatagram::from_std);
        let socket = match socket {
            Ok(socket) => socket,
            Err(error) => {
                tracing::warn!(%error, "the service manager keeps no descriptors for us");
                return Self::default();
            }
        };
        let (orders, received) = mpsc::unbounded_channel();
        let there = there.into_iter().collect();
        actix_rt::spawn(Keeper { socket, there, pending: BTreeMap::new() }.run(received));
        Self { orders: Some(orders) }
    }

    /// Whether anybody keeps anything.
    pub fn is_there(&self) -> bool {
        self.orders.is_some()
    }

    pub fn keep(&self, name: String, descriptor: Arc<OwnedFd>) {
        self.order(Order::Keep(name, descriptor));
    }

    pub fn forget(&self, name: String) {
        self.order(Order::Forget(name));
    }

    /// Returns when the service manager has all that it is to have.
    pub async fn flush(&self) {
        let (done, flushed) = oneshot::channel();
        self.order(Order::Flush(done));
        if self.is_there() && tokio::time::timeout(FLUSH_TIME, flushed).await.is_err() {
            tracing::warn!("the service manager takes long to keep our descriptors");
        }
    }

    fn order(&self, order: Order) {
        if let Some(orders) = &self.orders {
            // Who would take it ends with the runtime only.
            let _ = orders.send(order);
        }
    }
}

/// What is to be done about one name.
#[derive(Debug, Default)]
struct Pending {
    forget: bool,
    keep: Option<Arc<OwnedFd>>,
}

struct Keeper {
    socket: tokio::net::UnixDatagram,
    /// What the service manager has.
    there: BTreeSet<String>,
    pending: BTreeMap<String, Pending>,
}

impl Keeper {
    async fn run(mut self, mut orders: mpsc::UnboundedReceiver<Order>) {
        while let Some(order) = orders.recv().await {
            let mut waiting = Vec::new();
            let end = tokio::time::sleep(MOMENT);
            tokio::pin!(end);
            self.take(order, &mut waiting);
            while waiting.is_empty() {
                tokio::select! {
                    biased;
                    more = orders.recv() => match more {
                        Some(order) => self.take(order, &mut waiting),
                        None => break,
                    },
                    () = &mut end => break,
                }
            }
            if let Err(error) = self.settle().await {
                tracing::warn!(%error, "the service manager could not be given a descriptor");
            }
            if !waiting.is_empty()
                && let Err(error) = self.barrier().await
            {
                tracing::warn!(%error, "whether the service manager has our descriptors is not known");
            }
            for done in waiting {
                // Who asked waits no more: it took too long.
                let _ = done.send(());
            }
        }
    }

    fn take(&mut self, order: Order, waiting: &mut Vec<oneshot::Sender<()>>) {
        match order {
            Order::Keep(name, descriptor) => {
                self.pending.entry(name).or_default().keep = Some(descriptor);
            }
            Order::Forget(name) => {
                let forget = self.there.contains(&name);
                self.pending.insert(name, Pending { forget, keep: None });
            }
            Order::Flush(done) => waiting.push(done),
        }
    }

    async fn settle(&mut self) -> io::Result<()> {
        while let Some((name, Pending { forget, keep })) = self.pending.pop_first() {
            if forget {
                self.send(&format!("FDSTOREREMOVE=1\nFDNAME={name}"), &[]).await?;
                self.there.remove(&name);
            }
            if let Some(descriptor) = keep {
                // It is to stay when its process has ended: that is what it tells.
                let told = format!("FDSTORE=1\nFDPOLL=0\nFDNAME={name}");
                self.send(&told, &[descriptor.as_raw_fd()]).await?;
                self.there.insert(name);
            }
        }
        Ok(())
    }

    /// The service manager closes our end of a pipe when it has done all that came before.
    async fn barrier(&self) -> io::Result<()> {
        let (ours, theirs) = io::pipe()?;
        self.send("BARRIER=1", &[theirs.as_raw_fd()]).await?;
        drop(theirs);
        let mut ours = tokio::net::unix::pipe::Receiver::from_owned_fd(ours.into())?;
        ours.read(&mut [0]).await.map(drop)
    }

    async fn send(&self, text: &str, descriptors: &[RawFd]) -> io::Result<()> {
        let rights = [ControlMessage::ScmRights(descriptors)];
        let rights = if descriptors.is_empty() { &[][..] } else { &rights[..] };
        let send = || {
            let text = [IoSlice::new(text.as_bytes())];
            let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL;
            sendmsg::<()>(self.socket.as_raw_fd(), &text, rights, flags, None)
                .map_err(io::Error::from)
        };
        self.socket.async_io(Interest::WRITABLE, send).await.map(drop)
    }
}

fn connect(path: &OsStr) -> io::Result<UnixDatagram> {
    let socket = UnixDatagram::unbound()?;
    socket.set_nonblocking(true)?;
    match path.as_bytes().strip_prefix(b"@") {
        Some(name) => socket.connect_addr(&SocketAddr::from_abstract_name(name)?)?,
        None => socket.connect(path)?,
    }
    Ok(socket)
}
