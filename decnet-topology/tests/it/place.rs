//! Placement of mazes on the members of a fleet.

mod faults;
mod maze;
mod moves;
mod properties;

use decnet_topology::{Distribution, PlaceRequest, Placement, PlacementRules, Topology, place, serde_json};

use self::maze::{behind_a_gateway, id, lan, member, name, public, tree, vni};

fn placed(maze: &Topology, request: &PlaceRequest) -> Placement {
    maze::sound(maze, request, place(maze, request).expect("there is room"))
}

fn hosts(placement: &Placement) -> Vec<&str> {
    placement.lans.values().map(decnet_topology::Name::as_str).collect()
}

#[test]
fn a_maze_that_fits_on_one_member_is_not_cut() {
    let maze = tree(&[0, 0, 1], &[3, 3, 3, 3]);
    let request = PlaceRequest::new(id(1), [member(1, 11), member(2, 40), member(3, 12)]);
    let placement = placed(&maze, &request);
    assert_eq!(hosts(&placement), ["m3"; 4], "the smallest one with room");
    assert!(placement.stretched.is_empty());
}

#[test]
fn a_spread_maze_uses_all_members_in_proportion_to_their_capacity() {
    let maze = tree(&[0; 30], &[1; 31]);
    let rules = PlacementRules::default().distribute(Distribution::Spread);
    let request = PlaceRequest::new(id(1), [member(1, 400), member(2, 400), member(3, 800)]).with_rules(rules);
    let placement = placed(&maze, &request);
    let of = |host: &str| hosts(&placement).iter().filter(|other| **other == host).count();
    assert_eq!(of("m1") + of("m2") + of("m3"), 31);
    assert!(
        of("m1") >= 5 && of("m2") >= 5 && of("m3") >= 10,
        "{:?}",
        hosts(&placement)
    );
}

#[test]
fn subtrees_stay_together() {
    // The DMZ, and three subtrees of two LANs.
    let maze = tree(&[0, 1, 0, 3, 0, 5], &[1, 4, 4, 4, 4, 4, 4]);
    let request = PlaceRequest::new(id(1), [member(1, 9), member(2, 9), member(3, 9)]);
    let placement = placed(&maze, &request);
    let hosts = hosts(&placement);
    assert_eq!(
        (hosts[1], hosts[3], hosts[5]),
        (hosts[2], hosts[4], hosts[6]),
        "{hosts:?}"
    );
    // The bridges of two subtrees are in the DMZ too.
    assert_eq!(placement.stretched.keys().copied().collect::<Vec<_>>(), [lan(0)]);
    assert_eq!(placement.stretched[&lan(0)].members.len(), 3);
}

#[test]
fn pins_hold_and_a_lan_that_is_apart_is_on_another_member() {
    let maze = tree(&[0, 0, 0], &[2; 4]);
    let rules = PlacementRules::default()
        .pin(name("lan-2"), name("quiet"))
        .pin(name("lan-2"), name("fast"))
        .apart([name("lan-1"), name("lan-2"), name("lan-0")]);
    let fast = |number| member(number, 100).labelled(name("FAST"));
    let request =
        PlaceRequest::new(id(1), [fast(1), fast(2).labelled(name("quiet")), member(3, 100)]).with_rules(rules);
    let placement = placed(&maze, &request);
    assert_eq!(placement.lans[&lan(2)], name("m2"));
}

#[test]
fn the_lan_of_a_gateway_is_on_a_public_member() {
    let maze = behind_a_gateway().build().expect("a maze");
    let request = PlaceRequest::new(id(1), [member(1, 1), public(2, 1)]);
    assert_eq!(hosts(&placed(&maze, &request)), ["m2", "m1"]);
}

#[test]
fn a_decky_without_a_lan_is_placed_alone() {
    let maze = Topology::builder()
        .dmz("dmz", "10.0.0.0/24")
        .decky("web", |decky| decky.on("dmz", "10.0.0.2"))
        .decky("lost", |decky| decky)
        .build()
        .expect("a maze");
    let request = PlaceRequest::new(id(1), [member(1, 1), member(2, 1)]);
    let placement = placed(&maze, &request);
    assert_eq!(placement.deckies.len(), 2);
    assert_eq!(placed(&maze, &request.after(placement.clone())), placement);
}

