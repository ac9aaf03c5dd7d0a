//! A database on a PostgreSQL server. Without `DECNET_TEST_POSTGRES` (see `scripts/postgres-up`), these tests are skipped.

use std::{
    net::{Shutdown, TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
};

use decnet_topology::testing::PostgresDatabase;
use serde_json::Value;

use crate::{
    command::{CORP, Sandbox},
    events::Following,
    top::Session,
};

fn database() -> Option<PostgresDatabase> {
    let server = std::env::var("DECNET_TEST_POSTGRES").ok().filter(|url| !url.is_empty());
    if server.is_none() {
        println!("skipped: DECNET_TEST_POSTGRES names no server; see scripts/postgres-up");
    }
    Some(PostgresDatabase::create(&server?))
}

/// Runs a command on a database, and returns its status, its output and its errors. No output has the password.
fn run(sandbox: &Sandbox, url: &str, arguments: &[&str]) -> (i32, String, String) {
    let output = sandbox.command(arguments).env("DECNET_DB", url).output();
    let output = output.expect("the program runs");
    let text = |bytes| String::from_utf8(bytes).expect("a text");
    let (out, errors) = (text(output.stdout), text(output.stderr));
    // The last `@` ends the password, even in an invalid address.
    let user = url
        .split_once("://")
        .and_then(|(_, rest)| Some(rest.rsplit_once('@')?.0));
    let password = user.and_then(|user| user.split_once(':'));
    if let Some((_, password)) = password {
        assert!(!out.contains(password) && !errors.contains(password), "{out}{errors}");
    }
    (output.status.code().expect("a status"), out, errors)
}

#[test]
fn mazes_are_stored_listed_checked_and_deleted_on_a_server() {
    let Some(database) = database() else { return };
    let sandbox = Sandbox::new();
    sandbox.write("corp.yaml", CORP);
    let done = |arguments: &[&str]| {
        let (status, out, errors) = run(&sandbox, database.url(), arguments);
        assert_eq!(status, 0, "{arguments:?}: {out}{errors}");
        out
    };
    done(&["apply", "-f", "corp.yaml"]);
    assert!(done(&["list"]).contains("corp"));
    let path = done(&["db", "path"]);
    assert!(path.starts_with("postgres://decnet@127.0.0.1:"), "{path}");
    assert!(path.trim_end().ends_with(database.name()), "{path}");
    let check: Value = serde_json::from_str(&done(&["--json", "db", "check"])).expect("JSON");
    assert_eq!(
        (&check["topologies"], &check["writable"]),
        (&1.into(), &true.into()),
        "{check}"
    );
    done(&["db", "unlock", "corp"]);
    done(&["delete", "corp"]);
    assert!(!sandbox.database().exists(), "no file is created");
}

#[test]
fn the_tokens_of_a_database_on_a_server_are_in_the_data_folder() {
    let Some(database) = database() else { return };
    let sandbox = Sandbox::new();
    let (status, out, errors) = run(&sandbox, database.url(), &["token", "create", "ci", "--scope", "read"]);
    assert_eq!(status, 0, "{out}{errors}");
    let folder = std::fs::read_dir(sandbox.path(".local/share/decnet")).expect("the data folder");
    let names: Vec<String> = folder
        .map(|file| file.expect("a file").file_name().to_string_lossy().into_owned())
        .collect();
    let expected = format!("{}.tokens", database.name().replace('_', "-"));
    assert!(names.iter().any(|name| name.ends_with(&expected)), "{names:?}");
}

#[test]
fn a_check_of_an_empty_database_creates_nothing() {
    let Some(database) = database() else { return };
    let sandbox = Sandbox::new();
    let (status, _, errors) = run(&sandbox, database.url(), &["db", "check"]);
    assert_eq!(status, 1, "{errors}");
    assert!(errors.contains("is an empty database"), "{errors}");
    assert!(errors.contains("hint: the database was not changed"), "{errors}");
    let tables = "SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace";
    assert_eq!(database.run(tables), ["0"]);
}

#[test]
fn the_file_of_a_database_on_a_server_cannot_be_removed() {
    let sandbox = Sandbox::new();
    let url = "postgres://ann:s3cret@127.0.0.1:1/maze";
    let (status, _, errors) = run(&sandbox, url, &["--json", "db", "reset", "--force", "--yes"]);
    assert_eq!(status, 1, "{errors}");
    assert!(
        errors.contains("\"database_on_server\"") && errors.contains("dropdb"),
        "{errors}"
    );
}

#[test]
fn an_unreachable_server_and_an_invalid_address_are_errors_with_a_code_and_a_hint() {
    let sandbox = Sandbox::new();
    for (url, status, code, hint) in [
        (
            "postgres://ann:s3cret@127.0.0.1:1/maze",
            1,
            "database_unreachable",
            "check that the server runs",
        ),
        (
            "postgres://ann:s3cret@127.0.0.1:1",
            2,
            "database_address",
            "write it as postgres://",
        ),
        (
            "mysql://ann:s3cret@127.0.0.1/maze",
            2,
            "database_address",
            "write it as postgres://",
        ),
        (
            "postgres://ann:a@s3cret@db/maze",
            2,
            "database_address",
            "write it as postgres://",
        ),
    ] {
        let (found, _, errors) = run(&sandbox, url, &["--json", "list"]);
        assert_eq!(found, status, "{url}: {errors}");
        assert!(
            errors.contains(&format!("\"{code}\"")) && errors.contains(hint),
            "{url}: {errors}"
        );
        assert!(!errors.contains("s3cret"), "{errors}");
    }
}

#[test]
fn a_wrong_password_is_a_refusal() {
    let Some(database) = database() else { return };
    let sandbox = Sandbox::new();
    let (_, place) = database.url().split_once('@').expect("a host");
    let (status, _, errors) = run(
        &sandbox,
        &format!("postgres://decnet:s3cret@{place}"),
        &["--json", "list"],
    );
    assert_eq!(status, 1, "{errors}");
    assert!(
        errors.contains("\"database_refused\"") && errors.contains("password authentication failed"),
        "{errors}"
    );
}

/// A server that can be away for a while: what is connected, or nothing while it is away.
#[derive(Clone)]
struct Relay(Arc<Mutex<Option<Vec<TcpStream>>>>);

impl Relay {
    /// Starts a relay to a server, and returns its port.
    fn to(server: String) -> (Self, u16) {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("its address").port();
        let relay = Self(Arc::new(Mutex::new(Some(Vec::new()))));
        let accepting = relay.clone();
        thread::spawn(move || {
            for client in listener.incoming() {
                let (Ok(client), Ok(server)) = (client, TcpStream::connect(&server)) else {
                    return;
                };
                let copy = |stream: &TcpStream| stream.try_clone().expect("a copy");
                if let Some(connected) = &mut *accepting.0.lock().expect("no panic") {
                    connected.extend([copy(&client), copy(&server)]);
                    for (mut from, mut to) in [(copy(&client), copy(&server)), (server, client)] {
                        thread::spawn(move || {
                            let _ = std::io::copy(&mut from, &mut to);
                            let _ = to.shutdown(Shutdown::Both);
                        });
                    }
                }
            }
        });
        (relay, port)
    }

    fn cut(&self) {
        for stream in self.0.lock().expect("no panic").take().into_iter().flatten() {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    fn mend(&self) {
        *self.0.lock().expect("no panic") = Some(Vec::new());
    }
}

#[test]
fn events_and_the_live_view_wait_for_a_server_that_is_gone_for_a_while() {
    let Some(database) = database() else { return };
    let sandbox = Sandbox::new();
    let (user, place) = database.url().split_once('@').expect("a user");
    let (server, name) = place.split_once('/').expect("a database");
    let (relay, port) = Relay::to(server.to_owned());
    let url = format!("{user}@127.0.0.1:{port}/{name}");
    let created = |name: &str| assert_eq!(run(&sandbox, database.url(), &["create", name]).0, 0);
    created("corp");
    let mut events = Following::start(&sandbox, &["--db", &url, "events", "--json"]);
    events.until(|event| event["type"] == "snapshot");
    let mut view = Session::start(&sandbox, &format!("exec decnet --db '{url}' top"), 120, 24);
    view.shows("1 maze");
    relay.cut();
    view.shows("The database does not answer, so this is old");
    events.until_printed("cannot be reached; the events wait for it");
    view.shows("corp");
    created("other");
    relay.mend();
    events.until(|event| event["type"] == "status" && event["payload"]["to"] == "pending");
    events.until_printed("the database is reached again");
    view.shows("2 mazes");
    view.wait("end of the outage", |view| !view.text().contains("does not answer"));
    view.press("q");
    assert_eq!(view.ends().code(), Some(0));
}
