use decnet_topology::{PlaceFault, PlaceRequest, PlacementRules, Topology, place, serde_json};

use super::maze::{behind_a_gateway, id, member, name, public, tree};

/// The refusal of a request: the code and the message of each fault.
fn refused(maze: &Topology, request: &PlaceRequest) -> Vec<(&'static str, String)> {
    let refused = place(maze, request).expect_err("it is refused");
    assert_eq!(refused.code(), "not_placed");
    refused
        .faults
        .iter()
        .map(|fault| (fault.code(), fault.to_string()))
        .collect()
}

fn check(maze: &Topology, request: &PlaceRequest, expected: &[(&str, &str)]) {
    let found = refused(maze, request);
    let found: Vec<(&str, &str)> = found.iter().map(|(code, message)| (*code, message.as_str())).collect();
    assert_eq!(found, expected);
}

#[test]
fn all_faults_are_reported_at_once() {
    let maze = behind_a_gateway()
        .decky("shelf", |decky| decky.on("office", "10.0.1.4"))
        .build()
        .expect("a maze");
    let rules = PlacementRules::default()
        .pin(name("ofice"), name("quiet"))
        .pin(name("office"), name("quiet"))
        .pin(name("office"), name("fast"));
    let mut small = member(2, 1);
    small.mtu = 117;
    let mut local = member(3, 0);
    local.underlay = "127.0.0.1".parse().expect("an address");
    let mut twin = member(1, 0);
    twin.underlay = "127.0.0.1".parse().expect("an address");
    let request = PlaceRequest::new(id(1), [member(1, 1), small, local, twin]).with_rules(rules);
    check(
        &maze,
        &request,
        &[
            ("MEMBER_NAME_DUP", "two members are named `m1`; rename one"),
            (
                "UNDERLAY_DUP",
                "the members `m3` and `m1` have the same underlay address 127.0.0.1; correct one",
            ),
            (
                "UNDERLAY_UNUSABLE",
                "other members cannot send packets to 127.0.0.1, the underlay address of member `m1`; use a unicast address of its network interface",
            ),
            (
                "UNDERLAY_UNUSABLE",
                "other members cannot send packets to 127.0.0.1, the underlay address of member `m3`; use a unicast address of its network interface",
            ),
            (
                "UNDERLAY_MTU_TOO_SMALL",
                "the underlay of member `m2` has an MTU of 117, and stretched LANs need at least 118; raise it",
            ),
            (
                "RULE_UNKNOWN_LAN",
                "a placement rule names the LAN `ofice`, which does not exist (did you mean `office`?); correct or remove the rule",
            ),
            (
                "LABEL_MISSING",
                "LAN `office` needs a member with all labels of `fast`, `quiet`, and no member has it; label a member or change the rules",
            ),
            (
                "GATEWAY_NOT_PUBLIC",
                "LAN `dmz` has the gateway `gate`, and no member that it may use is labelled `public`; label one",
            ),
            (
                "LAN_TOO_LARGE",
                "LAN `office` has 2 deckies at home, and no member that may have it holds more than 1; raise a capacity or move deckies",
            ),
            (
                "CAPACITY_EXCEEDED",
                "the maze has 3 deckies, and the fleet holds 2; add members or raise capacities",
            ),
        ],
    );
}

#[test]
fn a_fleet_needs_members() {
    let maze = tree(&[], &[0]);
    let missing = ("MEMBERS_MISSING", "the fleet has no members; add at least one");
    check(&maze, &PlaceRequest::new(id(1), []), &[missing]);
    assert!(place(&maze, &PlaceRequest::new(id(1), [member(1, 0)])).is_ok());
}

#[test]
fn one_member_alone_needs_no_underlay() {
    let mut alone = member(1, 5);
    (alone.underlay, alone.mtu) = ("127.0.0.1".parse().expect("an address"), 0);
    assert!(place(&tree(&[], &[5]), &PlaceRequest::new(id(1), [alone])).is_ok());
}

#[test]
fn a_group_has_at_most_as_many_lans_as_there_are_members() {
    let rules = PlacementRules::default().apart([name("lan-0"), name("lan-1"), name("lan-2")]);
    let request = PlaceRequest::new(id(1), [member(1, 9), member(2, 9)]).with_rules(rules);
    let message = "3 LANs must be on different members (first: `lan-0`), and the fleet has 2 members; add members or split the group";
    check(&tree(&[0, 0], &[1; 3]), &request, &[("APART_TOO_MANY", message)]);
}

#[test]
fn room_that_only_the_rules_take_away_is_reported_for_each_lan() {
    let rules = ["lan-1", "lan-2", "lan-3"]
        .iter()
        .fold(PlacementRules::default(), |rules, lan| {
            rules.pin(name(lan), name("quiet"))
        });
    let request = PlaceRequest::new(id(1), [member(1, 9), member(2, 3).labelled(name("quiet"))]).with_rules(rules);
    let found = refused(&tree(&[0, 0, 0], &[1, 2, 2, 2]), &request);
    let what = |lan| {
        let text = format!(
            "LAN `{lan}` needs room for 2 deckies, and no member that the rules allow has it (at most 1 free); add members, raise capacities or relax the rules"
        );
        ("NO_ROOM", text)
    };
    assert_eq!(found, [what("lan-2"), what("lan-3")]);
}

#[test]
fn a_fault_names_the_first_part_that_was_on_a_lost_member() {
    let maze = tree(&[0], &[1, 1]);
    let before = place(&maze, &PlaceRequest::new(id(1), [public(1, 9)])).expect("there is room");
    let gone = "2 parts of the maze are on `m1` (first: LAN `lan-0`), which is not a member of the fleet; add it again, or place with force to move them";
    let request = PlaceRequest::new(id(1), [member(2, 9)]).after(before);
    check(&maze, &request, &[("MEMBER_GONE", gone)]);
}

#[test]
fn a_fault_serializes_with_its_code_and_its_message() {
    let fault = PlaceFault::MembersMissing;
    let expected = r#"{"code":"MEMBERS_MISSING","message":"the fleet has no members; add at least one"}"#;
    assert_eq!(serde_json::to_string(&fault).expect("JSON"), expected);
}

#[test]
fn a_text_lists_the_first_faults_and_counts_the_others() {
    let members = (1..=50).map(|number| {
        let mut member = member(number, 9);
        member.mtu = 100;
        member
    });
    let refused = place(&tree(&[], &[1]), &PlaceRequest::new(id(1), members)).unwrap_err();
    assert_eq!(refused.faults.len(), 50);
    let text = refused.to_string();
    assert!(
        text.starts_with("the maze cannot be placed, 50 faults: the underlay of member `m1` has"),
        "{text}"
    );
    assert!(text.ends_with("; and 30 more"), "{text}");
}
