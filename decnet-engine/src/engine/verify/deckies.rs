//! Verification from inside the deckies: everything that the maze declares reachable is reachable, and nothing else is.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::Ipv4Addr,
    time::Duration,
};

use decnet_decoy::protocol::{Answer, Deviation, Egress, Probe, StateReport, Target, TargetResult};
use decnet_topology::{Catalog, Decky, Graph, InstanceId, RuleSet, TopologyId};
use futures_util::{FutureExt as _, StreamExt, TryStreamExt, stream};
use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use super::{
    containers,
    expectation::{self, Expectation, OUTSIDE, was_untried},
    host, interfaces, published,
    report::{InsideOnly, PathEnd, Reach, ReachDeviation, SkippedPath, VerifyReport},
};
use crate::{
    desired::{BaseSpec, Desired, ServiceSpec},
    engine::{Engine, EngineError, catalog::Unknown},
    naming::{ContainerName, MazeNames},
    observe::{Activity, ObservedContainer, Scope},
    plan::diff,
    runtime::{NetworkCheck, deviation::describe},
};

/// How many deckies are probed at the same time: most of the time is spent waiting for answers that do not come.
const DECKIES_AT_A_TIME: usize = 16;
/// The first probe has a short timeout. Unexpected results are probed again with a longer one, because a busy machine loses
/// packets.
const QUICK: (u64, u16) = (500, 2);
const PATIENT: (u64, u16) = (1500, 3);
/// How often, and how long, to wait for space in the kernel's neighbour table, which all namespaces of a host share (1024 by
/// default). Entries that were unused for five seconds can be evicted.
const WAITS_FOR_ROOM: usize = 8;
const WAIT_FOR_ROOM: Duration = Duration::from_secs(6);

/// A decky to probe.
struct Subject<'a> {
    instance: InstanceId,
    decky: &'a Decky,
    catalog: &'a Catalog,
    base: &'a BaseSpec,
    /// Its base, if it exists.
    there: Option<&'a ObservedContainer>,
    /// Its running services.
    services: Vec<&'a ServiceSpec>,
    /// The host's addresses.
    host: &'a [Ipv4Addr],
}

/// The result of probing a decky.
struct Asked {
    report: VerifyReport,
    /// The base, and its deviation from its state, if any.
    deviates: Option<(ContainerName, String)>,
}

/// The meaning of a network check for the verification.
struct Verdict {
    /// The base's deviation from its state.
    deviates: Option<String>,
    /// Whether it blocks forbidden packets, or why that is unknown.
    contained: Result<bool, String>,
    report: Option<StateReport>,
    /// Why only the program in the base was asked.
    inside_only: Option<String>,
}

impl Verdict {
    fn of(base: &ContainerName, check: Option<NetworkCheck>) -> Self {
        let unknown = |reason| Self {
            deviates: None,
            contained: Err(reason),
            report: None,
            inside_only: None,
        };
        match check {
            Some(NetworkCheck::Checked { report, inside_only }) => Self {
                deviates: describe(&report),
                // If another state is kept, the containment may allow more.
                contained: Ok(report.refused.is_empty() && !report.deviations.contains(&Deviation::Uncontained)),
                report: Some(report),
                inside_only,
            },
            Some(NetworkCheck::Tampered { what }) => unknown(what),
            Some(NetworkCheck::Unchecked { why }) => unknown(format!("it cannot be probed: {why}")),
            None => unknown(format!("it cannot be probed: container {base} does not exist")),
        }
    }
}

impl Engine {
    /// Probes from inside every decky whether it reaches what the maze declares and nothing else: not the host, not the outside,
    /// not the engine's resolver. If the runtime is local, it also connects to the published TCP ports of gateways.
    ///
    /// It compares the interfaces with the maze, checks that every container runs and keeps running, and probes every service on
    /// each of its ports from inside its decky. It also lists the steps of a plan that would repair drift.
    ///
    /// It changes nothing and takes no lease. A decky that is not contained sends no packet to the outside: the missing
    /// containment is already a deviation. Egress that the topology's settings allow is not probed.
    pub async fn verify(&self, id: TopologyId, cancel: &CancellationToken) -> Result<VerifyReport, EngineError> {
        tokio::select! {
            biased;
            () = cancel.cancelled() => Err(EngineError::interrupted(id)),
            report = Box::pin(async { self.for_topology(id).await?.verify_all(id).await }) => report,
        }
    }

