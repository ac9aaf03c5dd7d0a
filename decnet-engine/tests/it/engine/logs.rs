//! The logs of all containers, collected on the simulated runtime.

use decnet_decoy::protocol::{Action, Record};
use decnet_engine::{ContainerName, LogContent, LogCursor, LogEntry, LogFormat, LogItem, LogOptions, Logs};
use decnet_topology::{Name, ServiceName, TopologyName};
use serde_json::json;

use super::*;

mod forward;
mod stored;

/// A line as the program of a service prints it.
pub(super) fn line(action: &str, sequence: u64, source: &str, port: u16) -> String {
    json!({
        "@timestamp": "2030-01-01T00:00:00.000Z",
        "event": {"action": action, "kind": "event", "category": [], "type": [], "sequence": sequence},
        "host": {"name": "someone else"},
        "service": {"name": "http"},
        "source": {"ip": source, "port": 40000},
        "destination": {"ip": "10.90.0.10", "port": port},
    })
    .to_string()
}

impl Lab {
    /// A deployed maze of two deckies: `web` with `http` and `ssh`, and `files` with `smb`.
    pub(super) async fn with_maze() -> (Self, TopologyId) {
        let lab = Self::new();
        let id = lab.store("corp", small()).await;
        lab.deploy(id).await.expect("deployed");
        (lab, id)
    }

    /// Prints a line in a container whose name ends with these words.
    pub(super) fn print(&self, container: &str, text: &str) {
        let name = self.container(container);
        assert!(self.docker.print(&name, text));
    }

    pub(super) fn container(&self, end: &str) -> ContainerName {
        let world = self.docker.world();
        let found = world.containers.keys().find(|name| name.as_str().ends_with(end));
        found.expect("a container").clone()
    }

    async fn logs(&self, options: LogOptions) -> Logs {
        self.engine.logs(options).await.expect("logs")
    }

    /// Returns all items of the logs, and the cursor after them.
    async fn read(&self, options: LogOptions) -> (Vec<LogItem>, LogCursor) {
        let mut logs = self.logs(options).await;
        let mut items = Vec::new();
        while let Some(item) = logs.next().await {
            items.push(item.expect("an item"));
        }
        (items, logs.cursor().clone())
    }
}

fn entry(item: &LogItem) -> &LogEntry {
    let LogItem::Entry(entry) = item else {
        panic!("{item:?}");
    };
    entry
}

fn record(item: &LogItem) -> &Record {
    let LogContent::Record(record) = &entry(item).content else {
        panic!("{item:?}");
    };
    record
}

fn sequences(items: &[LogItem]) -> Vec<u64> {
    items.iter().map(|item| record(item).event.sequence).collect()
}

async fn next(logs: &mut Logs) -> LogItem {
    let next = tokio::time::timeout(std::time::Duration::from_secs(20), logs.next());
    let next = next.await.expect("an item comes");
    next.expect("the logs go on").expect("an item")
}

#[tokio::test]
async fn lines_of_all_containers_come_in_the_order_of_time() {
    let (lab, id) = Lab::with_maze().await;
    lab.print("web.http", &line("session.open", 1, "192.0.2.7", 80));
    lab.print("files.smb", "a line of another program");
    lab.print("web.http", &line("request", 2, "10.90.1.11", 80));
    lab.print("_web", "the base says something about itself");
    let (items, _) = lab.read(LogOptions::default()).await;
    assert_eq!(items.len(), 3, "{items:#?}");
    let [first, second, third] = [0, 1, 2].map(|at| entry(&items[at]));
    assert_eq!(
        (
            first.topology,
            first.maze.as_ref().map(TopologyName::as_str),
            first.decky.as_str()
        ),
        (id, Some("corp"), "web")
    );
    assert_eq!(first.service.as_ref().map(ServiceName::as_str), Some("http"));
    assert_eq!(
        (&first.from, first.container.clone()),
        (&None, lab.container("web.http"))
    );
    assert_eq!(record(&items[0]).event.action, Action::SessionOpen);
    assert_eq!(
        record(&items[0]).host.name,
        "web",
        "a container speaks only for its decky"
    );
    assert!(matches!(&second.content, LogContent::Text { is_error: false, message } if message.starts_with("a line")));
    assert_eq!(third.from.as_ref().map(Name::as_str), Some("files"));
    assert_ne!(first.id, third.id);
}

