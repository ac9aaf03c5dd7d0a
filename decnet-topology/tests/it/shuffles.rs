//! Rules of shuffles: when a decky is due, what it gets, and where a file has them.

use std::{collections::BTreeSet, time::Duration};

use decnet_topology::{
    Catalog, Code, DeckyId, InstallationSecret, Name, NotShuffled, RandomStream, ServiceName, Shuffle, ShuffleKey,
    ShuffleSource, Shuffles, SignedDuration, Syntax, Timestamp, Topology, canonical_hash, check_shuffles, document,
    rng, shuffled_services,
};
use proptest::prelude::*;

fn from(services: &[&str]) -> ShuffleSource {
    ShuffleSource::Services(services.iter().map(|name| ServiceName::new(name)).collect())
}

fn name(text: &str) -> Name {
    text.parse().expect("a name")
}

proptest! {
    #[test]
    fn due_times_are_late_within_the_jitter_and_the_same_for_all_who_know_the_secret(
        minutes in 1_u64..20_000,
        jitter in 0.0..=1.0_f64,
        start in 0_i64..4_000_000_000,
        secret in any::<[u8; 32]>(),
        restart in 0_i64..100_000_000,
    ) {
        let every = Duration::from_mins(minutes);
        let rule = Shuffle::new(every, ShuffleSource::Archetype).expect("a rule").jitter(jitter).expect("a rule");
        let topology = rng::topology_id();
        let key = || ShuffleKey::new(&InstallationSecret::new(secret), topology, DeckyId::new(3));
        let longest = SignedDuration::try_from(every + rule.longest_delay()).expect("short");
        let mut before = Timestamp::from_second(start).expect("a time");
        let first = key().due_after(&rule, before).expect("due");
        // The first is at most one interval and one delay away.
        prop_assert!(first > before && first.duration_since(before) <= longest);
        let mut times = vec![first];
        before = first;
        for _ in 0..20 {
            let due = key().due_after(&rule, before).expect("due");
            let gap = due.duration_since(before);
            prop_assert!(gap >= rule.shortest_gap() - SignedDuration::from_millis(2), "{gap:?}");
            prop_assert!(gap <= longest, "{gap:?}");
            times.push(due);
            before = due;
        }
        // A process that starts in between computes the same next time.
        let now = first.checked_add(SignedDuration::from_millis(restart)).expect("a time");
        let next = key().due_after(&rule, now).expect("due");
        if now < times[20] {
            prop_assert_eq!(Some(&next), times.iter().find(|due| **due > now));
        }
    }
}

#[test]
fn deckies_and_mazes_are_due_at_different_times() {
    let rule = Shuffle::new(Duration::from_hours(6), ShuffleSource::Archetype).expect("a rule");
    let secret = rng::installation_secret();
    let due = |topology, decky| {
        let key = ShuffleKey::new(&secret, topology, DeckyId::new(decky));
        key.due_after(&rule, Timestamp::UNIX_EPOCH)
    };
    let topology = rng::topology_id();
    let times: BTreeSet<_> = (0..50).map(|decky| due(topology, decky)).collect();
    assert_eq!(times.len(), 50);
    assert_ne!(due(topology, 1), due(rng::topology_id(), 1));
}

fn maze() -> Topology {
    Topology::builder()
        .dmz("dmz", "10.0.0.0/24")
        .lan("office", "10.0.1.0/24")
        .decky("door", |decky| {
            decky
                .on("dmz", "10.0.0.10")
                .on("office", "10.0.1.10")
                .services(["ssh"])
                .forwards()
        })
        .decky("pc", |decky| decky.on("office", "10.0.1.11").services(["http", "ssh"]))
        .build()
        .expect("a maze")
}

#[test]
fn a_decky_gets_as_many_other_services_and_a_gateway_only_if_allowed() {
    let (maze, catalog) = (maze(), Catalog::builtin());
    let rule = |services: &[&str]| Shuffle::new(Duration::from_hours(6), from(services)).expect("a rule");
    let shuffled = |rule: &Shuffle, decky: &str, number| {
        let decky = maze.decky_named(&name(decky)).expect("a decky");
        let mut stream = RandomStream::new(1, "test", number);
        shuffled_services(rule, &maze, decky, &catalog, &mut stream)
    };
    let pool = rule(&["http", "ssh", "ftp", "mysql"]);
    let present: BTreeSet<ServiceName> = ["http".into(), "ssh".into()].into();
    let drawn: BTreeSet<_> = (0..100)
        .map(|number| shuffled(&pool, "pc", number).expect("shuffled"))
        .collect();
    assert_eq!(drawn.len(), 5, "all pairs but the present one: {drawn:?}");
    assert!(drawn.iter().all(|services| services.len() == 2 && *services != present));
    assert_eq!(shuffled(&rule(&["http", "ssh"]), "pc", 0), Err(NotShuffled::NoOther));
    assert_eq!(shuffled(&pool, "door", 0), Err(NotShuffled::Gateway));
    assert_ne!(
        shuffled(&pool.clone().published(true), "door", 0),
        Ok(["ssh".into()].into())
    );
    let archetype = Shuffle::new(Duration::from_hours(6), ShuffleSource::Archetype).expect("a rule");
    assert_eq!(shuffled(&archetype, "pc", 0), Err(NotShuffled::NoArchetype));
}

