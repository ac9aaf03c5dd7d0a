use std::collections::{BTreeMap, BTreeSet};

use decnet_topology::{
    Catalog, Code, DaemonNetwork, Draft, DraftLan, HostFacts, HostRoute, ImageSource, Listener, NeighbourTable,
    Publish, RuleSet, SubnetClaim, Surroundings, Topology, UnavailableImage, validate_against, validate_in,
};
use proptest::prelude::*;

use crate::validate::shown;

fn gateways() -> Topology {
    let maze = Topology::builder()
        .dmz("dmz", "172.20.0.0/24")
        .lan("office", "172.20.1.0/24")
        .decky("one", |decky| {
            decky
                .on("dmz", "172.20.0.10")
                .on("office", "172.20.1.10")
                .services(["ssh", "dns"])
                .forwards()
        })
        .decky("two", |decky| {
            decky.on("dmz", "172.20.0.11").services(["ssh", "smtp"]).forwards()
        })
        .decky("three", |decky| decky.on("dmz", "172.20.0.12").services(["ssh"]));
    maze.build().expect("a maze")
}

fn publish(rules: &[&str]) -> Publish {
    rules.iter().map(|rule| rule.parse().expect("a rule")).collect()
}

/// Validates the two gateways and returns `CODE message` of each finding.
fn around(publish: &Publish, host: &HostFacts, claims: &[SubnetClaim]) -> Vec<String> {
    let surroundings = Surroundings {
        claims,
        publish: Some(publish),
        host: Some(host),
    };
    let report = validate_in(&gateways(), &Catalog::builtin(), RuleSet::deploy(), surroundings);
    report.findings().iter().map(ToString::to_string).collect()
}

#[test]
fn gateways_clash_unless_their_ports_are_mapped_to_different_ones() {
    let host = HostFacts::default();
    let clashes = |rules: &[&str]| around(&publish(rules), &host, &[]).len();
    assert_eq!(clashes(&[]), 1);
    assert_eq!(clashes(&["ssh=2222"]), 1);
    assert_eq!(clashes(&["two.ssh=2222"]), 0);
    assert_eq!(clashes(&["one.*=10.9.9.1", "two.*=10.9.9.2"]), 0);
    assert_eq!(clashes(&["one.*=10.9.9.1"]), 1);
    // Two ports of one gateway, and both protocols of a service.
    assert_eq!(clashes(&["two.ssh=25"]), 1);
    assert_eq!(clashes(&["two.ssh=53"]), 1);
    assert_eq!(clashes(&["two.ssh=587", "two.smtp:587=22", "one.ssh=2222"]), 0);
}

#[test]
fn a_host_port_in_use_is_reported() {
    let listener = |address: Option<[u8; 4]>, port: &str, owner: Option<&str>| HostFacts {
        listeners: vec![Listener {
            address: address.map(Into::into),
            port: port.parse().expect("a port"),
            owner: owner.map(Into::into),
            host: None,
        }],
        ..HostFacts::default()
    };
    let rules = publish(&["two.ssh=127.0.0.1:2222"]);
    let findings = |facts: &HostFacts| around(&rules, facts, &[]);
    assert_eq!(
        findings(&listener(None, "22/tcp", Some("sshd"))),
        [
            "error HOST_PORT_TAKEN: sshd on the host listens on 22/tcp, where gateway `one` publishes `ssh`; stop it, or publish \
          elsewhere (one.ssh:22=PORT)"
        ]
    );
    assert_eq!(findings(&listener(Some([127, 0, 0, 53]), "53/udp", None)).len(), 1);
    assert_eq!(findings(&listener(Some([127, 0, 0, 1]), "2222/tcp", None)).len(), 1);
    assert_eq!(findings(&listener(None, "2222/tcp", None)).len(), 1);
    assert_eq!(findings(&listener(Some([10, 0, 0, 1]), "2222/tcp", None)), [""; 0]);
    assert_eq!(findings(&listener(None, "22/udp", None)), [""; 0]);
    assert_eq!(findings(&listener(None, "80/tcp", None)), [""; 0]);
}

