//! Conversations with a client of the SSH library, and with raw bytes.

mod fields;
mod limits;
mod lines;
mod session;

use std::{
    collections::BTreeSet,
    net::Ipv4Addr,
    sync::{Arc, Mutex},
};

use russh::{
    ChannelMsg, Disconnect,
    client::{self, AuthResult, Handle, KeyboardInteractiveAuthResponse},
    keys::{
        HashAlg, PrivateKey, PrivateKeyWithHashAlg, PublicKey, PublicKeyOrCertificate, ssh_key::private::Ed25519Keypair,
    },
};
use serde_json::{Value, json};
use tokio::{
    io::{DuplexStream, duplex},
    task::JoinHandle,
};

use super::*;
use crate::{
    protocol::{Os, Protocol},
    service::{
        event::{Auth, File, Proof},
        testing::{context, context_on, record},
    },
};

/// No test waits.
const PACE: Pace = Pace {
    wrong_password: Duration::ZERO,
    grace: Duration::from_mins(1),
    silence: Duration::from_mins(1),
};

type Events = Arc<Mutex<Vec<Event>>>;

/// A server that serves one connection.
struct Server {
    events: Events,
    task: JoinHandle<EndReason>,
}

impl Server {
    fn start(context: Context, pace: Pace) -> (Self, DuplexStream) {
        let (near, far) = duplex(64 * 1024);
        let events = Events::default();
        let report = {
            let events = Arc::clone(&events);
            move |event| events.lock().unwrap().push(event)
        };
        let task = tokio::spawn(converse_at(pace, far, context, report));
        (Self { events, task }, near)
    }

    fn events(&self) -> Vec<Event> {
        self.events.lock().unwrap().clone()
    }

    fn logins(&self) -> Vec<Auth> {
        let events = self.events();
        let logins = events.into_iter().filter_map(|event| match event {
            Event::Auth(auth) => Some(auth),
            _ => None,
        });
        logins.collect()
    }

    fn commands(&self) -> Vec<String> {
        let events = self.events();
        let lines = events.iter().filter_map(|event| match event {
            Event::Command(command) => Some(command.line.as_str().to_owned()),
            _ => None,
        });
        lines.collect()
    }
}

/// Sends raw bytes, and returns all answers and the end.
async fn raw(bytes: &[u8], fields: Value) -> (Vec<u8>, EndReason, Vec<Event>) {
    let (server, mut near) = Server::start(context("ssh", 22, Protocol::Tcp, fields), PACE);
    near.write_all(bytes).await.unwrap();
    near.shutdown().await.unwrap();
    let mut answer = Vec::new();
    let _ = near.read_to_end(&mut answer).await;
    let events = server.events();
    (answer, server.task.await.unwrap(), events)
}

/// The client's side: it keeps the server's key.
#[derive(Clone, Default)]
struct Client(Arc<Mutex<Option<PublicKey>>>);

impl client::Handler for Client {
    type Error = russh::Error;

    async fn check_server_key(&mut self, key: &PublicKeyOrCertificate) -> Result<bool, Self::Error> {
        let PublicKeyOrCertificate::PublicKey { key, .. } = key else {
            return Ok(false);
        };
        *self.0.lock().unwrap() = Some(key.clone());
        Ok(true)
    }
}

async fn connect(context: Context) -> (Server, Handle<Client>) {
    let (server, near) = Server::start(context, PACE);
    let config = Arc::new(client::Config::default());
    let client = client::connect_stream(config, near, Client::default()).await.unwrap();
    (server, client)
}

fn fields(extra: Value) -> Value {
    let mut fields = json!({"user": "root", "password": "hunter2"});
    let Value::Object(extra) = extra else { panic!("fields") };
    fields.as_object_mut().unwrap().extend(extra);
    fields
}

async fn log_in(extra: Value) -> (Server, Handle<Client>) {
    log_in_on(Os::Debian12, extra).await
}

async fn log_in_on(os: Os, extra: Value) -> (Server, Handle<Client>) {
    let context = context_on(os, "ssh", 22, Protocol::Tcp, fields(extra));
    let (server, mut client) = connect(context).await;
    assert!(client.authenticate_password("root", "hunter2").await.unwrap().success());
    (server, client)
}

/// Runs a command, and returns its output, its errors and its status.
async fn exec(client: &Handle<Client>, line: &str, input: Option<&[u8]>) -> (String, String, Option<u32>) {
    let mut channel = client.channel_open_session().await.unwrap();
    channel.exec(true, line).await.unwrap();
    if let Some(input) = input {
        channel.data(input).await.unwrap();
        channel.eof().await.unwrap();
    }
    let (mut output, mut errors, mut status) = (Vec::new(), Vec::new(), None);
    while let Some(message) = channel.wait().await {
        match message {
            ChannelMsg::Data { data } => output.extend(&data[..]),
            ChannelMsg::ExtendedData { data, .. } => errors.extend(&data[..]),
            ChannelMsg::ExitStatus { exit_status } => status = Some(exit_status),
            _ => {}
        }
    }
    (
        String::from_utf8(output).unwrap(),
        String::from_utf8(errors).unwrap(),
        status,
    )
}

