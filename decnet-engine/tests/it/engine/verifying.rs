//! Verification of worlds that match the maze, and of worlds that do not.

use decnet_decoy::protocol::Route;
use decnet_engine::{ContainerName, DeployOptions, EngineError, NetworkName, PathEnd, Reach, VerifyReport, naming};
use decnet_topology::{DeploySettings, DmzEgress, Status, Topology, TopologyId, TopologyStore};
use tokio_util::sync::CancellationToken;

use super::{Lab, small, twelve};

async fn verify(lab: &Lab, id: TopologyId) -> VerifyReport {
    let report = lab.engine.verify(id, &CancellationToken::new()).await;
    report.expect("verified")
}

async fn deployed(topology: Topology) -> (Lab, TopologyId) {
    let lab = Lab::new();
    let id = lab.store("maze", topology).await;
    lab.deploy(id).await.expect("deployed");
    (lab, id)
}

async fn base(lab: &Lab, id: TopologyId, decky: &str) -> ContainerName {
    let stored = lab.repo.load(id).await.expect("stored");
    let decky = stored.topology.decky_named(&decky.parse().expect("a name"));
    naming::base(id, decky.expect("a decky"))
}

fn decky(name: &str) -> PathEnd {
    PathEnd::Decky(name.parse().expect("a name"))
}

/// Returns the deviating paths, each once, and the finding.
fn paths(report: &VerifyReport) -> Vec<(PathEnd, PathEnd, Reach)> {
    let mut paths: Vec<_> = report
        .deviations
        .iter()
        .map(|deviation| (deviation.from.clone(), deviation.to.clone(), deviation.found))
        .collect();
    paths.sort();
    paths.dedup();
    paths
}

#[tokio::test]
async fn a_verification_can_be_spawned_as_a_task() {
    let (lab, id) = deployed(small()).await;
    let engine = lab.engine.clone();
    let report = tokio::spawn(async move { engine.verify(id, &CancellationToken::new()).await });
    let report = report.await.expect("it ends").expect("verified");
    assert!(report.is_clean(), "{report:?}");
}

#[tokio::test]
async fn a_new_maze_matches_and_every_decky_is_probed() {
    let (lab, id) = deployed(twelve()).await;
    let report = verify(&lab, id).await;
    assert_eq!((report.deckies, &report.deviations[..]), (23, &[][..]));
    let others = 22 * 23;
    assert!(report.probes > others, "{} probes", report.probes);
    assert!(
        report.skipped.iter().all(|path| path.from == PathEnd::Host),
        "only published ports of another machine are left out: {:?}",
        report.skipped
    );
}

#[tokio::test]
async fn a_router_that_stopped_forwarding_disconnects_both_sides() {
    let (lab, id) = deployed(twelve()).await;
    let router = base(&lab, id, "bridge-01").await;
    assert!(lab.docker.tamper_state(&router, |state| state.forward = false));
    let report = verify(&lab, id).await;
    let lost = paths(&report);
    let codes: Vec<_> = report.causes.iter().map(|cause| cause.code).collect();
    assert_eq!(codes, ["HOST_ELSEWHERE"], "the simulated daemon is not on this machine");
    for (from, to) in [("gate", "host-01"), ("host-01", "gate")] {
        assert!(lost.contains(&(decky(from), decky(to), Reach::Unreachable)), "{lost:?}");
    }
    assert!(lost.iter().all(|(.., found)| *found == Reach::Unreachable));
    lab.reconcile(id).await.expect("reconciled");
    assert!(verify(&lab, id).await.is_clean());
}

