//! Broken resources are repaired, and the rest keeps running.

use std::{collections::BTreeMap, fs};

use decnet_decoy::protocol::{Deviation, NetState, StateReport};
use decnet_engine::{Activity, ContainerName, DecoyImage, NetworkCheck, Role, Runtime, Scope, naming};
use decnet_topology::{Status, TopologyId};
use tokio_util::sync::CancellationToken;

use super::{Lab, docker, namespace::inside, on_docker};
use crate::engine::twelve_on;

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Docker"]
async fn a_reconcile_repairs_broken_resources_and_leaves_the_rest_running() {
    on_docker(async |lab| {
        let topology = twelve_on("10.205");
        let id = lab.store("repair", topology.clone()).await;
        lab.deploy(id).await;
        let instance = lab.repo.instance().await.expect("an instance");
        let scope = Scope::Topology(instance, id);
        let before = lab.docker.inspect(scope).await.expect("observed");
        let quiet = lab
            .engine
            .reconcile(id, false, &CancellationToken::new())
            .await
            .expect("reconciled");
        assert_eq!(quiet.changed, 0);
        let untouched = lab.docker.inspect(scope).await.expect("observed");
        assert!(
            untouched.networks == before.networks && untouched.containers == before.containers,
            "nothing was changed"
        );

        let broken = topology
            .decky_named(&"host-05".parse().expect("a name"))
            .expect("a decky");
        let base = naming::base(id, broken);
        docker(&["rm", "-f", base.as_str()]);
        let router = topology
            .decky_named(&"bridge-01".parse().expect("a name"))
            .expect("a decky");
        docker(&["restart", "-t", "0", naming::base(id, router).as_str()]);
        assert!(!crate::planned(&lab.engine, id, None).await.expect("planned").is_empty());
        let healed = lab
            .engine
            .reconcile(id, false, &CancellationToken::new())
            .await
            .expect("reconciled");
        assert_eq!((healed.row.status, healed.reason), (Status::Active, None));
        let after = lab.docker.inspect(scope).await.expect("observed");
        for container in &before.containers {
            let name = container.name.as_str();
            if name.contains("host-05") || name.contains("bridge-01") {
                continue;
            }
            let there = after
                .containers
                .iter()
                .find(|there| there.name == container.name)
                .expect("still there");
            assert_eq!(
                (&there.id, there.started_at),
                (&container.id, container.started_at),
                "{name}"
            );
        }
        lab.check_reach(id, &topology).await;
    })
    .await;
}

/// A manual change of a maze, given the names of its containers and networks.
type Tamper = fn(&dyn Fn(&str) -> String);

const TAMPERING: [(&str, &[&str], Tamper); 10] = [
    ("a service killed and kept from coming back", &["host-03.smb"], |name| {
        docker(&["stop", "-t", "0", &name("host-03.smb")]);
    }),
    ("a service removed", &["host-03.smb"], |name| {
        docker(&["rm", "-f", &name("host-03.smb")]);
    }),
    ("a base stopped", &["host-03", "host-03.smb", "host-03.dns"], |name| {
        docker(&["stop", "-t", "0", &name("host-03")]);
    }),
    ("a base removed", &["host-03", "host-03.smb", "host-03.dns"], |name| {
        docker(&["rm", "-f", &name("host-03")]);
    }),
    ("a base paused", &["host-03", "host-03.smb", "host-03.dns"], |name| {
        docker(&["pause", &name("host-03")]);
    }),
    ("a router disconnected", &[], |name| {
        docker(&["network", "disconnect", &name("lan-01"), &name("bridge-04")]);
    }),
    (
        "a network removed, all that was on it disconnected", // Services exit in a namespace without interfaces.
        &["host-11.smb", "host-11.dns"],
        |name| {
            for on_it in ["bridge-11", "host-11"] {
                docker(&["network", "disconnect", &name("lan-11"), &name(on_it)]);
            }
            docker(&["network", "rm", &name("lan-11")]);
        },
    ),
    ("a gateway cut off from the DMZ", &["gate.http"], |name| {
        docker(&["network", "disconnect", &name(".lan-00"), &name("gate")]);
    }),
    ("forwarding turned on", &[], |name| {
        inside(&name("bridge-03"), || {
            fs::write("/proc/sys/net/ipv4/ip_forward", "1").expect("written");
        });
    }),
    ("routes deleted and forwarding turned off", &[], |name| {
        let state = NetState {
            interfaces: ["10.204.4.2", "10.204.1.14"]
                .map(|address| address.parse().expect("an address"))
                .to_vec(),
            ..NetState::default()
        };
        let state = serde_json::to_string(&state).expect("JSON");
        docker(&[
            "exec",
            &name("bridge-04"),
            DecoyImage::PROGRAM_PATH,
            "state",
            "set",
            &state,
        ]);
    }),
];

