use std::{collections::BTreeSet, net::Ipv4Addr};

use decnet_topology::{
    Attachment, Catalog, Decky, DeckyId, Draft, Lan, LanId, NewTopology, Position, ServiceConfig, ServiceFields,
    ServiceName, SqliteRepo, SubnetPool, Syntax, Topology, TopologyConfig, TopologyStore, canonical_hash, document,
    generate,
};
use jiff::Timestamp;
use serde_json::json;

/// Counts the distinct workloads of the deckies, shared or not.
fn sets(topology: &Topology) -> usize {
    let deckies = topology.deckies().iter();
    let sets: BTreeSet<_> = deckies.map(|decky| std::ptr::from_ref(decky.services())).collect();
    sets.len()
}

/// Generates a maze whose deckies have the same services.
fn uniform() -> Topology {
    let config = TopologyConfig::builder("uniform", 3, 3)
        .services_explicit(["ssh", "http"])
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
    draft
        .resolve(&Catalog::builtin(), &SubnetPool::default())
        .expect("a maze")
}

#[test]
fn deckies_and_lans_stay_small() {
    assert!(size_of::<Decky>() <= 96, "{}", size_of::<Decky>());
    assert!(size_of::<Lan>() <= 48, "{}", size_of::<Lan>());
}

#[test]
fn deckies_with_the_same_workload_share_it_after_generating_parsing_and_loading() {
    let generated = uniform();
    assert!(generated.deckies().len() > 2);
    let repo = SqliteRepo::open_in_memory().expect("a store");
    let loaded = crate::repo::wait(async {
        let new = NewTopology::new("uniform".parse().expect("a name"), generated.clone());
        let stored = repo.create(new, Timestamp::UNIX_EPOCH).await.expect("it is stored");
        repo.load(stored.row.id).await.expect("it is loaded").topology
    });
    for maze in [&generated, &parsed(&generated), &loaded] {
        assert_eq!(sets(maze), 1);
        assert_eq!(maze, &generated);
    }
}

/// Creates two deckies with the same configuration, except that a number is 0.0 in one and -0.0 in the other.
fn zeros(one: &str, other: &str) -> Topology {
    let decky = |name: &str, zero: &str| {
        let config = format!(r#"{{"ssh": {{"delay": {zero}, "deep": [{{"jitter": {zero}}}]}}}}"#);
        let config = serde_json::from_str(&config).expect("a configuration");
        Decky::new(DeckyId::new(u32::from(name != "one")), name.parse().expect("a name"))
            .with_services([ServiceName::new("ssh")])
            .with_service_config(config)
    };
    Topology::new(Vec::new(), vec![decky("one", one), decky("two", other)]).expect("a maze")
}

#[test]
fn deckies_that_differ_only_in_the_sign_of_zero_keep_their_own_configuration() {
    let zeros = |one: &str, other: &str| {
        let maze = zeros(one, other);
        let again = parsed(&maze);
        assert_eq!(again, maze);
        assert_eq!(sets(&again), sets(&maze));
        let hashes = [&maze, &again].map(|maze| canonical_hash(maze).to_string());
        assert_eq!(hashes[0], hashes[1]);
        let configs = again
            .deckies()
            .iter()
            .map(|decky| json!(decky.service_config()).to_string());
        (sets(&maze), configs.collect::<Vec<_>>(), hashes[0].clone())
    };
    let plus = r#"{"ssh":{"deep":[{"jitter":0.0}],"delay":0.0}}"#.to_owned();
    let minus = r#"{"ssh":{"deep":[{"jitter":-0.0}],"delay":-0.0}}"#.to_owned();
    let hashes = [
        "a057bd7f4025f30fbe82b6f3a956f3b480e55da2a0b305ca674dd858cb967c10",
        "e5252859fd7a51e89611b15624f282dbbbf8e3403097c954c13c71b53c75df68",
        "df25e8d9a41853161a0f54e44cb9ef1e25ab724b76dd27e240eb4eef2292aaf3",
    ];
    let both = vec![plus.clone(), minus.clone()];
    assert_eq!(zeros("0.0", "-0.0"), (2, both, hashes[0].into()));
    let both = vec![minus.clone(), plus.clone()];
    assert_eq!(zeros("-0.0", "0.0"), (2, both, hashes[1].into()));
    let both = vec![minus.clone(), minus.clone()];
    assert_eq!(zeros("-0.0", "-0.0"), (1, both, hashes[2].into()));
}

#[test]
fn a_configuration_is_replaced_even_if_only_the_sign_of_zero_differs() {
    let config =
        |zero: f64| ServiceConfig::from([("ssh".into(), ServiceFields::from([("delay".into(), json!(zero))]))]);
    let decky = Decky::new(DeckyId::new(0), "one".parse().expect("a name")).with_service_config(config(0.0));
    let changed = decky.clone().with_service_config(config(-0.0));
    assert_eq!(json!(changed.service_config()).to_string(), r#"{"ssh":{"delay":-0.0}}"#);
    assert_ne!(changed, decky);
    assert_eq!(changed.with_service_config(config(0.0)), decky);
}

#[test]
fn changing_the_workload_of_one_decky_does_not_change_others() {
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
fn more_than_two_attachments_and_positions_are_kept_independently() {
    let at = |lan| Attachment {
        lan: LanId::new(lan),
        ip: Ipv4Addr::new(10, 0, 0, u8::try_from(lan).expect("a small number")),
    };
    let place = Position {
        x: Some(3.into()),
        y: None,
    };
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
