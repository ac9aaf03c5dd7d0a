//! Checks of a base's network, and probes from inside it.

use std::time::Duration;

use decnet_decoy::protocol::{Answer, Probe, Route, Target};
use decnet_topology::rng;

use crate::{
    desired::BaseSpec,
    naming,
    runtime::{NetworkCheck, RuntimeError},
};

use super::stage::{Lab, create_base, create_network, undo};

/// The number and pauses of checks of a newly started base: it sets its state within milliseconds.
const CHECKS: usize = 50;
const PAUSE: Duration = Duration::from_millis(100);

async fn check(lab: &Lab, base: &BaseSpec) -> NetworkCheck {
    let mut checks = lab.runtime.check_network(&[base]).await.expect("it answers");
    checks.remove(&base.name).expect("an entry for each base")
}

/// Checks a base until it matches its spec.
async fn settle(lab: &Lab, base: &BaseSpec) {
    let mut last = None;
    for _ in 0..CHECKS {
        let found = check(lab, base).await;
        if matches!(found, NetworkCheck::Checked { .. }) && found.deviations().is_none() {
            return;
        }
        last = Some(found);
        tokio::time::sleep(PAUSE).await;
    }
    panic!("it does not match: {last:?}");
}

pub(super) async fn a_check_finds_a_base_that_matches_and_one_that_differs(lab: &Lab) {
    let base = lab.create_base("near", "web").await;
    settle(lab, &base).await;
    let mut other = base.clone();
    other.state.routes.push(Route {
        to: lab.subnet(1).parse().expect("a subnet"),
        via: lab.ip(0, 9),
    });
    let found = check(lab, &other).await;
    assert!(found.deviations().is_some(), "{found:?}");
}

pub(super) async fn a_base_that_cannot_be_checked_does_not_prevent_the_check_of_others(lab: &Lab) {
    let (stopped, gone) = (lab.create_base("near", "web").await, lab.base("gone", &[]));
    let healthy = lab.base("db", &[lab.interface("near", 0, 3)]);
    lab.change(&create_base(&healthy)).await;
    settle(lab, &healthy).await;
    lab.outside.stop(&stopped.name);
    let checks = lab.runtime.check_network(&[&stopped, &gone, &healthy]).await;
    let checks = checks.expect("it answers");
    assert_eq!(checks.len(), 3);
    for base in [&stopped, &gone] {
        let found = &checks[&base.name];
        assert!(matches!(found, NetworkCheck::Unchecked { .. }), "{found:?}");
    }
    let found = &checks[&healthy.name];
    assert!(matches!(found, NetworkCheck::Checked { .. }), "{found:?}");
}

pub(super) async fn a_base_of_another_repo_is_neither_checked_nor_probed(lab: &Lab) {
    let mut base = lab.create_base("near", "web").await;
    let stranger = rng::instance_id();
    let probe = pings(&[lab.ip(0, 2)]);
    let refused = lab.runtime.probe(stranger, &base.name, &probe).await;
    assert!(matches!(refused, Err(RuntimeError::Foreign { .. })), "{refused:?}");
    base.labels.insert(naming::INSTANCE.into(), stranger.to_string());
    let found = check(lab, &base).await;
    assert!(matches!(found, NetworkCheck::Unchecked { .. }), "{found:?}");
}

pub(super) async fn a_probe_returns_one_result_per_target_in_order(lab: &Lab) {
    lab.ensure_decoy().await;
    lab.change(&create_network(&lab.network("near", 0))).await;
    let [base, sibling] = [("web", 2), ("db", 3)].map(|(decky, host)| {
        let mut base = lab.base(decky, &[lab.interface("near", 0, host)]);
        base.state.lans.push(lab.subnet(0).parse().expect("a subnet"));
        base
    });
    for base in [&base, &sibling] {
        lab.change(&create_base(base)).await;
        settle(lab, base).await;
    }
    let probe = pings(&[lab.ip(0, 77), lab.ip(0, 3), lab.ip(0, 2)]);
    let result = lab.runtime.probe(lab.instance, &base.name, &probe).await;
    let results = result.expect("it can probe").targets;
    let targets: Vec<_> = results.iter().map(|result| result.target).collect();
    assert_eq!(targets, probe.targets);
    let reached: Vec<_> = results.iter().map(|result| result.reached).collect();
    assert_eq!(reached, [false, true, true], "{results:?}");
    assert_eq!(results[1].detail, Answer::Answered);

    lab.change(&undo(&create_base(&base))).await;
    let refused = lab.runtime.probe(lab.instance, &base.name, &probe).await;
    assert!(matches!(refused, Err(RuntimeError::Gone { .. })), "{refused:?}");
}

fn pings(addresses: &[std::net::Ipv4Addr]) -> Probe {
    Probe {
        targets: addresses
            .iter()
            .map(|address| Target::Icmp { address: *address })
            .collect(),
        timeout_ms: 500,
        attempts: 2,
    }
}
