//! From a request to its answer: whether it is meant for us, whose page it comes from, who asks, and what for.

use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, header};
use hyper::body::{Body as _, Incoming};
use serde_json::{Map, Value};
use tokio::sync::Semaphore;

use super::answer::{Answer, Body, Kept};
use super::authorization::{Authorization, Shown};
use super::body::members;
use super::census::Machine;
use super::certificate::Certificate;
use super::clients::Client;
use super::cors::{Cors, Origin, is_of_another_site};
use super::credentials::Credentials;
use super::daemon::Daemon;
use super::endpoints::{Endpoint, Kind, Route, route};
use super::head::Head;
use super::hosts::Hosts;
use super::idempotency::Idempotency;
use super::kept::Verdicts;
use super::outgoing::{Reply, reply};
use super::places::Places;
use super::probes::Figures;
use super::problem::Problem;
use super::settings::Limits;
use super::{events, forward, openapi, parameters, rpc, waiting};
use crate::clock::Clock;
use crate::rpc::socket::progress::Progress;
use crate::rpc::socket::turn::{ANY_REQUEST, Turn};

/// What all connections share.
pub(super) struct Gateway {
    pub(super) hosts: Hosts,
    pub(super) limits: Limits,
    pub(super) cors: Cors,
    pub(super) credentials: Arc<Credentials>,
    pub(super) daemon: Arc<Daemon>,
    pub(super) verdicts: Verdicts,
    pub(super) idempotency: Idempotency,
    pub(super) in_flight: Semaphore,
    /// Of those whose body is on its way, or waits for its turn.
    pub(super) bodies: Places,
    pub(super) figures: Figures,
    pub(super) clock: Clock,
}

/// One connection: where it comes from, what its other end has shown, and what it is at.
pub(super) struct Arrival {
    /// Of IPv6, its network.
    pub(super) address: IpAddr,
    pub(super) certificate: Option<Arc<Certificate>>,
    pub(super) machine: Arc<Machine>,
    pub(super) progress: Arc<Progress>,
    pub(super) turn: Arc<Turn>,
}

