//! Stands in front of a node and counts the HTTP requests that pass. Alters nothing.

use std::io::{BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crate::support::http::{self, Message};

/// An endpoint of its own. Ends with this value.
pub struct Counter {
    address: String,
    trips: Arc<AtomicUsize>,
    ended: Arc<AtomicBool>,
}

impl Counter {
    /// In front of the node at `upstream` (`127.0.0.1:PORT`).
    pub fn start(upstream: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (trips, ended) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
        let (counted, over) = (Arc::clone(&trips), Arc::clone(&ended));
        let upstream = upstream.to_owned();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if over.load(Ordering::SeqCst) {
                    return;
                }
                let (counted, upstream) = (Arc::clone(&counted), upstream.clone());
                std::thread::spawn(move || pass(&stream, &upstream, &counted));
            }
        });
        Self { address, trips, ended }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn trips(&self) -> usize {
        self.trips.load(Ordering::SeqCst)
    }
}

impl Drop for Counter {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::SeqCst);
        drop(TcpStream::connect(&self.address)); // wakes the listener, which sees that it has ended
    }
}

/// One connection, until it ends.
fn pass(mut stream: &TcpStream, upstream: &str, trips: &AtomicUsize) {
    let mut reader = BufReader::new(stream);
    while let Ok(Some(request)) = Message::read(&mut reader) {
        trips.fetch_add(1, Ordering::SeqCst);
        let Ok(body) = http::post(upstream, &request.body) else { return };
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
        if stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&body)).is_err() {
            return;
        }
    }
}
