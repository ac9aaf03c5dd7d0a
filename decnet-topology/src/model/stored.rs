use std::{collections::BTreeSet, fmt};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use strum::{EnumString, IntoStaticStr, VariantArray};

use crate::{
    catalog::CatalogExcerpt,
    config::TopologyConfig,
    id::TopologyId,
    model::{LogSettings, Topology},
    name::{Name, TopologyName},
    placement::{Placement, PlacementRules},
    publish::Publish,
    shuffle::Shuffles,
    status::{Intent, Mode, Status},
    version::Version,
};

/// The settings of a deploy. They are stored, so that later changes on Docker use the same settings.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[must_use]
#[non_exhaustive]
pub struct DeploySettings {
    /// How the ports of gateways are mapped to the host's.
    pub publish: Publish,
    /// What deckies on the DMZ may send to the outside.
    pub dmz_egress: DmzEgress,
    /// The log driver of the containers.
    #[serde(skip_serializing_if = "LogSettings::is_usual")]
    pub log: LogSettings,
    /// Whether the logs of built-in services leave out the passwords of visitors.
    #[serde(skip_serializing_if = "is_off")]
    pub hide_passwords: bool,
    /// The members of a fleet that it may be placed on; all if empty.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub hosts: BTreeSet<Name>,
    /// The rules for its placement on a fleet.
    #[serde(skip_serializing_if = "PlacementRules::is_empty")]
    pub placement: PlacementRules,
    /// How often deckies get other services.
    #[serde(skip_serializing_if = "Shuffles::is_empty")]
    pub shuffles: Shuffles,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_off(hide_passwords: &bool) -> bool {
    !hide_passwords
}

impl DeploySettings {
    /// Sets how ports of gateways are published on the host.
    pub fn publish(mut self, publish: Publish) -> Self {
        self.publish = publish;
        self
    }

    /// Sets what deckies on the DMZ may send to the outside.
    pub fn dmz_egress(mut self, dmz_egress: DmzEgress) -> Self {
        self.dmz_egress = dmz_egress;
        self
    }

    /// Sets the log driver of the containers.
    pub fn log(mut self, log: LogSettings) -> Self {
        self.log = log;
        self
    }

    /// Sets the members of a fleet that it may be placed on. None means all.
    pub fn hosts(mut self, hosts: impl IntoIterator<Item = Name>) -> Self {
        self.hosts = hosts.into_iter().collect();
        self
    }

    /// Sets the rules for its placement on a fleet.
    pub fn placement(mut self, rules: PlacementRules) -> Self {
        self.placement = rules;
        self
    }

    /// Sets how often deckies get other services.
    pub fn shuffles(mut self, shuffles: Shuffles) -> Self {
        self.shuffles = shuffles;
        self
    }

    /// Sets whether the logs of built-in services leave out the passwords of visitors.
    pub fn hide_passwords(mut self, hide_passwords: bool) -> Self {
        self.hide_passwords = hide_passwords;
        self
    }
}

/// What deckies on the DMZ may send to the outside on their own. Replies to visitors always pass.
///
/// Parsed from its name, or from a boolean, the former format: `true` is [`Open`](Self::Open).
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Default,
    Serialize,
    Deserialize,
    EnumString,
    IntoStaticStr,
    VariantArray,
)]
#[serde(rename_all = "kebab-case", from = "Spelling")]
#[strum(serialize_all = "kebab-case", parse_err_ty = UnknownEgress, parse_err_fn = DmzEgress::unknown)]
#[non_exhaustive]
pub enum DmzEgress {
    /// Nothing.
    #[default]
    #[strum(to_string = "none", serialize = "false")]
    None,
    /// Only queries to port 53.
    DnsOnly,
    /// A limited rate of packets.
    RateLimited,
    /// Everything.
    #[strum(to_string = "open", serialize = "true")]
    Open,
}

impl DmzEgress {
    /// All of them, the narrowest first.
    pub const ALL: &[Self] = Self::VARIANTS;

    /// Returns its name.
    pub fn as_str(self) -> &'static str {
        self.into()
    }

    fn unknown(text: &str) -> UnknownEgress {
        UnknownEgress(text.into())
    }
}

