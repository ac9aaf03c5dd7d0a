//! A daemon that answers some requests late, or not at all.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::Duration,
};

use decnet_engine::{
    Action, Docker, DockerHost, DockerOptions, NetworkCheck, Runtime, RuntimeError,
    testing::contract::{create_base, state},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{UnixListener, UnixStream},
};

use super::lab::{docker_host, docker_lab};

/// A socket in front of that of the daemon. It holds back requests whose first line contains the held words.
struct Gate {
    socket: PathBuf,
    held: Arc<Mutex<Option<String>>>,
}

impl Gate {
    fn open(folder: &Path) -> Self {
        let DockerHost::Unix(daemon) = docker_host() else {
            panic!("this test needs the socket of the daemon");
        };
        let socket = folder.join("gate.sock");
        let listener = UnixListener::bind(&socket).expect("a socket");
        let held = Arc::new(Mutex::new(None));
        let known = held.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(pass(client, daemon.clone(), known.clone()));
            }
        });
        Self { socket, held }
    }

    fn hold(&self, words: &str) {
        *self.held.lock().expect("no panic") = Some(words.into());
    }

    async fn connect(&self) -> Docker {
        let host = DockerHost::Unix(self.socket.clone());
        let options = DockerOptions::default().host(host).timeout(Duration::from_secs(2));
        Docker::connect(options).await.expect("these tests need Docker")
    }
}

async fn pass(client: UnixStream, daemon: PathBuf, held: Arc<Mutex<Option<String>>>) {
    let daemon = UnixStream::connect(daemon).await.expect("these tests need Docker");
    let ((mut from_client, mut to_client), (mut from_daemon, mut to_daemon)) =
        (client.into_split(), daemon.into_split());
    let answers = tokio::spawn(async move { tokio::io::copy(&mut from_daemon, &mut to_client).await });
    let mut buffer = vec![0; 1 << 16];
    while let Ok(length) = from_client.read(&mut buffer).await {
        let request = &buffer[..length];
        let line = request.split(|byte| *byte == b'\r').next().unwrap_or_default();
        let line = String::from_utf8_lossy(line).into_owned();
        let words = held.lock().expect("no panic").clone();
        if words.is_some_and(|words| line.contains(" HTTP/1.1") && line.contains(&words)) {
            std::future::pending::<()>().await;
        }
        if length == 0 || to_daemon.write_all(request).await.is_err() {
            break;
        }
    }
    answers.abort();
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Docker"]
async fn a_hanging_request_fails_alone_unless_the_daemon_does_not_answer_a_ping() {
    let lab = docker_lab(248).await;
    let (hung, healthy) = (
        lab.create_base("near", "web").await,
        lab.base("db", &[lab.interface("near", 0, 3)]),
    );
    lab.change(&create_base(&healthy)).await;
    let folder = tempfile::tempdir().expect("a folder");
    let gate = Gate::open(folder.path());
    let docker = gate.connect().await;

    gate.hold(hung.name.as_str());
    let checks = docker.check_network(&[&hung, &healthy]).await.expect("it answers");
    let found = &checks[&hung.name];
    assert!(
        matches!(found, NetworkCheck::Unchecked { why } if why.contains("did not answer")),
        "{found:?}"
    );
    let found = &checks[&healthy.name];
    assert!(matches!(found, NetworkCheck::Checked { .. }), "{found:?}");
    let set = Action::SetState {
        container: hung.name.clone(),
        state: state(&hung.interfaces),
    };
    let error = docker.perform(lab.instance, &set).await.expect_err("it hangs");
    assert!(
        matches!(error, RuntimeError::TimedOut { answers: true, .. }),
        "{error:?}"
    );
    assert!(!error.is_unreachable());

    gate.hold("/");
    let error = docker.perform(lab.instance, &set).await.expect_err("all hangs");
    assert!(
        matches!(error, RuntimeError::TimedOut { answers: false, .. }),
        "{error:?}"
    );
    assert!(error.is_unreachable());
}
