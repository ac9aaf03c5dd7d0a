//! A connection that is lost exactly when a change is committed.

use std::{
    collections::VecDeque,
    io::{Read as _, Write as _},
    net::{Shutdown, TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

use decnet_topology::{
    ChangeFilter, ChangeLog as _, Edit, PostgresOptions, PostgresRepo, RepoError, TopologyStore,
    testing::PostgresDatabase,
};
use jiff::Timestamp;

use super::{database, small};

const AT: Timestamp = Timestamp::UNIX_EPOCH;

/// A connection that a proxy ends.
#[derive(Debug, Clone, Copy)]
struct Cut {
    /// The end of the statement that ends it.
    statement: &'static str,
    /// Whether the server gets the statement. The client never gets the answer.
    arrives: bool,
    /// Whether the connection stays open, without an answer, until the client gives it up.
    is_silent: bool,
}

/// As a statement: the server is down, for as long as the cut is the next one.
const ANY: &str = "";

const LOST: Cut = Cut {
    statement: "COMMIT",
    arrives: false,
    is_silent: false,
};
const UNANSWERED: Cut = Cut { arrives: true, ..LOST };
const DOWN: Cut = Cut { statement: ANY, ..LOST };
const UNANSWERED_CLAIM: Cut = Cut {
    statement: "RETURNING is_committed",
    arrives: true,
    is_silent: false,
};
const SILENT: Cut = Cut {
    is_silent: true,
    ..LOST
};
const SILENT_READ: Cut = Cut {
    // The beginning of a transaction that reads.
    statement: "READ ONLY; SELECT version FROM decnet_layout",
    ..SILENT
};

/// The cuts that are left, in order.
type Cuts = Arc<Mutex<VecDeque<Cut>>>;

/// Forwards connections to a server, and ends those that send the statement of the next cut. Returns its port.
fn proxy(server: String, cuts: Cuts) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("its address").port();
    thread::spawn(move || {
        for client in listener.incoming() {
            let (Ok(client), Ok(server)) = (client, TcpStream::connect(&server)) else {
                return;
            };
            if cuts
                .lock()
                .expect("no panic")
                .front()
                .is_some_and(|cut| cut.statement == ANY)
            {
                continue;
            }
            let cuts = Arc::clone(&cuts);
            thread::spawn(move || forward(client, server, &cuts));
        }
    });
    port
}

fn forward(mut client: TcpStream, mut server: TcpStream, cuts: &Cuts) {
    let (mut answers, mut to_client) = (server.try_clone().expect("a copy"), client.try_clone().expect("a copy"));
    thread::spawn(move || {
        let _ = std::io::copy(&mut answers, &mut to_client);
        let _ = to_client.shutdown(Shutdown::Both);
    });
    let mut buffer = vec![0; 65536];
    loop {
        let count = client.read(&mut buffer).unwrap_or(0);
        let sent = String::from_utf8_lossy(&buffer[..count]);
        let is_due = |cut: &mut Cut| sent.contains(&format!("{}\0", cut.statement));
        let cut = cuts.lock().expect("no panic").pop_front_if(is_due);
        if let Some(cut) = cut {
            if cut.is_silent {
                while client.read(&mut buffer).is_ok_and(|count| count > 0) {}
            }
            // The client sees the end before any answer.
            let _ = client.shutdown(Shutdown::Both);
            if cut.arrives {
                let _ = server.write_all(&buffer[..count]);
                let _ = server.read(&mut [0; 64]);
            }
            let _ = server.shutdown(Shutdown::Both);
            return;
        }
        if count == 0 || server.write_all(&buffer[..count]).is_err() {
            let _ = server.shutdown(Shutdown::Both);
            return;
        }
    }
}

/// Returns the address of a database through a proxy.
fn behind_proxy(database: &PostgresDatabase, cuts: &Cuts) -> String {
    let (user, place) = database.url().split_once('@').expect("a user");
    let (host, name) = place.split_once('/').expect("a database");
    let port = proxy(host.to_owned(), Arc::clone(cuts));
    format!("{user}@127.0.0.1:{port}/{name}")
}

/// Opens a store through a proxy.
async fn open_through_proxy(database: &PostgresDatabase, options: PostgresOptions) -> (PostgresRepo, Cuts) {
    let cuts = Cuts::default();
    let url = behind_proxy(database, &cuts);
    (options.open(&url).await.expect("a store"), cuts)
}

/// Checks that each change is stored once although the connection of some is lost.
async fn each_change_is_stored_once(rounds: &[&[Cut]]) {
    let Some(database) = database() else { return };
    let (repo, left) = open_through_proxy(&database, PostgresOptions::default()).await;
    let stored = repo.create(small("corp", "10.0.0.0/24"), AT).await.expect("stored");
    let (mut row, maze) = (stored.row, stored.topology);
    for cuts in rounds {
        left.lock().expect("no panic").extend(*cuts);
        let edit = Edit::new(maze.clone()).expected(row.version);
        let edited = repo.edit(row.id, edit, AT).await.expect("it is stored").row;
        assert_eq!(edited.version, row.version.next(), "{cuts:?}");
        assert_eq!(repo.get(row.id).await.expect("the row"), edited, "{cuts:?}");
        assert!(left.lock().expect("no panic").is_empty(), "all were made: {cuts:?}");
        row = edited;
    }
    let log = repo
        .changes_since(None, &ChangeFilter::default())
        .await
        .expect("the log");
    assert_eq!(log.changes.len(), 1 + rounds.len());
}

#[tokio::test]
async fn a_change_whose_commit_does_not_arrive_is_made_again() {
    each_change_is_stored_once(&[&[LOST], &[], &[LOST], &[LOST; 2], &[LOST; 3]]).await;
}

#[tokio::test]
async fn a_change_whose_commit_is_not_answered_is_not_made_again() {
    each_change_is_stored_once(&[&[UNANSWERED], &[], &[UNANSWERED]]).await;
}

#[tokio::test]
async fn a_lost_answer_whether_a_change_was_committed_is_asked_for_again() {
    each_change_is_stored_once(&[
        &[UNANSWERED, UNANSWERED_CLAIM],
        &[LOST, UNANSWERED_CLAIM],
        &[LOST, UNANSWERED_CLAIM, UNANSWERED_CLAIM, UNANSWERED],
    ])
    .await;
}

#[tokio::test]
async fn the_outcome_is_unknown_if_the_server_stays_down_after_the_commit() {
    let Some(database) = database() else { return };
    let options = PostgresOptions::default().timeout(Duration::from_secs(1));
    let (repo, cuts) = open_through_proxy(&database, options).await;
    let stored = repo.create(small("corp", "10.0.0.0/24"), AT).await.expect("stored");
    cuts.lock().expect("no panic").extend([UNANSWERED, DOWN]);
    let edit = Edit::new(stored.topology).expected(stored.row.version);
    let refusal = repo.edit(stored.row.id, edit, AT).await.expect_err("it is down");
    assert!(matches!(refusal, RepoError::OutcomeUnknown { .. }), "{refusal:?}");
    cuts.lock().expect("no panic").clear();
    let row = repo.get(stored.row.id).await.expect("it is up");
    assert_eq!(row.version, stored.row.version.next(), "it was stored");
}

/// Checks that a call fails within a bound, although the server does not answer and the connection stays open.
async fn check_silence<T: std::fmt::Debug>(call: impl Future<Output = Result<T, RepoError>>) {
    let called = tokio::time::timeout(Duration::from_secs(20), call).await;
    let refusal = called.expect("it gives up").expect_err("the server is silent");
    assert!(matches!(refusal, RepoError::DatabaseUnreachable { .. }), "{refusal:?}");
}

#[tokio::test]
async fn a_server_that_does_not_answer_is_unreachable_and_the_next_call_uses_another_connection() {
    let Some(database) = database() else { return };
    let options = PostgresOptions::default().timeout(Duration::from_secs(1));
    let (repo, cuts) = open_through_proxy(&database, options).await;
    let stored = repo.create(small("corp", "10.0.0.0/24"), AT).await.expect("stored");
    let (row, maze) = (stored.row, stored.topology);
    cuts.lock().expect("no panic").extend([SILENT_READ]);
    check_silence(repo.get(row.id)).await;
    assert_eq!(repo.get(row.id).await.expect("another connection"), row);
    cuts.lock().expect("no panic").extend([SILENT]);
    let edit = Edit::new(maze).expected(row.version);
    check_silence(repo.edit(row.id, edit.clone(), AT)).await;
    assert_eq!(repo.get(row.id).await.expect("it answers"), row, "nothing is stored");
    repo.edit(row.id, edit, AT).await.expect("stored");
}

#[tokio::test]
async fn a_server_that_becomes_silent_while_a_store_is_opened_is_unreachable() {
    let Some(database) = database() else { return };
    let cuts = Cuts::default();
    let url = behind_proxy(&database, &cuts);
    let options = PostgresOptions::default().timeout(Duration::from_millis(500));
    // It reads the layout, and waits for the lock of migrations.
    for statement in ["READ ONLY", ", 1)"] {
        cuts.lock().expect("no panic").push_back(Cut { statement, ..SILENT });
        check_silence(options.open(&url)).await;
        assert!(cuts.lock().expect("no panic").is_empty(), "{statement}");
    }
    options.open(&url).await.expect("it answers");
}

#[tokio::test]
async fn tokens_of_old_transactions_are_removed() {
    let Some(database) = database() else { return };
    let repo = PostgresRepo::open(database.url()).await.expect("a store");
    let stored = repo.create(small("corp", "10.0.0.0/24"), AT).await.expect("stored");
    database.run("UPDATE commits SET at = now() - interval '25 hours'");
    let edit = Edit::new(stored.topology).expected(stored.row.version);
    repo.edit(stored.row.id, edit, AT).await.expect("stored");
    assert_eq!(database.run("SELECT count(*) FROM commits"), ["1"]);
}