#[test]
fn all_lans_have_the_mtu_of_the_smallest_underlay_less_50_and_keep_it() {
    let maze = tree(&[0], &[1, 1]);
    let mut small = member(2, 1);
    small.mtu = 1280;
    let placement = placed(&maze, &PlaceRequest::new(id(1), [member(1, 1), small.clone()]));
    assert_eq!(placement.mtu, Some(1230));
    let large = PlaceRequest::new(id(1), [member(1, 1), member(2, 1)]).after(placement.clone());
    assert_eq!(placed(&maze, &large).mtu, Some(1230), "networks keep their MTU");
    small.mtu = 1279;
    let shrunk = PlaceRequest::new(id(1), [member(1, 1), small]).after(placement);
    let refused = place(&maze, &shrunk).unwrap_err();
    assert_eq!(refused.faults[0].code(), "UNDERLAY_MTU_SHRUNK");
    assert_eq!(placed(&maze, &shrunk.force()).mtu, Some(1229));
}

#[test]
fn two_mazes_of_a_fleet_have_different_vnis() {
    let maze = tree(&[0], &[1, 1]);
    let members = || [member(1, 1), member(2, 1)];
    let one = placed(&maze, &PlaceRequest::new(id(1), members()));
    let other = placed(&maze, &PlaceRequest::new(id(2), members()));
    assert!(!one.vnis().eq(other.vnis()), "without knowing each other");
    // A stranger has the VNI that the maze would choose.
    let beside = PlaceRequest::new(id(1), members()).with_used_vnis(one.vnis());
    let third = placed(&maze, &beside);
    assert!(!one.vnis().eq(third.vnis()));
    assert_eq!(
        third.vnis().map(u32::from).sum::<u32>(),
        one.vnis().map(u32::from).sum::<u32>() + 1
    );
}

#[test]
fn a_placement_reads_back_from_json_and_its_schema_accepts_it() {
    let maze = tree(&[0, 0], &[2; 3]);
    let placement = placed(&maze, &PlaceRequest::new(id(1), [member(1, 4), member(2, 2)]));
    let json = serde_json::to_value(&placement).expect("JSON");
    assert_eq!(json["lans"]["0"], "m1");
    assert_eq!(
        serde_json::from_value::<Placement>(json).expect("a placement"),
        placement
    );
    let schema = Placement::schema();
    let keys: Vec<&String> = schema["properties"].as_object().expect("an object").keys().collect();
    assert_eq!(keys, ["deckies", "former", "lans", "mtu", "stretched"]);
    let vni = serde_json::from_str::<Placement>(r#"{"stretched": {"0": {"vni": 0, "members": []}}}"#);
    assert!(
        vni.unwrap_err()
            .to_string()
            .starts_with("a VNI is a number from 1 to 16777215, not 0")
    );
    let unknown = serde_json::from_str::<Placement>(r#"{"vnis": []}"#);
    assert!(unknown.unwrap_err().to_string().contains("unknown field `vnis`"));
}

#[test]
fn four_thousand_lans_of_a_chain_and_of_a_star_are_placed() {
    let lans = 4_000;
    let members = || (1..=50).map(|number| member(number, 100));
    let chain: Vec<usize> = (0..lans - 1).collect();
    let placement = placed(&tree(&chain, &vec![1; lans]), &PlaceRequest::new(id(1), members()));
    assert_eq!(placement.stretched.len(), 39, "40 members are full");
    let star = placed(
        &tree(&vec![0; lans - 1], &vec![1; lans]),
        &PlaceRequest::new(id(1), members()),
    );
    assert_eq!(star.stretched.len(), 1);
    assert!(star.vnis().all(|used| used != vni(0x00ff_ffff)));
}