#[tokio::test]
async fn options_select_lines() {
    let (lab, id) = Lab::with_maze().await;
    lab.print("web.http", &line("request", 1, "192.0.2.7", 80));
    lab.print("web.http", &line("request", 2, "192.0.2.8", 81));
    lab.print("files.smb", &line("request", 1, "192.0.2.7", 445));
    let (all, _) = lab.read(LogOptions::default()).await;
    let count = async |options| lab.read(options).await.0.len();
    let none = LogOptions::default;
    assert_eq!(count(none().topology(id)).await, 3);
    assert_eq!(count(none().decky("files".parse().ok())).await, 1);
    assert_eq!(count(none().service(ServiceName::new("http"))).await, 2);
    assert_eq!(count(none().since(entry(&all[1]).at)).await, 2);
    for (muted, left) in [("192.0.2.7", 1), ("192.0.2.0/24", 0), ("192.0.2.0/24:80", 2)] {
        assert_eq!(count(none().mute(muted.parse())).await, left, "{muted}");
    }
    let missing = lab
        .engine
        .logs(none().topology(decnet_topology::rng::topology_id()))
        .await;
    assert_eq!(missing.expect_err("no such topology").code(), "not_found");
}

#[tokio::test]
async fn a_cursor_continues_after_any_line_and_loses_and_doubles_none() {
    let (lab, _) = Lab::with_maze().await;
    for sequence in 1..=6 {
        lab.print("web.http", &line("request", sequence, "192.0.2.7", 80));
    }
    for read in 0..=6 {
        let mut logs = lab.logs(LogOptions::default()).await;
        for _ in 0..read {
            next(&mut logs).await;
        }
        let cursor = logs.cursor().clone();
        drop(logs);
        let (items, cursor) = lab.read(LogOptions::default().cursor(cursor)).await;
        assert_eq!(sequences(&items), (read + 1..=6).collect::<Vec<_>>());
        assert_eq!(lab.read(LogOptions::default().cursor(cursor)).await.0, []);
    }
}

#[tokio::test]
async fn lines_that_docker_dropped_are_counted() {
    let (lab, _) = Lab::with_maze().await;
    lab.print("web.http", &line("request", 3, "192.0.2.7", 80));
    lab.print("web.http", &line("request", 4, "192.0.2.7", 80));
    let dropped = |lines| LogItem::Dropped {
        container: lab.container("web.http"),
        service: "http".into(),
        lines,
    };
    let (items, cursor) = lab.read(LogOptions::default()).await;
    assert_eq!((items.len(), &items[0]), (3, &dropped(2)));
    lab.print("web.http", &line("request", 9, "192.0.2.7", 80));
    let (items, _) = lab.read(LogOptions::default().cursor(cursor)).await;
    assert_eq!((items.len(), &items[0]), (2, &dropped(4)));
    let since = entry(&items[1]).at;
    assert_eq!(
        lab.read(LogOptions::default().since(since)).await.0.len(),
        1,
        "what is before was not asked for"
    );
}

#[tokio::test]
async fn followed_logs_have_lines_of_containers_that_come_later() {
    let (lab, _) = Lab::with_maze().await;
    lab.print("web.http", &line("request", 1, "192.0.2.7", 80));
    let mut logs = lab.logs(LogOptions::default().follow(true)).await;
    assert_eq!(record(&next(&mut logs).await).event.sequence, 1);
    lab.print("web.http", &line("request", 2, "192.0.2.7", 80));
    assert_eq!(record(&next(&mut logs).await).event.sequence, 2);
    let gone = lab.container("web.http");
    assert!(lab.docker.remove(&gone));

    let other = Topology::builder().dmz("dmz", "10.99.0.0/24");
    let other = other.decky("new", |decky| decky.on("dmz", "10.99.0.10").services(["http"]));
    let id = lab.store("other", other.build().expect("a topology")).await;
    lab.deploy(id).await.expect("deployed");
    lab.print("new.http", &line("request", 1, "192.0.2.7", 80));
    let item = next(&mut logs).await;
    assert_eq!(
        (
            entry(&item).decky.as_str(),
            entry(&item).maze.as_ref().map(TopologyName::as_str)
        ),
        ("new", Some("other"))
    );
    let cursor = serde_json::to_string(logs.cursor()).expect("JSON");
    assert_eq!(
        cursor.matches("\"at\"").count(),
        1,
        "the removed container is forgotten: {cursor}"
    );
}

#[tokio::test]
async fn a_runtime_that_does_not_answer_is_an_error_or_waited_for() {
    let (lab, _) = Lab::with_maze().await;
    let mut logs = lab.logs(LogOptions::default().follow(true)).await;
    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    lab.docker.go_away();
    assert!(matches!(next(&mut logs).await, LogItem::Disconnected { .. }));
    let refused = lab.engine.logs(LogOptions::default()).await;
    assert_eq!(refused.expect_err("the daemon is down").code(), "docker_unreachable");
    lab.docker.reconnect();
    assert_eq!(next(&mut logs).await, LogItem::Connected {});
    lab.print("web.http", &line("request", 1, "192.0.2.7", 80));
    assert_eq!(record(&next(&mut logs).await).event.sequence, 1);
}

