//! Both sides refuse another version of the protocol; the messages of this version are pinned.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::{Router, http::HeaderValue, routing::any};
use bytes::Bytes;
use decnet_topology::{Catalog, HostId, MemoryRepo, Name, TopologyId};
use http_body_util::{BodyExt as _, Full};
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::{AgentOptions, serve};
use crate::{
    decoy::DecoyImage,
    engine::{Engine, EngineOptions},
    fleet::messages::{BeatAnswer, BeatRequest, EnrollAnswer, EnrollRequest},
    peer::{GENERATION, PROTOCOL, PROTOCOL_HEADER, STORE, TOPOLOGY},
    pki::{Authority, CertificateSubject, Credentials, Peers, Trust, client_config, server_config},
    pushed::{AppliedTopology, HostReport},
    runtime::{
        LogLine, LogRequest, LogStream, Runtime as _, RuntimeError,
        remote::{
            RemoteOptions, RemoteRuntime,
            messages::{APPLY, CommandExit, OBSERVE, ObserveRequest, PERFORM, TEARDOWN},
        },
        simulated::Simulated,
    },
};

fn name(text: &str) -> Name {
    text.parse().expect("a name")
}

/// A master and the agent of a host.
pub(super) struct Pair {
    host: HostId,
    pub(super) authority: Authority,
    pub(super) master: Credentials,
    pub(super) agent: Credentials,
}

impl Pair {
    pub(super) fn new() -> Self {
        let authority = Authority::create(Timestamp::now()).expect("an authority");
        let host = decnet_topology::rng::host_id();
        let credentials = |subject: &CertificateSubject| {
            let identity = authority.identity(subject, Timestamp::now()).expect("an identity");
            Credentials::new(identity, Trust::of(&authority)).expect("credentials")
        };
        let master = credentials(&CertificateSubject::Master { name: name("first") });
        let agent = credentials(&CertificateSubject::Agent {
            host,
            name: name("host-1"),
        });
        Self {
            host,
            authority,
            master,
            agent,
        }
    }

    async fn serve(&self) -> SocketAddr {
        let options = EngineOptions::new(Catalog::builtin()).image(None::<Arc<DecoyImage>>);
        let engine = Engine::new(Arc::new(MemoryRepo::new()), Arc::new(Simulated::new()), options);
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        tokio::spawn(serve(engine, self.agent.clone(), AgentOptions::default(), listener));
        address
    }

