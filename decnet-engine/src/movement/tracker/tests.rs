use std::net::Ipv4Addr;

use decnet_topology::{ServiceName, rng};
use serde_json::json;

use super::*;
use crate::{
    movement::presence::REMEMBERED,
    naming::{self, Labels},
};

/// A maze whose deckies print lines.
struct Scene {
    topology: TopologyId,
    tracker: AttackTracker,
    second: i64,
    sequence: u64,
    user: String,
    container: String,
}

impl Scene {
    fn new() -> Self {
        Self {
            topology: rng::topology_id(),
            tracker: AttackTracker::default(),
            second: 0,
            sequence: 1,
            user: "root".into(),
            container: "1".into(),
        }
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_900_000_000 + second).unwrap()
    }

    /// Prints a line one second later. The visitor is an address or the name of a decky. Returns the events as texts.
    fn line(&mut self, from: &str, decky: &str, action: &str, session: &str) -> Vec<String> {
        self.sequence += 1;
        self.numbered(self.sequence, from, decky, action, session)
    }

    fn numbered(&mut self, sequence: u64, from: &str, decky: &str, action: &str, session: &str) -> Vec<String> {
        let is_outside = from.parse::<Ipv4Addr>().is_ok();
        let content = self.record(sequence, from, decky, action, session);
        self.see(from.parse().ok().filter(|_| !is_outside), decky, content)
    }

    fn record(&self, sequence: u64, from: &str, decky: &str, action: &str, session: &str) -> LogContent {
        let outside: Option<Ipv4Addr> = from.parse().ok();
        let record = json!({
            "@timestamp": "2030-01-01T00:00:00.000Z",
            "event": {"action": action, "kind": "event", "category": [], "type": [], "sequence": sequence, "outcome": "success"},
            "host": {"name": decky},
            "service": {"name": "ssh"},
            "user": {"name": self.user},
            "source": {"ip": outside.unwrap_or(Ipv4Addr::LOCALHOST)},
            "decnet": {"session": session},
        });
        LogContent::Record(Box::new(serde_json::from_value(record).unwrap()))
    }

    /// Prints a JSON object of another program one second later.
    fn object(&mut self, from: Option<&str>, decky: &str, object: &serde_json::Value) -> Vec<String> {
        let content = LogContent::Json {
            is_error: false,
            message: object.as_object().unwrap().clone(),
        };
        self.see(from.map(|from| from.parse().unwrap()), decky, content)
    }

    fn see(&mut self, from: Option<Name>, decky: &str, content: LogContent) -> Vec<String> {
        self.second += 1;
        let entry = self.entry(from, decky, content);
        let events = self.tracker.see(&entry);
        events.iter().map(AttackerEvent::describe).collect()
    }

    fn entry(&self, from: Option<Name>, decky: &str, content: LogContent) -> LogEntry {
        LogEntry {
            id: format!("{}-{}", self.container, self.second),
            at: Self::at(self.second),
            topology: self.topology,
            maze: "corp".parse().ok(),
            decky: decky.parse().unwrap(),
            service: Some(ServiceName::new("ssh")),
            container: ContainerName::from_docker(format!("decnet_{decky}.ssh")),
            from,
            inside: false,
            content,
        }
    }

    fn path(&self, origin: &str) -> AttackPath {
        let paths = self.tracker.paths();
        let found = paths.into_iter().find(|path| path.origin.to_string() == origin);
        found.unwrap()
    }

    fn origins(&self) -> Vec<String> {
        let paths = self.tracker.paths();
        paths.iter().map(|path| path.origin.to_string()).collect()
    }
}

#[test]
fn a_visitor_is_followed_from_outside_over_deckies() {
    let mut scene = Scene::new();
    assert_eq!(
        scene.line("192.0.2.7", "web", "session.open", "a1"),
        [
            "attacker 192.0.2.7: seen for the first time, at web/ssh",
            "attacker 192.0.2.7: moved 192.0.2.7 -> web/ssh",
            "attacker 192.0.2.7: session a1 with web/ssh started",
        ]
    );
    assert!(scene.line("192.0.2.7", "web", "auth.attempt", "a1").is_empty());
    assert_eq!(
        scene.line("web", "db", "session.open", "b1"),
        [
            "attacker 192.0.2.7: moved 192.0.2.7 -> web -> db/ssh",
            "attacker 192.0.2.7: session b1 with db/ssh started",
        ]
    );
    let files = scene.line("db", "files", "probe", "c1");
    assert_eq!(
        files[0],
        "attacker 192.0.2.7: moved 192.0.2.7 -> web -> db -> files/ssh"
    );
    assert_eq!(
        scene.line("192.0.2.7", "web", "session.close", "a1"),
        ["attacker 192.0.2.7: session a1 with web/ssh ended"]
    );
    let path = scene.path("192.0.2.7");
    assert_eq!((path.first_seen, path.last_seen), (Scene::at(1), Scene::at(5)));
    assert_eq!((path.moves.len(), path.open_sessions), (3, 2));
    assert_eq!(path.moves[0].until, Scene::at(5));
    assert_eq!(path.moves[0].logins, BTreeSet::from(["root".into()]));
    assert_eq!(path.moves[0].sessions[0].ended, Some(Scene::at(5)));
    assert_eq!(
        path.describe(),
        [
            "corp: 192.0.2.7 -> web -> db -> files (2 sessions open)",
            "  2030-03-17 17:46:41Z  192.0.2.7 -> web  ssh  session a1  logged in as root",
            "  2030-03-17 17:46:43Z  web -> db  ssh  session b1",
            "  2030-03-17 17:46:44Z  db -> files  ssh  session c1",
        ]
    );
}