#[test]
fn a_port_on_ipv6_clashes_with_listeners_there_and_causes_a_warning() {
    let listener = |address: &str| HostFacts {
        listeners: vec![Listener {
            address: Some(address.parse().expect("an address")),
            port: "2222/tcp".parse().expect("a port"),
            owner: None,
            host: None,
        }],
        ..HostFacts::default()
    };
    let findings = |rule: &str, address: &str| {
        let found = around(&publish(&[rule]), &listener(address), &[]);
        let codes = found
            .iter()
            .map(|line| line.split([' ', ':']).nth(1).unwrap_or_default().to_owned());
        codes.collect::<Vec<_>>()
    };
    assert_eq!(findings("one.ssh=2222", "::1"), [""; 0]);
    assert_eq!(findings("one.ssh=2222", "::"), ["HOST_PORT_TAKEN"]);
    assert_eq!(
        findings("one.ssh=[::]:2222", "::1"),
        ["HOST_PORT_TAKEN", "PUBLISH_IPV6"]
    );
    assert_eq!(
        findings("one.ssh=[::]:2222", "127.0.0.1"),
        ["HOST_PORT_TAKEN", "PUBLISH_IPV6"]
    );
    assert_eq!(findings("one.ssh=[fd00::1]:2222", "127.0.0.1"), ["PUBLISH_IPV6"]);
    assert_eq!(
        findings("one.ssh=[fd00::1]:2222", "fd00::1"),
        ["HOST_PORT_TAKEN", "PUBLISH_IPV6"]
    );
}

#[test]
fn an_overlap_with_a_foreign_network_or_route_is_reported_once_with_its_owner() {
    let subnet = |text: &str| text.parse().expect("a subnet");
    let facts = HostFacts {
        networks: vec![
            DaemonNetwork {
                name: "theirs".into(),
                subnet: subnet("172.20.1.128/25"),
            },
            DaemonNetwork {
                name: "far".into(),
                subnet: subnet("172.21.0.0/16"),
            },
        ],
        routes: vec![
            HostRoute {
                subnet: subnet("172.20.1.128/25"),
                owner: "br-1".into(),
                host: None,
            },
            HostRoute {
                subnet: subnet("0.0.0.0/0"),
                owner: "eth0".into(),
                host: None,
            },
            HostRoute {
                subnet: subnet("172.16.0.0/12"),
                owner: "vpn0".into(),
                host: Some("east".into()),
            },
        ],
        ..HostFacts::default()
    };
    insta::assert_snapshot!(around(&publish(&["two.ssh=2222"]), &facts, &[]).join("\n"));
}

#[test]
fn a_claimed_subnet_overlaps() {
    let claim = |lan: &str, subnet: &str| SubnetClaim {
        topology: "01234567-89ab-4cde-8f01-23456789abcd".parse().expect("an id"),
        name: "plant".parse().expect("a name"),
        lan: lan.parse().expect("a name"),
        subnet: subnet.parse().expect("a subnet"),
    };
    let claims = [
        claim("a", "172.20.0.0/16"),
        claim("b", "172.20.1.64/26"),
        claim("c", "172.21.0.0/24"),
    ];
    let maze = Topology::builder().dmz("dmz", "172.22.0.0/16").build().expect("a maze");
    assert!(validate_against(&maze, &Catalog::builtin(), RuleSet::live(), &claims).is_clean());
    let maze = Topology::builder().dmz("dmz", "172.20.1.0/24").build().expect("a maze");
    let report = validate_against(&maze, &Catalog::builtin(), RuleSet::live(), &claims);
    assert_eq!(
        report
            .errors()
            .filter(|finding| finding.code == Code::SubnetOverlap)
            .count(),
        2
    );
    insta::assert_snapshot!(shown(&report));
}

