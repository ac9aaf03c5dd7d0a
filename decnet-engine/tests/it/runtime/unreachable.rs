//! An unreachable Docker: the error and the time.

use std::{sync::Arc, time::Duration};

use decnet_engine::{Docker, DockerHost, DockerOptions, Engine, EngineError, EngineOptions, RuntimeError};
use decnet_topology::{Catalog, MemoryRepo, NewTopology, Status, StatusChange, Topology, TopologyStore};
use jiff::Timestamp;

async fn check_unreachable(host: DockerHost, words: &str) {
    let endpoint = host.to_string();
    let options = DockerOptions::default().host(host).timeout(Duration::from_secs(2));
    let error = Docker::connect(options).await.expect_err("no daemon listens");
    let text = error.to_string();
    assert!(
        error.is_unreachable() && text.contains(words) && text.contains(&endpoint),
        "{text}"
    );
}

#[tokio::test]
async fn a_missing_dead_or_silent_socket_is_named_with_the_reason() {
    let folder = tempfile::tempdir().expect("folder");
    let missing = folder.path().join("missing.sock");
    check_unreachable(DockerHost::Unix(missing), "the socket does not exist").await;

    let dead = folder.path().join("dead.sock");
    drop(std::os::unix::net::UnixListener::bind(&dead).expect("socket"));
    check_unreachable(DockerHost::Unix(dead), "connection refused").await;

    let broken = folder.path().join("broken.sock");
    let listener = std::os::unix::net::UnixListener::bind(&broken).expect("socket");
    std::thread::spawn(move || hang_up_on_the_first_request(&listener));
    check_unreachable(DockerHost::Unix(broken), "connection closed").await;

    let closed = DockerHost::Tcp {
        address: "127.0.0.1:1".to_owned(),
    };
    check_unreachable(closed, "connection refused").await;

    let certificates = DockerHost::tls("127.0.0.1:1", folder.path());
    check_unreachable(certificates, "key.pem").await;
}

/// Reads a request before it closes: unread data would cause a reset, and a close before the request a broken pipe.
fn hang_up_on_the_first_request(listener: &std::os::unix::net::UnixListener) {
    let (mut caller, _) = listener.accept().expect("caller");
    let mut request = [0; 4096];
    let read = std::io::Read::read(&mut caller, &mut request).expect("request");
    assert!(read > 0, "the caller sends a request");
}

#[tokio::test]
async fn a_daemon_that_never_answers_is_waited_for_until_the_timeout() {
    let folder = tempfile::tempdir().expect("folder");
    let mute = folder.path().join("mute.sock");
    let _listener = std::os::unix::net::UnixListener::bind(&mute).expect("socket");
    let options = DockerOptions::default()
        .host(DockerHost::Unix(mute))
        .timeout(Duration::from_secs(1));
    let error = Docker::connect(options).await.expect_err("nobody answers");
    assert!(
        matches!(
            error,
            RuntimeError::TimedOut {
                seconds: 1,
                answers: false,
                ..
            }
        ),
        "{error}"
    );
}

#[tokio::test(start_paused = true)]
async fn the_deletion_of_a_failed_maze_does_not_wait_for_the_whole_timeout_of_a_stuck_daemon() {
    let folder = tempfile::tempdir().expect("folder");
    let mute = folder.path().join("mute.sock");
    let _listener = std::os::unix::net::UnixListener::bind(&mute).expect("socket");
    let repo = Arc::new(MemoryRepo::new());
    let topology = Topology::builder()
        .dmz("dmz", "10.90.0.0/24")
        .build()
        .expect("a topology");
    let new = NewTopology::new("maze".parse().expect("a name"), topology);
    let id = repo.create(new, Timestamp::now()).await.expect("stored").row.id;
    for (from, to) in [
        (Status::Pending, Status::Deploying),
        (Status::Deploying, Status::Failed),
    ] {
        let change = StatusChange::new(from, to);
        repo.set_status(id, change, Timestamp::now()).await.expect("changed");
    }
    let docker = DockerOptions::default().host(DockerHost::Unix(mute));
    let engine = Engine::on_docker_when_needed(repo.clone(), Ok(docker), EngineOptions::new(Catalog::builtin()));
    let error = engine.delete(id, None).await.expect_err("nobody answers");
    let EngineError::Runtime(RuntimeError::TimedOut {
        seconds,
        answers: false,
        ..
    }) = error
    else {
        panic!("{error:?}");
    };
    assert_eq!(seconds, 10);
    assert_eq!(repo.get(id).await.expect("it was not deleted").status, Status::Failed);
}
