//! Verification and containment on a real daemon. No probe is sent to an address that another machine has, and none is sent
//! outside before the containment was checked.

use decnet_decoy::protocol::Record;
use decnet_engine::{DecoyImage, EngineError, PathEnd, Reach, VerifyReport};
use decnet_topology::{DeploySettings, TopologyConfig, generate};

use super::{
    outsider::{Outsider, run, text},
    reach::SEED,
    *,
};

pub(super) async fn verify(lab: &Lab, id: TopologyId) -> VerifyReport {
    let report = lab.engine.verify(id, &CancellationToken::new()).await;
    report.expect("verified")
}

pub(super) fn base_of(id: TopologyId, topology: &Topology, decky: &str) -> String {
    let decky = topology.decky_named(&decky.parse().expect("a name"));
    naming::base(id, decky.expect("a decky")).to_string()
}

fn place(decky: &str) -> PathEnd {
    PathEnd::Decky(decky.parse().expect("a name"))
}

/// A gateway with a route to an office, a bridge from there to an isolated vault, and a host on each.
pub(super) fn three(net: &str) -> Topology {
    let at = |lan: u8, host: u8| format!("{net}{lan}.{host}");
    Topology::builder()
        .dmz("dmz", &format!("{net}0.0/24"))
        .lan("office", &format!("{net}1.0/24"))
        .lan("vault", &format!("{net}2.0/24"))
        .decky("gate", |decky| {
            decky
                .on("dmz", &at(0, 2))
                .on("office", &at(1, 2))
                .services(["ssh"])
                .forwards()
        })
        .decky("web", |decky| decky.on("dmz", &at(0, 3)).services(["http"]))
        .decky("desk", |decky| decky.on("office", &at(1, 3)).services(["smb"]))
        .decky("bridge", |decky| decky.on("office", &at(1, 4)).on("vault", &at(2, 4)))
        .decky("safe", |decky| decky.on("vault", &at(2, 3)))
        .build()
        .expect("a topology")
}