    /// Sends a request with these headers, and returns the status and the problem.
    async fn ask(&self, address: SocketAddr, path: &str, headers: &[(&str, &str)]) -> (StatusCode, Value) {
        let config = client_config(&self.master, Peers::Agent(self.host)).expect("a configuration");
        let stream = TcpStream::connect(address).await.expect("connected");
        let connector = TlsConnector::from(Arc::new(config));
        let stream = connector.connect(Peers::Agent(self.host).server_name(), stream);
        let stream = TokioIo::new(stream.await.expect("a handshake"));
        let (mut sender, connection) = hyper::client::conn::http1::handshake(stream).await.expect("HTTP");
        tokio::spawn(connection);
        let mut request = Request::post(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let body = Full::new(Bytes::from(json!({"observe": "info"}).to_string()));
        let response = sender
            .send_request(request.body(body).expect("a request"))
            .await
            .expect("an answer");
        assert_eq!(response.headers()[PROTOCOL_HEADER], PROTOCOL.to_string());
        let status = response.status();
        let body = response.into_body().collect().await.expect("a body").to_bytes();
        (status, serde_json::from_slice(&body).expect("JSON"))
    }
}

#[tokio::test]
async fn an_agent_refuses_another_version_and_changes_without_a_lease() {
    let pair = Pair::new();
    let address = pair.serve().await;
    let version = PROTOCOL_HEADER.to_string();
    let (this, next) = (PROTOCOL.to_string(), (PROTOCOL + 1).to_string());
    let (store, topology, generation) = (STORE.to_string(), TOPOLOGY.to_string(), GENERATION.to_string());
    let id = "11234567-89ab-4cde-8f01-23456789abcd";
    let check = async |path: &str, headers: &[(&str, &str)], status: u16, code: &str| {
        let (found, problem) = pair.ask(address, path, headers).await;
        assert_eq!(
            (found.as_u16(), problem["code"].as_str()),
            (status, Some(code)),
            "{problem}"
        );
    };
    check(OBSERVE, &[], 409, "protocol_mismatch").await;
    check(OBSERVE, &[(&version, &next)], 409, "protocol_mismatch").await;
    // What only reads needs no lease.
    let (status, info) = pair.ask(address, OBSERVE, &[(&version, &this)]).await;
    assert_eq!((status, &info["podman"]), (StatusCode::OK, &json!(false)));
    for path in [PERFORM, APPLY, TEARDOWN] {
        let lease = [
            (&*store, id),
            (&*topology, id),
            (&*generation, "1"),
            (&*version, &*this),
        ];
        for absent in 0..3 {
            let mut headers = lease.to_vec();
            headers.remove(absent);
            check(path, &headers, 400, "generation_missing").await;
        }
        // It is admitted, and its body makes no sense here.
        check(path, &lease, 422, "invalid_body").await;
    }
}

#[tokio::test]
async fn a_master_refuses_an_agent_of_another_version() {
    for theirs in [None, Some("1"), Some("old")] {
        let pair = Pair::new();
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let config = server_config(&pair.agent, Peers::Masters, true).expect("a configuration");
        let acceptor = TlsAcceptor::from(Arc::new(config));
        tokio::spawn(async move {
            let (stream, _) = listener.accept().await.expect("a client");
            let stream = TokioIo::new(acceptor.accept(stream).await.expect("a handshake"));
            let router = Router::new().fallback(any(async move || {
                let mut headers = axum::http::HeaderMap::new();
                headers.extend(theirs.map(|version| (PROTOCOL_HEADER, HeaderValue::from_static(version))));
                (headers, "{}")
            }));
            let service = hyper_util::service::TowerToHyperService::new(router);
            let _ = hyper::server::conn::http1::Builder::new()
                .serve_connection(stream, service)
                .await;
        });
        let options = RemoteOptions::new(pair.host, name("host-1"), address.to_string());
        let remote = RemoteRuntime::new(&pair.master, options.timeout(Duration::from_secs(5))).expect("an address");
        let error = remote.info().await.expect_err("refused");
        let expected = theirs.unwrap_or("none");
        assert!(
            matches!(&error, RuntimeError::AgentVersion { theirs, ours: PROTOCOL, .. } if theirs == expected),
            "{error:?}"
        );
    }
}

/// If this fails, agents of the last version do not understand this one: increase `PROTOCOL`, and then accept the new text.
#[test]
fn the_messages_of_this_version_are_pinned() {
    let instance = "01234567-89ab-4cde-8f01-23456789abcd".parse().expect("an id");
    let topology: TopologyId = "11234567-89ab-4cde-8f01-23456789abcd".parse().expect("an id");
    let host: HostId = "21234567-89ab-4cde-8f01-23456789abcd".parse().expect("an id");
    let at: Timestamp = "2026-11-28T16:00:00Z".parse().expect("a time");
    let gone = RuntimeError::Gone { what: "x".into() };
    let report = HostReport {
        run: Some("41234567-89ab-4cde-8f01-23456789abcd".parse().expect("an id")),
        made_at: Some(at),
        topology: Some(topology),
        ..HostReport::default()
    };
    let scope = crate::observe::Scope::Topology(instance, topology);
    let messages = json!({
        "protocol": PROTOCOL,
        "observe": [
            ObserveRequest::Info,
            ObserveRequest::Inspect { scope },
            ObserveRequest::List { scope: crate::observe::Scope::Everyone },
            ObserveRequest::ForeignNetworks { instance },
            ObserveRequest::NameInterfaces { observed: Box::default() },
            ObserveRequest::UnavailableImages { images: [decnet_topology::ImageSource::Builtin].into() },
            ObserveRequest::CheckNetwork { bases: Vec::new() },
        ],
        "log": LogRequest { instance, id: "7".into(), since: Some(at), follow: true },
        "line": LogLine { at, stream: LogStream::Stdout, text: "one".into() },
        "exit": [CommandExit { code: Ok(0) }, CommandExit { code: Err(gone.clone()) }],
        "errors": [
            gone,
            RuntimeError::TimedOut { what: "x".into(), seconds: 7, answers: false },
            RuntimeError::State { container: "x".into(), reason: "y".into() },
        ],
        "enroll": [
            json!(EnrollRequest {
                token: "31234567-89ab-4cde-8f01-23456789abcd".parse().expect("an id"),
                secret: "00".into(),
                name: name("host-1"),
                address: "10.0.0.7:4433".into(),
                request: "PEM".into(),
            }),
            json!(EnrollAnswer { host, certificate: "PEM".into(), trust: Trust::default(), at }),
        ],
        "heartbeat": [
            json!(BeatRequest { report, trust: "00".into(), request: None }),
            json!(BeatAnswer { renew: false, certificate: None, trust: None, at }),
        ],
        "applied": AppliedTopology {
            topology,
            name: "corp".into(),
            status: decnet_topology::Status::Active,
            version_hash: "00".into(),
            settings_digest: "00".into(),
            changed: 0,
            reason: None,
        },
    });
    insta::assert_json_snapshot!(messages);
}

/// Errors have the same code as JSON and in the program.
#[test]
fn the_code_of_an_error_is_the_same_on_the_wire() {
    let text = || "x".to_owned();
    let errors = [
        RuntimeError::Unreachable {
            endpoint: text(),
            reason: text(),
        },
        RuntimeError::TooOld {
            endpoint: text(),
            found: text(),
            needed: text(),
        },
        RuntimeError::Foreign {
            what: text(),
            owner: text(),
        },
        RuntimeError::SubnetTaken {
            subnet: text(),
            reason: text(),
        },
        RuntimeError::PortTaken {
            container: text(),
            reason: text(),
        },
        RuntimeError::ImageUnavailable {
            reference: text(),
            reason: text(),
        },
        RuntimeError::NetworkBusy {
            network: text(),
            reason: text(),
        },
        RuntimeError::Gone { what: text() },
        RuntimeError::State {
            container: text(),
            reason: text(),
        },
        RuntimeError::Uncontained {
            container: text(),
            reason: text(),
        },
        RuntimeError::TimedOut {
            what: text(),
            seconds: 1,
            answers: true,
        },
        RuntimeError::Cancelled { what: text() },
        RuntimeError::Probe {
            container: text(),
            reason: text(),
        },
        RuntimeError::NoSuchPath {
            container: text(),
            path: text(),
        },
        RuntimeError::InMemory {
            container: text(),
            path: text(),
            folder: text(),
        },
        RuntimeError::NotCapturable {
            reason: text(),
            instead: text(),
        },
        RuntimeError::Conflict { reason: text() },
        RuntimeError::Refused { reason: text() },
        RuntimeError::AgentUnreachable {
            host: text(),
            address: text(),
            reason: text(),
        },
        RuntimeError::AgentUntrusted {
            host: text(),
            address: text(),
            reason: text(),
        },
        RuntimeError::AgentVersion {
            host: text(),
            theirs: text(),
            ours: 1,
        },
        RuntimeError::AgentSuperseded {
            host: text(),
            generation: 1,
            highest: 2,
        },
        RuntimeError::AgentRefused {
            host: text(),
            problem: text(),
            reason: text(),
        },
    ];
    for error in errors {
        let json = json!(error);
        assert_eq!(json["code"], error.code(), "{error:?}");
        let back: RuntimeError = serde_json::from_value(json).expect("an error");
        assert_eq!(back, error);
    }
}
