//! Which packets leave a base.
//!
//! No packet can leave the machine, with or without containment: the networks have no address of the host, and the default
//! route leads to a base of the test, which forwards nothing and counts packets.

use std::{fs, io::Write, net::Ipv4Addr};

use decnet_decoy::protocol::{Deviation, EXIT_UNCONTAINED, Egress, NetState, Probe, ProbeResult, Route, Target};

use super::lab::{Lab, address, docker, eventually, leaf, router, try_docker};

/// An address for documentation (RFC 5737), which nobody has.
fn outside(host: u8) -> Ipv4Addr {
    Ipv4Addr::new(198, 51, 100, host)
}

fn ping(address: Ipv4Addr) -> Target {
    Target::Icmp { address }
}

/// The next hop of a gateway's packets to the outside: a base on its network.
struct Upstream<'a> {
    lab: &'a Lab,
}

impl<'a> Upstream<'a> {
    /// Creates the network, with the upstream on `.2` and the gateway on `.5`.
    fn before_gateway(lab: &'a Lab, net: &str, state: &NetState) -> Self {
        lab.inner("dmz", &format!("{net}.0/24"));
        let at = |host: u8| format!("{net}.{host}");
        lab.base("upstream", &leaf(&[&at(2)], &[]), &[("dmz", &at(2))]);
        lab.base("gateway", state, &[("dmz", &at(5))]);
        lab.settled("upstream");
        lab.settled("gateway");
        Self { lab }
    }

    /// Returns how many packets arrive while the gateway tries each target once.
    fn packets_for(&self, targets: Vec<Target>) -> u64 {
        let before = strays(self.lab, "upstream");
        probe(self.lab, "gateway", targets);
        strays(self.lab, "upstream") - before
    }
}

/// Returns how many packets for other hosts a base received so far.
fn strays(lab: &Lab, base: &str) -> u64 {
    let pid = lab.inspect(base, "{{.State.Pid}}");
    let counters = fs::read_to_string(format!("/proc/{pid}/net/snmp")).unwrap();
    let mut lines = counters.lines().filter(|line| line.starts_with("Ip: "));
    let names = lines.next().unwrap().split_whitespace();
    let values = lines.next().unwrap().split_whitespace();
    names
        .zip(values)
        .filter(|(name, _)| ["InAddrErrors", "InNoRoutes"].contains(name))
        .map(|(_, value)| value.parse::<u64>().unwrap())
        .sum()
}

fn probe(lab: &Lab, from: &str, targets: Vec<Target>) -> ProbeResult {
    let probe = Probe {
        targets,
        timeout_ms: 300,
        attempts: 1,
    };
    let done = lab.exec(from, &["probe", &serde_json::to_string(&probe).unwrap()]);
    serde_json::from_str(&done.stdout).unwrap()
}

fn gateway(net: &str, egress: Egress) -> NetState {
    NetState {
        routes: vec![Route {
            to: "0.0.0.0/0".parse().unwrap(),
            via: address(&format!("{net}.2")),
        }],
        closed: vec![address(&format!("{net}.2"))],
        egress,
        ..router(&[&format!("{net}.5")])
    }
}