#[tokio::test]
async fn a_bridge_that_forwards_lets_forbidden_packets_through() {
    let topology = Topology::builder()
        .dmz("dmz", "10.92.0.0/24")
        .lan("office", "10.92.1.0/24")
        .decky("web", |decky| decky.on("dmz", "10.92.0.10"))
        .decky("bridge", |decky| {
            decky.on("dmz", "10.92.0.11").on("office", "10.92.1.11")
        })
        .decky("files", |decky| decky.on("office", "10.92.1.12"))
        .build()
        .expect("a topology");
    let (lab, id) = deployed(topology).await;
    assert!(verify(&lab, id).await.is_clean());

    let lead = |to: &str, via: &str| Route {
        to: to.parse().expect("a subnet"),
        via: via.parse().expect("an address"),
    };
    let (web, bridge, files) = (
        base(&lab, id, "web").await,
        base(&lab, id, "bridge").await,
        base(&lab, id, "files").await,
    );
    lab.docker.tamper_state(&bridge, |state| state.forward = true);
    let report = verify(&lab, id).await;
    assert!(report.deviations.is_empty(), "no decky has a route over it");
    assert_eq!(report.drift.len(), 1, "the drift is still reported");
    lab.docker
        .tamper_state(&web, |state| state.routes.push(lead("10.92.1.0/24", "10.92.0.11")));
    lab.docker
        .tamper_state(&files, |state| state.routes.push(lead("10.92.0.0/24", "10.92.1.11")));
    let report = verify(&lab, id).await;
    assert_eq!(
        paths(&report),
        [
            (decky("files"), decky("web"), Reach::Reachable),
            (decky("files"), decky("bridge"), Reach::Reachable),
            (decky("web"), decky("bridge"), Reach::Reachable),
            (decky("web"), decky("files"), Reach::Reachable),
        ]
        .into_iter()
        .collect::<std::collections::BTreeSet<_>>()
        .into_iter()
        .collect::<Vec<_>>()
    );
}

#[tokio::test]
async fn an_uncontained_decky_reaches_the_host_and_does_not_probe_the_outside() {
    let (lab, id) = deployed(small()).await;
    let web = base(&lab, id, "web").await;
    assert!(lab.docker.uncontain(&web));
    let report = verify(&lab, id).await;
    assert_eq!(
        paths(&report),
        [
            (decky("web"), PathEnd::Host, Reach::Reachable),
            (decky("web"), PathEnd::Outside, Reach::Unknown),
            (decky("web"), PathEnd::Resolver, Reach::Reachable),
        ]
    );
    lab.reconcile(id).await.expect("reconciled");
    assert!(verify(&lab, id).await.is_clean());
}

#[tokio::test]
async fn a_stopped_base_deviates_from_both_sides() {
    let (lab, id) = deployed(small()).await;
    assert!(lab.docker.stop(&base(&lab, id, "files").await));
    let report = verify(&lab, id).await;
    assert_eq!(
        paths(&report),
        [
            (decky("files"), decky("files"), Reach::Unknown),
            (decky("web"), decky("files"), Reach::Unreachable),
        ]
    );
}

/// Returns the steps that would repair the drift, and the deviations: the target and the detail.
fn reported(report: &VerifyReport) -> (Vec<String>, Vec<(String, String)>) {
    let deviations = report.deviations.iter();
    let deviations = deviations.map(|one| (format!("{} to {}", one.from, one.to), one.how.clone()));
    (report.drift.clone(), deviations.collect())
}

#[tokio::test]
async fn an_interface_in_a_foreign_network_deviates_until_it_is_removed() {
    let (lab, id) = deployed(small()).await;
    let files = base(&lab, id, "files").await;
    let foreign = NetworkName::from_docker("bridge");
    lab.docker
        .add_network(foreign.clone(), "172.17.0.0/16".parse().expect("a subnet"));
    assert!(lab.docker.connect(&files, &foreign, [172, 17, 0, 2].into()));
    let report = verify(&lab, id).await;
    assert!(!report.is_clean());
    let (drift, deviations) = reported(&report);
    assert_eq!(
        deviations,
        [(
            "files to network bridge".to_owned(),
            "an interface on a foreign network".to_owned()
        )]
    );
    assert!(drift[0].ends_with("files from bridge (not in the maze)"), "{drift:?}");
    let shown = lab.engine.inspect(id).await.expect("inspected").deckies;
    let shown = shown.iter().find(|decky| decky.decky.as_str() == "files");
    let interfaces: Vec<_> = shown
        .expect("files")
        .interfaces
        .iter()
        .map(|one| {
            (
                one.network.as_str(),
                one.expected.is_some(),
                one.found.map(|ip| ip.to_string()),
            )
        })
        .collect();
    assert_eq!(
        interfaces,
        [
            ("office", true, Some("10.90.1.11".into())),
            ("bridge", false, Some("172.17.0.2".into()))
        ]
    );
    lab.reconcile(id).await.expect("reconciled");
    assert!(verify(&lab, id).await.is_clean());
}

