//! A connection that is lost exactly when a change is committed.

use std::{
    io::{Read as _, Write as _},
    net::{Shutdown, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use decnet_topology::{ChangeFilter, ChangeLog as _, Edit, PostgresRepo, TopologyStore};
use jiff::Timestamp;

use super::{database, small};

const AT: Timestamp = Timestamp::UNIX_EPOCH;

/// When a proxy ends a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cut {
    /// Before the server gets the commit.
    Before,
    /// After the server got the commit, and before the client gets the answer.
    After,
}

/// Forwards connections to a server, and ends those that commit, as long as some cuts are left. Returns its port.
fn proxy(server: String, cut: Cut, left: Arc<AtomicUsize>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("its address").port();
    thread::spawn(move || {
        for client in listener.incoming() {
            let (Ok(client), Ok(server)) = (client, TcpStream::connect(&server)) else {
                return;
            };
            let left = Arc::clone(&left);
            thread::spawn(move || forward(client, server, cut, &left));
        }
    });
    port
}

fn forward(mut client: TcpStream, mut server: TcpStream, cut: Cut, left: &AtomicUsize) {
    let (mut answers, mut to_client) = (server.try_clone().expect("a copy"), client.try_clone().expect("a copy"));
    thread::spawn(move || {
        let _ = std::io::copy(&mut answers, &mut to_client);
        let _ = to_client.shutdown(Shutdown::Both);
    });
    let mut buffer = vec![0; 65536];
    loop {
        let count = client.read(&mut buffer).unwrap_or(0);
        let sent = &buffer[..count];
        let commits = sent.windows(7).any(|window| window == b"COMMIT\0");
        let taken = |left: usize| left.checked_sub(1);
        if count > 0 && commits && left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, taken).is_ok() {
            // The client sees the end before any answer.
            let _ = client.shutdown(Shutdown::Both);
            if cut == Cut::After {
                let _ = server.write_all(sent);
                let _ = server.read(&mut [0; 64]);
            }
            let _ = server.shutdown(Shutdown::Both);
            return;
        }
        if count == 0 || server.write_all(sent).is_err() {
            let _ = server.shutdown(Shutdown::Both);
            return;
        }
    }
}

/// Checks that each change is stored once although the connection of every second one is lost.
async fn each_change_is_stored_once(cut: Cut) {
    let Some(database) = database() else { return };
    let (user, place) = database.url().split_once('@').expect("a user");
    let (host, name) = place.split_once('/').expect("a database");
    let left = Arc::new(AtomicUsize::new(0));
    let port = proxy(host.to_owned(), cut, Arc::clone(&left));
    let url = format!("{user}@127.0.0.1:{port}/{name}");
    let repo = PostgresRepo::open(&url).await.expect("a store");
    let stored = repo.create(small("corp", "10.0.0.0/24"), AT).await.expect("stored");
    let (mut row, maze) = (stored.row, stored.topology);
    for cuts in [1, 0, 1, 2, 3] {
        left.store(cuts, Ordering::SeqCst);
        let edit = Edit::new(maze.clone()).expected(row.version);
        let edited = repo.edit(row.id, edit, AT).await.expect("it is stored").row;
        assert_eq!(edited.version, row.version.next(), "{cuts} cuts");
        assert_eq!(repo.get(row.id).await.expect("the row"), edited, "{cuts} cuts");
        let unused = left.swap(0, Ordering::SeqCst);
        // After a commit that was stored, there is nothing to commit again.
        assert_eq!(unused, if cut == Cut::After { cuts.saturating_sub(1) } else { 0 });
        row = edited;
    }
    let log = repo
        .changes_since(None, &ChangeFilter::default())
        .await
        .expect("the log");
    assert_eq!(log.changes.len(), 6);
}

#[tokio::test]
async fn a_change_whose_commit_does_not_arrive_is_made_again() {
    each_change_is_stored_once(Cut::Before).await;
}

#[tokio::test]
async fn a_change_whose_commit_is_not_answered_is_not_made_again() {
    each_change_is_stored_once(Cut::After).await;
}