#[test]
fn a_move_belongs_to_the_visitor_with_an_open_conversation_and_names_the_others() {
    let mut scene = Scene::new();
    scene.line("192.0.2.7", "web", "session.open", "a1");
    scene.line("192.0.2.8", "web", "session.open", "a2");
    scene.line("192.0.2.8", "web", "session.close", "a2");
    scene.line("web", "db", "session.open", "b1");
    assert_eq!(scene.path("192.0.2.7").moves.len(), 2, "192.0.2.8 has left");
    assert!(scene.path("192.0.2.7").moves[1].other_origins.is_empty());

    scene.line("192.0.2.9", "web", "session.open", "a3");
    scene.line("web", "files", "session.open", "c1");
    let moves = scene.path("192.0.2.9").moves;
    assert_eq!(moves[1].to.as_str(), "files", "192.0.2.9 was active last");
    let others: Vec<_> = moves[1].other_origins.iter().map(ToString::to_string).collect();
    assert_eq!(others, ["192.0.2.7"]);

    scene.line("192.0.2.7", "web", "command", "a1");
    scene.line("web", "files", "session.close", "c1");
    assert_eq!(
        scene.path("192.0.2.7").moves.len(),
        2,
        "a conversation keeps its attacker"
    );
    assert_eq!(scene.path("192.0.2.9").open_sessions, 1);
}

#[test]
fn a_decky_without_visitors_is_an_origin_and_talking_to_itself_is_not_a_move() {
    let mut scene = Scene::new();
    assert!(scene.line("web", "web", "session.open", "a1").is_empty());
    let events = scene.line("web", "db", "session.open", "b1");
    assert_eq!(events[1], "attacker web: moved web -> db/ssh");
    scene.line("db", "web", "probe", "d1");
    assert_eq!(scene.origins(), ["web"]);
    let places: Vec<_> = scene
        .path("web")
        .longest_path()
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(places, ["web", "db", "web"], "a circle ends");
}

#[test]
fn a_json_object_of_another_program_is_a_contact_without_a_conversation() {
    let mut scene = Scene::new();
    let visit =
        |key: &str, address: &str| json!({ key: address, "session": "5f0c", "eventid": "cowrie.login.success" });
    assert_eq!(
        scene.object(None, "web", &visit("src_ip", "192.0.2.7")),
        [
            "attacker 192.0.2.7: seen for the first time, at web/ssh",
            "attacker 192.0.2.7: moved 192.0.2.7 -> web/ssh",
        ]
    );
    assert!(scene.object(None, "web", &visit("src_ip", "192.0.2.7")).is_empty());
    assert_eq!(
        scene.object(Some("web"), "db", &visit("source_ip", "10.0.0.2")),
        ["attacker 192.0.2.7: moved 192.0.2.7 -> web -> db/ssh"]
    );
    scene.line("db", "files", "session.open", "c1");
    let path = scene.path("192.0.2.7");
    assert_eq!((path.moves.len(), path.open_sessions), (3, 1));
    assert_eq!((path.last_seen, path.moves[0].until), (Scene::at(4), Scene::at(2)));
    assert!(path.moves[0].sessions.is_empty() && path.moves[0].logins.is_empty());

    for (from, address) in [
        (None, "127.0.0.1"),
        (None, "0.0.0.0"),
        (None, ""),
        (Some("web"), "10.0.0.2"),
    ] {
        let events = scene.object(from, "web", &visit("src_ip", address));
        assert!(events.is_empty(), "{address}: nobody came from elsewhere");
    }
    assert!(scene.object(None, "web", &json!({"message": "ready"})).is_empty());
    assert_eq!(scene.origins(), ["192.0.2.7"]);
}