/// Compares a list with an inspection, without the details that a list may lack; services may start and stop meanwhile.
async fn check_list(lab: &Lab, id: TopologyId) {
    let instance = lab.repo.instance().await.expect("an instance");
    let mut listed = lab.docker.list(Scope::Topology(instance, id)).await.expect("listed");
    let mut observed = lab.observe(id).await;
    observed.images.clear();
    for container in listed.containers.iter_mut().chain(&mut observed.containers) {
        container.started_at = None;
        container.pid = None;
        (container.restarts, container.exit_code) = (0, None);
        if container.role() == Some(Role::Service) {
            container.activity = Activity::Running;
        }
    }
    assert_eq!(listed, observed);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Docker"]
async fn manual_changes_are_in_the_plan_and_reverted() {
    on_docker(async |lab| {
        let topology = twelve_on("10.204");
        let id = lab.store("heal", topology.clone()).await;
        lab.deploy(id).await;
        let name = |end: &str| format!("decnet_t_{}_{end}", decnet_topology::short_id(id));
        for (what, touched, tamper) in TAMPERING {
            let before = lab.observe(id).await;
            tamper(&name);
            check_list(lab, id).await;
            let plan = crate::planned(&lab.engine, id, None).await.expect("planned");
            assert!(!plan.is_empty(), "{what}: drift shows");
            let healed = lab.engine.reconcile(id, false, &CancellationToken::new()).await;
            let healed = healed.unwrap_or_else(|error| panic!("{what}: {error}"));
            assert_eq!((healed.row.status, healed.reason), (Status::Active, None), "{what}");
            let left = crate::planned(&lab.engine, id, None).await.expect("planned");
            assert!(left.is_empty(), "{what}: {left:#?}");
            let after = lab.observe(id).await;
            assert_eq!(after.containers.len(), before.containers.len(), "{what}");
            for (was, is) in before.containers.iter().zip(&after.containers) {
                if !touched.iter().any(|end| was.name.as_str() == name(end)) {
                    assert_eq!(
                        (&was.name, &was.id, was.started_at),
                        (&is.name, &is.id, is.started_at),
                        "{what}"
                    );
                }
            }
        }
        lab.check_reach(id, &topology).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Docker"]
async fn a_check_of_the_networks_finds_the_bases_that_deviate_and_no_others() {
    on_docker(async |lab| {
        let topology = twelve_on("10.203");
        let id = lab.store("seen", topology.clone()).await;
        lab.deploy(id).await;
        let desired = lab.desired(id, &topology).await;
        let bases: Vec<_> = desired.bases.values().collect();
        let right = NetworkCheck::Checked {
            report: StateReport::default(),
            inside_only: None,
        };
        let mut expected: BTreeMap<_, _> = desired.bases.keys().map(|name| (name.clone(), right.clone())).collect();
        assert_eq!(lab.docker.check_network(&bases).await.expect("checked"), expected);

        let name = |end: &str| format!("decnet_t_{}_{end}", decnet_topology::short_id(id));
        inside(&name("bridge-03"), || {
            fs::write("/proc/sys/net/ipv4/ip_forward", "1").expect("written");
        });
        let shown = docker(&["exec", &name("bridge-04"), DecoyImage::PROGRAM_PATH, "state", "show"]);
        let other = shown.replace("\"forward\":true", "\"forward\":false");
        docker(&[
            "exec",
            &name("bridge-04"),
            DecoyImage::PROGRAM_PATH,
            "state",
            "set",
            &other,
        ]);
        let mut found = lab.docker.check_network(&bases).await.expect("checked");
        for (base, contained) in [("bridge-03", true), ("bridge-04", false)] {
            let base = ContainerName::from_docker(name(base));
            let check = found.remove(&base).expect("it was checked");
            let report = check.deviations().expect("it deviates");
            assert_eq!(
                report.deviations.contains(&Deviation::Uncontained),
                !contained,
                "{report:?}"
            );
            expected.remove(&base);
        }
        assert_eq!(found, expected);
    })
    .await;
}
