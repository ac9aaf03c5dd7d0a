//! A maze that changes while it runs: unchanged parts are not affected.

use std::{
    collections::BTreeMap,
    io::Write as _,
    net::Ipv4Addr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use decnet_decoy::protocol::{Action, Answer, Record, Target};
use decnet_engine::{
    ContainerName, Desired, DesiredContext, ExecuteOptions, Observed, OnFailure, Plan, Runtime, Scope, execute, naming,
    testing::diff,
};
use decnet_topology::{
    Attachment, Catalog, Decky, DeckyId, DeploySettings, Lan, LanId, Name, RuleSet, ServiceName, Topology, TopologyId,
};
use tokio_util::sync::CancellationToken;

use super::{
    Lab, assert_spared, docker,
    namespace::{connect, spawn_inside},
    on_docker,
};
use crate::engine::twelve_on;

fn name(text: &str) -> Name {
    text.parse().expect("a name")
}

/// Changes a copy of a maze.
fn edit(topology: &Topology, change: impl FnOnce(&mut Vec<Lan>, &mut BTreeMap<String, Decky>)) -> Topology {
    let (mut lans, deckies) = topology.clone().into_parts();
    let mut deckies: BTreeMap<String, Decky> = deckies
        .into_iter()
        .map(|decky| (decky.name().to_string(), decky))
        .collect();
    change(&mut lans, &mut deckies);
    Topology::new(lans, deckies.into_values().collect()).expect("a topology")
}

fn change(deckies: &mut BTreeMap<String, Decky>, name: &str, how: impl FnOnce(Decky) -> Decky) {
    let decky = deckies.remove(name).expect("a decky");
    deckies.insert(name.into(), how(decky));
}

fn on(lan: u32, ip: &str) -> Attachment {
    Attachment {
        lan: LanId::new(lan),
        ip: ip.parse().expect("an address"),
    }
}

impl Lab {
    pub(super) async fn desired(&self, id: TopologyId, topology: &Topology) -> Desired {
        let catalog = Catalog::builtin();
        let valid = topology.clone().validate(&catalog, RuleSet::live()).expect("valid");
        let context = DesiredContext {
            instance: self.repo.instance().await.expect("an instance"),
            secret: &self.repo.secret().await.expect("a secret"),
            topology: id,
            catalog: &catalog,
            decoy: &self.image,
            api: self.docker.info().await.expect("described").api,
            settings: &DeploySettings::default(),
            host_addresses: &[],
            fleet: None,
        };
        Desired::new(&valid, &context).expect("in the catalogue")
    }

    /// Observes all resources, and checks every base.
    async fn observe_and_check(&self, id: TopologyId, desired: &Desired) -> Observed {
        let mut observed = self.observe(id).await;
        let there = observed.containers.iter();
        let bases: Vec<_> = there.filter_map(|there| desired.bases.get(&there.name)).collect();
        let checks = self.docker.check_network(&bases).await.expect("checked");
        for container in &mut observed.containers {
            let check = checks.get(&container.name);
            let deviations = check.and_then(|check| check.deviations());
            container.deviates = deviations.map(|report| format!("{report:?}"));
        }
        observed
    }

    /// Changes the running maze to another one. Checks that nothing else was touched and that no drift is left.
    async fn change_maze(&self, id: TopologyId, what: &str, topology: &Topology) -> Plan {
        let desired = self.desired(id, topology).await;
        let before = self.observe_and_check(id, &desired).await;
        let plan = diff(&desired, &before);
        plan.require_no_destruction(&|_| false).expect("no destructive step");
        let options = ExecuteOptions::new(OnFailure::SkipDependents, 4);
        let began = Instant::now();
        let instance = self.repo.instance().await.expect("an instance");
        let execution = execute(
            &self.docker,
            instance,
            &plan,
            options,
            &CancellationToken::new(),
            &|_| {},
        )
        .await;
        assert!(execution.is_complete(), "{what}: {:?}", execution.failures);
        let took = began.elapsed();
        let began = Instant::now();
        let after = self.observe(id).await;
        let looked = began.elapsed();
        let began = Instant::now();
        let scope = Scope::Topology(instance, id);
        self.docker.list(scope).await.expect("listed");
        let (steps, containers) = (plan.steps().len(), after.containers.len());
        let listed = began.elapsed();
        println!("{what}: {steps} steps {took:?}, inspecting {containers} containers {looked:?}, a list {listed:?}");
        assert_spared(what, &plan, &before, &after);
        let left = diff(&desired, &self.observe_and_check(id, &desired).await);
        assert!(left.is_empty(), "{what}: {left:#?}");
        plan
    }

    async fn ping(&self, id: TopologyId, from: &Decky, to: &str) -> Answer {
        let address = to.parse().expect("an address");
        let result = self.probe(id, from, vec![Target::Icmp { address }]).await;
        result.targets[0].detail.clone()
    }
}

/// A TCP connection from inside a decky, with a byte every few milliseconds.
///
/// The test's own thread opens it in the decky's namespace, because no process in a decky holds a connection open.
struct Talk {
    stop: Arc<AtomicBool>,
    talking: thread::JoinHandle<u64>,
}

impl Talk {
    fn begin(from: &ContainerName, to: (Ipv4Addr, u16)) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let talking = spawn_inside(from.as_str(), move || {
            let mut stream = connect(to);
            stream.set_nodelay(true).expect("set");
            let mut sent = 0;
            while !stopped.load(Ordering::Relaxed) {
                // A keepalive of a NetBIOS session (RFC 1002, section 4.3.7), which has no answer.
                stream.write_all(b"\x85\0\0\0").expect("the connection lives");
                sent += 4;
                thread::sleep(Duration::from_millis(5));
            }
            stream.shutdown(std::net::Shutdown::Both).expect("shut down");
            sent
        });
        Self { stop, talking }
    }

    /// Closes it and returns how many bytes were sent.
    fn end(self) -> u64 {
        self.stop.store(true, Ordering::Relaxed);
        self.talking.join().expect("nothing broke the connection")
    }
}

