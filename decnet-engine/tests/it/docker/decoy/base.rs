//! PID 1 of a base.

use std::{
    fs,
    time::{Duration, Instant},
};

use decnet_decoy::protocol::{Deviation, Mac, NetState};

use super::lab::{Lab, address, docker, eventually, leaf, router, try_docker};

#[test]
#[ignore = "needs Docker"]
fn pid_1_keeps_no_capability_and_exits_at_once_when_stopped() {
    let lab = Lab::new("pid1");
    lab.inner("a", "10.201.10.0/24");
    lab.base("one", &leaf(&["10.201.10.10"], &[]), &[("a", "10.201.10.10")]);
    lab.settled("one");

    let pid = lab.inspect("one", "{{.State.Pid}}");
    let field = |name: &str| {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        status
            .lines()
            .find_map(|line| line.strip_prefix(name))
            .unwrap()
            .trim()
            .to_owned()
    };
    eventually("the capabilities are dropped", || {
        field("CapEff:") == "0000000000000000"
    });
    for set in ["CapPrm:", "CapInh:", "CapAmb:"] {
        assert_eq!(field(set), "0000000000000000", "{set}");
    }
    assert_eq!(field("NoNewPrivs:"), "1");

    let began = Instant::now();
    docker(&["stop", "--time", "30", &lab.name("one")]);
    assert!(
        began.elapsed() < Duration::from_secs(10),
        "it took {:?}",
        began.elapsed()
    );
    assert_eq!(lab.inspect("one", "{{.State.ExitCode}}"), "0");
}

#[test]
#[ignore = "needs Docker"]
fn a_manually_removed_or_added_network_is_reported_and_nothing_else_breaks() {
    let lab = Lab::new("byhand");
    lab.inner("a", "10.201.11.0/24");
    lab.inner("b", "10.201.12.0/24");
    lab.inner("c", "10.201.13.0/24");
    let state = NetState {
        routes: leaf(
            &[],
            &[("10.201.14.0/24", "10.201.11.7"), ("10.201.15.0/24", "10.201.12.7")],
        )
        .routes,
        ..router(&["10.201.11.5", "10.201.12.5"])
    };
    lab.base("one", &state, &[("a", "10.201.11.5"), ("b", "10.201.12.5")]);
    lab.settled("one");

    docker(&["network", "disconnect", &lab.name("b"), &lab.name("one")]);
    docker(&[
        "network",
        "connect",
        "--ip",
        "10.201.13.5",
        &lab.name("c"),
        &lab.name("one"),
    ]);
    docker(&["restart", &lab.name("one")]);
    eventually("the rest is set", || lab.check("one").deviations.len() == 3);
    assert_eq!(
        lab.check("one").deviations,
        [
            Deviation::InterfaceMissing(address("10.201.12.5")),
            Deviation::InterfaceUndeclared(address("10.201.13.5")),
            Deviation::RouteMissing(state.routes[1]),
        ]
    );
    assert_eq!(lab.inspect("one", "{{.State.Running}} {{.RestartCount}}"), "true 0");

    docker(&[
        "network",
        "connect",
        "--ip",
        "10.201.12.5",
        &lab.name("b"),
        &lab.name("one"),
    ]);
    docker(&["network", "disconnect", &lab.name("c"), &lab.name("one")]);
    lab.set("one", &state);
}

/// Returns the hardware address that a base has learned of a neighbour.
fn neighbour(lab: &Lab, of: &str, ip: &str) -> Option<String> {
    let pid = lab.inspect(of, "{{.State.Pid}}");
    let table = std::fs::read_to_string(format!("/proc/{pid}/net/arp")).unwrap();
    let mut rows = table.lines().map(|row| row.split_whitespace().collect::<Vec<_>>());
    let row = rows.find(|row| row.first() == Some(&ip))?;
    row.get(3).map(|mac| (*mac).to_owned())
}

