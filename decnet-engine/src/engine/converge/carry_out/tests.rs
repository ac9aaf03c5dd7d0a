use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use decnet_decoy::protocol::{Probe, ProbeResult, StateReport};
use decnet_topology::{
    Attachment, Catalog, Decky, DeckyId, ImageSource, InstanceId, MemoryRepo, NewTopology, ServiceName, StoredTopology,
    Topology, TopologyId, TopologyStore,
};
use jiff::Timestamp;

use super::*;
use crate::{
    decoy::DecoyImage,
    desired::BaseSpec,
    engine::{
        DeployOptions, Engine, EngineOptions,
        converge::{change::Target, force::Force},
    },
    event::Trigger,
    observe::Scope,
    runtime::{
        ArchivePieces, Capture, CaptureRequest, CommandRequest, CopyRequest, Effect, ForeignNetwork, LogLines,
        LogRequest, NetworkCheck, RunningCommand, Runtime, RuntimeError, RuntimeInfo,
        simulated::{Moment, Simulated},
    },
};

/// A simulated daemon that counts its calls.
#[derive(Debug, Default)]
struct Counting {
    inner: Simulated,
    asked: Calls,
    /// The number of upcoming checks that find a deviation.
    deviations: AtomicUsize,
    /// If true, services are created only after a base was checked.
    services_wait: AtomicBool,
}

#[derive(Debug, Default)]
struct Calls {
    inspect: AtomicUsize,
    list: AtomicUsize,
    perform: AtomicUsize,
    check: AtomicUsize,
    other: AtomicUsize,
}

impl Calls {
    /// Returns the number of inspections, lists, actions, checked bases and other calls since the last time.
    fn take(&self) -> [usize; 5] {
        [&self.inspect, &self.list, &self.perform, &self.check, &self.other]
            .map(|count| count.swap(0, Ordering::Relaxed))
    }
}

fn count(calls: &AtomicUsize) {
    calls.fetch_add(1, Ordering::Relaxed);
}

#[async_trait]
impl Runtime for Counting {
    async fn info(&self) -> Result<RuntimeInfo, RuntimeError> {
        count(&self.asked.other);
        self.inner.info().await
    }

    async fn list(&self, scope: Scope) -> Result<Observed, RuntimeError> {
        count(&self.asked.list);
        self.inner.list(scope).await
    }

    async fn inspect(&self, scope: Scope) -> Result<Observed, RuntimeError> {
        count(&self.asked.inspect);
        self.inner.inspect(scope).await
    }

    async fn foreign_networks(&self, instance: InstanceId) -> Result<Vec<ForeignNetwork>, RuntimeError> {
        count(&self.asked.other);
        self.inner.foreign_networks(instance).await
    }

    async fn unavailable_images(
        &self,
        images: &BTreeSet<ImageSource>,
    ) -> Result<BTreeMap<ImageSource, String>, RuntimeError> {
        self.inner.unavailable_images(images).await
    }

    async fn perform(&self, instance: InstanceId, action: &Action) -> Result<Effect, RuntimeError> {
        count(&self.asked.perform);
        if matches!(action, Action::CreateService { .. }) && self.services_wait.load(Ordering::Relaxed) {
            while self.asked.check.load(Ordering::Relaxed) == 0 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        }
        self.inner.perform(instance, action).await
    }

    async fn check_network(&self, bases: &[&BaseSpec]) -> Result<BTreeMap<ContainerName, NetworkCheck>, RuntimeError> {
        let mut checks = self.inner.check_network(bases).await?;
        for check in checks.values_mut() {
            count(&self.asked.check);
            let less = |left: usize| left.checked_sub(1);
            if self
                .deviations
                .fetch_update(Ordering::Relaxed, Ordering::Relaxed, less)
                .is_ok()
            {
                let report = StateReport {
                    refused: vec!["another state is kept".into()],
                    ..StateReport::default()
                };
                *check = NetworkCheck::Checked {
                    report,
                    inside_only: None,
                };
            }
        }
        Ok(checks)
    }

    async fn probe(
        &self,
        instance: InstanceId,
        base: &ContainerName,
        probe: &Probe,
    ) -> Result<ProbeResult, RuntimeError> {
        count(&self.asked.other);
        self.inner.probe(instance, base, probe).await
    }