#[test]
#[ignore = "needs Docker"]
fn a_base_with_a_default_route_sends_nothing_out_unless_allowed() {
    const NET: &str = "10.203.1";
    let lab = Lab::new("egress");
    let upstream = Upstream::before_gateway(&lab, NET, &gateway(NET, Egress::None));
    let tcp = |port| Target::Tcp {
        address: outside(1),
        port,
    };
    let all = || vec![ping(outside(1)), tcp(53), tcp(80)];

    assert!(lab.check("gateway").deviations.is_empty());
    assert_eq!(upstream.packets_for(all()), 0);

    lab.set("gateway", &gateway(NET, Egress::DnsOnly));
    assert_eq!(upstream.packets_for(vec![ping(outside(1)), tcp(80)]), 0);
    assert_ne!(upstream.packets_for(vec![tcp(53)]), 0);

    let many = || (1..=200).map(|host| ping(outside(host))).collect::<Vec<_>>();
    lab.set("gateway", &gateway(NET, Egress::RateLimited));
    let some = upstream.packets_for(many());
    assert!((64..150).contains(&some), "{some} of 200");

    lab.set("gateway", &gateway(NET, Egress::Open));
    assert_eq!(upstream.packets_for(many()), 200);
    assert!(
        !lab.pings("gateway", &format!("{NET}.2")),
        "closed addresses stay closed"
    );
    assert!(
        !lab.pings("upstream", &format!("{NET}.5")),
        "and opens only connections to published ports"
    );

    lab.set("gateway", &gateway(NET, Egress::None));
    docker(&["restart", "--time", "0", &lab.name("gateway")]);
    lab.settled("gateway");
    assert_eq!(upstream.packets_for(all()), 0);
}

#[test]
#[ignore = "needs Docker"]
fn a_router_forwards_no_packets_into_or_out_of_the_maze() {
    let lab = Lab::new("forwarded");
    lab.inner("a", "10.203.2.0/24");
    lab.inner("b", "10.203.3.0/24");
    let between = router(&["10.203.2.5", "10.203.3.5"]);
    lab.base("router", &between, &[("a", "10.203.2.5"), ("b", "10.203.3.5")]);
    // Each uses the router as the way to the other and to the outside.
    for (name, net, other) in [("left", "10.203.2", "10.203.3"), ("right", "10.203.3", "10.203.2")] {
        let (own, via) = (format!("{net}.10"), format!("{net}.5"));
        let routes = [(format!("{other}.0/24"), via.clone()), ("198.51.100.0/24".into(), via)];
        let routes: Vec<_> = routes.iter().map(|(to, via)| (to.as_str(), via.as_str())).collect();
        lab.base(
            name,
            &leaf(&[&own], &routes),
            &[(&name.replace("left", "a").replace("right", "b"), &own)],
        );
    }
    for base in ["router", "left", "right"] {
        lab.settled(base);
    }
    assert!(lab.pings("left", "10.203.3.10") && lab.pings("right", "10.203.2.10"));

    // The outside begins behind the right-hand one now.
    let led_out = NetState {
        routes: vec![Route {
            to: "0.0.0.0/0".parse().unwrap(),
            via: address("10.203.3.10"),
        }],
        ..between.clone()
    };
    let led_out_by = |state: &NetState| {
        lab.set("router", state);
        let before = strays(&lab, "right");
        probe(&lab, "left", vec![ping(outside(1))]);
        strays(&lab, "right") - before
    };
    assert_eq!(led_out_by(&led_out), 0, "no packet left the maze");
    let counted = NetState {
        lans: [&led_out.lans[..], &["198.51.100.0/24".parse().unwrap()]].concat(),
        ..led_out
    };
    assert_eq!(led_out_by(&counted), 1, "a packet within the maze is counted");

    // A source outside the router's LANs is an outsider.
    let stranger = NetState {
        lans: vec!["10.203.3.0/24".parse().unwrap()],
        ..between.clone()
    };
    lab.set("router", &stranger);
    assert!(!lab.pings("left", "10.203.3.10"));

    // It also forwards nothing to closed addresses.
    let closed = NetState {
        closed: vec![address("10.203.3.10")],
        ..between
    };
    lab.set("router", &closed);
    assert!(!lab.pings("left", "10.203.3.10") && !lab.pings("right", "10.203.2.10"));
}

