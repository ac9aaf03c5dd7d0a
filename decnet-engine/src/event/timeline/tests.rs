use decnet_topology::{RandomStream, rng};

use super::*;

fn time(second: i64) -> Timestamp {
    Timestamp::from_second(1_900_000_000 + second).expect("a time")
}

fn name(text: &str) -> Name {
    text.parse().expect("a name")
}

fn services(words: &str) -> BTreeSet<ServiceName> {
    words.split_whitespace().map(ServiceName::new).collect()
}

fn topology() -> TopologyId {
    "0e7a1c52-6a53-4f5e-9d0c-1f2e3d4c5b6a".parse().expect("an id")
}

fn decky(second: i64, decky: &str, old: &str, new: &str, trigger: Trigger) -> Envelope {
    let event = DeckyEvent {
        topology: topology(),
        decky: name(decky),
        old_services: services(old),
        new_services: services(new),
        trigger,
    };
    Envelope::new(Event::Decky(event), time(second))
}

fn mutation(second: i64, number: u64, state: MutationStage) -> Envelope {
    let event = Event::Mutation {
        topology: topology(),
        mutation: MutationId::new(number),
        op: "update_decky".into(),
        state,
        actor: None,
        reason: None,
    };
    Envelope::new(event, time(second))
}

fn status(second: i64, to: Status) -> Envelope {
    let event = Event::Status {
        topology: topology(),
        from: None,
        to,
        reason: None,
    };
    Envelope::new(event, time(second))
}

/// `web` is created, gets ssh and is healed; `files` is created, removed and recreated; then the topology is torn down.
fn life() -> Vec<Envelope> {
    vec![
        status(9, Status::Deploying),
        decky(10, "web", "", "http", Trigger::Creation),
        decky(10, "files", "", "smb", Trigger::Creation),
        status(11, Status::Active),
        mutation(19, 4, MutationStage::Applying),
        decky(20, "web", "http", "http ssh", Trigger::Operator),
        mutation(21, 4, MutationStage::Applied),
        mutation(29, 5, MutationStage::Applying),
        decky(30, "files", "smb", "", Trigger::Retirement),
        mutation(31, 5, MutationStage::Applied),
        decky(40, "web", "ssh", "http ssh", Trigger::Healer),
        decky(50, "files", "", "smb dns", Trigger::Creation),
        status(60, Status::TornDown),
    ]
}

/// Describes the state of a decky at a time.
fn was(timeline: &Timeline, decky: &str, second: i64) -> String {
    let moment = timeline.decky(&name(decky)).and_then(|decky| decky.at(time(second)));
    moment.map_or("-".into(), |moment| {
        let services: Vec<_> = moment.services.iter().map(ServiceName::as_str).collect();
        let mutation = moment.mutation.map(|id| format!(" by {id}")).unwrap_or_default();
        format!(
            "{} since {} {}{mutation}",
            services.join("+"),
            moment.since.as_second() % 100,
            moment.trigger
        )
    })
}

fn check(timeline: &Timeline) {
    let web = |second| was(timeline, "web", second);
    assert_eq!(web(9), "-");
    assert_eq!(web(10), "http since 10 creation");
    assert_eq!(web(19), "http since 10 creation");
    assert_eq!(web(20), "http+ssh since 20 operator by #4");
    assert_eq!(web(45), "http+ssh since 40 healer");
    assert_eq!(web(60), "-");
    let files = |second| was(timeline, "FILES", second);
    assert_eq!(files(29), "smb since 10 creation");
    assert_eq!(files(30), "-");
    assert_eq!(files(50), "dns+smb since 50 creation");
    assert_eq!(files(99), "-");
    let names: Vec<_> = timeline.at(time(35)).map(|(name, _)| name.to_string()).collect();
    assert_eq!(names, ["web"]);
    assert_eq!(timeline.status_at(time(8)), None);
    assert_eq!(timeline.status_at(time(10)), Some(Status::Deploying));
    assert_eq!(timeline.status_at(time(59)), Some(Status::Active));
    assert_eq!(timeline.status_at(time(60)), Some(Status::TornDown));
}