    fn container_log(&self, request: LogRequest) -> LogLines<'_> {
        self.inner.container_log(request)
    }

    async fn run_command(&self, request: CommandRequest) -> Result<RunningCommand, RuntimeError> {
        self.inner.run_command(request).await
    }

    fn copy_out(&self, request: CopyRequest) -> ArchivePieces<'_> {
        self.inner.copy_out(request)
    }

    async fn capture(&self, request: CaptureRequest) -> Result<Capture, RuntimeError> {
        self.inner.capture(request).await
    }
}

struct Lab {
    runtime: Arc<Counting>,
    engine: Engine,
    id: TopologyId,
}

/// A DMZ, an office behind a gateway, and thirty deckies in all.
fn thirty() -> Topology {
    let mut builder = Topology::builder()
        .dmz("dmz", "10.96.0.0/24")
        .lan("office", "10.96.1.0/24");
    builder = builder.decky("gate", |decky| {
        decky.on("dmz", "10.96.0.2").on("office", "10.96.1.2").forwards()
    });
    for host in 3..32 {
        builder = builder.decky(&format!("host-{host}"), |decky| {
            decky.on("office", &format!("10.96.1.{host}")).services(["ssh"])
        });
    }
    builder.build().expect("a topology")
}

/// The maze with one decky changed.
fn with(topology: &Topology, name: &str, change: impl Fn(Decky) -> Decky) -> Topology {
    let (lans, deckies) = topology.clone().into_parts();
    let change = |decky: Decky| {
        if decky.name().as_str() == name {
            change(decky)
        } else {
            decky
        }
    };
    Topology::new(lans, deckies.into_iter().map(change).collect()).expect("a topology")
}

fn running(services: &'static [&'static str]) -> impl Fn(Decky) -> Decky {
    move |decky| decky.with_services(services.iter().copied().map(ServiceName::new))
}

async fn deployed() -> Lab {
    let repo = Arc::new(MemoryRepo::new());
    let runtime = Arc::new(Counting::default());
    let options = EngineOptions::new(Catalog::builtin()).image(Arc::new(DecoyImage::pack(b"a program")));
    let engine = Engine::new(repo.clone(), runtime.clone(), options);
    let new = NewTopology::new("maze".parse().expect("a name"), thirty());
    let id = repo.create(new, Timestamp::now()).await.expect("stored").row.id;
    let deployed = engine
        .deploy(id, DeployOptions::default(), &CancellationToken::new())
        .await;
    deployed.expect("deployed");
    runtime.asked.take();
    Lab { runtime, engine, id }
}

/// Prepares and executes a change of a running maze under a lease, as if it had been stored.
async fn converge(lab: &Lab, after: Topology, force: Force) -> Result<Converged, EngineError> {
    let cancel = CancellationToken::new();
    let session = Session::begin(&lab.engine, lab.id, &cancel).await?;
    let before = session.load().await?;
    lab.runtime.asked.take();
    let stored = StoredTopology {
        row: before.row.clone(),
        topology: after,
    };
    let inside = Inside::of(&before);
    let target = Target::live(&stored, &before.row.settings).since(&before, inside);
    let result = async {
        let observed = session.observe_for(inside).await?;
        let change = lab.engine.change(&session.facts, target, observed, None).await?;
        force.permit(&stored, &change.plan)?;
        session.carry_out(&change, Trigger::Operator, &cancel).await
    };
    let result = result.await;
    session.end(result).await
}

fn nothing_forced() -> Force {
    Force::of(&DeployOptions::default())
}

#[tokio::test]
async fn adding_a_service_takes_two_lists_and_its_own_steps_for_any_number_of_deckies() {
    let lab = deployed().await;
    let after = with(&thirty(), "host-7", running(&["ssh", "http"]));
    let converged = converge(&lab, after, nothing_forced()).await.expect("converged");
    assert_eq!((converged.drift, converged.cancelled), (None, false));
    // The steps are the image, which exists, and the service's container; no base is checked.
    assert_eq!(lab.runtime.asked.take(), [0, 2, 2, 0, 0]);
}

#[tokio::test]
async fn a_change_of_routes_is_sent_to_the_affected_bases_without_checks() {
    let lab = deployed().await;
    let after = with(&thirty(), "gate", |gate| gate.forwarding(false));
    let converged = converge(&lab, after, Force::Deckies(["gate".parse().expect("a name")].into()))
        .await
        .expect("converged");
    assert_eq!(converged.drift, None);
    let [inspections, lists, _, checks, other] = lab.runtime.asked.take();
    assert_eq!([inspections, lists, checks, other], [0, 2, 0, 0]);
}