#[test]
#[ignore = "needs Docker"]
fn neither_the_engines_resolver_nor_the_host_is_reached_on_a_network_that_has_both() {
    let lab = Lab::new("resolver");
    lab.dmz("dmz", "10.203.4.0/24");
    let state = NetState {
        closed: vec![address("10.203.4.1")],
        ..leaf(&["10.203.4.5"], &[])
    };
    lab.base("one", &state, &[("dmz", "10.203.4.5")]);
    lab.settled("one");
    let resolver = Target::Tcp {
        address: address("127.0.0.11"),
        port: 53,
    };
    let host = ping(address("10.203.4.1"));

    // A container without containment reaches both.
    let json = serde_json::to_string(&Probe {
        targets: vec![resolver, host],
        timeout_ms: 1000,
        attempts: 2,
    });
    let open = ["--network", &lab.name("dmz"), "--dns", "127.0.0.1"];
    let ranges = ["--sysctl", "net.ipv4.ping_group_range=0 2147483647"];
    let done = lab.run_all(&[open.as_slice(), &ranges].concat(), &["probe", &json.unwrap()]);
    let result: ProbeResult = serde_json::from_str(&done.stdout).unwrap_or_else(|_| panic!("{}", done.stderr));
    assert!(result.targets.iter().all(|target| target.reached), "{result:?}");

    assert!(!lab.reaches("one", resolver));
    assert!(!lab.reaches("one", host));
}

#[test]
#[ignore = "needs Docker"]
fn a_tampered_containment_is_reported_and_set_again() {
    let lab = Lab::new("tampered");
    lab.inner("a", "10.203.5.0/24");
    let state = leaf(&["10.203.5.5"], &[]);
    lab.base("one", &state, &[("a", "10.203.5.5")]);
    lab.settled("one");

    // Another container in the namespace, with the capabilities and its own state.
    let tamper = |other: &NetState| {
        let network = format!("container:{}", lab.name("one"));
        let json = serde_json::to_string(other).unwrap();
        let done = lab.run_all(
            &["--network", &network, "--cap-add", "NET_ADMIN"],
            &["state", "set", &json],
        );
        assert_eq!(done.code, 0, "{}{}", done.stdout, done.stderr);
        assert_eq!(lab.check("one").deviations, [Deviation::Uncontained]);
    };
    tamper(&NetState {
        egress: Egress::Open,
        ..state.clone()
    });
    lab.set("one", &state);
    assert!(lab.check("one").deviations.is_empty());

    tamper(&NetState {
        lans: vec!["10.203.0.0/16".parse().unwrap()],
        ..state.clone()
    });
    docker(&["restart", "--time", "0", &lab.name("one")]);
    lab.settled("one");
}

#[test]
#[ignore = "needs Docker"]
fn without_nf_tables_a_gateway_does_not_run_and_a_leaf_reports_it() {
    let lab = Lab::new("nonft");
    lab.inner("a", "10.203.6.0/24");
    // The error of a kernel without NETLINK_NETFILTER.
    let mut profile = tempfile::NamedTempFile::new().unwrap();
    let text = r#"{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["socket"],"action":"SCMP_ACT_ERRNO","errnoRet":93,
        "args":[{"index":0,"value":16,"op":"SCMP_CMP_EQ"},{"index":2,"value":12,"op":"SCMP_CMP_EQ"}]}]}"#;
    profile.write_all(text.as_bytes()).unwrap();
    let option = format!("seccomp={}", profile.path().display());
    let more = ["--security-opt", option.as_str()];

    lab.base_with("leaf", &leaf(&["10.203.6.5"], &[]), &[("a", "10.203.6.5")], &more);
    eventually("the rest is set", || {
        lab.check("leaf").deviations == [Deviation::Uncontained]
    });

    let gateway = NetState {
        default_route: true,
        ..router(&["10.203.6.6"])
    };
    lab.base_with("gateway", &gateway, &[("a", "10.203.6.6")], &more);
    let code = EXIT_UNCONTAINED.to_string();
    eventually("it gives up", || lab.inspect("gateway", "{{.State.ExitCode}}") == code);
    let log = try_docker(&["logs", &lab.name("gateway")], b"").stderr;
    assert!(log.contains("no nf_tables"), "{log}");
}