#[tokio::test]
async fn json_of_other_programs_stays_json_and_names_the_visitor() {
    let (lab, _) = Lab::with_maze().await;
    let deep = format!("{{\"a\":{}1{}}}", "[".repeat(500), "]".repeat(500));
    for (text, from, key) in [
        (r#"{"src_ip":"10.90.1.11","input":"id"}"#, Some("files"), Some("input")),
        (r#"{"source_ip":"10.90.1.11"}"#, Some("files"), Some("source_ip")),
        (
            r#" {"source":{"ip":"::ffff:10.90.1.11"}}"#,
            Some("files"),
            Some("source"),
        ),
        (r#"{"src_ip":"192.0.2.7"}"#, None, Some("src_ip")),
        (r#"{"src_ip":7,"source":"10.90.1.11"}"#, None, Some("src_ip")),
        (r#"{"cut":"#, None, None),
        ("[1]", None, None),
        ("7", None, None),
        (deep.as_str(), None, None),
    ] {
        lab.print("web.http", text);
        let (items, _) = lab.read(LogOptions::default()).await;
        let last = entry(items.last().expect("a line"));
        assert_eq!(last.from.as_ref().map(Name::as_str), from, "{text}");
        match (&last.content, key) {
            (LogContent::Json { message, .. }, Some(key)) => assert!(message.contains_key(key), "{text}"),
            (LogContent::Text { message, .. }, None) => assert_eq!(message, text),
            (content, _) => panic!("{text}: {content:?}"),
        }
    }
    let muted = LogOptions::default().mute(["192.0.2.7".parse().expect("an address")]);
    let (all, left) = (lab.read(LogOptions::default()).await.0, lab.read(muted).await.0);
    assert_eq!(all.len() - left.len(), 1);
    for (port, left_out) in [("22", 2), ("23", 0)] {
        let (lab, _) = Lab::with_maze().await;
        lab.print("web.http", r#"{"src_ip":"192.0.2.7","dst_port":22}"#);
        lab.print("web.http", r#"{"source":{"ip":"192.0.2.7"},"destination":{"port":22}}"#);
        let muted = format!("192.0.2.7:{port}").parse().expect("a visitor");
        let left = lab.read(LogOptions::default().mute([muted])).await.0;
        assert_eq!(2 - left.len(), left_out, "{port}");
    }
}

#[tokio::test]
async fn a_program_of_another_image_cannot_imitate_events() {
    let shop = "[services.shop]\nports = [\"81/tcp\"]\nimage = \"shop\"\n";
    let catalog = Catalog::builtin().extend_from_toml(shop).expect("a catalogue");
    let lab = Lab::with_catalog(catalog);
    lab.docker.add_image("shop");
    let maze = Topology::builder()
        .dmz("dmz", "10.90.0.0/24")
        .decky("web", |decky| decky.on("dmz", "10.90.0.10").services(["shop", "http"]));
    let id = lab.store("corp", maze.build().expect("a maze")).await;
    lab.deploy(id).await.expect("deployed");
    let forged = line("auth.attempt", u64::MAX, "192.0.2.7", 22);
    lab.print("web.shop", &forged);
    let (items, _) = lab.read(LogOptions::default()).await;
    let [item] = items.as_slice() else {
        panic!("no dropped lines: {items:?}")
    };
    let LogContent::Json { message, .. } = &entry(item).content else {
        panic!("{item:?}");
    };
    assert_eq!(message["event"]["action"], "auth.attempt");
    assert_eq!(entry(item).service, Some(ServiceName::new("shop")));
    // A decoy can have services that its container is not named after.
    lab.print(
        "web.http",
        &line("request", 1, "192.0.2.7", 22).replace("\"http\"", "\"ssh\""),
    );
    let (items, _) = lab.read(LogOptions::default()).await;
    assert_eq!(entry(&items[1]).service, Some(ServiceName::new("ssh")));
}

#[tokio::test]
async fn json_of_other_programs_is_shown_on_one_line_without_control_characters() {
    let (lab, _) = Lab::with_maze().await;
    lab.print("web.http", "{\"a\":\r\"\\u001b[2J\\n\u{9b}2J\",\t\"b\":\"\u{202e}\"}");
    let (items, _) = lab.read(LogOptions::default()).await;
    let LogContent::Json { .. } = &entry(&items[0]).content else {
        panic!("{items:?}");
    };
    let shown = LogFormat::Text.line(&items[0]);
    assert!(
        !shown.chars().any(char::is_control) && !shown.contains('\u{202e}'),
        "{shown:?}"
    );
    let json = LogFormat::Json.line(&items[0]);
    assert!(!json.contains(['\n', '\r', '\x1b']), "{json:?}");
}
