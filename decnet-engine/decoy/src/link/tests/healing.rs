//! Links that are changed, broken or half made.

use super::fixture::{BRIDGE, DEVICE, Host, OWNER, TABLE, Underlay};
use crate::protocol::{FoundVxlan, LinkOutcome, Vxlan};

fn index(host: &Host) -> String {
    host.shell(&format!("cat /sys/class/net/{DEVICE}/ifindex"))
}

#[test]
#[ignore = "needs Docker"]
fn peers_change_in_place() {
    let underlay = Underlay::of(3);
    let [one, two, three] = underlay.hosts.as_slice() else {
        unreachable!()
    };
    one.ensure(&one.link_to(&[two]));
    two.ensure(&two.link_to(&[one]));
    three.ensure(&three.link_to(&[one]));
    assert!(one.reaches(two));
    let before = index(one);
    let both = one.link_to(&[two, three]);
    assert_eq!(one.ensure(&both), LinkOutcome::Changed);
    one.has(&both);
    assert!(one.reaches(two));
    assert!(one.reaches(three));

    let moved = one.link_to(&[three]);
    assert_eq!(one.ensure(&moved), LinkOutcome::Changed);
    one.has(&moved);
    let known = one.shell(&format!("bridge fdb show dev {DEVICE}"));
    assert!(
        !known.contains("dst 192.0.2.2"),
        "also nothing that was learned: {known}"
    );
    assert!(!one.reaches(two));
    assert!(one.reaches(three));

    let alone = one.link_to(&[]);
    assert_eq!(one.ensure(&alone), LinkOutcome::Changed);
    one.has(&alone);
    assert!(!one.reaches(three));
    assert_eq!(index(one), before);
}

#[test]
#[ignore = "needs Docker"]
fn whatever_was_changed_manually_is_changed_back_in_place() {
    let underlay = Underlay::of(2);
    let [one, two] = underlay.hosts.as_slice() else {
        unreachable!()
    };
    let link = one.link_to(&[two]);
    one.ensure(&link);
    two.ensure(&two.link_to(&[one]));
    let before = index(one);
    for damage in [
        "ip link set dcn0 nomaster",
        "ip link set dcn0 down",
        "ip link set dcn0 mtu 1300",
        "ip link set dcn0 addrgenmode eui64",
        "bridge fdb del 00:00:00:00:00:00 dev dcn0 dst 192.0.2.2",
        "bridge fdb append 00:00:00:00:00:00 dev dcn0 dst 192.0.2.77",
        "bridge fdb append 00:00:00:00:00:00 dev dcn0 dst 192.0.2.77 port 4789 vni 9",
        "bridge fdb append 02:00:00:00:00:01 dev dcn0 dst 192.0.2.77",
        "nft delete table inet decnet-dcn0",
        "nft flush chain inet decnet-dcn0 tunnel",
        "nft insert rule inet decnet-dcn0 tunnel accept",
        "nft add element inet decnet-dcn0 peers { 192.0.2.77 }",
    ] {
        one.shell(damage);
        assert_eq!(one.ensure(&link), LinkOutcome::Changed, "{damage}");
        one.has(&link);
        assert_eq!(one.ensure(&link), LinkOutcome::Unchanged, "{damage}");
    }
    assert_eq!(index(one), before);
    assert!(one.reaches(two));
    let shown = one.shell(&format!("ip -d link show {DEVICE}"));
    for part in [
        "mtu 1400",
        "addrgenmode none",
        "master lan",
        "alias decnet 1 maze lan",
        "vxlan id 658188 local 192.0.2.1",
    ] {
        assert!(shown.contains(part), "no `{part}`: {shown}");
    }
    let table = one.shell(&format!("nft list table inet {TABLE}"));
    assert!(table.contains(&format!("comment \"{OWNER}\"")), "{table}");
}

#[test]
#[ignore = "needs Docker"]
fn a_link_with_another_network_or_address_is_recreated() {
    let underlay = Underlay::of(2);
    let [one, two] = underlay.hosts.as_slice() else {
        unreachable!()
    };
    one.shell("ip addr add 192.0.2.201/24 dev eth0");
    let link = one.link_to(&[two]);
    one.ensure(&link);
    for other in [
        Vxlan {
            vni: 77,
            ..link.clone()
        },
        Vxlan {
            local: "192.0.2.201".parse().unwrap(),
            ..link.clone()
        },
    ] {
        let before = index(one);
        assert_eq!(one.ensure(&other), LinkOutcome::Changed);
        one.has(&other);
        assert_ne!(index(one), before);
        one.ensure(&link);
    }
    // A device on another port is not ours to keep.
    one.shell("ip link delete dcn0");
    one.shell("ip link add dcn0 type vxlan id 658188 local 192.0.2.1 dstport 4789");
    one.shell(&format!("ip link set dcn0 up alias {}", OWNER.replace(' ', "_")));
    one.shell("ip link set dcn0 down");
    one.shell("ip link set dcn0 alias ");
    assert_eq!(one.list()[0].port, 4789);
    assert!(!one.list()[0].guarded);
    one.ensure(&link);
    one.has(&link);
}

