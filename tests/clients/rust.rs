//! The Rust client, blocking and asynchronous, plays the same cases.

use std::path::{Path, PathBuf};
use std::time::Duration;

use entitled_client::{
    AsyncClient, AsyncSeat, Client, ClientError, Code, Seat, SeatError, SeatRequest, SeatState,
    SocketPath, Verdict,
};
use serde_json::{Value, json};

use crate::driver::{Driver, conforms};

/// Reads the words of a case, and says what it says. Both faces ask through it.
trait Asks {
    fn call(&mut self, method: &str, params: &Value) -> Result<Value, ClientError>;
    fn verdict(&mut self, params: &Value) -> Result<Verdict, ClientError>;
    /// The next verdict of a subscription that is made when there is none; an error ends it.
    fn told(&mut self, product: &str) -> Result<Verdict, ClientError>;
    fn take(&mut self, request: SeatRequest) -> Result<String, SeatError>;
    fn held(&mut self, wait: Duration) -> SeatState;
    fn release(&mut self) -> Result<(), ClientError>;
}

/// A seat, or that it was given back.
enum Held<S> {
    Seat(S),
    Released,
}

fn refused(error: &SeatError) -> String {
    match error {
        SeatError::Refused(it) if it.is_known() => format!("no {}", it.code),
        SeatError::Refused(it) => format!("not-known {}", it.code),
        SeatError::NotAnswered(it) => format!("not-known {}", failure(it)),
    }
}

fn stands(state: SeatState) -> String {
    match state {
        SeatState::Held { ends_at: None } => "yes".to_owned(),
        SeatState::Held { ends_at: Some(it) } => format!("yes {it}"),
        SeatState::Ended { reason } => format!("no {reason}"),
        SeatState::NotKnown(error) => refused(&error),
    }
}

fn seat_request(product: &str, more: &[&str]) -> SeatRequest {
    let pairs = more.iter().filter_map(|it| it.split_once('='));
    pairs.fold(SeatRequest::new(product), |it, (key, value)| match key {
        "tier" => it.tier(value),
        "feature" => it.feature(value),
        _ => it.wait(Duration::from_millis(value.parse().unwrap())),
    })
}

fn answer(asked: Result<Verdict, ClientError>) -> String {
    match asked {
        Ok(it) if it.code == Code::Undetermined => format!("not-known {}", it.code),
        Ok(it) if it.valid => format!("yes {}", it.code),
        Ok(it) => format!("no {}", it.code),
        Err(it) => format!("not-known {}", failure(&it)),
    }
}

fn failure(error: &ClientError) -> String {
    match error {
        ClientError::Unreachable { .. } => "unreachable".to_owned(),
        ClientError::Untrusted { .. } => "untrusted".to_owned(),
        ClientError::Timeout { .. } => "timeout".to_owned(),
        ClientError::Protocol { .. } => "protocol".to_owned(),
        ClientError::Refused { code, .. } => {
            format!("refused {}", error.name().map_or_else(|| code.to_string(), str::to_owned))
        }
    }
}

fn say(client: &mut impl Asks, words: &[&str]) -> String {
    let product = |it: &str| json!({ "product": it });
    match words {
        ["check", named, more @ ..] => {
            let mut params = product(named);
            for (key, value) in more.iter().filter_map(|it| it.split_once('=')) {
                let number = value.parse::<u64>().ok().filter(|_| key == "wait_ms");
                params[key] = number.map_or_else(|| json!(value), |it| json!(it));
            }
            answer(client.verdict(&params))
        }
        ["has", named, feature] => match client.verdict(&product(named)) {
            Ok(it) if it.code == Code::Undetermined => "not-known".to_owned(),
            Ok(it) if it.has(feature) => "yes".to_owned(),
            Ok(_) => "no".to_owned(),
            Err(_) => "not-known".to_owned(),
        },
        ["value", named, feature] => {
            let verdict = client.verdict(&product(named)).unwrap();
            verdict.feature(feature).map_or_else(|| "none".to_owned(), ToString::to_string)
        }
        ["call", method] => match client.call(method, &Value::Null) {
            Ok(_) => "ok".to_owned(),
            Err(it) => failure(&it),
        },
        ["watch", named, count] => {
            let count: usize = count.parse().unwrap();
            let told: Vec<String> = (0..count).map(|_| answer(client.told(named))).collect();
            told.join(",")
        }
        ["seat", named, more @ ..] => match client.take(seat_request(named, more)) {
            Ok(seat) => format!("yes {seat}"),
            Err(error) => refused(&error),
        },
        ["held", wait] => stands(client.held(Duration::from_millis(wait.parse().unwrap()))),
        ["release"] => client.release().map_or_else(|it| failure(&it), |()| "ok".to_owned()),
        _ => panic!("{words:?}"),
    }
}

struct Blocking {
    path: SocketPath,
    limit: Duration,
    client: Option<Client>,
    subscription: Option<entitled_client::Subscription>,
    seat: Held<Seat>,
}

impl Blocking {
    fn client(&mut self) -> Result<&mut Client, ClientError> {
        if self.client.is_none() {
            self.client = Some(Client::connect_within(&self.path, self.limit)?);
        }
        Ok(self.client.as_mut().unwrap())
    }