proptest! {
    #[test]
    fn exactly_the_existing_overlaps_are_found(
        nets in prop::collection::vec((0_u32..64, 26_u8..=32), 1..5),
        others in prop::collection::vec((0_u32..64, 26_u8..=32), 0..5),
    ) {
        let subnet = |(bits, prefix): &(u32, u8)| ipnet::Ipv4Net::new((*bits).into(), *prefix).expect("prefix").trunc();
        let lan = |(at, net)| DraftLan {
            name: format!("lan-{at}"),
            subnet: Some(subnet(net)),
            is_dmz: at == 0,
            ..DraftLan::default()
        };
        let draft = Draft { lans: nets.iter().enumerate().map(lan).collect(), ..Draft::default() };
        let networks = others.iter().map(|net| DaemonNetwork { name: "x".into(), subnet: subnet(net) });
        let facts = HostFacts { networks: networks.collect(), ..HostFacts::default() };
        let surroundings = Surroundings { host: Some(&facts), ..Surroundings::default() };
        let report = validate_in(&draft, &Catalog::builtin(), RuleSet::live(), surroundings);
        let of_code = |code| report.errors().filter(move |finding| finding.code == code);
        let meet = |one: &(u32, u8), two: &(u32, u8)| {
            let (one, two) = (subnet(one), subnet(two));
            one.network() <= two.broadcast() && two.network() <= one.broadcast()
        };
        let pairs = (0..nets.len()).flat_map(|one| (0..one).map(move |two| (one, two)));
        let own = pairs.filter(|(one, two)| meet(&nets[*one], &nets[*two])).count();
        prop_assert_eq!(of_code(Code::SubnetOverlap).count(), own);
        // All networks have the same name, so equal ones are reported once.
        let distinct: BTreeSet<_> = others.iter().map(subnet).collect();
        let distinct: Vec<_> = distinct.iter().map(|net| (u32::from(net.network()), net.prefix_len())).collect();
        let foreign = nets.iter().flat_map(|net| distinct.iter().filter(move |other| meet(net, other))).count();
        prop_assert_eq!(of_code(Code::SubnetHostOverlap).count(), foreign);
    }
}

#[test]
fn heavy_use_of_host_resources_causes_warnings() {
    let catalog = Catalog::builtin()
        .extend_from_toml("[services.forge]\nports = []\nimage = \"forge:1\"\nwritable_root = true\n")
        .expect("a catalogue");
    let maze = Topology::builder()
        .dmz("dmz", "172.20.0.0/24")
        .lan("office", "10.64.0.0/20")
        .decky("web", |decky| {
            decky
                .on("dmz", "172.20.0.10")
                .on("office", "10.64.0.10")
                .forwards()
                .services(["forge"])
        })
        .build()
        .expect("a maze");
    let warned = |neighbours: Option<u64>, storage: Option<&str>| {
        let facts = HostFacts {
            neighbours: neighbours.map(|size| NeighbourTable { size, host: None }),
            unlimited_storage: storage.map(Into::into),
            engine_lacks: storage
                .map(|_| "it has no seccomp; use another".into())
                .into_iter()
                .collect(),
            ..HostFacts::default()
        };
        let surroundings = Surroundings {
            host: Some(&facts),
            ..Surroundings::default()
        };
        let report = validate_in(&maze, &catalog, RuleSet::deploy(), surroundings);
        assert!(report.is_clean(), "{:?}", report.findings());
        let warned = report.warnings().map(ToString::to_string);
        warned.collect::<Vec<_>>()
    };
    assert_eq!(warned(None, None), [""; 0]);
    assert_eq!(warned(Some(4_096), None), [""; 0]);
    assert_eq!(
        warned(Some(1_024), Some("overlay2 on extfs")),
        [
            "warning HOST_DISK: `forge` has a writable root (first on decky `web`), which overlay2 on extfs does not limit: \
             it can fill the host's disk; keep Docker's data on btrfs, zfs or XFS with pquota, or drop `writable_root`",
            "warning HOST_ENGINE: it has no seccomp; use another",
            "warning HOST_NEIGHBOURS: LAN `office` (10.64.0.0/20) has 4093 addresses, and the neighbour table of the host has \
             1024 entries for all networks together: a scan of the LAN fills it for the whole host; \
             increase it (`sysctl -w net.ipv4.neigh.default.gc_thresh3=8192`), or use a smaller subnet",
        ]
    );
}