#[tokio::test]
async fn a_lost_membership_deviates_and_is_shown_as_lost() {
    let (lab, id) = deployed(small()).await;
    let files = base(&lab, id, "files").await;
    let stored = lab.repo.load(id).await.expect("stored");
    let office = stored.topology.lan_named(&"office".parse().expect("a name"));
    assert!(
        lab.docker
            .disconnect(&files, &naming::network(id, office.expect("a LAN")))
    );
    let report = verify(&lab, id).await;
    let (drift, deviations) = reported(&report);
    assert!(
        deviations.contains(&("files to LAN office".to_owned(), "no interface in this LAN".to_owned())),
        "{deviations:?}"
    );
    assert!(!drift.is_empty());
    let shown = lab.engine.inspect(id).await.expect("inspected").deckies;
    let lost = shown.iter().find(|decky| decky.decky.as_str() == "files");
    assert_eq!(lost.expect("files").interfaces[0].found, None);
    lab.reconcile(id).await.expect("reconciled");
    assert!(verify(&lab, id).await.is_clean());
}

#[tokio::test]
async fn a_crash_looping_an_exited_and_an_unresponsive_service_are_named() {
    let (lab, id) = deployed(small()).await;
    let service = async |decky: &str, service: &str| {
        let base = base(&lab, id, decky).await;
        ContainerName::from_docker(format!("{base}.{service}"))
    };
    assert!(lab.docker.crash_repeatedly(&service("web", "ssh").await, 101));
    assert!(lab.docker.stop(&service("web", "http").await));
    assert!(lab.docker.stop_answering(&service("files", "smb").await));
    let (_, deviations) = reported(&verify(&lab, id).await);
    let expected = [
        ("files to files.smb", "tcp/139: nothing listens there"),
        ("web to web.http", "its container exited"),
        (
            "web to web.ssh",
            "its container is in a crash loop: 10 restarts, the last exit code is 101",
        ),
    ];
    for (path, how) in expected {
        let found = deviations.iter().find(|(found, _)| found == path);
        assert_eq!(found.map(|(_, how)| how.as_str()), Some(how), "{deviations:?}");
    }
    let shown = lab.engine.inspect(id).await.expect("inspected").deckies;
    let looping: Vec<_> = shown
        .iter()
        .flat_map(|decky| &decky.services)
        .filter(|service| service.crash_loop)
        .map(|service| (service.service.as_str(), service.restarts, service.exit_code))
        .collect();
    assert_eq!(looping, [("ssh", 10, Some(101))]);
}

#[tokio::test]
async fn targets_that_the_egress_allows_are_not_probed() {
    let lab = Lab::new();
    let id = lab.store("maze", small()).await;
    let settings = DeploySettings::default().dmz_egress(DmzEgress::Open);
    let options = DeployOptions::default().settings(settings);
    lab.engine
        .deploy(id, options, &CancellationToken::new())
        .await
        .expect("deployed");
    let report = verify(&lab, id).await;
    assert!(report.is_clean(), "{report:?}");
    let left_out: Vec<_> = report.skipped.iter().map(|path| (&path.from, &path.to)).collect();
    assert!(left_out.contains(&(&decky("web"), &PathEnd::Outside)), "{left_out:?}");
}

#[tokio::test]
async fn a_topology_that_is_not_up_is_refused_and_a_cancelled_verification_is_interrupted() {
    let lab = Lab::new();
    let id = lab.store("maze", small()).await;
    let refused = lab.engine.verify(id, &CancellationToken::new()).await;
    assert!(matches!(
        refused,
        Err(EngineError::WrongStatus {
            status: Status::Pending,
            ..
        })
    ));
    lab.deploy(id).await.expect("deployed");
    let cancel = CancellationToken::new();
    cancel.cancel();
    let interrupted = lab.engine.verify(id, &cancel).await;
    assert!(matches!(interrupted, Err(EngineError::Interrupted { .. })));
}

#[tokio::test]
async fn a_report_is_plain_data() {
    let (lab, id) = deployed(small()).await;
    lab.docker.stop(&base(&lab, id, "files").await);
    let report = serde_json::to_value(verify(&lab, id).await).expect("JSON");
    assert_eq!(
        report["deviations"][0],
        serde_json::json!({
            "from": {"decky": "web"}, "to": {"decky": "files"}, "address": "10.90.1.11",
            "expected": "reachable", "found": "unreachable", "how": "ping: no answer",
        })
    );
}
