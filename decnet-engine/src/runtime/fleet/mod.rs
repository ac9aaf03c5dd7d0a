//! Several hosts as one runtime.

mod info;
mod on_host;
mod runtime;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use decnet_topology::Member;

use super::{Runtime, RuntimeError};

pub use info::MemberInfo;

/// How long a member may take to answer before it counts as unseen.
const ANSWER: Duration = Duration::from_secs(20);

/// A host of a fleet, and its runtime.
#[derive(Debug, Clone)]
struct FleetMember {
    member: Member,
    runtime: Arc<dyn Runtime>,
}

/// Several hosts, each with a runtime of its own: Docker daemons or agents.
///
/// It dispatches by the member in the names of containers, networks, volumes and links. The engine plans for all members at once, so a plan
/// has steps on several of them. A member that does not answer is *unseen*: observations say so
/// ([`Observed::unseen`](crate::Observed::unseen)), the engine plans nothing there, and the rest goes on.
///
/// ```
/// use std::sync::Arc;
///
/// use decnet_engine::{Fleet, Runtime, simulated::Simulated};
/// use decnet_topology::Member;
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(async {
/// let east = Member::new("east".parse()?, 100, "192.0.2.1".parse()?, 1500).labelled("public".parse()?);
/// let west = Member::new("west".parse()?, 100, "192.0.2.2".parse()?, 1500);
/// let fleet = Fleet::new()
///     .with(east, Arc::new(Simulated::new()))
///     .with(west, Arc::new(Simulated::new()));
/// assert_eq!(fleet.info().await?.members.len(), 2);
/// # Ok::<(), Box<dyn std::error::Error>>(()) })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
#[must_use]
pub struct Fleet {
    local: Option<Arc<dyn Runtime>>,
    members: BTreeMap<String, FleetMember>,
    answer: Duration,
}

impl Default for Fleet {
    fn default() -> Self {
        Self::new()
    }
}

impl Fleet {
    /// How errors name the machine of this program. No member can have this name.
    pub const THIS_MACHINE: &'static str = "this machine";

    /// Creates a fleet without members.
    pub fn new() -> Self {
        Self {
            local: None,
            members: BTreeMap::new(),
            answer: ANSWER,
        }
    }

    /// Adds a member, or replaces the one with its name.
    pub fn with(mut self, member: Member, runtime: Arc<dyn Runtime>) -> Self {
        self.members
            .insert(member.name.to_string(), FleetMember { member, runtime });
        self
    }

    /// Adds the runtime of this machine. It has the mazes that are not placed on members.
    pub fn with_local(mut self, runtime: Arc<dyn Runtime>) -> Self {
        self.local = Some(runtime);
        self
    }

    /// Sets how long a member may take to answer before it counts as unseen. The default is 20 s.
    pub fn answer_within(mut self, answer: Duration) -> Self {
        self.answer = answer;
        self
    }

    /// Walks the runtimes: of this machine, without a name, and of the members.
    fn parts(&self) -> impl Iterator<Item = (Option<&str>, &dyn Runtime)> {
        let local = self.local.iter().map(|runtime| (None, runtime.as_ref()));
        let members = self.members.iter();
        local.chain(members.map(|(name, member)| (Some(name.as_str()), member.runtime.as_ref())))
    }

    /// Finds the member that a name or an id says; the runtime of this machine if it says none.
    fn find(&self, host: Option<&str>) -> Result<(Option<&str>, &dyn Runtime), RuntimeError> {
        let found = self.parts().find(|(name, _)| *name == host);
        found.ok_or_else(|| match host {
            Some(wanted) => RuntimeError::Unreachable {
                endpoint: format!("member `{wanted}`"),
                reason: "it is not a member of the fleet".into(),
            },
            None => RuntimeError::Unreachable {
                endpoint: Self::THIS_MACHINE.into(),
                reason: "the fleet does not include it".into(),
            },
        })
    }
}

/// Ids of resources, which have the member before a slash.
struct Ids;

impl Ids {
    fn host(id: &str) -> Option<&str> {
        id.split_once('/').map(|(host, _)| host)
    }

    fn on(id: &str, host: Option<&str>) -> String {
        let local = id.split_once('/').map_or(id, |(_, local)| local);
        match host {
            Some(host) => [host, "/", local].concat(),
            None => local.into(),
        }
    }
}
