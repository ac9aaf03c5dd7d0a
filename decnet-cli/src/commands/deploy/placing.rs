//! The flags that choose the hosts of a maze.

use std::{collections::BTreeSet, str::FromStr};

use decnet_engine::{EngineError, SettingsChange};
use decnet_topology::{Distribution, Name, Repo, TopologyName, TopologyRow};

use crate::{command_error::CommandError, lookup::has_hosts};

/// Where a maze runs if several hosts are enrolled.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Hosts, if several are enrolled")]
pub(super) struct Placing {
    /// The hosts that may have parts of the maze: east,west. An empty list allows all. Stored with the maze. What is deployed stays on
    /// its host.
    #[arg(long, value_name = "HOSTS", conflicts_with = "pushed_to")]
    hosts: Option<Hosts>,
    /// Use all hosts about equally; `=false` uses as few as possible again. Stored with the maze.
    #[arg(long, value_name = "BOOLEAN", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    spread: Option<bool>,
    /// A LAN that only hosts with a label may have: vault=inside, or vault= to remove its pins. May be repeated; stored with the maze, in
    /// addition to earlier pins.
    #[arg(long, value_name = "LAN=LABEL")]
    pin: Vec<Pin>,
    /// Push the whole maze to the agent of this host, which plans and deploys it there itself: that of a new file, or a stored one that is
    /// for this agent already. An agent has one such maze.
    #[arg(long = "agent", id = "pushed_to", value_name = "HOST", conflicts_with_all = ["hosts", "spread", "pin", "apart"])]
    agent: Option<Name>,
    /// LANs that no two of which are on the same host: dmz,vault. May be repeated; stored with the maze, in addition to earlier groups. An
    /// empty list removes all groups.
    #[arg(long, value_name = "LANS")]
    apart: Vec<Apart>,
}

impl Placing {
    /// Returns the host whose agent gets the whole maze.
    pub(super) fn agent(&self) -> Option<&Name> {
        self.agent.as_ref()
    }

    /// Refuses flags that no host can satisfy, and another agent than that of a stored maze, before Docker is asked.
    pub(super) async fn check(
        &self,
        repo: &dyn Repo,
        name: Option<&TopologyName>,
        stored: Option<&TopologyRow>,
    ) -> Result<(), CommandError> {
        let Some(name) = name.cloned() else {
            return Ok(());
        };
        if let (Some(wanted), Some(row)) = (&self.agent, stored)
            && !row.is_for_agent_of(wanted.as_str())
        {
            let (stored, wanted) = (row.host.clone(), wanted.clone());
            return Err(EngineError::OtherAgent { name, stored, wanted }.into());
        }
        let needs_hosts = self.spread == Some(true) || !self.pin.is_empty() || !self.apart.is_empty();
        let hosts = self.hosts.iter().flat_map(|Hosts(hosts)| hosts);
        let wanted: Vec<String> = hosts.map(ToString::to_string).collect();
        if !needs_hosts && wanted.is_empty() && self.agent.is_none() {
            return Ok(());
        }
        if has_hosts(repo).await? {
            return Ok(());
        }
        let refused = if let Some(host) = &self.agent {
            let host = Some(host.to_string());
            EngineError::AgentMode { name, host }
        } else if wanted.is_empty() {
            let hosts = Vec::new();
            EngineError::FleetMissing { name, hosts }
        } else {
            let known = Vec::new();
            EngineError::HostsUnknown {
                name,
                hosts: wanted,
                known,
            }
        };
        Err(refused.into())
    }

    /// Adds what the flags say to a change of settings.
    pub(super) fn added_to(self, change: SettingsChange) -> SettingsChange {
        let distribution = self.spread.map(|spread| {
            if spread {
                Distribution::Spread
            } else {
                Distribution::Pack
            }
        });
        change
            .hosts(self.hosts.map(|Hosts(hosts)| hosts))
            .distribution(distribution)
            .pins(self.pin.into_iter().map(|Pin { lan, label }| (lan, label)))
            .apart(self.apart.into_iter().map(|Apart(lans)| lans))
    }
}

/// Names of hosts.
#[derive(Debug, Clone)]
struct Hosts(BTreeSet<Name>);

impl FromStr for Hosts {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        names(text).map(Self)
    }
}

/// A LAN, and the label of its hosts.
#[derive(Debug, Clone)]
struct Pin {
    lan: Name,
    label: Option<Name>,
}

impl FromStr for Pin {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (lan, label) = text.split_once('=').ok_or("expected LAN=LABEL, as in vault=inside")?;
        let label = match label {
            "" => None,
            label => Some(name(label)?),
        };
        Ok(Self { lan: name(lan)?, label })
    }
}

/// LANs on different hosts.
#[derive(Debug, Clone)]
struct Apart(BTreeSet<Name>);

impl FromStr for Apart {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let lans = names(text)?;
        if lans.len() == 1 {
            return Err("expected at least two LANs, as in dmz,vault".into());
        }
        Ok(Self(lans))
    }
}

/// Reads names with commas between them. An empty text has none.
fn names(text: &str) -> Result<BTreeSet<Name>, String> {
    match text {
        "" => Ok(BTreeSet::new()),
        text => text.split(',').map(name).collect(),
    }
}

fn name(text: &str) -> Result<Name, String> {
    text.parse()
        .map_err(|error: decnet_topology::NameError| error.to_string())
}