#[test]
fn the_conversations_of_a_topology_can_be_ended() {
    let mut scene = Scene::new();
    scene.line("192.0.2.7", "web", "session.open", "a1");
    scene.line("192.0.2.8", "db", "session.open", "b1");
    assert_eq!(scene.tracker.topologies(), [scene.topology]);
    scene.tracker.end_sessions(rng::topology_id(), Scene::at(9));
    assert_eq!(scene.path("192.0.2.8").open_sessions, 1);
    scene.tracker.end_sessions(scene.topology, Scene::at(9));
    for (origin, last) in [("192.0.2.7", 1), ("192.0.2.8", 2)] {
        let path = scene.path(origin);
        assert_eq!((path.open_sessions, path.last_seen), (0, Scene::at(last)));
        assert_eq!(path.moves[0].sessions[0].ended, Some(Scene::at(9)));
    }
}

#[test]
fn a_restarted_service_ends_its_conversations() {
    let mut scene = Scene::new();
    scene.line("192.0.2.7", "web", "session.open", "a1");
    scene.line("192.0.2.7", "db", "session.open", "b1");
    assert_eq!(
        scene.numbered(1, "192.0.2.8", "web", "session.open", "a1")[0],
        "attacker 192.0.2.7: session a1 with web/ssh ended"
    );
    assert_eq!(scene.path("192.0.2.7").open_sessions, 1);
    assert_eq!(scene.path("192.0.2.8").open_sessions, 1);
}

#[test]
fn a_process_that_ended_without_last_lines_keeps_no_conversation() {
    // The first line of the new process was muted or dropped.
    let mut scene = Scene::new();
    scene.numbered(7, "192.0.2.7", "web", "session.open", "a1");
    let events = scene.numbered(3, "192.0.2.8", "web", "session.open", "a2");
    assert_eq!(events[0], "attacker 192.0.2.7: session a1 with web/ssh ended");
    scene.line("web", "db", "session.open", "b1");
    assert_eq!(scene.path("192.0.2.8").moves.len(), 2);

    // The container was recreated: its lines have another id.
    let mut scene = Scene::new();
    scene.numbered(7, "192.0.2.7", "web", "session.open", "a1");
    scene.container = "2".into();
    let events = scene.numbered(9, "192.0.2.8", "web", "session.open", "a2");
    assert_eq!(events[0], "attacker 192.0.2.7: session a1 with web/ssh ended");

    // A visitor who is not followed.
    let mut scene = Scene::new();
    scene.numbered(7, "192.0.2.7", "web", "session.open", "a1");
    let entry = scene.entry(None, "web", scene.record(1, "192.0.2.8", "web", "session.open", "a2"));
    scene.tracker.skip(&entry);
    assert_eq!(scene.path("192.0.2.7").open_sessions, 0);
    assert_eq!(scene.origins(), ["192.0.2.7"]);
}

/// A container of the service of a decky.
fn container(scene: &Scene, decky: &str, started: i64) -> ObservedContainer {
    let labels = Labels::from([(naming::TOPOLOGY.into(), scene.topology.to_string())]);
    let name = ContainerName::from_docker(format!("decnet_{decky}.ssh"));
    ObservedContainer {
        started_at: Some(Scene::at(started)),
        ..ObservedContainer::running("1", name, labels)
    }
}

#[test]
fn containers_that_were_restarted_stopped_or_removed_keep_no_conversation() {
    // `web` was started again at 2, while 192.0.2.7 was connected.
    for (started, is_over) in [(0, false), (2, true)] {
        let mut scene = Scene::new();
        scene.tracker.know(&[container(&scene, "web", started)]);
        scene.line("192.0.2.7", "web", "session.open", "a1");
        scene.second += 1;
        scene.line("192.0.2.8", "db", "session.open", "b1");
        assert_eq!(
            scene.path("192.0.2.7").open_sessions == 0,
            is_over,
            "started at {started}"
        );
    }

    // It was started again, and no line came after that.
    let mut scene = Scene::new();
    scene.tracker.know(&[container(&scene, "web", 2)]);
    scene.line("192.0.2.7", "web", "session.open", "a1");
    assert_eq!(scene.path("192.0.2.7").open_sessions, 1);
    scene.tracker.end_stopped();
    assert_eq!(scene.path("192.0.2.7").open_sessions, 0);

    let mut scene = Scene::new();
    let stopped = ObservedContainer {
        activity: Activity::Exited,
        ..container(&scene, "web", 0)
    };
    scene.tracker.know(&[stopped]);
    scene.line("192.0.2.7", "web", "session.open", "a1");
    scene.tracker.end_stopped();
    let session = scene.path("192.0.2.7").moves[0].sessions[0].clone();
    assert_eq!(session.ended, Some(Scene::at(1)), "its last line");

    let mut scene = Scene::new();
    for decky in ["web", "db", "files"] {
        scene.line("192.0.2.7", decky, "session.open", decky);
    }
    assert_eq!(scene.tracker.topologies_with_sessions(), [scene.topology]);
    let known = [container(&scene, "web", 0), container(&scene, "db", 9)];
    let events = scene.tracker.refresh(&known, Scene::at(10));
    let events: Vec<_> = events.iter().map(AttackerEvent::describe).collect();
    assert_eq!(
        events,
        [
            "attacker 192.0.2.7: session db with db/ssh ended",
            "attacker 192.0.2.7: session files with files/ssh ended",
        ],
        "one was restarted, the other removed"
    );
    assert_eq!(scene.path("192.0.2.7").open_sessions, 1);
    assert!(scene.tracker.refresh(&known, Scene::at(11)).is_empty());
}