/// Returns a service's log lines of connections with an address; the last one has just ended.
async fn contacts(service: &ContainerName, with: Ipv4Addr) -> Vec<Record> {
    for _ in 0..100 {
        let lines = docker(&["logs", service.as_str()]);
        let contacts = lines
            .lines()
            .filter_map(|line| serde_json::from_str::<Record>(line).ok());
        let ended = |record: &Record| {
            let source = record.source.and_then(|source| source.ip);
            source == Some(with) && record.event.action == Action::SessionClose
        };
        let contacts: Vec<_> = contacts.filter(ended).collect();
        if !contacts.is_empty() {
            return contacts;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Vec::new()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Docker"]
async fn a_maze_changes_while_connections_pass_through_it() {
    on_docker(async |lab| {
        let first = twelve_on("10.204");
        let id = lab.store("live", first.clone()).await;
        lab.deploy(id).await;
        let old = first.decky_named(&name("host-01")).expect("a decky").clone();
        let peer = first.decky_named(&name("host-04")).expect("a decky").clone();
        let smb = naming::service(id, &peer, &ServiceName::new("smb"));
        let talk = Talk::begin(&naming::base(id, &old), (Ipv4Addr::new(10, 204, 4, 3), 445));

        let grown = edit(&first, |lans, deckies| {
            lans.push(Lan::new(
                LanId::new(12),
                name("lan-12"),
                "10.204.12.0/24".parse().expect("a subnet"),
                false,
            ));
            let router = Decky::new(DeckyId::new(100), name("bridge-12")).forwarding(true);
            let ends = [on(12, "10.204.12.2"), on(4, "10.204.4.100")];
            deckies.insert("bridge-12".into(), router.with_attachments(ends));
            let host = Decky::new(DeckyId::new(101), name("host-12")).with_services([ServiceName::new("http")]);
            deckies.insert("host-12".into(), host.with_attachments([on(12, "10.204.12.3")]));
        });
        assert_eq!(
            lab.ping(id, &old, "10.204.12.3").await,
            Answer::Unreachable,
            "it does not exist yet"
        );
        lab.change_maze(id, "a LAN, its router and a host are added", &grown)
            .await;
        assert_eq!(
            lab.ping(id, &old, "10.204.12.3").await,
            Answer::Answered,
            "an old decky has the route"
        );

        let attached = edit(&grown, |_, deckies| {
            change(deckies, "host-07", |host| {
                let own = host.attachments().to_vec();
                host.with_attachments(own.into_iter().chain([on(8, "10.204.8.100")]))
            });
        });
        lab.change_maze(id, "a decky is attached to one more LAN", &attached)
            .await;
        let attached_host = attached.decky_named(&name("host-07")).expect("a decky");
        assert_eq!(lab.ping(id, attached_host, "10.204.8.3").await, Answer::Answered);

        let served = edit(&attached, |_, deckies| {
            let services = ["smb", "http"].map(ServiceName::new);
            change(deckies, "host-04", |host| host.with_services(services));
        });
        let plan = lab
            .change_maze(id, "other services of the talking decky change", &served)
            .await;
        assert_eq!(plan.steps().len(), 3, "{plan:#?}");

        let cut = edit(&served, |_, deckies| {
            change(deckies, "bridge-12", |router| router.forwarding(false));
        });
        lab.change_maze(id, "a router is turned off", &cut).await;
        assert_eq!(lab.ping(id, &old, "10.204.12.3").await, Answer::Unreachable);
        lab.change_maze(id, "and on again", &served).await;
        assert_eq!(lab.ping(id, &old, "10.204.12.3").await, Answer::Answered);

        let back = edit(&first, |_, deckies| {
            let services = ["smb", "http"].map(ServiceName::new);
            change(deckies, "host-04", |host| host.with_services(services));
        });
        lab.change_maze(id, "all additions are removed", &back).await;
        assert_eq!(
            lab.ping(id, &old, "10.204.12.3").await,
            Answer::Unreachable,
            "no route is left"
        );
        assert_eq!(lab.observe(id).await.networks.len(), 12);

        let sent = talk.end();
        let reported = contacts(&smb, Ipv4Addr::new(10, 204, 1, 3)).await;
        let received: Vec<u64> = reported.iter().filter_map(|record| record.decnet.bytes).collect();
        assert_eq!(received, [sent], "one connection, and every byte came over it");
        lab.change_maze(id, "the first maze comes back", &first).await;
        lab.check_reach(id, &first).await;
    })
    .await;
}