#[test]
#[ignore = "needs Docker"]
fn a_command_that_was_killed_at_any_step_is_continued_by_the_next() {
    let underlay = Underlay::of(2);
    let [one, two] = underlay.hosts.as_slice() else {
        unreachable!()
    };
    let link = one.link_to(&[two]);
    // What exists after each step, removed in the reverse order of a command.
    let steps = [
        vec!["ip link set dcn0 down"],
        vec!["ip link set dcn0 down", "ip link set dcn0 nomaster"],
        vec![
            "ip link set dcn0 down",
            "ip link set dcn0 nomaster",
            "ip link set dcn0 alias ",
        ],
        vec![
            "ip link set dcn0 down",
            "ip link set dcn0 nomaster",
            "ip link set dcn0 alias ",
            "bridge fdb del 00:00:00:00:00:00 dev dcn0 dst 192.0.2.2",
        ],
        vec!["ip link delete dcn0"],
    ];
    for step in &steps {
        one.ensure(&link);
        for command in step {
            one.shell(command);
        }
        let found = one.list();
        assert_eq!(found.len(), 1, "{step:?}");
        assert_eq!((&found[0].vxlan.owner, found[0].up), (&link.owner, false), "{step:?}");
        assert_eq!(one.ensure(&link), LinkOutcome::Changed, "{step:?}");
        one.has(&link);
        for command in step {
            one.shell(command);
        }
        assert_eq!(one.remove(), LinkOutcome::Changed, "{step:?}");
        assert_eq!(one.list(), [], "{step:?}");
    }
}

#[test]
#[ignore = "needs Docker"]
fn nothing_remains_of_a_removed_link() {
    let underlay = Underlay::of(2);
    let [one, two] = underlay.hosts.as_slice() else {
        unreachable!()
    };
    assert_eq!(one.remove(), LinkOutcome::Unchanged);
    let state = || {
        let devices = one.shell("ip -o link show");
        let devices: Vec<&str> = devices.lines().filter_map(|line| line.split(' ').nth(1)).collect();
        let devices = devices.join(" ");
        [
            devices,
            one.shell("nft list ruleset"),
            one.shell("bridge fdb show dynamic"),
        ]
    };
    let before = state();
    let link = one.link_to(&[two]);
    one.ensure(&link);
    assert_ne!(state(), before);
    assert_eq!(one.remove(), LinkOutcome::Changed);
    assert_eq!(state(), before);
    assert_eq!(one.remove(), LinkOutcome::Unchanged);

    // The guard of a device that someone removed is listed, so that it can be removed.
    one.ensure(&link);
    one.shell("ip link delete dcn0");
    let left: Vec<FoundVxlan> = one.list();
    assert_eq!(left.len(), 1);
    assert_eq!(left[0].vxlan.device, DEVICE);
    assert_eq!(left[0].vxlan.owner, OWNER);
    assert_eq!((left[0].vxlan.vni, left[0].vxlan.bridge.as_str()), (0, ""));
    assert_eq!(one.remove(), LinkOutcome::Changed);
    assert_eq!(state(), before);
}

#[test]
#[ignore = "needs Docker"]
fn nothing_remains_of_a_link_that_cannot_be_created() {
    let underlay = Underlay::of(2);
    let [one, two] = underlay.hosts.as_slice() else {
        unreachable!()
    };
    let link = one.link_to(&[two]);
    let nothing = || {
        assert_eq!(one.list(), []);
        assert!(!one.shell("ip -o link show").contains(DEVICE));
        assert_eq!(one.shell("nft list ruleset"), "");
    };
    let refused = |link: &Vxlan, part: &str| {
        let error = one.try_ensure(link).unwrap_err().failure("refused").cause;
        assert!(error.contains(part), "{error}");
    };
    refused(
        &Vxlan {
            bridge: "none".into(),
            ..link.clone()
        },
        "no bridge `none`",
    );
    refused(
        &Vxlan {
            bridge: "eth0".into(),
            ..link.clone()
        },
        "no bridge `eth0`",
    );
    nothing();
    // The last step fails: the port is in use.
    let socket = one.run(|| std::net::UdpSocket::bind("0.0.0.0:14789")).unwrap();
    refused(&link, "set the device `dcn0` up: Address already in use");
    nothing();
    drop(socket);
    // The first step fails: the VNI is in use.
    one.shell("ip link add other type vxlan id 658188 dstport 14789 local 192.0.2.1");
    refused(&link, "another device of this host has the VNI 658188");
    nothing();
    one.shell("ip link delete other");
    assert_eq!(one.ensure(&link), LinkOutcome::Changed);
    one.has(&link);
    assert_eq!(one.shell("cat /sys/class/net/dcn0/mtu").trim(), "1400");
    assert_eq!(one.shell(&format!("ls /sys/class/net/{BRIDGE}/brif")).trim(), DEVICE);
}
