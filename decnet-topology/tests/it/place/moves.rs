use decnet_topology::{PlaceRequest, PlacementRules, place};

use super::{
    hosts,
    maze::{id, lan, member, name, tree},
    placed,
};

fn codes(maze: &decnet_topology::Topology, request: &PlaceRequest) -> Vec<&'static str> {
    let refused = place(maze, request).expect_err("it is refused");
    refused.faults.iter().map(decnet_topology::PlaceFault::code).collect()
}

#[test]
fn new_lans_are_placed_beside_their_parent_and_otherwise_where_room_is() {
    let before = placed(
        &tree(&[0, 0], &[2; 3]),
        &PlaceRequest::new(id(1), [member(1, 3), member(2, 5)]),
    );
    assert_eq!(hosts(&before), ["m2", "m2", "m1"]);
    let more = tree(&[0, 0, 1, 2], &[2, 2, 2, 1, 1]);
    let request = PlaceRequest::new(id(1), [member(1, 3), member(2, 5), member(3, 9)]).after(before.clone());
    assert_eq!(hosts(&placed(&more, &request)), ["m2", "m2", "m1", "m2", "m1"]);
    let larger = tree(&[0, 0, 1, 2], &[2, 2, 2, 1, 4]);
    let placement = placed(&larger, &request);
    assert_eq!(hosts(&placement), ["m2", "m2", "m1", "m2", "m3"]);
    assert_eq!(placement.stretched[&lan(0)].vni, before.stretched[&lan(0)].vni);
}

#[test]
fn nothing_moves_to_a_better_place_without_force_and_with_it_only_what_must() {
    let maze = tree(&[0, 0, 0], &[2; 4]);
    let before = placed(
        &maze,
        &PlaceRequest::new(id(1), [member(1, 4), member(2, 2), member(3, 2)]),
    );
    let roomy = PlaceRequest::new(id(1), [member(1, 100), member(2, 100), member(3, 100)]).after(before.clone());
    assert_eq!(placed(&maze, &roomy), before);
    assert_eq!(placed(&maze, &roomy.force()), before);

    let without = PlaceRequest::new(id(1), [member(1, 100), member(2, 100)]).after(before.clone());
    assert_eq!(codes(&maze, &without), ["MEMBER_GONE"]);
    let after = placed(&maze, &without.force());
    for (lan, host) in &before.lans {
        assert_eq!(host == &after.lans[lan], *host != name("m3"), "{lan}");
    }
}

#[test]
fn a_member_with_too_many_deckies_loses_its_last_lans() {
    let maze = tree(&[0, 0, 0], &[2; 4]);
    let before = placed(&maze, &PlaceRequest::new(id(1), [member(1, 8), member(2, 0)]));
    let less = PlaceRequest::new(id(1), [member(1, 5), member(2, 8)]).after(before.clone());
    assert_eq!(codes(&maze, &less), ["MEMBER_FULL"]);
    assert_eq!(hosts(&placed(&maze, &less.force())), ["m1", "m1", "m2", "m2"]);
    // To drain a member is to give it no room.
    let drained = PlaceRequest::new(id(1), [member(1, 0), member(2, 8)]).after(before);
    assert_eq!(hosts(&placed(&maze, &drained.force())), ["m2"; 4]);
}

#[test]
fn new_rules_move_lans_only_with_force() {
    let maze = tree(&[0, 0], &[2; 3]);
    let members = || [member(1, 9), member(2, 9).labelled(name("quiet"))];
    let before = placed(&maze, &PlaceRequest::new(id(1), members()));
    assert_eq!(hosts(&before), ["m1"; 3]);
    let rules = PlacementRules::default()
        .pin(name("lan-1"), name("quiet"))
        .apart([name("lan-0"), name("lan-2")]);
    let changed = PlaceRequest::new(id(1), members()).with_rules(rules).after(before);
    assert_eq!(codes(&maze, &changed), ["LABEL_LOST", "APART_BROKEN"]);
    assert_eq!(hosts(&placed(&maze, &changed.force())), ["m1", "m2", "m2"]);
}

#[test]
fn with_force_everything_moves_if_there_is_no_other_way() {
    let maze = tree(&[0, 0], &[2, 2, 4]);
    let before = placed(
        &maze,
        &PlaceRequest::new(id(1), [member(1, 2), member(2, 2), member(3, 4)]),
    );
    let fewer = PlaceRequest::new(id(1), [member(1, 4), member(2, 4)]).after(before);
    assert_eq!(codes(&maze, &fewer), ["MEMBER_GONE"]);
    placed(&maze, &fewer.force());
}

#[test]
fn a_vni_is_kept_while_its_lan_stays_stretched() {
    let maze = tree(&[0, 0], &[1, 2, 2]);
    let members = || [member(1, 2), member(2, 3)];
    let first = placed(&maze, &PlaceRequest::new(id(1), members()));
    // The id of the maze decides only about new ones.
    let other = PlaceRequest::new(id(2), members()).after(first.clone());
    assert_eq!(placed(&maze, &other), first);
    assert_ne!(placed(&maze, &PlaceRequest::new(id(2), members())), first);

    let taken = PlaceRequest::new(id(1), members())
        .after(first.clone())
        .with_used_vnis(first.vnis());
    assert_eq!(codes(&maze, &taken), ["VNI_TAKEN"]);
    let changed = placed(&maze, &taken.force());
    assert_eq!(changed.lans, first.lans);
    assert!(!changed.vnis().eq(first.vnis()));
}
