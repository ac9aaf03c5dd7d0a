//! The paths of attackers, on the simulated runtime.

use decnet_engine::{AttackPath, LogItem, LogOptions, LogWriter, LogWriterOptions, Place};
use decnet_topology::{AddDecky, Mutation, MutationState, Name, NewMutation, RemoveDecky, ServiceName};
use serde_json::json;

use super::{logs::line, *};

/// A line of a session.
fn session(action: &str, sequence: u64, source: &str, id: &str) -> String {
    let mut value: serde_json::Value = serde_json::from_str(&line(action, sequence, source, 80)).expect("a line");
    value["decnet"] = json!({"session": id});
    value.to_string()
}

impl Lab {
    /// Prints a line at the time of the store's clock.
    fn print_now(&self, container: &str, text: &str) {
        let name = self.container(container);
        assert!(self.docker.print_at(&name, Timestamp::now(), text));
    }

    async fn paths(&self, options: LogOptions) -> Vec<AttackPath> {
        self.engine.paths(options).await.expect("paths").paths
    }
}

#[tokio::test]
async fn a_path_has_the_moves_and_the_mutations_of_its_deckies_meanwhile() {
    let (lab, id) = Lab::with_maze().await;
    let mutate = async |text: &str| {
        let mutation = NewMutation::new(Mutation::from_json(text).expect("a mutation"));
        lab.engine
            .submit(id, mutation.actor(Some("ann".into())), None)
            .await
            .expect("submitted");
        assert_eq!(lab.drain(id).await[0].state, MutationState::Applied);
    };
    mutate(r#"{"op": "update_decky", "payload": {"decky": "files", "services": ["smb", "ssh"]}}"#).await;
    lab.print_now("web.http", &session("session.open", 1, "192.0.2.7", "a1"));
    let visit = session("session.open", 1, "10.90.1.10", "b1").replace("\"http\"", "\"smb\"");
    lab.print_now("files.smb", &visit);
    mutate(r#"{"op": "update_decky", "payload": {"decky": "files", "services": ["smb", "ftp"]}}"#).await;
    mutate(r#"{"op": "add_decky", "payload": {"name": "other", "lan": "office", "services": ["ssh"]}}"#).await;
    let paths = lab.paths(LogOptions::default()).await;
    let [path] = paths.as_slice() else {
        panic!("{paths:#?}");
    };
    assert_eq!(path.origin, Place::Outside("192.0.2.7".parse().expect("an address")));
    let places: Vec<_> = path.longest_path().iter().map(ToString::to_string).collect();
    assert_eq!(places, ["192.0.2.7", "web", "files"]);
    let during: Vec<_> = path
        .mutations_during
        .iter()
        .map(|one| (one.mutation.get(), one.op.as_str(), one.actor.as_deref()))
        .collect();
    assert_eq!(
        during,
        [(2, "update_decky", Some("ann"))],
        "the first came before, the third changed another decky"
    );
    let json = serde_json::to_value(path).expect("JSON");
    let kinds: Vec<_> = json["timeline"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|event| event["type"].as_str())
        .collect();
    assert_eq!(kinds, [Some("move"), Some("move"), Some("mutation")]);
    let lines = path.describe();
    assert!(
        lines[3].ends_with("mutation #2 update_decky changed files by ann"),
        "{lines:#?}"
    );

    // Filters select paths, and leave them whole.
    let count = async |options| {
        lab.paths(options)
            .await
            .iter()
            .map(|path| path.moves.len())
            .sum::<usize>()
    };
    assert_eq!(count(LogOptions::default().decky("files".parse().ok())).await, 2);
    assert_eq!(count(LogOptions::default().service(ServiceName::new("smb"))).await, 2);
    assert_eq!(count(LogOptions::default().service(ServiceName::new("ssh"))).await, 0);
    assert_eq!(
        count(LogOptions::default().mute("192.0.2.7".parse())).await,
        1,
        "the decky is the origin then"
    );
}

#[tokio::test]
async fn a_path_ends_with_its_last_contact_if_no_conversation_is_open() {
    let (lab, id) = Lab::with_maze().await;
    lab.print_now("web.http", &session("session.open", 1, "192.0.2.7", "a1"));
    lab.print_now("web.http", &session("session.close", 2, "192.0.2.7", "a1"));
    let text = r#"{"op": "update_decky", "payload": {"decky": "files", "services": ["smb", "ssh"]}}"#;
    let mutation = NewMutation::new(Mutation::from_json(text).expect("a mutation"));
    lab.engine.submit(id, mutation, None).await.expect("submitted");
    assert_eq!(lab.drain(id).await[0].state, MutationState::Applied);
    let paths = lab.paths(LogOptions::default()).await;
    assert_eq!(paths.len(), 1);
    assert!(paths[0].mutations_during.is_empty(), "{paths:#?}");
}

#[tokio::test]
async fn paths_are_found_from_stored_visits_after_a_teardown() {
    let (lab, id) = Lab::with_maze().await;
    lab.print_now("web.http", &session("session.open", 1, "192.0.2.7", "a1"));
    lab.print_now("files.smb", r#"{"src_ip":"10.90.1.10","eventid":"login"}"#);
    let existing = lab.paths(LogOptions::default()).await;
    assert_eq!(
        (existing.len(), existing[0].moves.len()),
        (1, 2),
        "an object is a move too"
    );
    let stored = async |options| lab.engine.stored_paths(options).await.expect("paths").paths;
    assert!(stored(LogOptions::default()).await.is_empty());

    let mut writer = LogWriter::store(Arc::clone(lab.engine.repo()), 100, &LogWriterOptions::default());
    let mut logs = lab.engine.logs(LogOptions::default()).await.expect("logs");
    while let Some(item) = logs.next().await {
        writer.put(&item.expect("an item")).await.expect("stored");
    }
    writer.close().await.expect("stored");
    assert_eq!(stored(LogOptions::default()).await, existing);

    lab.teardown(id).await.expect("torn down");
    assert!(
        lab.paths(LogOptions::default()).await.is_empty(),
        "the containers are gone"
    );
    let paths = stored(LogOptions::default().topology(id)).await;
    assert_eq!((paths.len(), paths[0].moves.len(), paths[0].open_sessions), (1, 2, 0));
    let end = lab.engine.repo().get(id).await.expect("a row").changed_at;
    assert_eq!(paths[0].moves[0].sessions[0].ended, Some(end));
    for (service, count) in [("smb", 1), ("ssh", 0)] {
        let options = LogOptions::default().service(ServiceName::new(service));
        assert_eq!(stored(options).await.len(), count, "{service}");
    }
    assert!(stored(LogOptions::default().since(end)).await.is_empty());
    let missing = LogOptions::default().topology(decnet_topology::rng::topology_id());
    let refused = lab.engine.stored_paths(missing).await;
    assert_eq!(refused.expect_err("no such topology").code(), "not_found");
    lab.engine.delete(id, None).await.expect("deleted");
    assert!(stored(LogOptions::default()).await.is_empty());
}

#[tokio::test]
async fn an_address_belongs_to_the_decky_that_had_it_at_the_time() {
    let (lab, id) = Lab::with_maze().await;
    let mutate = async |mutation: Mutation| {
        let new = NewMutation::new(mutation);
        lab.engine.submit(id, new, None).await.expect("submitted");
        assert_eq!(lab.drain(id).await[0].state, MutationState::Applied);
    };
    let name = |name: &str| -> Name { name.parse().expect("a name") };
    let add = |decky: &str| AddDecky::new(name(decky), name("office")).services(["ssh"]).into();
    let address = async |decky: &str| {
        let stored = lab.engine.repo().load(id).await.expect("a maze");
        let mut deckies = stored.topology.deckies().iter();
        let found = deckies.find(|one| one.name().as_str() == decky).expect("a decky");
        found.attachments()[0].ip.to_string()
    };
    mutate(add("desk")).await;
    let first = address("desk").await;
    lab.print_now("files.smb", &session("session.open", 1, &first, "b1"));
    mutate(RemoveDecky::new(name("desk")).into()).await;
    mutate(add("mail")).await;
    assert_eq!(address("mail").await, first, "the address is used again");
    let unknown = "10.90.1.200";
    lab.print_now("files.smb", &session("session.open", 2, &first, "b2"));
    lab.print_now("files.smb", &session("session.open", 3, unknown, "b3"));
    let paths = lab.paths(LogOptions::default()).await;
    let origins: Vec<_> = paths.iter().map(|path| path.origin.clone()).collect();
    assert_eq!(
        origins,
        [
            Place::Decky(name("desk")),
            Place::Decky(name("mail")),
            Place::Inside(unknown.parse().expect("an address")),
        ]
    );
}

#[tokio::test]
async fn a_killed_service_keeps_no_conversation() {
    let (lab, _) = Lab::with_maze().await;
    lab.print("web.ssh", &session("session.open", 1, "192.0.2.7", "a1"));
    let container = lab.container("web.ssh");
    assert!(lab.docker.stop(&container));
    lab.print("web.http", &session("session.open", 1, "192.0.2.8", "h1"));
    lab.print("web.http", &session("session.close", 2, "192.0.2.8", "h1"));
    lab.print("files.smb", &session("session.open", 1, "10.90.1.10", "s1"));
    let paths = lab.paths(LogOptions::default()).await;
    let moves: Vec<_> = paths
        .iter()
        .map(|path| (path.origin.to_string(), path.moves.len(), path.open_sessions))
        .collect();
    assert_eq!(moves, [("192.0.2.7".into(), 1, 0), ("192.0.2.8".into(), 2, 1)]);
}

#[tokio::test]
async fn lines_of_muted_visitors_show_that_a_service_was_restarted() {
    let (lab, _) = Lab::with_maze().await;
    lab.print_now("web.http", &session("session.open", 1, "192.0.2.7", "a1"));
    lab.print_now("web.http", &session("session.open", 1, "198.51.100.9", "a1"));
    let paths = lab.paths(LogOptions::default().mute("198.51.100.9".parse())).await;
    assert_eq!((paths.len(), paths[0].open_sessions), (1, 0), "{paths:#?}");
}

#[tokio::test]
async fn paths_come_with_notices_of_logs_that_are_not_complete() {
    let (lab, _) = Lab::with_maze().await;
    lab.print_now("web.http", &session("session.open", 3, "192.0.2.7", "a1"));
    let found = lab.engine.paths(LogOptions::default()).await.expect("paths");
    assert_eq!(found.paths.len(), 1);
    assert!(
        matches!(found.notices.as_slice(), [LogItem::Dropped { lines: 2, .. }]),
        "{found:#?}"
    );
}