impl fmt::Display for DmzEgress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The error for a text that is not the name of a [`DmzEgress`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not one of none, dns-only, rate-limited, open")]
pub struct UnknownEgress(String);

#[derive(Deserialize)]
#[serde(untagged)]
enum Spelling {
    Boolean(bool),
    Named(Named),
}

impl UnknownEgress {
    /// Returns a stable code for programs.
    pub const fn code(&self) -> &'static str {
        "unknown_egress"
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Named {
    None,
    DnsOnly,
    RateLimited,
    Open,
}

impl From<Spelling> for DmzEgress {
    fn from(spelling: Spelling) -> Self {
        match spelling {
            Spelling::Boolean(false) | Spelling::Named(Named::None) => Self::None,
            Spelling::Named(Named::DnsOnly) => Self::DnsOnly,
            Spelling::Named(Named::RateLimited) => Self::RateLimited,
            Spelling::Boolean(true) | Spelling::Named(Named::Open) => Self::Open,
        }
    }
}

/// The data that the store keeps for a topology in addition to the maze.
///
/// It serializes without its host, config, settings, catalogue, placement and `shuffled_until`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TopologyRow {
    /// The id.
    pub id: TopologyId,
    /// The name, unique without case among those not torn down.
    pub name: TopologyName,
    /// Its current status.
    pub status: Status,
    /// Its intended state; none before its first deploy.
    pub intent: Option<Intent>,
    /// Where its deckies run.
    pub mode: Mode,
    /// The host of the agent, for [`Mode::Agent`].
    #[serde(skip)]
    pub host: Option<String>,
    /// The count of its edits.
    pub version: Version,
    /// When it was stored.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub changed_at: Timestamp,
    /// Whether Docker may differ from what is stored.
    pub needs_resync: bool,
    /// The config that it was generated from.
    #[serde(skip)]
    pub config: Option<TopologyConfig>,
    /// How it is deployed.
    #[serde(skip)]
    pub settings: DeploySettings,
    /// What it uses of a user's catalogue.
    #[serde(skip)]
    pub catalog: CatalogExcerpt,
    /// The members of a fleet that have its LANs and deckies; none if it runs on one host, or was never deployed.
    #[serde(skip)]
    pub placement: Option<Placement>,
    /// The shuffles that were due until this time are done, or were skipped.
    #[serde(skip)]
    pub shuffled_until: Timestamp,
}

impl TopologyRow {
    /// Returns whether mutations are queued: it runs, and its intent is not down.
    pub fn takes_mutations(&self) -> bool {
        matches!(self.status, Status::Active | Status::Degraded) && self.intent != Some(Intent::Down)
    }

    /// Returns whether the agent of a host deploys it as a whole. The case of the name does not matter.
    pub fn is_for_agent_of(&self, host: &str) -> bool {
        self.agent_host().is_some_and(|own| own.eq_ignore_ascii_case(host))
    }

    /// Returns whether it runs on hosts of a fleet, and not on the machine of the master.
    pub fn is_on_hosts(&self) -> bool {
        self.mode == Mode::Agent || self.placement.is_some()
    }

    /// Returns the host whose agent deploys it as a whole, if it is for one.
    pub fn agent_host(&self) -> Option<&str> {
        self.host.as_deref().filter(|_| self.mode == Mode::Agent)
    }
}

/// A topology and its row.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredTopology {
    /// The row.
    pub row: TopologyRow,
    /// The maze.
    pub topology: Topology,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hidden_passwords_are_stored_only_if_they_are_hidden() {
        let shown = serde_json::to_string(&DeploySettings::default()).unwrap();
        assert_eq!(shown, r#"{"publish":[],"dmz_egress":"none"}"#);
        let settings = DeploySettings::default().hide_passwords(true);
        let hidden = serde_json::to_string(&settings).unwrap();
        assert_eq!(hidden, r#"{"publish":[],"dmz_egress":"none","hide_passwords":true}"#);
        for (json, settings) in [(shown, DeploySettings::default()), (hidden, settings)] {
            assert_eq!(serde_json::from_str::<DeploySettings>(&json).unwrap(), settings);
        }
    }

    #[test]
    fn egress_is_parsed_from_its_name_and_from_the_former_boolean() {
        for egress in DmzEgress::ALL.iter().copied() {
            let json = serde_json::to_string(&egress).unwrap();
            assert_eq!(json, format!("\"{egress}\""));
            assert_eq!(serde_json::from_str::<DmzEgress>(&json).unwrap(), egress);
            assert_eq!(egress.as_str().parse(), Ok(egress));
        }
        for (boolean, egress) in [("true", DmzEgress::Open), ("false", DmzEgress::None)] {
            let stored = format!("{{\"dmz_egress\":{boolean}}}");
            assert_eq!(
                serde_json::from_str::<DeploySettings>(&stored).unwrap().dmz_egress,
                egress
            );
            assert_eq!(boolean.parse(), Ok(egress));
        }
        assert!(serde_json::from_str::<DmzEgress>("\"some\"").is_err() && "some".parse::<DmzEgress>().is_err());
    }
}
