//! Verification: that what the maze says can be reached can be, from inside the deckies, and that nothing else can.

mod expectation;

use std::{
    fmt,
    io::{ErrorKind, Read},
    net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpStream},
    time::Duration,
};

use decnet_decoy::protocol::{Answer, Deviation, Egress, Probe, ProbeResult, StateReport, Target, TargetResult};
use decnet_topology::{Decky, Intent, Name, RuleSet, Status, TopologyId, catalog::Protocol, graph::Graph};
use futures_util::{StreamExt, TryStreamExt, stream};
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use super::{Engine, EngineError};
use crate::{
    decoy::PROGRAM_PATH,
    desired::{BaseSpec, Desired, PublishedPort},
    naming::{self, ContainerName},
    runtime::{ExecOutput, RuntimeError},
};
use expectation::{Expectation, OUTSIDE};

/// How many deckies are asked at a time: they spend their time waiting for answers that do not come.
const DECKIES_AT_A_TIME: usize = 16;
/// How many targets go into one command, whose arguments have to stay below 128 KiB.
const TARGETS_A_COMMAND: usize = 1000;
/// A first look is quick. What is not as expected then is looked at again with patience: packets are lost on a busy machine.
const QUICK: (u64, u16) = (500, 2);
const PATIENT: (u64, u16) = (1500, 3);
/// How long a published port has to answer, and to close the connection again if nobody is behind it.
const CONNECT: Duration = Duration::from_secs(3);
const LINGER: Duration = Duration::from_millis(300);

/// An end of a path.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Place {
    /// A decky.
    Decky(Name),
    /// The machine with the daemon.
    Host,
    /// An address that is nobody's, on the other side of that machine.
    Outside,
    /// The engine's own resolver, inside every container.
    Resolver,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Decky(name) => name.fmt(f),
            Self::Host => f.write_str("(host)"),
            Self::Outside => f.write_str("(outside)"),
            Self::Resolver => f.write_str("(resolver)"),
        }
    }
}

/// Whether one place reaches another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reach {
    /// It answers.
    Reachable,
    /// It does not.
    Unreachable,
    /// It could not be tried.
    Unknown,
}

impl Reach {
    fn of(reached: bool) -> Self {
        if reached { Self::Reachable } else { Self::Unreachable }
    }
}

impl fmt::Display for Reach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Reachable => "reachable",
            Self::Unreachable => "unreachable",
            Self::Unknown => "unknown",
        })
    }
}

/// One path that is not as the maze says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ReachDeviation {
    /// Where it begins.
    pub from: Place,
    /// Where it leads.
    pub to: Place,
    /// The address that was tried.
    pub address: Ipv4Addr,
    /// What the maze says.
    pub expected: Reach,
    /// What was found.
    pub found: Reach,
    /// What was tried, and what came of it, for people.
    pub how: String,
}

/// One path that was not tried.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SkippedPath {
    /// Where it begins.
    pub from: Place,
    /// Where it leads.
    pub to: Place,
    /// Why.
    pub why: String,
}

/// What a verification found.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct VerifyReport {
    /// How many deckies were asked.
    pub deckies: usize,
    /// How many paths were tried.
    pub probes: usize,
    /// The paths that are not as the maze says, by the decky where they begin.
    pub deviations: Vec<ReachDeviation>,
    /// The paths that were not tried because of how the maze is raised.
    pub skipped: Vec<SkippedPath>,
}

impl VerifyReport {
    /// Tells whether all is as the maze says.
    pub fn is_clean(&self) -> bool {
        self.deviations.is_empty()
    }

    fn add(&mut self, other: Self) {
        self.deckies += other.deckies;
        self.probes += other.probes;
        self.deviations.extend(other.deviations);
        self.skipped.extend(other.skipped);
    }
}

impl Engine {
    /// Probes from inside every decky that it reaches what the maze says and nothing else: not the host, not the outside, not
    /// the engine's resolver. Of a gateway it also tries the published TCP ports from here, where the runtime is local.
    ///
    /// It changes nothing and takes no lease. No packet is sent to the outside from a decky that is not contained: that is a
    /// deviation by itself. One that is let out by the topology's settings is not tried.
    pub async fn verify(&self, id: TopologyId, cancel: &CancellationToken) -> Result<VerifyReport, EngineError> {
        tokio::select! {
            biased;
            () = cancel.cancelled() => Err(EngineError::Interrupted {
                id,
                undo_failures: Vec::new(),
                leftovers: Vec::new(),
            }),
            report = self.verify_all(id) => report,
        }
    }

