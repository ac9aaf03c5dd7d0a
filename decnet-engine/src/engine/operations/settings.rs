use std::collections::BTreeSet;

use decnet_topology::{
    Catalog, DeploySettings, Distribution, DmzEgress, LogDriver, LogOption, Name, PlacementRules, Publish, PublishRule,
    Topology, published_ports,
};

use crate::engine::EngineError;

/// A change to the settings that a topology is deployed with.
///
/// Settings that it does not mention stay the same.
///
/// ```
/// use decnet_engine::SettingsChange;
/// use decnet_topology::{DeploySettings, DmzEgress};
///
/// let change = SettingsChange::default().publish(["ssh=2222".parse()?]).dmz_egress(DmzEgress::DnsOnly);
/// let settings = change.apply_to(&DeploySettings::default());
/// assert_eq!(settings.publish.rules()[0].to_string(), "ssh=2222");
/// assert_eq!(settings.dmz_egress, DmzEgress::DnsOnly);
/// # Ok::<(), decnet_topology::PublishError>(())
/// ```
#[derive(Debug, Clone, Default)]
#[must_use]
#[non_exhaustive]
pub struct SettingsChange {
    whole: Option<DeploySettings>,
    publish: Vec<PublishRule>,
    dmz_egress: Option<DmzEgress>,
    log_driver: Option<LogDriver>,
    log_options: Vec<LogOption>,
    hide_passwords: Option<bool>,
    hosts: Option<BTreeSet<Name>>,
    distribution: Option<Distribution>,
    /// A LAN without a label loses its pins.
    pins: Vec<(Name, Option<Name>)>,
    /// A group without LANs removes all groups.
    apart: Vec<BTreeSet<Name>>,
}

impl SettingsChange {
    /// Creates a change to exactly these settings.
    pub fn exactly(settings: DeploySettings) -> Self {
        Self {
            whole: Some(settings),
            ..Self::default()
        }
    }

    /// Adds publish rules. A rule replaces a stored one for the same ports.
    pub fn publish(mut self, rules: impl IntoIterator<Item = PublishRule>) -> Self {
        self.publish.extend(rules);
        self
    }

    /// Sets the traffic that deckies of the DMZ may send to the outside.
    pub fn dmz_egress(mut self, egress: impl Into<Option<DmzEgress>>) -> Self {
        self.dmz_egress = egress.into();
        self
    }

    /// Sets the log driver of the containers.
    pub fn log_driver(mut self, driver: impl Into<Option<LogDriver>>) -> Self {
        self.log_driver = driver.into();
        self
    }

    /// Sets or removes options of the log driver.
    pub fn log_options(mut self, options: impl IntoIterator<Item = LogOption>) -> Self {
        self.log_options.extend(options);
        self
    }

    /// Sets whether the logs of built-in services leave out the passwords of visitors.
    pub fn hide_passwords(mut self, hide: impl Into<Option<bool>>) -> Self {
        self.hide_passwords = hide.into();
        self
    }

    /// Sets the members of a fleet that it may be placed on; an empty set allows all.
    pub fn hosts(mut self, hosts: impl Into<Option<BTreeSet<Name>>>) -> Self {
        self.hosts = hosts.into();
        self
    }

    /// Sets how LANs are distributed over the members of a fleet.
    pub fn distribution(mut self, distribution: impl Into<Option<Distribution>>) -> Self {
        self.distribution = distribution.into();
        self
    }

    /// Pins LANs to members with a label. Without a label, all pins of the LAN are removed.
    pub fn pins(mut self, pins: impl IntoIterator<Item = (Name, Option<Name>)>) -> Self {
        self.pins.extend(pins);
        self
    }

    /// Keeps the LANs of each group on different members. A group without LANs removes all earlier groups.
    ///
    /// ```
    /// use std::collections::BTreeSet;
    ///
    /// use decnet_engine::SettingsChange;
    /// use decnet_topology::{DeploySettings, Name};
    ///
    /// let group: BTreeSet<Name> = ["dmz".parse()?, "vault".parse()?].into();
    /// let apart = SettingsChange::default().apart([group.clone()]).apply_to(&DeploySettings::default());
    /// assert_eq!(apart.placement.apart, [group]);
    /// let free = SettingsChange::default().apart([BTreeSet::new()]).apply_to(&apart);
    /// assert_eq!(free, DeploySettings::default());
    /// # Ok::<(), decnet_topology::NameError>(())
    /// ```
    pub fn apart(mut self, groups: impl IntoIterator<Item = BTreeSet<Name>>) -> Self {
        self.apart.extend(groups);
        self
    }

    fn rules(&self, before: &PlacementRules) -> PlacementRules {
        let mut rules = before.clone();
        rules.distribution = self.distribution.unwrap_or(rules.distribution);
        for (lan, label) in &self.pins {
            match label {
                None => rules.pins.retain(|pin| pin.lan != *lan),
                Some(label) => rules = rules.pin(lan.clone(), label.clone()),
            }
        }
        for group in &self.apart {
            if group.is_empty() {
                rules.apart.clear();
            } else if !rules.apart.contains(group) {
                rules.apart.push(group.clone());
            }
        }
        rules
    }

    /// Returns the settings after the change.
    pub fn apply_to(&self, before: &DeploySettings) -> DeploySettings {
        let before = self.whole.as_ref().unwrap_or(before);
        let log = before.log.clone();
        before
            .clone()
            .publish(before.publish.clone().with(self.publish.iter().cloned()))
            .dmz_egress(self.dmz_egress.unwrap_or(before.dmz_egress))
            .log(log.with(self.log_driver.clone(), self.log_options.clone()))
            .hide_passwords(self.hide_passwords.unwrap_or(before.hide_passwords))
            .hosts(self.hosts.clone().unwrap_or_else(|| before.hosts.clone()))
            .placement(self.rules(&before.placement))
    }

    /// Returns the settings after the change if they differ from those before, as [`DeployOptions`](crate::DeployOptions) take them.
    pub fn changed(&self, before: &DeploySettings) -> Option<DeploySettings> {
        Some(self.apply_to(before)).filter(|settings| settings != before)
    }
}

/// Refuses new publish rules that match no port of a gateway. A stored rule may have stopped matching after a mutation.
pub(in crate::engine) fn refuse_unused_rules(
    catalog: &Catalog,
    topology: &Topology,
    stored: &Publish,
    wanted: &Publish,
) -> Result<(), EngineError> {
    let published = published_ports(topology, catalog, wanted);
    let matches = |rule: &PublishRule| {
        published.iter().any(|port| {
            let service = catalog.service(port.service.as_str());
            service.is_some_and(|service| rule.maps_any(&port.decky, service))
        })
    };
    let mut new = wanted.rules().iter().filter(|rule| !stored.rules().contains(rule));
    match new.find(|rule| !matches(rule)) {
        None => Ok(()),
        Some(rule) => Err(EngineError::PublishMapsNothing { rule: rule.to_string() }),
    }
}