/// Types into a shell with a terminal until it ends, and returns what it shows.
async fn shell(client: &Handle<Client>, typed: &[u8]) -> String {
    let mut channel = client.channel_open_session().await.unwrap();
    channel.request_pty(true, "xterm", 80, 24, 0, 0, &[]).await.unwrap();
    channel.request_shell(true).await.unwrap();
    channel.data(typed).await.unwrap();
    let mut shown = Vec::new();
    while let Some(message) = channel.wait().await {
        if let ChannelMsg::Data { data } = message {
            shown.extend(&data[..]);
        }
    }
    String::from_utf8(shown).unwrap()
}

fn password(method: &'static str, password: &str, accepted: bool) -> Auth {
    Auth {
        method,
        user: Some("root".into()),
        proof: Proof::Password(password.into()),
        accepted,
        ..Auth::default()
    }
}

#[tokio::test]
async fn a_bad_identification_is_answered_as_by_sshd() {
    let fields = json!({"banner": "SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u3"});
    for (sent, answer) in [
        (&b"GET / HTTP/1.0\r\n\r\n"[..], "Invalid SSH identification string.\r\n"),
        (b"\r\n", "Invalid SSH identification string.\r\n"),
        (&[b'A'; 9000], "Invalid SSH identification string.\r\n"),
        (b"SSH-1.5-x\r\n", "Protocol major versions differ.\r\n"),
        (b"SSH-2.0-Probe-x\r\n", ""),
        (b"SSH-2.0-half", ""),
        (b"", ""),
    ] {
        record(
            &context("ssh", 22, Protocol::Tcp, json!({})),
            &[sent, b"SSH-2.0-Go\r\n", b"\0\0\0\x0c\n\x14"],
        );
        let (answered, ..) = raw(sent, fields.clone()).await;
        let expected = format!("SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u3\r\n{answer}");
        assert_eq!(String::from_utf8(answered).unwrap(), expected);
    }
}

#[tokio::test]
async fn what_is_not_ssh_is_reported_as_a_probe() {
    let (_, end, events) = raw(b"GET / HTTP/1.0\r\n", json!({})).await;
    assert_eq!(end, EndReason::Ended);
    assert_eq!(events, [Event::probe("not this protocol", b"GET / HTTP/1.0")]);
    let (_, _, events) = raw(b"SSH-2.0-Go\r\nGET / HTTP/1.0\r\n\r\n", json!({})).await;
    assert_eq!(
        events,
        [
            client_name(b"SSH-2.0-Go"),
            Event::probe("not this protocol", b"GET / HTTP/1.0\r\n\r\n")
        ]
    );
    let (_, end, events) = raw(b"", json!({})).await;
    assert_eq!((end, events), (EndReason::Closed, Vec::new()));
}

#[tokio::test]
async fn a_visitor_who_sends_changed_bytes_gets_no_panic() {
    // The bytes of a client up to its key exchange, with one byte changed, and cut off.
    let start = [&b"SSH-2.0-Go\r\n"[..], &hassh::tests::libssh2()].concat();
    for at in (0..start.len()).step_by(7) {
        let mut changed = start.clone();
        changed[at] ^= 0x81;
        for bytes in [&changed[..], &start[..at]] {
            let (answer, end, _) = raw(bytes, json!({})).await;
            assert!(answer.starts_with(b"SSH-2.0-OpenSSH_9.2p1"));
            assert!(answer.len() < 4096, "{} bytes", answer.len());
            assert!([EndReason::Closed, EndReason::Ended].contains(&end), "{end:?}");
        }
    }
}

#[tokio::test]
async fn the_client_is_recognised_by_its_name_and_its_algorithms() {
    let (server, _client) = connect(context("ssh", 22, Protocol::Tcp, json!({}))).await;
    let events = server.events();
    let [Event::Fingerprint(name), Event::Fingerprint(hassh)] = &events[..] else {
        panic!("{events:?}")
    };
    assert_eq!(name.method, "client-name");
    assert!(name.value.as_str().starts_with("SSH-2.0-russh_"));
    assert_eq!((hassh.method, hassh.value.as_str().len()), ("hassh", 32));
}

#[tokio::test]
async fn the_host_key_is_that_of_the_decky() {
    let mut keys = Vec::new();
    for _ in 0..2 {
        let (_server, near) = Server::start(context("ssh", 22, Protocol::Tcp, json!({})), PACE);
        let client = Client::default();
        let config = Arc::new(client::Config::default());
        client::connect_stream(config, near, client.clone()).await.unwrap();
        keys.push(client.0.lock().unwrap().clone().unwrap());
    }
    assert_eq!(keys[0], keys[1]);
    let mut other = context("ssh", 22, Protocol::Tcp, json!({}));
    Arc::make_mut(&mut other.service).secret = crate::service::secret::Secret::new([8; 32]);
    assert_ne!(config::config(&other, "", PACE.silence).keys[0].public_key(), &keys[0]);
}

