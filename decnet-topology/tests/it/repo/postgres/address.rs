//! Servers that do not answer, or refuse.

use std::{error::Error as _, net::TcpListener, time::Instant};

use decnet_topology::{PostgresRepo, RepoError};

use super::{impatient, server};

/// Returns the refusal of an address, with its causes.
async fn refusal(url: &str) -> (RepoError, String) {
    let error = impatient().open(url).await.expect_err("it is refused");
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.extend([": ", &error.to_string()]);
        cause = error.source();
    }
    assert!(!text.contains("s3cret"), "{text}");
    assert!(!format!("{error:?}").contains("s3cret"), "{error:?}");
    (error, text)
}

/// Replaces the user with the password, and the database, of an address.
fn with(server: &str, user: &str, name: &str) -> String {
    let place = server.split('@').nth(1).expect("a host");
    let host = place.split('/').next().expect("a host");
    format!("postgres://{user}@{host}/{name}")
}

#[tokio::test]
async fn a_wrong_password_a_missing_one_and_an_unknown_database_are_refusals() {
    let Some(server) = server() else { return };
    let own = server
        .trim_start_matches("postgres://")
        .split('@')
        .next()
        .expect("a user");
    for (user, name, expected) in [
        (
            "decnet:s3cret",
            "postgres",
            "password authentication failed for user \"decnet\"",
        ),
        (
            "nobody:s3cret",
            "postgres",
            "password authentication failed for user \"nobody\"",
        ),
        ("decnet", "postgres", "password missing"),
        (own, "nosuch", "database \"nosuch\" does not exist"),
    ] {
        let (error, text) = refusal(&with(&server, user, name)).await;
        assert_eq!(error.code(), "database_refused", "{text}");
        assert!(text.contains(expected), "{text}");
        assert!(text.contains("refuses access to the database postgres://"), "{text}");
    }
}

#[tokio::test]
async fn a_user_without_rights_is_a_refusal() {
    let Some(database) = super::database() else { return };
    let user = format!("guest_{}", database.name());
    database.run(&format!("CREATE ROLE {user} LOGIN PASSWORD 's3cret'"));
    let url = with(database.url(), &format!("{user}:s3cret"), database.name());
    let (error, text) = refusal(&url).await;
    database.run(&format!("DROP ROLE {user}"));
    assert_eq!(error.code(), "database_refused", "{text}");
    assert!(text.contains("permission denied for schema public"), "{text}");
}

#[tokio::test]
async fn a_server_that_does_not_answer_is_unreachable_at_once() {
    let closed = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = closed.local_addr().expect("its address").port();
    drop(closed);
    let started = Instant::now();
    for host in [format!("127.0.0.1:{port}"), "no-such-host.invalid".into()] {
        let url = format!("postgres://ann:s3cret@{host}/maze");
        let error = PostgresRepo::open(&url).await.expect_err("it is refused");
        assert_eq!(error.code(), "database_unreachable", "{error:?}");
        assert!(error.to_string().contains("postgres://ann@"), "{error}");
    }
    assert!(started.elapsed().as_secs() < 10, "{:?}", started.elapsed());
}

#[tokio::test]
async fn a_server_that_accepts_and_is_silent_is_unreachable_after_the_timeout() {
    let silent = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = silent.local_addr().expect("its address").port();
    let (error, text) = refusal(&format!("postgres://ann:s3cret@127.0.0.1:{port}/maze")).await;
    assert_eq!(error.code(), "database_unreachable", "{text}");
}

#[tokio::test]
async fn a_server_of_another_protocol_is_an_error() {
    let other = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = other.local_addr().expect("its address").port();
    std::thread::spawn(move || {
        use std::io::Write as _;
        for stream in other.incoming() {
            let _ = stream.and_then(|mut stream| stream.write_all(b"SSH-2.0-OpenSSH_9.2\r\n"));
        }
    });
    let (error, text) = refusal(&format!("postgres://ann:s3cret@127.0.0.1:{port}/maze")).await;
    assert!(
        ["database_unreachable", "database_refused"].contains(&error.code()),
        "{text}"
    );
}
