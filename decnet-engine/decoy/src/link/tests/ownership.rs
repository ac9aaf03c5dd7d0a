//! Devices and tables of others.

use super::{
    super::{error::LinkError, lock::Lock},
    fixture::{DEVICE, OWNER, TABLE, Underlay},
};
use crate::protocol::{EXIT_FAILED, EXIT_FOREIGN, EXIT_UNSUPPORTED, LinkOutcome, Vxlan};

#[test]
#[ignore = "needs Docker"]
fn what_belongs_to_someone_else_is_refused_and_stays() {
    let underlay = Underlay::of(2);
    let [one, two] = underlay.hosts.as_slice() else {
        unreachable!()
    };
    let link = one.link_to(&[two]);
    let state = || {
        // The kernel updates the states of devices later, and those of the bridge.
        let devices = one.shell("ip -o link show");
        let devices: Vec<&str> = devices.lines().filter(|line| line.contains(DEVICE)).collect();
        let devices = devices.join(" ").replace("state UP", "").replace("state UNKNOWN", "");
        [devices, one.shell("nft list ruleset")]
    };
    let refused = |owner: &str| {
        let before = state();
        let ensured = one.try_ensure(&Vxlan {
            owner: owner.into(),
            ..link.clone()
        });
        for error in [ensured.unwrap_err(), one.try_remove(owner).unwrap_err()] {
            let failure = error.failure("refused");
            assert_eq!(failure.code, EXIT_FOREIGN);
            assert_eq!(failure.context, "exists and belongs to someone else");
            assert!(failure.cause.contains(DEVICE), "{}", failure.cause);
        }
        assert_eq!(state(), before);
    };
    for foreign in [
        "ip link add dcn0 type veth peer name dcn9",
        "ip link add dcn0 type bridge",
        "ip link add dcn0 type vxlan id 658188 dstport 14789 local 192.0.2.1",
    ] {
        one.shell(foreign);
        refused(OWNER);
        assert_eq!(one.list(), [], "{foreign}");
        one.shell("ip link delete dcn0");
    }
    one.shell(&format!("nft add table inet {TABLE}"));
    refused(OWNER);
    assert_eq!(one.list(), []);
    one.shell(&format!("nft delete table inet {TABLE}"));

    one.ensure(&link);
    refused("decnet 2 maze lan");
    // Another owner does not take over an unfinished link either.
    one.shell("ip link set dcn0 down");
    one.shell("ip link set dcn0 nomaster");
    one.shell("ip link set dcn0 alias ");
    refused("decnet 2 maze lan");
    assert_eq!(one.ensure(&link), LinkOutcome::Changed);
    // A device that is in use and has lost its alias may be someone's.
    one.shell("ip link set dcn0 alias ");
    refused(OWNER);
}

#[test]
#[ignore = "needs Docker"]
fn two_commands_at_the_same_time_make_one_link() {
    let underlay = Underlay::of(2);
    let [one, two] = underlay.hosts.as_slice() else {
        unreachable!()
    };
    let link = one.link_to(&[two]);
    let outcomes = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(|| one.ensure(&link))).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect::<Vec<_>>()
    });
    let changed = outcomes.iter().filter(|outcome| **outcome == LinkOutcome::Changed);
    assert_eq!(changed.count(), 1);
    one.has(&link);
    let busy = one.run(|| {
        let _held = Lock::acquire().unwrap();
        Lock::acquire_within(2).map(|_| ())
    });
    assert!(matches!(busy, Err(LinkError::Busy)), "{busy:?}");
    assert!(one.run(|| Lock::acquire_within(1).is_ok()));
}

#[test]
fn each_error_has_an_exit_code_and_says_what_to_do() {
    let forbidden = LinkError::at("create the device `dcn0`")(std::io::Error::from_raw_os_error(1));
    let not_undone = LinkError::NotUndone {
        cause: Box::new(LinkError::Unsupported("VXLAN")),
        undo: Box::new(LinkError::at("remove the device `dcn0`")(
            std::io::Error::from_raw_os_error(16),
        )),
    };
    for (error, code, part) in [
        (
            forbidden,
            EXIT_FAILED,
            "needs the capability NET_ADMIN): Operation not permitted",
        ),
        (LinkError::Busy, EXIT_FAILED, "try again"),
        (
            LinkError::Unsupported("nf_tables"),
            EXIT_UNSUPPORTED,
            "no nf_tables: load the module",
        ),
        (LinkError::Unguarded("t".into()), EXIT_UNSUPPORTED, "Linux 5.10"),
        (
            not_undone,
            EXIT_UNSUPPORTED,
            "remains: remove the device `dcn0`: Device or resource busy",
        ),
    ] {
        let failure = error.failure("the link cannot be set");
        assert_eq!(failure.code, code);
        assert_eq!(failure.context, "the link cannot be set");
        assert!(failure.cause.contains(part), "{}", failure.cause);
    }
}
