//! Which containers forward packets.

use super::lab::{Lab, docker, leaf, router};

const A: &str = "10.201.1.0/24";
const B: &str = "10.201.2.0/24";

/// Two leaves on two networks, and between them a router (`.5`) and a bridge that does not forward (`.6`).
fn maze(lab: &Lab, a: &str, b: &str) {
    lab.inner("a", &format!("{a}.0/24"));
    lab.inner("b", &format!("{b}.0/24"));
    let at = |network: &str, host: u8| format!("{network}.{host}");
    for (name, state) in [
        ("router", router(&[&at(a, 5), &at(b, 5)])),
        ("bridge", leaf(&[&at(a, 6), &at(b, 6)], &[])),
    ] {
        let own: Vec<String> = state.interfaces.iter().map(ToString::to_string).collect();
        lab.base(name, &state, &[("a", &own[0]), ("b", &own[1])]);
    }
    lab.base(
        "left",
        &leaf(&[&at(a, 10)], &[(&format!("{b}.0/24"), &at(a, 5))]),
        &[("a", &at(a, 10))],
    );
    lab.base(
        "right",
        &leaf(&[&at(b, 10)], &[(&format!("{a}.0/24"), &at(b, 5))]),
        &[("b", &at(b, 10))],
    );
    for base in ["router", "bridge", "left", "right"] {
        lab.settled(base);
    }
}

#[test]
#[ignore = "needs Docker"]
fn a_router_passes_pings_both_ways_and_a_bridge_passes_none() {
    let lab = Lab::new("passes");
    maze(&lab, "10.201.1", "10.201.2");
    assert!(lab.pings("left", "10.201.2.10"));
    assert!(lab.pings("right", "10.201.1.10"));

    lab.set("left", &leaf(&["10.201.1.10"], &[(B, "10.201.1.6")]));
    lab.set("right", &leaf(&["10.201.2.10"], &[(A, "10.201.2.6")]));
    assert!(
        lab.pings("left", "10.201.1.6") && lab.pings("right", "10.201.2.6"),
        "the bridge itself answers"
    );
    assert!(!lab.pings("left", "10.201.2.10"));
    assert!(!lab.pings("right", "10.201.1.10"));
}

#[test]
#[ignore = "needs Docker"]
fn forwarding_changes_without_a_restart_and_survives_one() {
    let lab = Lab::new("switched");
    maze(&lab, "10.201.3", "10.201.4");
    let started = lab.inspect("router", "{{.Id}} {{.State.StartedAt}}");
    let own = ["10.201.3.5", "10.201.4.5"];

    lab.set("router", &leaf(&own, &[]));
    assert!(!lab.pings("left", "10.201.4.10"));
    assert_eq!(lab.inspect("router", "{{.Id}} {{.State.StartedAt}}"), started);

    // The environment still has forwarding; the state that was set last overrides it.
    docker(&["restart", &lab.name("router")]);
    lab.settled("router");
    assert!(!lab.pings("left", "10.201.4.10"));

    lab.set("router", &router(&own));
    assert!(lab.pings("left", "10.201.4.10") && lab.pings("right", "10.201.3.10"));
    docker(&["restart", &lab.name("router")]);
    lab.settled("router");
    assert!(lab.pings("left", "10.201.4.10") && lab.pings("right", "10.201.3.10"));
}
