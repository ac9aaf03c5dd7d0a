//! Which heartbeats count as answered, and what is kept of an answer that is refused in part.

use std::{fs, path::Path, sync::OnceLock};

use axum::{Router, http::StatusCode, routing::any};
use decnet_topology::{Catalog, MemoryRepo};
use hyper_util::rt::TokioIo;
use jiff::SignedDuration;
use serde_json::{Value, json};
use tokio::{net::TcpListener, sync::RwLock};
use tokio_rustls::TlsAcceptor;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::*;
use crate::{
    agent::{
        AgentFolder, AgentPlace,
        contact::{Contact, SilenceLimit},
        generations::Generations,
        instances::Instances,
        tests::Pair,
    },
    decoy::DecoyImage,
    engine::{Engine, EngineOptions},
    peer::{PROTOCOL, PROTOCOL_HEADER},
    pki::{Authority, server_config},
    runtime::simulated::Simulated,
};

const DAY: Duration = Duration::from_hours(24);

/// Serves a master that gives the same answer to everything, and returns its address.
async fn answering(pair: &Pair, status: StatusCode, version: u32, body: Value) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    let config = server_config(&pair.master, Peers::Agents, true).expect("a configuration");
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let answer = (status, [(PROTOCOL_HEADER, version.to_string())], body.to_string());
    tokio::spawn(async move {
        let router = Router::new().fallback(any(async move || answer));
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(stream) = acceptor.accept(stream).await else {
                continue;
            };
            let stream = TokioIo::new(stream);
            let service = hyper_util::service::TowerToHyperService::new(router.clone());
            let _ = hyper::server::conn::http1::Builder::new()
                .serve_connection(stream, service)
                .await;
        }
    });
    address
}

/// Returns the heartbeats of an agent. The last answer of its master was two days ago, and one day is the limit.
fn beats(pair: &Pair, master: &str, path: &Path) -> Beats {
    let folder = AgentFolder::open(path.join("agent")).expect("a folder");
    let place = AgentPlace::new(master, "127.0.0.1:1");
    folder.save(&pair.agent, &place).expect("written");
    let ago = Timestamp::now() - SignedDuration::from_hours(48);
    fs::write(folder.answered(), format!("{ago}\n")).expect("written");
    let limit = SilenceLimit {
        after: DAY,
        every: Duration::from_secs(10),
    };
    let options = EngineOptions::new(Catalog::builtin()).image(None::<Arc<DecoyImage>>);
    let shared = Shared {
        engine: Engine::new(Arc::new(MemoryRepo::new()), Arc::new(Simulated::new()), options),
        stop: CancellationToken::new(),
        generations: Generations::open(None).expect("no file"),
        contact: Contact::open(Some(folder.answered()), Some(limit), Timestamp::now()),
        instances: Instances::open(None).expect("no file"),
        is_revoked: CancellationToken::new(),
        removing: RwLock::default(),
        credentials: pair.agent.clone(),
        folder: Some(folder),
        logs: None,
        topology: tokio::sync::Mutex::default(),
        collecting: OnceLock::new(),
        collector: TaskTracker::new(),
        changing: TaskTracker::new(),
    };
    Beats::new(Arc::new(shared), AgentMaster::new(place))
}

/// Returns whether a master is still silent after a heartbeat that failed.
async fn is_silent(pair: &Pair, master: &str) -> bool {
    let folder = tempfile::tempdir().expect("a folder");
    let beats = beats(pair, master, folder.path());
    let error = beats.beat().await.expect_err("it fails");
    beats.note(&error, Duration::ZERO);
    let contact = &beats.shared.contact;
    assert_eq!(contact.is_overdue(), contact.silent() >= DAY, "{error}");
    contact.is_overdue()
}

#[tokio::test]
async fn a_master_that_refuses_a_heartbeat_is_not_silent_unless_it_refuses_the_host() {
    let pair = Pair::new();
    for (version, code, expected) in [
        (PROTOCOL, "host_store", false),
        (PROTOCOL, "peer_address", false),
        (PROTOCOL + 1, "protocol_mismatch", false),
        (PROTOCOL, HOST_UNKNOWN, true),
        (PROTOCOL, CERTIFICATE_REFUSED, true),
    ] {
        let problem = json!({ "code": code, "detail": "no" });
        let master = answering(&pair, StatusCode::BAD_GATEWAY, version, problem).await;
        assert_eq!(is_silent(&pair, &master).await, expected, "{code}");
    }
    // Nothing listens there, or it is not a master.
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let gone = listener.local_addr().expect("an address").to_string();
    drop(listener);
    assert!(is_silent(&pair, &gone).await);
    let stranger = Pair::new();
    let problem = json!({ "code": "host_store", "detail": "no" });
    let other = answering(&stranger, StatusCode::BAD_GATEWAY, PROTOCOL, problem).await;
    assert!(is_silent(&pair, &other).await);
}

#[tokio::test]
async fn new_trust_is_kept_although_the_certificate_of_the_same_answer_is_refused() {
    let pair = Pair::new();
    let next = Authority::create(Timestamp::now()).expect("an authority");
    let both = pair.agent.trust().with_root(next.certificate_pem()).expect("a root");
    let answer = BeatAnswer {
        renew: false,
        certificate: Some("text".into()),
        trust: Some(both.clone()),
        at: Timestamp::now(),
    };
    let master = answering(&pair, StatusCode::OK, PROTOCOL, json!(answer)).await;
    let folder = tempfile::tempdir().expect("a folder");
    let beats = beats(&pair, &master, folder.path());
    let client = beats.client().expect("a client");
    let key = KeyRequest::new().expect("a key");
    let sent = beats.send(&client, HostReport::default(), Some(key)).await;
    assert!(matches!(sent, Err(Missed::Pki(_))), "{sent:?}");
    let kept = beats.shared.folder.as_ref().expect("a folder").load();
    let (kept, _) = kept.expect("read").expect("it has joined");
    assert_eq!(kept.trust(), both);
}

#[tokio::test]
async fn a_certificate_from_a_master_whose_clock_is_an_hour_ahead_is_refused_and_the_one_in_use_stays() {
    let pair = Pair::new();
    let folder = tempfile::tempdir().expect("a folder");
    let master = answering(&pair, StatusCode::OK, PROTOCOL, json!(null)).await;
    let beats = beats(&pair, &master, folder.path());
    let serial = || beats.shared.credentials.identity().info().serial.clone();
    let before = serial();
    let subject = pair.agent.identity().info().subject.clone();
    for (minutes, code) in [(60, Some("clock_off")), (9, None)] {
        let key = KeyRequest::new().expect("a key");
        let at = Timestamp::now() + SignedDuration::from_mins(minutes);
        let certificate = pair.authority.issue(key.request_pem(), &subject, at);
        let used = beats.take(None, Some((certificate.expect("a certificate"), key)));
        assert_eq!(used.err().map(|error| error.code()), code, "{minutes} minutes");
        assert_eq!(serial() == before, code.is_some(), "{minutes} minutes");
    }
}
