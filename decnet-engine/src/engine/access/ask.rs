//! The verbs of a decky, answered without a program of a visitor: probes from its base, and the maze.

use std::net::Ipv4Addr;

use decnet_decoy::protocol::{Probe, Target, TargetResult};
use decnet_topology::{Decky, DeckyPart, Name, RuleSet, Topology, TopologyId};

use super::{DeckyAnswer, DeckyVerb, LanAddress, answer::result, target::RunningMaze, verb::VerbTarget};
use crate::{
    desired::Desired,
    engine::{Engine, EngineError, catalog::Unknown},
    naming::MazeNames,
    runtime::{NetworkCheck, deviation},
};

/// How long and how often a target is asked.
const PING: (u64, u16) = (1_000, 3);
const CONNECT: (u64, u16) = (3_000, 2);

impl Engine {
    /// Asks a decky: whether it reaches an address or another decky, where one is, and which routes it has.
    ///
    /// The probes come from the program in its base, which has no shell and no rights. The containment of the decky applies to
    /// them.
    ///
    /// # Errors
    ///
    /// [`EngineError::Part`] if the maze does not have the decky or the target, [`EngineError::Access`] if the decky does not run.
    pub async fn ask(&self, id: TopologyId, decky: &Name, verb: &DeckyVerb) -> Result<DeckyAnswer, EngineError> {
        self.for_topology(id).await?.ask_here(id, decky, verb).await
    }

    async fn ask_here(&self, id: TopologyId, decky: &Name, verb: &DeckyVerb) -> Result<DeckyAnswer, EngineError> {
        let part = DeckyPart::new(decky.clone());
        let maze = self
            .running_maze(id, "entered", |maze| maze.find_part(&part).map(|_| ()))
            .await?;
        let topology = &maze.stored.topology;
        let from = topology.find_part(&part)?;
        maze.running(&part, &MazeNames::of(&maze.stored.row).base(from))?;
        Ok(match verb {
            DeckyVerb::Ping { to } => {
                let (decky, address) = locate(topology, from, to)?;
                let found = self.probe_one(&maze, from, Target::Icmp { address }, PING).await?;
                DeckyAnswer::Ping {
                    decky,
                    address,
                    reached: found.reached,
                    result: result(&found.detail),
                    rtt_us: found.rtt_us,
                }
            }
            DeckyVerb::Connect { to, port } => {
                let (decky, address) = locate(topology, from, to)?;
                let target = Target::Tcp { address, port: *port };
                let found = self.probe_one(&maze, from, target, CONNECT).await?;
                DeckyAnswer::Connect {
                    decky,
                    address,
                    port: *port,
                    reached: found.reached,
                    result: result(&found.detail),
                    rtt_us: found.rtt_us,
                }
            }
            DeckyVerb::Resolve { name } => {
                let found = topology.find_part(&DeckyPart::new(name.clone()))?;
                DeckyAnswer::Resolve {
                    decky: found.name().clone(),
                    addresses: addresses(topology, from, found),
                }
            }
            DeckyVerb::Routes => self.routes(&maze, from).await?,
        })
    }

    async fn probe_one(
        &self,
        maze: &RunningMaze,
        from: &Decky,
        target: Target,
        (timeout_ms, attempts): (u64, u16),
    ) -> Result<TargetResult, EngineError> {
        let base = MazeNames::of(&maze.stored.row).base(from);
        let probe = Probe {
            targets: vec![target],
            timeout_ms,
            attempts,
        };
        let mut results = self.runtime.probe(maze.instance, &base, &probe).await?.targets;
        // The runtime returns one result for each target.
        let result = results.pop().ok_or_else(|| crate::runtime::RuntimeError::Probe {
            container: base.to_string(),
            reason: "it returned no result".into(),
        })?;
        Ok(result)
    }

    /// Lists the routes that the base keeps, and compares the kernel's with them.
    async fn routes(&self, maze: &RunningMaze, from: &Decky) -> Result<DeckyAnswer, EngineError> {
        let row = &maze.stored.row;
        let facts = self.facts().await?;
        let catalog = self.catalog_of(row);
        let (known, _) = Unknown::take(&maze.stored, &catalog);
        let valid = self
            .validate(&known, &row.settings, RuleSet::live(), None, row.id)
            .await?;
        let context = self.desired_context(&facts, row, &catalog, &row.settings)?;
        let desired = Desired::new(&valid, &context)?;
        let name = MazeNames::of(row).base(from);
        let Some(base) = desired.bases.get(&name) else {
            return Err(crate::runtime::RuntimeError::Gone { what: name.to_string() }.into());
        };
        let checks = self.runtime.check_network(&[base]).await?;
        let differs = match checks.get(&name) {
            Some(NetworkCheck::Checked { report, .. }) => deviation::describe(report),
            Some(NetworkCheck::Tampered { what }) => Some(what.clone()),
            Some(NetworkCheck::Unchecked { why }) => Some(format!("cannot be checked: {why}")),
            None => Some("not checked".into()),
        };
        Ok(DeckyAnswer::Routes {
            interfaces: addresses(&maze.stored.topology, from, from),
            routes: base.state.routes.iter().map(|route| (route.to, route.via)).collect(),
            default_route: base.state.default_route,
            forwards: base.state.forward,
            differs,
        })
    }
}

/// Returns the address of a target, and its decky if a decky was named.
fn locate(topology: &Topology, from: &Decky, to: &VerbTarget) -> Result<(Option<Name>, Ipv4Addr), EngineError> {
    let name = match to {
        VerbTarget::Address(address) => return Ok((None, *address)),
        VerbTarget::Decky(name) => name,
    };
    let found = topology.find_part(&DeckyPart::new(name.clone()))?;
    let first = addresses(topology, from, found).into_iter().next();
    // A topology is well formed: every decky has a home.
    let address = first.map_or(Ipv4Addr::UNSPECIFIED, |at| at.address);
    Ok((Some(found.name().clone()), address))
}

/// Lists the addresses of a decky: those in a LAN of `from` first, otherwise its home first.
fn addresses(topology: &Topology, from: &Decky, of: &Decky) -> Vec<LanAddress> {
    let shared = |lan| from.attachments().iter().any(|own| own.lan == lan);
    let attachments = of.attachments().iter();
    let addresses = attachments.filter_map(|attachment| {
        let lan = topology.lan(attachment.lan)?;
        Some(LanAddress {
            lan: lan.name().clone(),
            subnet: lan.subnet(),
            address: attachment.ip,
            shared: shared(attachment.lan),
        })
    });
    let mut addresses: Vec<_> = addresses.collect();
    // A stable sort: the home stays first among its kind.
    addresses.sort_by_key(|at| !at.shared);
    addresses
}
