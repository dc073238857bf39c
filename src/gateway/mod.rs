//! `entitled gateway`: the daemon's answers over HTTP, for whoever cannot open its socket.
//!
//! ```text
//!   client ── TLS, HTTP ─▶ serve ─▶ respond ─▶ who asks? ─▶ endpoints (the table) ─▶ daemon's socket
//! ```
//!
//! A process of its own, which decides nothing: `credentials` finds out which of the configured clients
//! asks, `endpoints` has one row for each endpoint with the method it stands for, and `daemon` asks that method for the
//! client's customer. The daemon knows the gateway by its uid (`socket.delegates`) and lets it name customers that an
//! administrator made, in methods that give out no key. A verdict is handed out again while the daemon's memory says that it
//! would be the same (`kept`). Never: proves, or reads a ledger.

mod answer;
mod authorization;
mod body;
mod census;
mod certificate;
mod clients;
mod cors;
mod credentials;
mod daemon;
mod endpoints;
mod events;
mod exchange;
mod forward;
mod guarded;
mod handshakes;
mod head;
mod hosts;
mod idempotency;
mod jwt;
mod kept;
mod object;
mod oidc;
mod openapi;
mod outgoing;
mod parameters;
mod places;
mod probes;
mod problem;
mod respond;
mod review_limits;
mod revisions;
mod rpc;
mod run;
mod seldom;
mod serve;
mod settings;
mod tls;
mod token_review;
mod waiting;

pub use run::{check, probe, run};
pub use settings::{Settings, read};