pub(super) async fn deploy(lab: &Lab, topology: &Topology, publish: &str) -> TopologyId {
    let id = lab.store("verified", topology.clone()).await;
    let settings = DeploySettings::default().publish([publish.parse().expect("a rule")].into_iter().collect());
    let options = DeployOptions::default().settings(settings);
    let raised = lab.engine.deploy(id, options, &CancellationToken::new()).await;
    let raised = raised.unwrap_or_else(|error| panic!("{error}: {error:?}"));
    assert_eq!((raised.row.status, raised.reason), (Status::Active, None));
    id
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Docker"]
async fn a_generated_maze_with_a_gateway_matches_also_after_a_base_was_restarted() {
    on_docker(async |lab| {
        let config = TopologyConfig::builder("verified", 3, 2)
            .subnet_base_prefix("10.203.64.0/18")
            .deckies_per_lan(1, 4)
            .bridge_forward_probability(0.7)
            .cross_edge_probability(0.3)
            .dmz_gateway(true)
            .services_explicit(["http"])
            .seed(SEED)
            .build()
            .expect("a config");
        let topology = generate(&config, &Catalog::builtin(), &[]).expect("a maze");
        let id = deploy(lab, &topology, "http=127.0.0.1:20380").await;
        let report = verify(lab, id).await;
        assert_eq!((report.deckies, &report.deviations[..]), (31, &[][..]));
        assert_eq!(report.skipped, []);

        let router = topology
            .deckies()
            .iter()
            .find(|decky| decky.is_router() && !topology.is_gateway(decky));
        docker(&[
            "restart",
            "-t",
            "0",
            naming::base(id, router.expect("a router")).as_str(),
        ]);
        let report = verify(lab, id).await;
        assert_eq!(report.deviations, []);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Docker"]
async fn manual_changes_deviate_until_they_are_repaired() {
    on_docker(async |lab| {
        let topology = three("10.203.3");
        let id = deploy(lab, &topology, "ssh=127.0.0.1:20322").await;
        assert_eq!(verify(lab, id).await.deviations, []);

        // Another state for the gateway, without forwarding.
        let gate = base_of(id, &topology, "gate");
        let shown = run("docker", &["exec", &gate, DecoyImage::PROGRAM_PATH, "state", "show"]);
        let state = text(&shown).replace("\"forward\":true", "\"forward\":false");
        docker(&["exec", &gate, DecoyImage::PROGRAM_PATH, "state", "set", state.trim()]);
        let report = verify(lab, id).await;
        let lost = |from: &str, to: &str| {
            let found = report
                .deviations
                .iter()
                .find(|one| one.from == place(from) && one.to == place(to));
            found.map(|one| (one.expected, one.found))
        };
        let cut = Some((Reach::Reachable, Reach::Unreachable));
        assert_eq!((lost("web", "desk"), lost("desk", "web")), (cut, cut), "{report:?}");
        assert_eq!(lost("desk", "safe"), None, "it never reached it");

        let healed = lab.engine.reconcile(id, false, &CancellationToken::new()).await;
        assert_eq!(healed.expect("reconciled").row.status, Status::Active);
        assert_eq!(verify(lab, id).await.deviations, []);

        // A user with the rights removes the containment and changes nothing else.
        let web = base_of(id, &topology, "web");
        let shown = run("docker", &["exec", &web, DecoyImage::PROGRAM_PATH, "state", "show"]);
        let open = text(&shown).replace("\"closed\":[\"10.203.30.1\"]", "\"closed\":[]");
        assert_ne!(text(&shown), open);
        let network = format!("container:{web}");
        let privileged = [
            "run",
            "--rm",
            "--pull",
            "never",
            "--cap-drop",
            "ALL",
            "--cap-add",
            "NET_ADMIN",
            "--network",
        ];
        let state_set = [network.as_str(), &lab.image, "state", "set", open.trim()];
        docker(&[privileged.as_slice(), &state_set].concat());
        let report = verify(lab, id).await;
        let found: Vec<_> = report
            .deviations
            .iter()
            .map(|one| (one.from.clone(), one.to.clone(), one.found))
            .collect();
        assert!(
            found.contains(&(place("web"), PathEnd::Host, Reach::Reachable)),
            "{report:?}"
        );
        assert!(
            found.contains(&(place("web"), PathEnd::Outside, Reach::Unknown)),
            "{report:?}"
        );
        assert!(found.iter().all(|(from, ..)| *from == place("web")), "{report:?}");

        let healed = lab.engine.reconcile(id, false, &CancellationToken::new()).await;
        assert_eq!(healed.expect("reconciled").row.status, Status::Active);
        assert_eq!(verify(lab, id).await.deviations, []);
    })
    .await;
}

/// Returns the deviations as text: the target, the finding, and the detail.
fn reported(report: &VerifyReport) -> Vec<String> {
    let deviations = report.deviations.iter();
    deviations
        .map(|one| format!("{} to {}: {}: {}", one.from, one.to, one.found, one.how))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Docker"]
async fn a_foreign_interface_a_lost_lan_and_an_ended_service_deviate_and_are_shown() {
    on_docker(async |lab| {
        let topology = three("10.203.8");
        let id = deploy(lab, &topology, "ssh=127.0.0.1:20323").await;
        assert_eq!(reported(&verify(lab, id).await), Vec::<String>::new());

        let (safe, desk) = (base_of(id, &topology, "safe"), base_of(id, &topology, "desk"));
        docker(&["network", "connect", "bridge", &safe]);
        docker(&["pause", &format!("{desk}.smb")]);
        let report = verify(lab, id).await;
        let found = reported(&report);
        let leg = "safe to network bridge: reachable: an interface on a foreign network";
        assert!(found.iter().any(|one| one == leg), "{found:?}");
        let paused = "desk to desk.smb: unreachable: its container is paused";
        assert!(found.iter().any(|one| one == paused), "{found:?}");
        assert!(
            report.drift.iter().any(|step| step.contains("from bridge")),
            "{:?}",
            report.drift
        );
        docker(&["unpause", &format!("{desk}.smb")]);

        let shown = lab.engine.inspect(id).await.expect("inspected").deckies;
        let shown = shown.iter().find(|decky| decky.decky.as_str() == "safe").expect("safe");
        let foreign = shown.interfaces.iter().find(|interface| interface.expected.is_none());
        assert_eq!(foreign.expect("the leg").network, "bridge");
        docker(&["network", "disconnect", "bridge", &safe]);

        let vault = topology.lan_named(&"vault".parse().expect("a name")).expect("a LAN");
        docker(&["network", "disconnect", naming::network(id, vault).as_str(), &safe]);
        let found = reported(&verify(lab, id).await);
        let lost = "safe to LAN vault: unreachable: no interface in this LAN";
        assert!(found.iter().any(|one| one == lost), "{found:?}");
        let healed = lab.engine.reconcile(id, false, &CancellationToken::new()).await;
        assert_eq!(healed.expect("reconciled").row.status, Status::Active);
        assert_eq!(reported(&verify(lab, id).await), Vec::<String>::new());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Docker"]
async fn a_gateway_answers_an_outsider_and_logs_its_real_address() {
    on_docker(async |lab| {
        let outsider = Outsider::on_host_link();
        let topology = three("10.203.4");
        let id = deploy(lab, &topology, &format!("ssh={}:20323", Outsider::HOST)).await;
        assert_eq!(verify(lab, id).await.deviations, []);
        assert!(outsider.receive(20323).starts_with("SSH-2.0"));

        let gate = topology.decky_named(&"gate".parse().expect("a name")).expect("a decky");
        let service = naming::service(id, gate, gate.services().iter().next().expect("ssh"));
        let mut seen = Vec::new();
        for _ in 0..100 {
            let log = text(&run("docker", &["logs", service.as_str()]));
            let contacts = log.lines().filter_map(|line| serde_json::from_str::<Record>(line).ok());
            seen = contacts
                .filter_map(|record| Some(record.source?.ip?.to_string()))
                .collect();
            if seen.iter().any(|address| address == Outsider::OWN) {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
        panic!("{seen:?}");
    })
    .await;
}

/// A program that only exits with a status, like a base on a kernel without `nf_tables`.
#[cfg(target_arch = "x86_64")]
fn exits_with(code: u8) -> Vec<u8> {
    // An ELF header, one segment with the whole file, and `mov edi, code; mov eax, 60; syscall`.
    let mut program = vec![0x7f, b'E', b'L', b'F', 2, 1, 1];
    program.resize(16, 0);
    program.extend([2, 0, 62, 0, 1, 0, 0, 0]);
    for word in [0x0040_0078_u64, 64, 0] {
        program.extend(word.to_le_bytes());
    }
    program.extend([0, 0, 0, 0, 64, 0, 56, 0, 1, 0, 0, 0, 0, 0, 0, 0]);
    program.extend([1, 0, 0, 0, 5, 0, 0, 0]);
    for word in [0, 0x0040_0000, 0x0040_0000, 132, 132, 0x1000_u64] {
        program.extend(word.to_le_bytes());
    }
    program.extend([0xbf, code, 0, 0, 0, 0xb8, 60, 0, 0, 0, 0x0f, 0x05]);
    program
}

#[cfg(target_arch = "x86_64")]
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Docker"]
async fn a_gateway_that_cannot_be_contained_fails_the_deploy_which_is_undone() {
    use decnet_decoy::protocol::EXIT_UNCONTAINED;
    use decnet_engine::RuntimeError;

    let mut program = exits_with(EXIT_UNCONTAINED);
    program.extend(std::process::id().to_string().bytes());
    on_docker_with(program, async |lab| {
        let alone = Topology::builder()
            .dmz("dmz", "10.203.50.0/24")
            .decky("gate", |decky| {
                decky.on("dmz", "10.203.50.2").services(["ssh"]).forwards()
            })
            .build()
            .expect("a topology");
        let id = lab.store("open", alone).await;
        let deployed = lab
            .engine
            .deploy(id, DeployOptions::default(), &CancellationToken::new())
            .await;
        let Err(EngineError::DeployFailed {
            failures, leftovers, ..
        }) = deployed
        else {
            panic!("{deployed:?}")
        };
        let gate = failures.iter().find_map(|failure| match &failure.source {
            RuntimeError::Uncontained { container, .. } => Some(container.clone()),
            _ => None,
        });
        assert!(gate.is_some_and(|gate| gate.ends_with("_gate")), "{failures:?}");
        assert_eq!(leftovers, Vec::<String>::new());
    })
    .await;
}