#[tokio::test]
async fn only_a_newly_started_base_is_checked_for_its_routes() {
    let lab = deployed().await;
    let (lans, mut deckies) = thirty().into_parts();
    let host = deckies[5].clone();
    deckies[5] =
        Decky::new(host.id(), "another".parse().expect("a name")).with_attachments(host.attachments().to_vec());
    let after = Topology::new(lans, deckies).expect("a topology");
    let converged = converge(&lab, after, nothing_forced()).await.expect("converged");
    assert_eq!(converged.drift, None);
    // Two containers of the old decky are removed; the image is ensured and the base created.
    assert_eq!(lab.runtime.asked.take(), [0, 2, 4, 1, 0]);
}

/// One more decky, with a service.
fn one_more() -> Topology {
    let (lans, mut deckies) = thirty().into_parts();
    let home = Attachment {
        lan: deckies[5].attachments()[0].lan,
        ip: "10.96.1.200".parse().expect("an address"),
    };
    let guest = Decky::new(DeckyId::new(1000), "guest".parse().expect("a name"));
    deckies.push(running(&["ssh"])(guest).with_attachments([home]));
    Topology::new(lans, deckies).expect("a topology")
}

#[tokio::test(start_paused = true)]
async fn a_newly_started_base_is_checked_while_its_services_are_created() {
    let lab = deployed().await;
    lab.runtime.services_wait.store(true, Ordering::Relaxed);
    let following = converge(&lab, one_more(), nothing_forced());
    let converged = tokio::time::timeout(Duration::from_mins(1), following).await;
    assert_eq!(converged.expect("it ends").expect("converged").drift, None);
    // The image, the base and the service.
    assert_eq!(lab.runtime.asked.take(), [0, 2, 3, 1, 0]);
}

#[tokio::test(start_paused = true)]
async fn a_base_matches_only_once_its_routes_are_set() {
    for (deviations, holds) in [(2, true), (usize::MAX, false)] {
        let lab = deployed().await;
        lab.runtime.deviations.store(deviations, Ordering::Relaxed);
        let converged = converge(&lab, one_more(), nothing_forced()).await.expect("converged");
        assert_eq!(converged.drift.is_none(), holds, "{:?}", converged.drift);
    }
}

#[tokio::test]
async fn a_matching_maze_takes_one_list() {
    let lab = deployed().await;
    let converged = converge(&lab, thirty(), nothing_forced()).await.expect("converged");
    assert_eq!((converged.drift, converged.changed), (None, 0));
    assert_eq!(lab.runtime.asked.take(), [0, 1, 0, 0, 0]);
}

#[tokio::test]
async fn a_base_is_recreated_only_if_force_names_its_decky() {
    let lab = deployed().await;
    let after = with(&thirty(), "gate", running(&["http"]));
    let world = lab.runtime.inner.world();
    for force in [
        nothing_forced(),
        Force::Deckies(["host-7".parse().expect("a name")].into()),
    ] {
        let refused = converge(&lab, after.clone(), force).await;
        assert!(matches!(refused, Err(EngineError::Plan(_))), "{refused:?}");
        assert_eq!(lab.runtime.inner.world(), world, "a refused change changes nothing");
    }
    let gate = "gate".parse().expect("a name");
    let converged = converge(&lab, after, Force::Deckies([gate].into()))
        .await
        .expect("converged");
    assert_eq!(converged.drift, None);
}

#[tokio::test]
async fn a_failed_step_is_reported_and_the_rest_is_done() {
    let lab = deployed().await;
    let after = with(&thirty(), "host-7", running(&["http", "smb"]));
    let smb =
        |action: &Action| matches!(action, Action::CreateService { service } if service.service.as_str() == "smb");
    let refused = RuntimeError::Refused {
        reason: "no space left on device".into(),
    };
    lab.runtime.inner.fail_where(smb, Moment::Before, refused);
    let converged = converge(&lab, after, nothing_forced())
        .await
        .expect("a failed step is not an error of the change");
    let drift = converged.drift.expect("drift");
    assert!(drift.contains("no space left on device"), "{drift}");
    let world = lab.runtime.inner.world();
    let there = |end: &str| world.containers.keys().any(|name| name.as_str().ends_with(end));
    assert_eq!(
        [".ssh", ".http", ".smb"].map(|end| there(&format!("host-7{end}"))),
        [false, true, false]
    );
}