#[test]
#[ignore = "needs Docker"]
fn hardware_addresses_are_set_and_neighbours_learn_each_change_at_once() {
    let lab = Lab::new("mac");
    lab.inner("a", "10.201.15.0/24");
    lab.inner("b", "10.201.22.0/24");
    let mac = |last: u8| Mac([0x00, 0x0c, 0x29, 1, 2, last]);
    let with = |last: u8, own: &[&str]| {
        let mut state = leaf(own, &[]);
        state.macs = own
            .iter()
            .zip(last..)
            .map(|(own, last)| (address(own), mac(last)))
            .collect();
        state
    };
    let (on_a, on_b) = ("10.201.15.10", "10.201.22.10");
    lab.base("one", &with(1, &[on_a]), &[("a", on_a)]);
    lab.base("two", &leaf(&["10.201.15.11"], &[]), &[("a", "10.201.15.11")]);
    lab.base("three", &leaf(&["10.201.22.11"], &[]), &[("b", "10.201.22.11")]);
    for base in ["one", "two", "three"] {
        lab.settled(base);
    }
    assert!(lab.pings("two", on_a));
    assert_eq!(neighbour(&lab, "two", on_a), Some(mac(1).to_string()));
    // While it runs: the neighbour has an entry, and learns the new one.
    lab.set("one", &with(3, &[on_a]));
    eventually("the neighbour learns it", || {
        neighbour(&lab, "two", on_a) == Some(mac(3).to_string())
    });
    assert!(lab.pings("two", on_a));
    // A network that is added later.
    docker(&["network", "connect", "--ip", on_b, &lab.name("b"), &lab.name("one")]);
    lab.set("one", &with(3, &[on_a, on_b]));
    assert!(lab.pings("three", on_b));
    assert_eq!(neighbour(&lab, "three", on_b), Some(mac(4).to_string()));
    // Docker gives its own address back, and the base sets the kept one again.
    docker(&["restart", &lab.name("one")]);
    lab.settled("one");
    assert_eq!(lab.check("one").deviations, []);
    assert!(lab.pings("two", on_a));
    assert_eq!(neighbour(&lab, "two", on_a), Some(mac(3).to_string()));
}

#[test]
#[ignore = "needs Docker"]
fn an_invalid_state_changes_nothing() {
    let lab = Lab::new("malformed");
    lab.inner("a", "10.201.16.0/24");
    let state = leaf(&["10.201.16.10"], &[("10.201.17.0/24", "10.201.16.5")]);
    lab.base("one", &state, &[("a", "10.201.16.10")]);
    lab.settled("one");

    let refused = lab.exec("one", &["state", "set", r#"{"forward":"false"}"#]);
    assert_eq!((refused.code, refused.stdout.as_str()), (2, ""));
    assert_eq!(
        serde_json::from_str::<serde_json::Value>(&refused.stderr).unwrap()["level"],
        "error"
    );
    let shown = lab.exec("one", &["state", "show"]);
    assert_eq!(serde_json::from_str::<NetState>(&shown.stdout).unwrap(), state);
    assert!(lab.check("one").deviations.is_empty());
}

#[test]
#[ignore = "needs Docker"]
fn without_the_rights_to_set_a_state_the_previous_state_stays_kept() {
    let lab = Lab::new("powerless");
    lab.inner("a", "10.201.18.0/24");
    let state = leaf(&["10.201.18.10"], &[]);
    lab.base("one", &state, &[("a", "10.201.18.10")]);
    lab.settled("one");
    let wanted = serde_json::to_string(&router(&["10.201.18.10"])).unwrap();

    // Another user has neither NET_ADMIN nor write access to the file.
    let name = lab.name("one");
    let refused = try_docker(
        &["exec", "--user", "65534", &name, "/sbin/init", "state", "set", &wanted],
        b"",
    );
    assert_eq!(refused.code, 1, "{}", refused.stdout);
    let shown = lab.exec("one", &["state", "show"]);
    assert_eq!(serde_json::from_str::<NetState>(&shown.stdout).unwrap(), state);
    assert!(lab.check("one").deviations.is_empty());
}

#[test]
#[ignore = "needs Docker"]
fn a_base_that_cannot_set_its_state_logs_one_line_and_fails() {
    let lab = Lab::new("failing");
    lab.inner("a", "10.201.19.0/24");
    let network = lab.name("a");
    let fails = |more: &[&str], code: i32| {
        let done = lab.run(&[&["--network", &network], more].concat(), "base");
        assert_eq!((done.code, done.stdout.as_str()), (code, ""), "{}", done.stderr);
        let line: serde_json::Value = serde_json::from_str(&done.stderr).unwrap();
        line["event"].as_str().unwrap().to_owned()
    };
    assert_eq!(fails(&["--cap-add", "NET_ADMIN"], 2), "the first state is missing");
    assert_eq!(fails(&["--env", "NET_STATE={"], 2), "the first state is missing");
    let state = format!("NET_STATE={}", serde_json::to_string(&NetState::default()).unwrap());
    // Docker's default route must be removed.
    assert_eq!(fails(&["--env", &state], 1), "the state cannot be applied");
}