    async fn verify_all(&self, id: TopologyId) -> Result<VerifyReport, EngineError> {
        let stored = self.repo.load(id).await?;
        let row = &stored.row;
        if !row.takes_mutations() {
            return Err(EngineError::wrong_status(row, "verified"));
        }
        let facts = self.facts().await?;
        let (info, instance) = (&*facts.info.for_row(row), facts.instance);
        let catalog = self.catalog_of(row);
        let (known, unknown) = Unknown::take(&stored, &catalog);
        let valid = self.validate(&known, &row.settings, RuleSet::live(), None, id).await?;
        let mut desired = Desired::new(&valid, &self.desired_context(&facts, row, &catalog, &row.settings)?)?;
        unknown.keep_states(&mut desired);
        let graph = Graph::new(&stored.topology);
        let scope = Scope::Topology(instance, id);
        let mut observed = self.observe(&facts, id).await?;
        self.mark_lost(row, &mut observed).await?;
        let there = containers::by_name(&observed);
        let mut running = containers::running(&desired, &there);
        let containers: Vec<_> = observed.containers.iter().collect();
        let mut checks = self.check_networks(&desired, &containers).await?;
        let tampered =
            |(base, check): (&ContainerName, &NetworkCheck)| Some((base.clone(), check.tampered()?.to_owned()));
        let mut tampered: BTreeMap<_, _> = checks.iter().filter_map(tampered).collect();
        // Boxed before the await: otherwise the compiler cannot see that this future is `Send`.
        let mut asked = Vec::new();
        let mut unseen = BTreeSet::new();
        for decky in stored.topology.deckies() {
            let base = MazeNames::of(&stored.row).base(decky);
            if observed.unseen.contains_key(base.host().unwrap_or_default()) {
                unseen.insert(decky.name());
                continue;
            }
            if let Some(base) = desired.bases.get(&base) {
                let subject = Subject {
                    instance,
                    decky,
                    catalog: &catalog,
                    base,
                    there: there.get(&base.name).copied(),
                    services: running.remove(&base.name).unwrap_or_default(),
                    host: &info.addresses,
                };
                let check = checks.remove(&base.name);
                asked.push(self.verify_from(subject, check, &graph).boxed());
            }
        }
        let found: Vec<Asked> = stream::iter(asked).buffered(DECKIES_AT_A_TIME).try_collect().await?;
        let mut report = VerifyReport::default();
        let mut deviating = BTreeMap::new();
        for Asked { report: one, deviates } in found {
            report.add(one);
            deviating.extend(deviates);
        }
        let after = self.runtime.inspect(scope).await?;
        report.forgive(&unseen);
        report.unseen = observed.silence().collect();
        desired.leave_out(&observed.unseen);
        let of_containers = containers::deviations(&desired, &observed, &after, Timestamp::now());
        report.deviations.extend(of_containers);
        for container in &mut observed.containers {
            container.deviates = deviating.remove(&container.name);
            container.tampered = tampered.remove(&container.name);
        }
        unknown.hide(&desired, &mut observed);
        let plan = diff(&desired, &observed);
        report.drift = plan.steps().iter().map(ToString::to_string).collect();
        report.drift.extend(unknown.reason());
        let gateways = desired.bases.values().filter(|base| !base.publish.is_empty());
        let published: Vec<_> = gateways
            .map(|base| published::verify(base, info.local).boxed())
            .collect();
        for one in stream::iter(published)
            .buffered(DECKIES_AT_A_TIME)
            .collect::<Vec<_>>()
            .await
        {
            report.add(one);
        }
        host::sources(&mut report, &desired, &observed, info).await;
        if report.loses_packets() {
            let causes = host::causes(&observed, info, report.drift.is_empty()).await;
            report.causes.extend(causes);
        }
        Ok(report)
    }

    /// Runs all probes from inside one decky.
    async fn verify_from(
        &self,
        subject: Subject<'_>,
        check: Option<NetworkCheck>,
        graph: &Graph<'_>,
    ) -> Result<Asked, EngineError> {
        let mut verdict = Verdict::of(&subject.base.name, check);
        let inside_only = verdict.inside_only.take().map(|why| InsideOnly { why, deckies: 1 });
        let deviates = verdict.deviates.take().map(|how| (subject.base.name.clone(), how));
        let running = subject.there.filter(|there| there.activity == Activity::Running);
        let interfaces = running.map(|there| interfaces::deviations(subject.base, there, verdict.report.as_ref()));
        let mut report = self.probe_from(subject, verdict.contained, graph).await?;
        report.deviations.splice(0..0, interfaces.into_iter().flatten());
        report.inside_only.extend(inside_only);
        Ok(Asked { report, deviates })
    }