#[test]
fn each_missing_feature_of_the_daemon_causes_one_warning() {
    let maze = Topology::builder()
        .dmz("dmz", "172.20.0.0/24")
        .decky("one", |decky| {
            decky.on("dmz", "172.20.0.10").forwards().services(["ssh", "http"])
        })
        .decky("two", |decky| decky.on("dmz", "172.20.0.11").services(["http"]))
        .build()
        .expect("a maze");
    let catalog = Catalog::builtin();
    let warned = |facts: &HostFacts, publish: &str| {
        let publish = [publish.parse().expect("a rule")].into_iter().collect();
        let surroundings = Surroundings {
            host: Some(facts),
            publish: Some(&publish),
            ..Surroundings::default()
        };
        let report = validate_in(&maze, &catalog, RuleSet::deploy(), surroundings);
        assert!(report.is_clean(), "{:?}", report.findings());
        let warned = report.warnings().map(ToString::to_string);
        warned.collect::<Vec<_>>()
    };
    let able = HostFacts::default();
    assert_eq!(warned(&able, "ssh=2222"), [""; 0]);
    let unable = HostFacts {
        unlimited: vec!["memory".into(), "processor time".into()],
        ..HostFacts::default()
    };
    assert_eq!(
        warned(&unable, "ssh=2222"),
        [
            "warning HOST_UNLIMITED: the daemon cannot limit memory, processor time of containers: an intruder in one decky can use up \
          the host's; give the daemon the cgroup controllers for that (a rootless daemon needs cgroup v2, and delegation by systemd)"
        ]
    );
    let rootless = HostFacts {
        rootless: true,
        ..HostFacts::default()
    };
    let [warning] = &warned(&rootless, "ssh=2222")[..] else {
        panic!("one warning")
    };
    assert!(
        warning.starts_with("warning PUBLISH_ROOTLESS: the daemon runs rootless"),
        "{warning}"
    );
    assert!(
        warning.contains("`http` of gateway `one`") && warning.contains("slirp4netns"),
        "{warning}"
    );
    // Ports published only for the host hide no visitors.
    let [warning] = &warned(&rootless, "one.http=127.0.0.1:8080")[..] else {
        panic!("one warning")
    };
    assert!(warning.contains("`ssh` of gateway `one`"), "{warning}");
}

#[test]
fn an_image_that_does_not_exist_is_an_error_with_its_name_and_a_remedy() {
    let text = "[services.pot]\nports = [\"9000/tcp\"]\nimage = \"example.org/pot:1\"\n\
                [services.forge]\nports = [\"3000/tcp\"]\nimage = { build = \"forge\" }\n\
                [services.there]\nports = [\"3001/tcp\"]\nimage = \"example.org/there:1\"\n";
    let catalog = Catalog::builtin().extend_from_toml(text).expect("a catalogue");
    let maze = Topology::builder()
        .dmz("dmz", "172.20.0.0/24")
        .decky("one", |decky| {
            decky.on("dmz", "172.20.0.10").services(["ssh", "pot", "there"])
        })
        .decky("two", |decky| decky.on("dmz", "172.20.0.11").services(["pot", "forge"]))
        .build()
        .expect("a maze");
    let missing = [
        (ImageSource::Reference("example.org/pot:1".into()), "manifest unknown"),
        (ImageSource::Build("forge".into()), "forge/Dockerfile: not found"),
    ];
    let facts = HostFacts {
        unavailable_images: unavailable(&missing, &[]),
        ..HostFacts::default()
    };
    let errors = |facts: &HostFacts| {
        let surroundings = Surroundings {
            host: Some(facts),
            ..Surroundings::default()
        };
        let report = validate_in(&maze, &catalog, RuleSet::deploy(), surroundings);
        report.errors().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(
        errors(&facts),
        [
            "error IMAGE_UNAVAILABLE: the image `build forge` of `forge` (first on decky `two`) is not available: forge/Dockerfile: \
             not found; correct the folder in the catalogue; it needs a Dockerfile",
            "error IMAGE_UNAVAILABLE: the image `example.org/pot:1` of `pot` (first on decky `one`) is not available: manifest \
             unknown; correct the name in the catalogue, make the registry reachable, or load the image (`docker pull`, `docker load`)",
        ]
    );

    let on_hosts = HostFacts {
        unavailable_images: unavailable(&missing, &["west", "east"]),
        ..HostFacts::default()
    };
    assert_eq!(
        errors(&on_hosts),
        [
            "error IMAGE_UNAVAILABLE: the image `build forge` of `forge` (first on decky `two`) is not available on east, west: \
             forge/Dockerfile: not found; each host builds the image itself: copy the folder to `forge` on east, west, or build the image \
             once, push it to a registry, and write its name in the catalogue instead of `build`",
            "error IMAGE_UNAVAILABLE: the image `example.org/pot:1` of `pot` (first on decky `one`) is not available on east, west: \
             manifest unknown; correct the name in the catalogue, make the registry reachable, or load the image (`docker pull`, \
             `docker load`)",
        ]
    );
}

/// Images that some hosts do not have, or this machine.
fn unavailable(missing: &[(ImageSource, &str)], hosts: &[&str]) -> BTreeMap<ImageSource, UnavailableImage> {
    let hosts: BTreeSet<String> = hosts.iter().map(ToString::to_string).collect();
    let missing = missing.iter().map(|(image, reason)| {
        let (reason, hosts) = (reason.to_string(), hosts.clone());
        (image.clone(), UnavailableImage { reason, hosts })
    });
    missing.collect()
}