#[test]
fn a_decky_has_the_state_of_its_last_event() {
    check(&Timeline::from_events(topology(), &life()));
}

#[test]
fn the_order_and_repetition_of_events_do_not_matter() {
    let life = life();
    let expected = Timeline::from_events(topology(), &life);
    let mut stream = RandomStream::new(3, "disorder", 0);
    for _ in 0..200 {
        let mut events = life.clone();
        for _ in 0..5 {
            events.push(events[stream.index(events.len())].clone());
        }
        for at in (1..events.len()).rev() {
            events.swap(at, stream.index(at + 1));
        }
        assert_eq!(Timeline::from_events(topology(), &events), expected);
    }
}

#[test]
fn deckies_of_the_same_name_in_other_topologies_are_separate() {
    let mut events = life();
    events.push(Envelope::new(
        Event::Decky(DeckyEvent {
            topology: rng::topology_id(),
            decky: name("web"),
            old_services: BTreeSet::new(),
            new_services: services("telnet"),
            trigger: Trigger::Creation,
        }),
        time(41),
    ));
    check(&Timeline::from_events(topology(), &events));
}

#[test]
fn after_a_lost_event_the_earlier_state_continues() {
    let events: Vec<Envelope> = life().into_iter().filter(|envelope| envelope.at != time(40)).collect();
    let timeline = Timeline::from_events(topology(), &events);
    assert_eq!(was(&timeline, "web", 45), "http+ssh since 20 operator by #4");
    assert_eq!(was(&Timeline::from_events(topology(), &[]), "web", 45), "-");
}

fn maze(deckies: &[(&str, &str)]) -> Topology {
    let mut builder = Topology::builder().dmz("dmz", "10.0.0.0/24");
    for (at, (decky, words)) in deckies.iter().enumerate() {
        let (ip, services) = (format!("10.0.0.{}", at + 2), words.split_whitespace());
        builder = builder.decky(decky, |decky| decky.on("dmz", &ip).services(services));
    }
    builder.build().expect("a topology")
}

#[test]
fn an_audit_trail_gives_the_services_that_should_run() {
    let mazes = [
        (0, None, maze(&[("web", "http"), ("files", "smb")])),
        (20, Some(4), maze(&[("web", "http ssh"), ("files", "smb")])),
        (30, Some(5), maze(&[("web", "http ssh")])),
    ];
    let mut changes = Vec::new();
    for pair in mazes.windows(2) {
        let (at, mutation) = (time(pair[1].0), pair[1].1.map(MutationId::new));
        let recorded = history::changes(&pair[0].2, &pair[1].2).into_iter();
        changes.extend(recorded.map(|change| RecordedChange { at, mutation, change }));
    }
    changes.reverse();
    let event = |second, to| StatusEvent {
        from: None,
        to,
        at: time(second),
        reason: None,
    };
    let statuses = [
        event(40, Status::TornDown),
        event(5, Status::Pending),
        event(10, Status::Active),
    ];
    let scheduled = [MutationId::new(4)].into();
    let shuffled = Timeline::from_trail(&mazes[2].2, &changes, &scheduled, &statuses);
    assert_eq!(was(&shuffled, "web", 25), "http+ssh since 20 scheduled by #4");
    let timeline = Timeline::from_trail(&mazes[2].2, &changes, &BTreeSet::new(), &statuses);
    assert_eq!(was(&timeline, "web", 4), "-");
    assert_eq!(was(&timeline, "web", 5), "http since 5 creation");
    assert_eq!(was(&timeline, "web", 25), "http+ssh since 20 operator by #4");
    assert_eq!(was(&timeline, "files", 29), "smb since 5 creation");
    assert_eq!(was(&timeline, "files", 30), "-");
    assert_eq!(was(&timeline, "web", 40), "-");
    assert_eq!(timeline.status_at(time(7)), Some(Status::Pending));
    let files = timeline.decky(&name("files")).and_then(|decky| decky.at(time(6)));
    let state = files
        .and_then(|moment| moment.state.clone())
        .expect("the full state is known");
    assert_eq!(state.attachments[0].ip.to_string(), "10.0.0.3");
}