    /// Probes from inside one decky.
    async fn probe_from(
        &self,
        subject: Subject<'_>,
        contained: Result<bool, String>,
        graph: &Graph<'_>,
    ) -> Result<VerifyReport, EngineError> {
        let Subject {
            instance,
            decky,
            catalog,
            base,
            services,
            host,
            ..
        } = subject;
        let from = PathEnd::Decky(decky.name().clone());
        let mut report = VerifyReport {
            deckies: 1,
            ..VerifyReport::default()
        };
        let Some(home) = decky.attachments().first() else {
            return Ok(report);
        };
        let unknown = |to: PathEnd, address: Ipv4Addr, expected, how: String| ReachDeviation {
            from: from.clone(),
            to,
            address: address.into(),
            expected,
            found: Reach::Unknown,
            how,
        };
        let contained = match contained {
            Ok(contained) => contained,
            Err(reason) => {
                report
                    .deviations
                    .push(unknown(from.clone(), home.ip, Reach::Reachable, reason));
                return Ok(report);
            }
        };
        let mut expectations = expectation::of(decky, graph, catalog);
        if base.state.egress != Egress::Open {
            expectations.extend(expectation::of_host(host));
        }
        if !contained {
            let how = "not tried: the containment is unknown".to_owned();
            report
                .deviations
                .push(unknown(PathEnd::Outside, OUTSIDE, Reach::Unreachable, how));
            expectations.retain(|expectation| expectation.to != PathEnd::Outside);
        } else if base.state.egress != Egress::None {
            expectations.retain(|expectation| expectation.to != PathEnd::Outside);
            report.skipped.push(SkippedPath {
                from: from.clone(),
                to: PathEnd::Outside,
                why: "the settings allow egress of DMZ deckies".into(),
            });
        }
        expectations.extend(expectation::of_services(home.ip, services));
        report.probes = expectations.len();
        let quick = match self.probe(instance, &base.name, &expectations, QUICK).await? {
            Ok(results) => results,
            Err(reason) => {
                report
                    .deviations
                    .push(unknown(from.clone(), home.ip, Reach::Reachable, reason));
                return Ok(report);
            }
        };
        let suspects: Vec<Expectation> = expectations
            .into_iter()
            .zip(&quick)
            .filter(|(expectation, result)| !expectation.holds(result))
            .map(|(expectation, _)| expectation)
            .collect();
        if suspects.is_empty() {
            return Ok(report);
        }
        match self.probe_again(instance, &base.name, suspects).await? {
            Ok(found) => report
                .deviations
                .extend(found.into_iter().map(|(expectation, result)| ReachDeviation {
                    from: from.clone(),
                    how: how(&expectation.to, &result),
                    to: expectation.to,
                    address: expectation.address.into(),
                    expected: Reach::of(expectation.reached),
                    found: if was_untried(&result) {
                        Reach::Unknown
                    } else {
                        Reach::of(!expectation.reached)
                    },
                })),
            Err(reason) => report
                .deviations
                .push(unknown(from.clone(), home.ip, Reach::Reachable, reason)),
        }
        Ok(report)
    }

    /// Repeats failed expectations with a longer timeout, and returns those that fail again.
    async fn probe_again(
        &self,
        instance: InstanceId,
        base: &ContainerName,
        mut suspects: Vec<Expectation>,
    ) -> Result<Result<Vec<(Expectation, TargetResult)>, String>, EngineError> {
        let mut waits = 0;
        loop {
            let results = match self.probe(instance, base, &suspects, PATIENT).await? {
                Ok(results) => results,
                Err(reason) => return Ok(Err(reason)),
            };
            let left = suspects.into_iter().zip(results);
            let left: Vec<_> = left
                .filter(|(expectation, result)| !expectation.holds(result))
                .collect();
            // If there was no space to send, there was none to answer either: silent targets are probed again, too.
            if waits == WAITS_FOR_ROOM || !left.iter().any(|(_, result)| was_untried(result)) {
                return Ok(Ok(left));
            }
            waits += 1;
            tracing::warn!(
                base = %base,
                waits,
                "the kernel's neighbour table is full, waiting for space; increase net.ipv4.neigh.default.gc_thresh3 to avoid this"
            );
            tokio::time::sleep(WAIT_FOR_ROOM).await;
            suspects = left.into_iter().map(|(expectation, _)| expectation).collect();
        }
    }

    /// Probes the expected targets from a base: returns one result per expectation, or why it cannot be probed.
    pub(super) async fn probe(
        &self,
        instance: InstanceId,
        base: &ContainerName,
        expectations: &[Expectation],
        (timeout_ms, attempts): (u64, u16),
    ) -> Result<Result<Vec<TargetResult>, String>, EngineError> {
        let probe = Probe {
            targets: expectations.iter().map(|expectation| expectation.target).collect(),
            timeout_ms,
            attempts,
        };
        match self.runtime.probe(instance, base, &probe).await {
            Ok(result) => Ok(Ok(result.targets)),
            Err(error) if error.is_unreachable() => Err(error.into()),
            Err(error) => Ok(Err(format!("it cannot be probed: {error}"))),
        }
    }
}

pub(super) fn how(to: &PathEnd, result: &TargetResult) -> String {
    let tried = match result.target {
        Target::Icmp { .. } => "ping".to_owned(),
        Target::Tcp { port, .. } => format!("tcp/{port}"),
        Target::Udp { port, .. } => format!("udp/{port}"),
        Target::Broadcast { port, .. } => format!("broadcast to udp/{port}"),
        _ => "probe".to_owned(),
    };
    let came = match &result.detail {
        Answer::Answered => "answered",
        Answer::Refused if matches!(to, PathEnd::Service(..)) => "nothing listens there",
        Answer::Refused => "refused by the address itself",
        Answer::Unreachable => "no route",
        Answer::TimedOut => "no answer",
        Answer::Failed(why) => why,
        _ => "unknown answer",
    };
    format!("{tried}: {came}")
}
