use std::collections::BTreeMap;

use decnet_topology::{
    Decky, DeckyChange, DeckyId, DeckySnapshot, Lan, LanId, Name, Position, Topology, canonical_hash, history,
    testing::strategies,
};
use proptest::prelude::*;
use serde_json::json;

fn states(topology: &Topology) -> BTreeMap<Name, DeckySnapshot> {
    history::at(topology, [])
}

fn maze(services: &[&str]) -> Topology {
    Topology::builder()
        .dmz("dmz", "10.0.0.0/24")
        .lan("office", "10.0.1.0/24")
        .decky("web", |decky| {
            let decky = decky.on("dmz", "10.0.0.2").on("office", "10.0.1.2").forwards();
            decky.services(services.iter().copied()).config("ssh", "banner", "hi")
        })
        .decky("desk", |decky| decky.on("office", "10.0.1.3"))
        .build()
        .expect("a maze")
}

fn parts(edit: impl FnOnce(&mut Vec<Lan>, &mut Vec<Decky>)) -> Topology {
    let (mut lans, mut deckies) = maze(&["ssh"]).into_parts();
    edit(&mut lans, &mut deckies);
    Topology::new(lans, deckies).expect("a maze")
}

fn changed(after: &Topology) -> Vec<String> {
    let changes = history::changes(&maze(&["ssh"]), after);
    changes.iter().map(|change| change.decky.to_string()).collect()
}

#[test]
fn positions_and_ids_are_not_part_of_a_deckys_state() {
    let place = Position {
        x: Some(1.into()),
        y: None,
    };
    let moved = parts(|lans, deckies| {
        lans[0] = lans[0].clone().at(place);
        deckies[0] = deckies[0].clone().at(place);
        let home = deckies[1].attachments().to_vec();
        deckies[1] = Decky::new(DeckyId::new(9), deckies[1].name().clone()).with_attachments(home);
    });
    assert_eq!(changed(&moved), [""; 0]);
}

#[test]
fn a_change_of_the_sign_of_zero_is_recorded() {
    let maze = |zero: f64| {
        let topology = Topology::builder().dmz("dmz", "10.0.0.0/24");
        let topology = topology.decky("web", |decky| decky.on("dmz", "10.0.0.2").config("http", "delay", zero));
        topology.build().expect("a maze")
    };
    let (plain, signed) = (maze(0.0), maze(-0.0));
    assert_ne!(canonical_hash(&plain), canonical_hash(&signed));
    assert_eq!(
        history::changes(&plain, &signed).len(),
        1,
        "a change of the hash is recorded"
    );
    assert_eq!(history::changes(&plain, &plain), []);
}

#[test]
fn a_renamed_lan_changes_its_members() {
    let renamed = parts(|lans, _| {
        lans[1] = Lan::new(LanId::new(1), "hall".parse().expect("a name"), lans[1].subnet(), false);
    });
    assert_eq!(changed(&renamed), ["desk", "web"]);
}

#[test]
fn the_order_of_memberships_matters_because_the_first_is_the_home() {
    let moved = parts(|_, deckies| {
        let turned: Vec<_> = deckies[0].attachments().iter().rev().copied().collect();
        deckies[0] = deckies[0].clone().with_attachments(turned);
    });
    assert_eq!(changed(&moved), ["web"]);
}

#[test]
fn a_change_is_written_like_a_maze_file() {
    let changes = history::changes(&Topology::default(), &maze(&["ssh"]));
    let expected = json!([
        {"decky": "desk", "after": {"services": [], "forwards_l3": false, "attachments": [{"lan": "office", "ip": "10.0.1.3"}]}},
        {"decky": "web", "after": {
            "services": ["ssh"], "service_config": {"ssh": {"banner": "hi"}}, "forwards_l3": true,
            "attachments": [{"lan": "dmz", "ip": "10.0.0.2"}, {"lan": "office", "ip": "10.0.1.2"}],
        }},
    ]);
    assert_eq!(serde_json::to_value(&changes).expect("JSON"), expected);
    assert_eq!(
        serde_json::from_value::<Vec<DeckyChange>>(expected).expect("changes"),
        changes
    );
}

proptest! {
    #[test]
    fn undoing_changes_gives_the_earlier_state(mazes in prop::collection::vec(strategies::topologies(), 1..5)) {
        let steps: Vec<_> = mazes.array_windows().map(|[one, other]| history::changes(one, other)).collect();
        let current = mazes.last().expect("one");
        for (at, then) in mazes.iter().enumerate() {
            let later = steps[at..].iter().flatten();
            prop_assert_eq!(history::at(current, later), states(then));
        }
        for changes in &steps {
            prop_assert!(changes.iter().all(|change| change.before != change.after));
            prop_assert!(changes.array_windows().all(|[one, other]| one.decky < other.decky));
        }
    }
}