#[test]
fn a_visitor_of_long_ago_is_not_the_source_of_a_move() {
    let mut scene = Scene::new();
    scene.line("192.0.2.7", "web", "session.open", "a1");
    scene.second += REMEMBERED.as_secs();
    scene.line("web", "db", "session.open", "b1");
    assert_eq!(scene.origins(), ["192.0.2.7"], "it has an open conversation");
    scene.line("192.0.2.7", "web", "session.close", "a1");
    scene.second += REMEMBERED.as_secs();
    scene.line("web", "files", "session.open", "c1");
    assert_eq!(scene.origins(), ["192.0.2.7", "web"]);
}

#[test]
fn an_address_of_a_lan_without_a_decky_is_not_outside() {
    let mut scene = Scene::new();
    let mut entry = scene.entry(None, "web", scene.record(1, "10.9.1.99", "web", "session.open", "a1"));
    entry.inside = true;
    scene.tracker.see(&entry);
    assert_eq!(scene.origins(), ["10.9.1.99 (inside)"]);
}

#[test]
fn memory_is_bounded() {
    let mut scene = Scene::new();
    let first = Ipv4Addr::new(198, 18, 0, 0);
    for number in 0..u32::try_from(ATTACKERS).unwrap() + 5 {
        let address = Ipv4Addr::from(u32::from(first) + number);
        scene.line(&address.to_string(), "web", "session.open", &format!("{number:x}"));
    }
    let paths = scene.tracker.paths();
    assert_eq!(paths.len(), ATTACKERS);
    assert_eq!(
        paths[0].origin.to_string(),
        "198.18.0.5",
        "the one silent for longest is forgotten"
    );
    let maze = &scene.tracker.mazes[&scene.topology];
    assert_eq!((maze.open.len(), maze.visitors.deckies()), (ATTACKERS, 1));

    scene.line("web", "db", "session.open", "b1");
    let path = scene.path(&Ipv4Addr::from(u32::from(first) + 10_004).to_string());
    let step = &path.moves[1];
    assert_eq!(step.other_origins.len(), LISTED_ORIGINS);
    assert_eq!(step.other_origins_left_out, (ATTACKERS - 1 - LISTED_ORIGINS) as u64);
    scene.line("web", "db", "session.open", "b2");
    assert_eq!(
        scene.path(&path.origin.to_string()).moves[1].other_origins_left_out,
        step.other_origins_left_out
    );
    assert!(path.describe()[2].ends_with(" and 9899 more"), "{:?}", path.describe());

    let mut scene = Scene::new();
    for number in 0..SESSIONS + 5 {
        scene.line("192.0.2.7", "web", "session.open", &number.to_string());
    }
    let path = scene.path("192.0.2.7");
    assert_eq!(path.open_sessions, SESSIONS);
    assert_eq!(path.moves[0].sessions.len(), LISTED_SESSIONS);
    assert_eq!(path.moves[0].sessions_left_out, (SESSIONS + 5 - LISTED_SESSIONS) as u64);

    let mut scene = Scene::new();
    let long = "x".repeat(10_000);
    for number in 0..LISTED_LOGINS + 5 {
        scene.user = format!("{number}{long}");
        scene.line("192.0.2.7", "web", "auth.attempt", &long);
    }
    scene.user = format!("0{long}");
    scene.line("192.0.2.7", "web", "auth.attempt", &long);
    let moved = &scene.path("192.0.2.7").moves[0];
    assert_eq!((moved.logins.len(), moved.logins_left_out), (LISTED_LOGINS, 5));
    assert!(moved.logins.iter().all(|name| name.chars().count() == LONGEST_LOGIN));
    assert_eq!(moved.sessions.len(), 1);
    assert_eq!(moved.sessions[0].id.len(), 64);
}