impl Gateway {
    /// Refused, by HTTP/2, is who has too many replies to read: to be told so would be another.
    pub(super) async fn respond(
        &self,
        request: Request<Incoming>,
        arrival: &Arrival,
    ) -> Result<Reply, h2::Error> {
        let _serving = arrival.progress.serve();
        let (parts, mut body) = request.into_parts();
        let head = Head::of(&parts, &self.cors);
        let open = arrival.machine.open(4 * self.limits.in_flight);
        if head.is_http2 && open.is_none() {
            arrival.turn.spend(ANY_REQUEST);
            return Err(h2::Reason::REFUSED_STREAM.into());
        }
        let answered = match arrival.machine.begin(2 * self.limits.in_flight) {
            // What answering takes is there for as long as it is answered, and no longer: by HTTP/2 a reply can wait for long.
            Some(_begun) => Box::pin(self.in_turn((parts, &mut body), arrival, &head)).await,
            None => {
                drop(parts);
                arrival.turn.spend(ANY_REQUEST);
                Err(Problem::limited("this address has too many requests under way"))
            }
        };
        let mut answer = answered.unwrap_or_else(|problem| problem.into_answer(&head.id));
        self.figures.answered(answer.status);
        if !matches!(head.origin, Origin::Foreign) {
            self.cors.show(&head.origin, &mut answer.headers);
        }
        if let Ok(id) = HeaderValue::from_str(&head.id) {
            answer.headers.insert("x-request-id", id);
        }
        answer.set(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
        if head.has_body_by_chunks {
            answer.set(header::CONNECTION, "close");
        }
        // By HTTP/1.1 hyper itself sees to what was not read.
        if head.is_http2 {
            self.read_on(&mut body).await;
        }
        let is_unread = head.is_http2 && !body.is_end_stream();
        Ok(reply(answer, head.is_head, (&arrival.progress, open), is_unread.then_some(body)))
    }

    async fn in_turn(
        &self,
        (parts, body): (Parts, &mut Incoming),
        arrival: &Arrival,
        head: &Head,
    ) -> Result<Answer, Problem> {
        // Also of who has not said yet who asks: a refusal costs as much.
        if !arrival.turn.try_take(ANY_REQUEST) {
            arrival.turn.take(ANY_REQUEST).await;
        }
        self.answer((&parts, body), arrival, head).await
    }

    async fn answer(
        &self,
        (parts, body): (&Parts, &mut Incoming),
        arrival: &Arrival,
        Head { origin, id, .. }: &Head,
    ) -> Result<Answer, Problem> {
        self.hosts.check(parts)?;
        if matches!(origin, Origin::Foreign) {
            return Err(Problem::forbidden("pages of this origin may not ask"));
        }
        // Two ends of a body are how requests are smuggled past a proxy. Whoever sends one knows its length.
        if parts.headers.contains_key(header::TRANSFER_ENCODING) {
            let why = "send the body whole, with its Content-Length";
            return Err(Problem::new(StatusCode::LENGTH_REQUIRED, "INVALID_REQUEST", why));
        }
        let path = parts.uri.path();
        if parts.method == Method::OPTIONS {
            return self.preflight(path, origin);
        }
        if path == "/openapi.json" && [Method::GET, Method::HEAD].contains(&parts.method) {
            return Ok(Answer::json(StatusCode::OK, openapi::text()));
        }
        if matches!(origin, Origin::None) && is_of_another_site(&parts.headers) {
            return Err(Problem::forbidden("pages of other sites may not ask"));
        }
        let (endpoint, given) = match route(parts.method.as_str(), path) {
            Route::Found(endpoint, given) => (endpoint, given),
            Route::OtherVerb(verbs) => return Ok(other_verb(&verbs, id)),
            Route::Nowhere => return Err(Problem::not_found()),
        };
        let shown = Shown::of(&parts.headers, arrival.certificate.as_ref(), arrival.address)?;
        let client = self.credentials.find(&shown).await?;
        if !client.may_ask_now() {
            return Err(Problem::limited("this client asks too often"));
        }
        if !client.reads() {
            return Err(Problem::limited("this client does not read what it is answered"));
        }
        if endpoint.kind != Kind::Rpc && !client.has(endpoint.scope) {
            let lacks = endpoint.scope.word();
            return Err(Problem::forbidden(format!("this client lacks the scope `{lacks}`")));
        }
        // Whoever sends slowly has no turn and no place that others wait for.
        let body = self.body((parts, body), arrival, &client).await?;
        arrival.progress.completed();
        let own = Arc::clone(&client);
        let _turn = own.turn().await?;
        let _place =
            self.in_flight.try_acquire().map_err(|_| Problem::busy("too much at a time"))?;
        let body = body.into_bytes();
        let asked = Asked { endpoint, client, shown, parts, progress: &arrival.progress };
        let mut answer = match endpoint.kind {
            Kind::Rpc => rpc::answer(&self.daemon, &asked.client, &body).await,
            Kind::Flags => self.flags(asked, given, body).await,
            _ => self.method(asked, given, &body).await,
        }?;
        if let Body::Whole(bytes) = &answer.body {
            answer.owed = Some(own.owe(bytes.len()));
        }
        Ok(answer)
    }

    fn preflight(&self, path: &str, origin: &Origin) -> Result<Answer, Problem> {
        let verbs = match route("OPTIONS", path) {
            Route::OtherVerb(verbs) => verbs,
            _ if path == "/openapi.json" => vec!["GET"],
            _ => return Err(Problem::not_found()),
        };
        let mut answer = Answer::new(StatusCode::NO_CONTENT, Body::Whole(Bytes::new()));
        allow(&mut answer, &verbs);
        if let Origin::Allowed(_) = origin {
            self.cors.preflight(&mut answer.headers);
        }
        Ok(answer)
    }

    async fn flags(
        &self,
        asked: Asked<'_>,
        given: Vec<(&'static str, String)>,
        body: Bytes,
    ) -> Result<Answer, Problem> {
        let client = &asked.client;
        let key = given.into_iter().next().map(|(_, key)| key);
        let may_ask = match &key {
            Some(key) => forward::may_ask(client, key),
            None if client.may_ask_about_all() => true,
            None => {
                let query = asked.parts.uri.query().unwrap_or_default().as_bytes();
                let named: Vec<_> = url::form_urlencoded::parse(query)
                    .filter(|(name, _)| name == "product")
                    .collect();
                // Named in the context only, or twice, it would have to be read as the daemon reads it.
                matches!(named.as_slice(), [(_, one)] if client.may_ask_about(one))
            }
        };
        if !may_ask {
            return Err(Problem::forbidden("name a product that this client may ask about"));
        }
        let address = asked.parts.uri.path_and_query().map_or("/", |it| it.as_str());
        let asked_for = (address, key.as_deref());
        forward::flags(&self.daemon, client, asked_for, (&asked.parts.headers, body)).await
    }

    async fn method(
        &self,
        asked: Asked<'_>,
        given: Vec<(&'static str, String)>,
        body: &[u8],
    ) -> Result<Answer, Problem> {
        let Asked { endpoint, client, shown, parts, progress } = asked;
        let (known, most) = (parts.headers.get(header::IF_NONE_MATCH), self.limits.max_age);
        let key = body.is_empty().then(|| Verdicts::key(endpoint, &client, parts)).flatten();
        let now = self.clock.now();
        if let Some(kept) = key.as_ref().and_then(|it| self.verdicts.find(it, now)) {
            return Ok(kept.answer(known, most, now));
        }
        let members = members(endpoint, body)?;
        let query = parts.uri.query().unwrap_or_default();
        let params = parameters::read(endpoint, given, query, members)?;
        let narrows = parameters::narrows(&client, endpoint.narrowing);
        let params = parameters::admit(&client, endpoint.method, narrows, params)?;
        let within = (progress, self.limits.write);
        let question = self.verdicts.ask(key, &client);
        let result = match endpoint.kind {
            Kind::Events => {
                let authorization = self.authorization(client, shown);
                return events::verdicts(&self.daemon, authorization, &params, within).await;
            }
            Kind::Seat => {
                let authorization = self.authorization(client, shown);
                let asked = (params, &parts.headers);
                return events::seat(&self.daemon, authorization, asked, within).await;
            }
            Kind::Change => return self.change(endpoint, &client, params, &parts.headers).await,
            Kind::Question | Kind::Work | Kind::Rpc | Kind::Flags => {
                waiting::ask(&self.daemon, &client, (endpoint.kind, endpoint.method), params)
                    .await?
            }
        };
        let result = match narrows {
            false => Bytes::from(String::from(Box::<str>::from(result))),
            true => {
                let mut result: Value = serde_json::from_str(result.get()).unwrap_or_default();
                parameters::narrow(&client, endpoint.narrowing, &mut result);
                Bytes::from(result.to_string())
            }
        };
        if endpoint.kind != Kind::Question {
            return Ok(Answer::json(StatusCode::OK, result));
        }
        let kept = Arc::new(Kept::new(result, now));
        if let Some(question) = question {
            self.verdicts.keep(question, Arc::clone(&kept));
        }
        Ok(kept.answer(known, most, now))
    }

    fn authorization(&self, client: Arc<Client>, shown: Shown) -> Authorization {
        Authorization { client, shown, credentials: Arc::clone(&self.credentials) }
    }

    /// A change goes on also when the client hangs up: who asks again under its key hears what it came to.
    async fn change(
        &self,
        endpoint: &'static Endpoint,
        client: &Arc<Client>,
        params: Map<String, Value>,
        headers: &HeaderMap,
    ) -> Result<Answer, Problem> {
        let key = Idempotency::key(headers)?;
        let request = format!("{} {}", endpoint.method, Value::from(params.clone()));
        let (daemon, client) = (Arc::clone(&self.daemon), Arc::clone(client));
        let idempotency = self.idempotency.clone();
        let making = tokio::spawn(async move {
            let change = async {
                let result = daemon.ask_slowly(&client, endpoint.method, &params).await?;
                Ok(Bytes::from(String::from(Box::<str>::from(result))))
            };
            match key {
                None => change.await.map(|result| (result, false)),
                Some(key) => {
                    let made = idempotency.once((&client.name, key), &request, change).await?;
                    Ok((made.result, made.again))
                }
            }
        });
        let ended = |_| Problem::busy("the change was given up");
        let (result, again) = making.await.map_err(ended)??;
        let status =
            if is_refusal(endpoint, &result) { StatusCode::OK } else { StatusCode::CREATED };
        let mut answer = Answer::json(status, result);
        if again {
            answer.headers.insert("idempotency-replayed", HeaderValue::from_static("true"));
        }
        Ok(answer)
    }
}

/// Whether nothing was made of a change, and the answer says why.
fn is_refusal(endpoint: &Endpoint, result: &[u8]) -> bool {
    #[derive(serde::Deserialize)]
    struct Seat {
        granted: bool,
    }
    let is_granted = || serde_json::from_slice(result).is_ok_and(|it: Seat| it.granted);
    endpoint.method == "seat_borrow" && !is_granted()
}

/// A request whose sender is known.
struct Asked<'a> {
    endpoint: &'static Endpoint,
    client: Arc<Client>,
    shown: Shown,
    parts: &'a Parts,
    progress: &'a Arc<Progress>,
}

fn other_verb(verbs: &[&'static str], request: &str) -> Answer {
    let why = format!("use {}", verbs.join(", "));
    let problem = Problem::new(StatusCode::METHOD_NOT_ALLOWED, "INVALID_REQUEST", why);
    let mut answer = problem.into_answer(request);
    allow(&mut answer, verbs);
    answer
}

/// Names the verbs of an address, with those that go with them.
fn allow(answer: &mut Answer, verbs: &[&'static str]) {
    let head = verbs.contains(&"GET").then_some("HEAD");
    let all: Vec<&str> = verbs.iter().copied().chain(head).chain(["OPTIONS"]).collect();
    if let Ok(all) = HeaderValue::from_str(&all.join(", ")) {
        answer.headers.insert(header::ALLOW, all);
    }
}
