use std::{collections::BTreeSet, net::Ipv4Addr};

use decnet_topology::{
    Attachment, Catalog, Decky, Draft, Lan, LanId, ServiceName, Topology, TopologyConfig,
    alloc::Claims,
    document::{self, Syntax},
    generate::generate,
    model::Position,
    repo::{NewTopology, Repo, SqliteRepo},
    status::Mode,
};
use jiff::Timestamp;

/// Counts the sets of services that the deckies hold, however many hold each.
fn sets(topology: &Topology) -> usize {
    let deckies = topology.deckies().iter();
    let sets: BTreeSet<_> = deckies.map(|decky| std::ptr::from_ref(decky.services())).collect();
    sets.len()
}

/// Draws a maze in which all run the same.
fn uniform() -> Topology {
    let config = TopologyConfig::builder("uniform", 3, 3)
        .services(["ssh", "http"])
        .seed(1)
        .build()
        .expect("a config");
    generate(&config, &Catalog::builtin(), &[]).expect("a maze")
}

fn parsed(topology: &Topology) -> Topology {
    let mut draft = Draft::from(topology);
    draft.header.name = "printed".into();
    let text = document::print(&draft, Syntax::Json);
    let draft = document::parse(text, Syntax::Json).expect("a document");
    draft.resolve(&Claims::default()).expect("a maze")
}

#[test]
fn deckies_and_lans_stay_small() {
    assert!(size_of::<Decky>() <= 64, "{}", size_of::<Decky>());
    assert!(size_of::<Lan>() <= 48, "{}", size_of::<Lan>());
}

#[test]
fn deckies_that_run_the_same_share_it_whether_generated_parsed_or_loaded() {
    let generated = uniform();
    assert!(generated.deckies().len() > 2);
    let repo = SqliteRepo::open_in_memory().expect("a store");
    let loaded = crate::repo::wait(async {
        let new = NewTopology {
            name: "uniform".parse().expect("a name"),
            mode: Mode::Unihost,
            host: None,
            config: None,
            topology: generated.clone(),
        };
        let stored = repo.create(new, Timestamp::UNIX_EPOCH).await.expect("it is stored");
        repo.load(stored.row.id).await.expect("it is loaded").topology
    });
    for maze in [&generated, &parsed(&generated), &loaded] {
        assert_eq!(sets(maze), 1);
        assert_eq!(maze, &generated);
    }
}

#[test]
fn changing_what_one_decky_runs_leaves_the_others_as_they_are() {
    let (lans, mut deckies) = uniform().into_parts();
    let others = deckies[1..].to_vec();
    deckies[0] = deckies[0]
        .clone()
        .with_services([ServiceName::new("smb")])
        .with_archetype(Some("workstation".into()));
    let changed = Topology::new(lans, deckies).expect("a maze");
    assert_eq!(changed.deckies()[1..], others);
    assert_eq!(changed.deckies()[0].services().len(), 1);
    assert_eq!(sets(&changed), 2);
}

#[test]
fn attachments_beyond_two_and_places_are_kept_and_go_one_without_the_other() {
    let at = |lan| Attachment {
        lan: LanId::new(lan),
        ip: Ipv4Addr::new(10, 0, 0, u8::try_from(lan).expect("a small number")),
    };
    let place = Position { x: Some(1.5), y: None };
    let plain = uniform().deckies()[0].clone();
    for count in 0..5 {
        let all: Vec<_> = (0..count).map(at).collect();
        let decky = plain.clone().at(place).with_attachments(all.iter().copied());
        assert_eq!((decky.attachments(), decky.position()), (all.as_slice(), place));
        let back = plain.clone().with_attachments(all.iter().copied()).at(place);
        assert_eq!(back, decky);
        let moved = back.at(Position::default());
        assert_eq!(moved.attachments(), all.as_slice());
        assert_eq!(moved.with_attachments(plain.attachments().to_vec()), plain);
    }
}