    async fn verify_all(&self, id: TopologyId) -> Result<VerifyReport, EngineError> {
        let stored = self.repo.load(id).await?;
        let row = &stored.row;
        match (row.status, row.intent) {
            (Status::Active | Status::Degraded, intent) if intent != Some(Intent::Down) => {}
            (status, intent) => {
                return Err(EngineError::WrongStatus {
                    status,
                    intent,
                    verb: "verified",
                });
            }
        }
        let info = self.runtime.info().await?;
        let instance = self.repo.instance().await?;
        let valid = self.validate(&stored, &row.settings, RuleSet::live(), None).await?;
        let desired = Desired::new(&valid, &self.setting(instance, id, &info, &row.settings)?)?;
        let graph = Graph::new(&stored.topology);
        let asked = stored.topology.deckies().iter().filter_map(|decky| {
            let base = desired.bases.get(&naming::base(id, decky))?;
            Some(self.verify_from(decky, base, &graph))
        });
        let found: Vec<VerifyReport> = stream::iter(asked).buffered(DECKIES_AT_A_TIME).try_collect().await?;
        let mut report = VerifyReport::default();
        for one in found {
            report.add(one);
        }
        let gateways = desired.bases.values().filter(|base| !base.publish.is_empty());
        let published = gateways.map(|base| verify_published(base, info.local));
        for one in stream::iter(published)
            .buffered(DECKIES_AT_A_TIME)
            .collect::<Vec<_>>()
            .await
        {
            report.add(one);
        }
        Ok(report)
    }