#[test]
fn rules_that_do_not_fit_the_maze_are_all_reported() {
    let rule = |services: &[&str]| Shuffle::new(Duration::from_hours(6), from(services)).expect("a rule");
    let shuffles = Shuffles::default()
        .topology(rule(&["htpp"]))
        .lan(name("ofice"), rule(&["ssh"]))
        .decky(name("pd"), rule(&["ssh"]))
        .decky(
            name("pc"),
            Shuffle::new(Duration::from_hours(6), ShuffleSource::Archetype).expect("a rule"),
        );
    let found = check_shuffles(&shuffles, &maze(), &Catalog::builtin());
    let said: Vec<_> = found
        .iter()
        .map(|finding| (finding.code, finding.message.as_str()))
        .collect();
    assert_eq!(said.len(), 4, "{said:?}");
    assert!(
        said[0].1.contains("`htpp`") && said[0].1.contains("did you mean `http`"),
        "{said:?}"
    );
    assert!(
        said[1]
            .1
            .contains("LAN `ofice`, which does not exist (did you mean `office`?)"),
        "{said:?}"
    );
    let unknown = said
        .iter()
        .filter(|(code, _)| *code == Code::ShuffleUnknownTarget)
        .count();
    assert_eq!(unknown, 2);
}

const FILE: &str = "\
format: decnet.topology/1
name: corp
shuffle: {every: 24h, from: archetype}
lans:
  - {name: dmz, subnet: 10.0.0.0/24, dmz: true}
  - {name: office, subnet: 10.0.1.0/24, shuffle: {every: 6h, jitter: 0.2, from: [http, ssh]}}
deckies:
  - {name: pc, attachments: [{lan: office, ip: 10.0.1.10}], shuffle: {every: 30m, from: [ftp], published: true}}
";

#[test]
fn a_file_has_the_rules_where_they_apply_and_the_hash_does_not() {
    let draft = document::parse(FILE, Syntax::Yaml).expect("a document");
    assert_eq!(draft.findings, []);
    let rules = &draft.shuffles;
    let every = |decky: &str, home: &str| rules.of(&name(decky), Some(&name(home))).map(Shuffle::every);
    assert_eq!(every("pc", "office"), Some(Duration::from_mins(30)));
    assert_eq!(every("other", "office"), Some(Duration::from_hours(6)));
    assert_eq!(every("other", "dmz"), Some(Duration::from_hours(24)));
    for syntax in [Syntax::Yaml, Syntax::Json] {
        let printed = document::print(&draft, syntax);
        assert_eq!(
            document::parse(&printed, syntax).expect("a document"),
            draft,
            "{printed}"
        );
    }
    let plain: String = FILE
        .lines()
        .filter(|line| !line.starts_with("shuffle"))
        .collect::<Vec<_>>()
        .join("\n");
    let plain = plain.replace(", shuffle: {every: 6h, jitter: 0.2, from: [http, ssh]}", "");
    let plain = plain.replace(", shuffle: {every: 30m, from: [ftp], published: true}", "");
    let resolve = |text: &str| {
        let draft = document::parse(text, Syntax::Yaml).expect("a document");
        let maze = draft.resolve(&Catalog::builtin(), &decnet_topology::SubnetPool::default());
        canonical_hash(&maze.expect("a maze"))
    };
    assert_eq!(resolve(FILE), resolve(&plain));
}

#[test]
fn invalid_rules_of_a_file_have_their_place() {
    for (before, after, code, place) in [
        ("24h", "0s", Code::ShuffleInvalid, (3, 18)),
        ("24h", "soon", Code::ShuffleInvalid, (3, 18)),
        ("jitter: 0.2", "jitter: 2", Code::ShuffleInvalid, (6, 62)),
        ("from: [ftp]", "from: []", Code::ShuffleInvalid, (8, 83)),
        ("from: archetype", "from: any", Code::DocType, (3, 29)),
        ("24h, from: archetype", "24h", Code::DocType, (3, 18)),
        ("published: true", "publish: true", Code::DocUnknownKey, (8, 96)),
    ] {
        let draft = document::parse(FILE.replace(before, after), Syntax::Yaml).expect("a document");
        let [finding] = &draft.findings[..] else {
            panic!("{after}: {:?}", draft.findings)
        };
        let at = finding.place.map(|place| (place.line, place.column));
        assert_eq!((finding.code, at), (code, Some(place)), "{after}: {finding:?}");
    }
}
