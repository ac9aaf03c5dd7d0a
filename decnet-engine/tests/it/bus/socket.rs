//! The file of the socket: owner, permissions, and takeover.

use std::{
    fs,
    os::unix::{fs::PermissionsExt, net::UnixListener},
};

use decnet_engine::{BindError, Connection, Server};
use tokio_util::sync::CancellationToken;

use super::{Served, serve};

#[tokio::test]
async fn the_socket_is_for_owner_and_group_and_is_removed_with_the_server() {
    let served = Served::new();
    let mode = fs::metadata(served.path()).expect("there").permissions().mode();
    assert_eq!(mode & 0o7777, 0o660);
    let folder = served.stop().await;
    let left: Vec<_> = fs::read_dir(folder.path()).expect("a folder").collect();
    assert!(left.is_empty(), "{left:?}");
}

#[tokio::test]
async fn a_second_server_on_a_live_socket_is_refused_and_the_first_continues() {
    let served = Served::new();
    let mut connection = Connection::open(served.path(), "first").await.expect("connected");
    let error = Server::bind(served.path()).expect_err("refused");
    assert!(
        matches!(&error, BindError::InUse { path } if *path == served.path()),
        "{error:?}"
    );
    connection.subscribe(&[]).await.expect("still there");
    Connection::open(served.path(), "second").await.expect("connected");
}

#[tokio::test]
async fn a_stale_socket_is_taken_over() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("bus.sock");
    drop(UnixListener::bind(&path).expect("bound"));
    assert!(path.exists(), "a listener leaves its socket behind");
    let stop = CancellationToken::new();
    let task = serve(&path, &stop);
    Connection::open(&path, "client").await.expect("connected");
    stop.cancel();
    task.await.expect("served");
}

#[tokio::test]
async fn a_live_socket_without_a_lock_file_is_left_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("bus.sock");
    let listener = UnixListener::bind(&path).expect("bound");
    assert!(matches!(Server::bind(&path), Err(BindError::InUse { .. })));
    assert!(path.exists());
    drop(listener);
}

#[tokio::test]
async fn a_file_that_is_not_a_socket_is_left_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("bus.sock");
    fs::write(&path, "precious").expect("written");
    assert!(matches!(Server::bind(&path), Err(BindError::NoSocket { .. })));
    assert_eq!(fs::read_to_string(&path).expect("there"), "precious");
    assert!(matches!(
        Server::bind(folder.path().join("none/bus.sock")),
        Err(BindError::Io { .. })
    ));
}

#[tokio::test]
async fn a_socket_that_replaced_ours_is_not_removed() {
    let served = Served::new();
    let path = served.path();
    fs::remove_file(&path).expect("removed");
    let other = UnixListener::bind(&path).expect("bound");
    let folder = served.stop().await;
    assert!(path.exists());
    drop((other, folder));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn only_one_of_many_servers_takes_over_a_stale_socket() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("bus.sock");
    for _ in 0..20 {
        drop(UnixListener::bind(&path).expect("bound"));
        let tries: Vec<_> = (0..8)
            .map(|_| {
                let path = path.clone();
                tokio::spawn(async move { Server::bind(&path) })
            })
            .collect();
        let mut servers = Vec::new();
        for result in tries {
            match result.await.expect("no panic") {
                Ok(server) => servers.push(server),
                Err(error) => assert!(matches!(error, BindError::InUse { .. }), "{error:?}"),
            }
        }
        assert_eq!(servers.len(), 1);
        drop(servers);
        assert!(!path.exists());
    }
}