    /// Tries everything from inside one decky.
    async fn verify_from(
        &self,
        decky: &Decky,
        base: &BaseSpec,
        graph: &Graph<'_>,
    ) -> Result<VerifyReport, EngineError> {
        let from = Place::Decky(decky.name().clone());
        let mut report = VerifyReport {
            deckies: 1,
            ..VerifyReport::default()
        };
        let Some(home) = decky.attachments().first() else {
            return Ok(report);
        };
        let unknown = |to: Place, address, expected, how: String| ReachDeviation {
            from: from.clone(),
            to,
            address,
            expected,
            found: Reach::Unknown,
            how,
        };
        let contained = match self.is_contained(base).await? {
            Ok(contained) => contained,
            Err(reason) => {
                report
                    .deviations
                    .push(unknown(from.clone(), home.ip, Reach::Reachable, reason));
                return Ok(report);
            }
        };
        let mut expectations = expectation::of(decky, graph, &self.options.catalog);
        if !contained {
            let how = "not tried: what may leave is not held to the maze".to_owned();
            report
                .deviations
                .push(unknown(Place::Outside, OUTSIDE, Reach::Unreachable, how));
            expectations.retain(|expectation| expectation.to != Place::Outside);
        } else if base.state.egress != Egress::None {
            expectations.retain(|expectation| expectation.to != Place::Outside);
            report.skipped.push(SkippedPath {
                from: from.clone(),
                to: Place::Outside,
                why: "the settings let deckies of the DMZ out".into(),
            });
        }
        report.probes = expectations.len();
        let quick = match self.probe(&base.name, &expectations, QUICK).await? {
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
            .filter(|(expectation, result)| reached(result) != expectation.reached)
            .map(|(expectation, _)| expectation)
            .collect();
        if suspects.is_empty() {
            return Ok(report);
        }
        match self.probe(&base.name, &suspects, PATIENT).await? {
            Ok(results) => report.deviations.extend(
                suspects
                    .into_iter()
                    .zip(&results)
                    .filter(|(expectation, result)| reached(result) != expectation.reached)
                    .map(|(expectation, result)| ReachDeviation {
                        from: from.clone(),
                        to: expectation.to,
                        address: expectation.address,
                        expected: Reach::of(expectation.reached),
                        found: Reach::of(!expectation.reached),
                        how: how(result),
                    }),
            ),
            Err(reason) => report
                .deviations
                .push(unknown(from.clone(), home.ip, Reach::Reachable, reason)),
        }
        Ok(report)
    }

    /// Asks a base whether what may leave it is held to the state that it should have, or why it cannot be asked.
    async fn is_contained(&self, base: &BaseSpec) -> Result<Result<bool, String>, EngineError> {
        let state = serde_json::to_string(&base.state).expect("a state has text keys only");
        let command = [PROGRAM_PATH.into(), "state".into(), "check".into(), state];
        Ok(self.ask(&base.name, &command).await?.map(|output| {
            output.code == 0
                || serde_json::from_slice::<StateReport>(&output.stdout).is_ok_and(|report| {
                    // Something is refused where another state is kept, which may let more out.
                    report.refused.is_empty() && !report.deviations.contains(&Deviation::Uncontained)
                })
        }))
    }

    /// Tries to reach what is expected from a base: one result an expectation, or why it cannot be asked.
    async fn probe(
        &self,
        base: &ContainerName,
        expectations: &[Expectation],
        (timeout_ms, attempts): (u64, u16),
    ) -> Result<Result<Vec<TargetResult>, String>, EngineError> {
        let mut results = Vec::with_capacity(expectations.len());
        for expectations in expectations.chunks(TARGETS_A_COMMAND) {
            let probe = Probe {
                targets: expectations.iter().map(|expectation| expectation.target).collect(),
                timeout_ms,
                attempts,
            };
            let json = serde_json::to_string(&probe).expect("a probe has text keys only");
            let output = match self.ask(base, &[PROGRAM_PATH.into(), "probe".into(), json]).await? {
                Ok(output) => output,
                Err(reason) => return Ok(Err(reason)),
            };
            let read = serde_json::from_slice::<ProbeResult>(&output.stdout).ok();
            match read.filter(|result| result.targets.len() == expectations.len()) {
                Some(result) => results.extend(result.targets),
                None => {
                    let said = String::from_utf8_lossy(&output.stderr);
                    return Ok(Err(format!("its probe ended with {}: {}", output.code, said.trim())));
                }
            }
        }
        Ok(Ok(results))
    }

    /// Runs a command in a base, or says why that cannot be done there; an error is one of the runtime as a whole.
    async fn ask(&self, base: &ContainerName, command: &[String]) -> Result<Result<ExecOutput, String>, EngineError> {
        match self.runtime.exec(base, command).await {
            Ok(output) => Ok(Ok(output)),
            Err(error @ (RuntimeError::Gone { .. } | RuntimeError::Refused { .. } | RuntimeError::Foreign { .. })) => {
                Ok(Err(format!("it cannot be asked: {error}")))
            }
            Err(error) => Err(error.into()),
        }
    }
}

/// A refusal comes from the address itself, so it was reached.
fn reached(result: &TargetResult) -> bool {
    matches!(result.detail, Answer::Answered | Answer::Refused)
}

fn how(result: &TargetResult) -> String {
    let tried = match result.target {
        Target::Icmp { .. } => "ping".to_owned(),
        Target::Tcp { port, .. } => format!("tcp/{port}"),
        _ => "probe".to_owned(),
    };
    let came = match &result.detail {
        Answer::Answered => "answered",
        Answer::Refused => "refused by the address itself",
        Answer::Unreachable => "no route",
        Answer::TimedOut => "no answer",
        Answer::Failed(why) => why,
        _ => "no answer that is known",
    };
    format!("{tried}: {came}")
}

/// Tries the published TCP ports of a gateway from this machine.
async fn verify_published(base: &BaseSpec, local: bool) -> VerifyReport {
    let mut report = VerifyReport::default();
    let to = Place::Decky(base.decky.clone());
    if !local {
        report.skipped.push(SkippedPath {
            from: Place::Host,
            to,
            why: "the daemon runs on another machine".into(),
        });
        return report;
    }
    for port in base.publish.iter().filter(|port| port.protocol == Protocol::Tcp) {
        report.probes += 1;
        let (address, number) = reached_at(port);
        let answer = tokio::task::spawn_blocking(move || answers(SocketAddrV4::new(address, number).into())).await;
        let refusal = match answer {
            Ok(Ok(())) => continue,
            Ok(Err(error)) => error.to_string(),
            Err(error) => error.to_string(),
        };
        report.deviations.push(ReachDeviation {
            from: Place::Host,
            to: to.clone(),
            address,
            expected: Reach::Reachable,
            found: Reach::Unreachable,
            how: format!("published tcp/{number}: {refusal}"),
        });
    }
    report
}

/// Where this machine finds a published port: on loopback, where it is published on all addresses.
fn reached_at(port: &PublishedPort) -> (Ipv4Addr, u16) {
    let address = port.host_ip.filter(|address| !address.is_unspecified());
    (address.unwrap_or(Ipv4Addr::LOCALHOST), port.host_port)
}

/// Connects, and waits a moment: Docker's proxy takes every connection, and closes it at once where nobody is behind it.
fn answers(at: SocketAddr) -> std::io::Result<()> {
    let mut stream = TcpStream::connect_timeout(&at, CONNECT)?;
    stream.set_read_timeout(Some(LINGER))?;
    match stream.read(&mut [0; 1]) {
        Ok(0) => Err(std::io::Error::new(ErrorKind::ConnectionReset, "closed at once")),
        Err(error) if !matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => Err(error),
        _ => Ok(()),
    }
}