#[tokio::test]
async fn without_a_password_in_the_maze_every_login_fails_and_is_reported_once() {
    let (server, mut client) = connect(context("ssh", 22, Protocol::Tcp, json!({}))).await;
    let AuthResult::Failure { remaining_methods, .. } = client.authenticate_none("root").await.unwrap() else {
        panic!("a failure")
    };
    let names: Vec<&str> = remaining_methods.iter().map(Into::into).collect();
    assert_eq!(names, ["publickey", "password"]);
    let key = PrivateKey::from(Ed25519Keypair::from_seed(&[1; 32]));
    let fingerprint = key.public_key().fingerprint(HashAlg::Sha256).to_string();
    let key = PrivateKeyWithHashAlg::new(Arc::new(key), None);
    assert!(!client.authenticate_publickey("root", key).await.unwrap().success());
    assert!(!client.authenticate_password("root", "").await.unwrap().success());
    let attempt = |method, proof| Auth {
        method,
        user: Some("root".into()),
        proof,
        ..Auth::default()
    };
    assert_eq!(
        server.logins(),
        [
            attempt("none", Proof::None),
            attempt("publickey", Proof::Key(fingerprint.into())),
            password("password", "", false)
        ]
    );
}

#[tokio::test]
async fn a_wrong_password_is_answered_after_a_pause() {
    let pace = Pace {
        wrong_password: Duration::from_millis(100),
        ..PACE
    };
    let (_server, near) = Server::start(context("ssh", 22, Protocol::Tcp, fields(json!({}))), pace);
    let config = Arc::new(client::Config::default());
    let mut client = client::connect_stream(config, near, Client::default()).await.unwrap();
    let start = Instant::now();
    assert!(!client.authenticate_password("root", "x").await.unwrap().success());
    assert!(start.elapsed() >= Duration::from_millis(50));
}

#[tokio::test]
async fn the_sixth_wrong_password_ends_the_connection() {
    let (server, mut client) = connect(context("ssh", 22, Protocol::Tcp, json!({}))).await;
    client.authenticate_none("root").await.unwrap();
    for attempt in 1..6 {
        let result = client.authenticate_password("root", format!("{attempt}")).await;
        assert!(!result.unwrap().success());
    }
    let _ = client.authenticate_password("root", "6").await;
    assert!(client.authenticate_password("root", "7").await.is_err());
    assert_eq!(server.logins().len(), 7);
    assert_eq!(server.task.await.unwrap(), EndReason::Closed);
}

#[tokio::test]
async fn a_visitor_who_does_not_log_in_is_disconnected() {
    let pace = Pace {
        grace: Duration::from_millis(50),
        ..PACE
    };
    let (server, near) = Server::start(context("ssh", 22, Protocol::Tcp, json!({})), pace);
    assert_eq!(server.task.await.unwrap(), EndReason::Idle);
    drop(near);
    let (server, near) = Server::start(context("ssh", 22, Protocol::Tcp, json!({})), pace);
    let config = Arc::new(client::Config::default());
    let _client = client::connect_stream(config, near, Client::default()).await.unwrap();
    assert_eq!(server.task.await.unwrap(), EndReason::Idle);
}

#[tokio::test]
async fn the_library_stops_with_the_conversation() {
    let (server, near) = Server::start(context("ssh", 22, Protocol::Tcp, fields(json!({}))), PACE);
    let config = Arc::new(client::Config::default());
    let mut client = client::connect_stream(config, near, Client::default()).await.unwrap();
    assert!(client.authenticate_password("root", "hunter2").await.unwrap().success());
    server.task.abort();
    assert!(server.task.await.unwrap_err().is_cancelled());
    let _ = client.await;
    // Nobody else can report any more.
    assert_eq!(Arc::strong_count(&server.events), 1);
}

#[tokio::test]
async fn keyboard_interactive_asks_for_the_password() {
    let methods = json!({"auth_methods": ["keyboard-interactive"]});
    let (server, mut client) = connect(context("ssh", 22, Protocol::Tcp, fields(methods))).await;
    for (answer, accepted) in [("wrong", false), ("hunter2", true)] {
        let asked = client
            .authenticate_keyboard_interactive_start("root", None)
            .await
            .unwrap();
        let KeyboardInteractiveAuthResponse::InfoRequest { prompts, .. } = asked else {
            panic!("{asked:?}")
        };
        assert_eq!((prompts[0].prompt.as_str(), prompts[0].echo), ("Password: ", false));
        let result = client
            .authenticate_keyboard_interactive_respond(vec![answer.into()])
            .await
            .unwrap();
        assert_eq!(matches!(result, KeyboardInteractiveAuthResponse::Success), accepted);
    }
    assert_eq!(
        server.logins(),
        [
            password("keyboard-interactive", "wrong", false),
            password("keyboard-interactive", "hunter2", true)
        ]
    );
}
