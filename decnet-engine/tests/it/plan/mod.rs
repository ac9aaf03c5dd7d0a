//! The plan from one maze to the next, executed on the simulated runtime.

mod operations;
mod order;
mod pairs;

use std::{collections::BTreeMap, sync::LazyLock};

use decnet_engine::{
    ApiVersion, ContainerName, Desired, DesiredContext, ExecuteOptions, ExecutionReport, Observed, OnFailure, Plan,
    Runtime, Scope, execute,
    simulated::{Container, Simulated, World},
    testing::diff,
};
use decnet_topology::{Catalog, DeploySettings, InstallationSecret, InstanceId, RuleSet, Topology, TopologyId};
use tokio_util::sync::CancellationToken;

/// Parsed once: these tests create thousands of mazes.
static CATALOG: LazyLock<Catalog> = LazyLock::new(Catalog::builtin);

/// An in-memory daemon with one maze, which is changed from one topology to the next without a store.
struct Ground {
    docker: Simulated,
    instance: InstanceId,
    topology: TopologyId,
}

impl Ground {
    fn new() -> Self {
        Self {
            docker: Simulated::new(),
            instance: InstanceId::new_v4(),
            topology: TopologyId::new_v4(),
        }
    }

    /// Deploys a first maze.
    async fn with(topology: Topology) -> Self {
        let ground = Self::new();
        ground.run(&ground.plan(topology).await, OnFailure::GoOn).await;
        ground
    }

    fn desired(&self, topology: Topology) -> Desired {
        let valid = topology
            .validate(&CATALOG, RuleSet::live())
            .expect("a maze that may run");
        let context = DesiredContext {
            instance: self.instance,
            secret: &InstallationSecret::new([7; 32]),
            topology: self.topology,
            catalog: &CATALOG,
            decoy: "decoy:test",
            api: ApiVersion::v1(48),
            settings: &DeploySettings::default(),
            host_addresses: &[],
            fleet: None,
        };
        Desired::new(&valid, &context).expect("its services are in the catalogue")
    }

    /// Observes the daemon, and checks every base.
    async fn observe_and_check(&self, desired: &Desired) -> Observed {
        let scope = Scope::Topology(self.instance, self.topology);
        let mut observed = self.docker.inspect(scope).await.expect("observed");
        let world = self.docker.world();
        for container in &mut observed.containers {
            let inside = &world.containers[&container.name];
            let base = desired.bases.get(&container.name);
            let differs = base.filter(|base| !inside.state_holds || inside.state.as_ref() != Some(&base.state));
            container.deviates = differs.map(|_| "the state differs".into());
        }
        observed
    }

    async fn plan(&self, topology: Topology) -> Plan {
        let desired = self.desired(topology);
        diff(&desired, &self.observe_and_check(&desired).await)
    }

    async fn run(&self, plan: &Plan, on_failure: OnFailure) -> ExecutionReport {
        let options = ExecuteOptions::new(on_failure, 4);
        let cancel = CancellationToken::new();
        execute(&self.docker, self.instance, plan, options, &cancel, &|_| {}).await
    }

    /// Prints steps without the part that all names on Docker share.
    fn shorten(&self, step: &impl ToString) -> String {
        let prefix = format!("decnet_t_{}_", decnet_topology::short_id(self.topology));
        step.to_string().replace(&prefix, "")
    }

    fn short_steps(&self, plan: &Plan) -> Vec<String> {
        plan.steps().iter().map(|step| self.shorten(step)).collect()
    }
}

/// Returns the id and the start time of each container.
fn lives(world: &World) -> BTreeMap<ContainerName, (String, Option<jiff::Timestamp>)> {
    let life = |container: &Container| (container.id.clone(), container.started_at);
    world
        .containers
        .iter()
        .map(|(name, container)| (name.clone(), life(container)))
        .collect()
}

/// One decky of a [`Sketch`]: its memberships, services, fields of their configuration, and whether it forwards.
#[derive(Clone, Default)]
struct Figure {
    on: Vec<(&'static str, &'static str)>,
    runs: Vec<&'static str>,
    banner: Option<(&'static str, &'static str)>,
    forwards: bool,
}

/// A maze that is easy to change.
#[derive(Clone)]
struct Sketch {
    lans: BTreeMap<&'static str, &'static str>,
    deckies: BTreeMap<&'static str, Figure>,
}

impl Sketch {
    /// `dmz` — gate — `office` — hop — `lab`. A bridge decky is on the same LANs as the hop and does not forward. Each inner LAN
    /// has a host.
    fn new() -> Self {
        let mut sketch = Self {
            lans: BTreeMap::from([
                ("dmz", "10.95.0.0/24"),
                ("office", "10.95.1.0/24"),
                ("lab", "10.95.2.0/24"),
            ]),
            deckies: BTreeMap::new(),
        };
        sketch.put(
            "gate",
            &[("dmz", "10.95.0.2"), ("office", "10.95.1.2")],
            &["http"],
            true,
        );
        sketch.put("hop", &[("office", "10.95.1.3"), ("lab", "10.95.2.3")], &["ssh"], true);
        sketch.put(
            "mute",
            &[("lab", "10.95.2.4"), ("office", "10.95.1.4")],
            &["smb"],
            false,
        );
        sketch.put("files", &[("office", "10.95.1.5")], &["smb", "ssh"], false);
        sketch.put("lone", &[("lab", "10.95.2.5")], &["http"], false);
        sketch
    }

    fn put(
        &mut self,
        name: &'static str,
        on: &[(&'static str, &'static str)],
        runs: &[&'static str],
        forwards: bool,
    ) -> &mut Self {
        let figure = Figure {
            on: on.to_vec(),
            runs: runs.to_vec(),
            banner: None,
            forwards,
        };
        self.deckies.insert(name, figure);
        self
    }

    fn figure(&mut self, name: &'static str) -> &mut Figure {
        self.deckies.get_mut(name).expect("a decky")
    }

    fn build(&self) -> Topology {
        let mut builder = Topology::builder();
        for (lan, subnet) in &self.lans {
            builder = if *lan == "dmz" {
                builder.dmz(lan, subnet)
            } else {
                builder.lan(lan, subnet)
            };
        }
        for (name, figure) in &self.deckies {
            builder = builder.decky(name, |mut decky| {
                for (lan, ip) in &figure.on {
                    decky = decky.on(lan, ip);
                }
                decky = decky.services(figure.runs.iter().copied());
                if let Some((service, banner)) = figure.banner {
                    decky = decky.config(service, "banner", banner);
                }
                if figure.forwards { decky.forwards() } else { decky }
            });
        }
        builder.build().expect("a topology")
    }
}