    fn next(&mut self, product: &str) -> Result<Verdict, ClientError> {
        if self.subscription.is_none() {
            let client = Client::connect_within(&self.path, self.limit)?;
            self.subscription = Some(client.subscribe(product)?);
        }
        self.subscription.as_mut().unwrap().next().unwrap_or_else(|| Err(gone(&self.path)))
    }
}

/// A subscription ends with the connection, which is no error of its own.
fn gone(path: &SocketPath) -> ClientError {
    let source = std::io::ErrorKind::UnexpectedEof.into();
    ClientError::Unreachable { path: path.as_path().to_owned(), source }
}

impl Asks for Blocking {
    fn call(&mut self, method: &str, params: &Value) -> Result<Value, ClientError> {
        self.client()?.call(method, params)
    }

    fn verdict(&mut self, params: &Value) -> Result<Verdict, ClientError> {
        self.client()?.check_with(params)
    }

    fn told(&mut self, product: &str) -> Result<Verdict, ClientError> {
        let told = self.next(product);
        if told.is_err() {
            self.subscription = None;
        }
        told
    }

    fn take(&mut self, request: SeatRequest) -> Result<String, SeatError> {
        let seat = Seat::acquire(&self.path, request.timeout(self.limit))?;
        let id = seat.id().to_owned();
        self.seat = Held::Seat(seat);
        Ok(id)
    }

    fn held(&mut self, wait: Duration) -> SeatState {
        match &mut self.seat {
            Held::Seat(seat) => seat.check(wait),
            Held::Released => SeatState::Ended { reason: "released".to_owned() },
        }
    }

    fn release(&mut self) -> Result<(), ClientError> {
        match std::mem::replace(&mut self.seat, Held::Released) {
            Held::Seat(seat) => seat.release(),
            Held::Released => Ok(()),
        }
    }
}

struct Asynchronous {
    path: SocketPath,
    limit: Duration,
    runtime: tokio::runtime::Runtime,
    client: Option<AsyncClient>,
    subscription: Option<entitled_client::AsyncSubscription>,
    seat: Held<AsyncSeat>,
}

impl Asynchronous {
    async fn client<'a>(
        kept: &'a mut Option<AsyncClient>,
        path: &SocketPath,
        limit: Duration,
    ) -> Result<&'a mut AsyncClient, ClientError> {
        if kept.is_none() {
            *kept = Some(AsyncClient::connect_within(path, limit).await?);
        }
        Ok(kept.as_mut().unwrap())
    }
}

impl Asks for Asynchronous {
    fn call(&mut self, method: &str, params: &Value) -> Result<Value, ClientError> {
        let Self { path, limit, runtime, client, .. } = self;
        runtime.block_on(async {
            Self::client(client, path, *limit).await?.call(method, params).await
        })
    }

    fn verdict(&mut self, params: &Value) -> Result<Verdict, ClientError> {
        let Self { path, limit, runtime, client, .. } = self;
        runtime
            .block_on(async { Self::client(client, path, *limit).await?.check_with(params).await })
    }

    fn told(&mut self, product: &str) -> Result<Verdict, ClientError> {
        let Self { path, limit, runtime, subscription, .. } = self;
        let told = runtime.block_on(async {
            if subscription.is_none() {
                let client = AsyncClient::connect_within(path, *limit).await?;
                *subscription = Some(client.subscribe(product).await?);
            }
            let next = subscription.as_mut().unwrap().next().await;
            next.unwrap_or_else(|| Err(gone(path)))
        });
        if told.is_err() {
            self.subscription = None;
        }
        told
    }

    fn take(&mut self, request: SeatRequest) -> Result<String, SeatError> {
        let seat =
            self.runtime.block_on(AsyncSeat::acquire(&self.path, request.timeout(self.limit)))?;
        let id = seat.id().to_owned();
        self.seat = Held::Seat(seat);
        Ok(id)
    }

    fn held(&mut self, wait: Duration) -> SeatState {
        match &mut self.seat {
            Held::Seat(seat) => self.runtime.block_on(seat.check(wait)),
            Held::Released => SeatState::Ended { reason: "released".to_owned() },
        }
    }

    fn release(&mut self) -> Result<(), ClientError> {
        match std::mem::replace(&mut self.seat, Held::Released) {
            Held::Seat(seat) => self.runtime.block_on(seat.release()),
            Held::Released => Ok(()),
        }
    }
}

/// Either face, opened anew for each case.
struct Face<A>(fn(PathBuf, Duration) -> A, Option<A>);

impl<A: Asks> Driver for Face<A> {
    fn open(&mut self, socket: &Path, timeout_ms: u64) {
        self.1 = Some(self.0(socket.to_owned(), Duration::from_millis(timeout_ms)));
    }

    fn ask(&mut self, question: &[String]) -> String {
        let words: Vec<&str> = question.iter().map(String::as_str).collect();
        say(self.1.as_mut().unwrap(), &words)
    }

    fn close(&mut self) {
        self.1 = None;
    }
}

#[test]
fn the_blocking_client_conforms() {
    let open = |path, limit| Blocking {
        path: SocketPath::at(path),
        limit,
        client: None,
        subscription: None,
        seat: Held::Released,
    };
    conforms(&mut Face(open, None));
}

#[test]
fn the_asynchronous_client_conforms() {
    let open = |path, limit| Asynchronous {
        path: SocketPath::at(path),
        limit,
        runtime: tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap(),
        client: None,
        subscription: None,
        seat: Held::Released,
    };
    conforms(&mut Face(open, None));
}
