use std::{fmt::Display, ops::RangeInclusive};

use ipnet::Ipv4Net;

use crate::{
    config::{
        BRANCHING, ConfigFault, DECKIES_MAX, DECKIES_MIN, DEFAULT_LAN_PREFIX, DEFAULT_SUBNET_BASE_PREFIX, DEPTH,
        InvalidConfig, LAN_PREFIX, Naming, ServiceChoice, TopologyConfig,
    },
    name::{ServiceName, TopologyName},
    net, rng,
    status::Mode,
};

impl TopologyConfig {
    /// Starts a config from the three fields that have no default.
    pub fn builder(name: &str, depth: u8, branching_factor: u8) -> ConfigBuilder {
        ConfigBuilder::new(name, depth, branching_factor)
    }
}

/// Builds a config. [`build`](Self::build) returns all faults.
///
/// ```
/// use decnet_topology::TopologyConfig;
///
/// let config = TopologyConfig::builder("corp", 2, 3).deckies_per_lan(2, 5).subnet_base_prefix("10.0.0.0/8").seed(7).build()?;
/// assert_eq!(config.lan_prefix(), 24);
/// # Ok::<(), decnet_topology::InvalidConfig>(())
/// ```
#[derive(Debug, Clone)]
#[must_use]
pub struct ConfigBuilder {
    pub(super) name: String,
    pub(super) mode: Mode,
    pub(super) depth: u8,
    pub(super) branching_factor: u8,
    pub(super) deckies_per_lan_min: u8,
    pub(super) deckies_per_lan_max: u8,
    pub(super) bridge_forward_probability: f64,
    pub(super) cross_edge_probability: f64,
    pub(super) subnet_base_prefix: Ipv4Net,
    pub(super) lan_prefix: u8,
    pub(super) randomize_services: bool,
    pub(super) services_explicit: Option<Vec<ServiceName>>,
    pub(super) dmz_gateway: bool,
    pub(super) service_choice: ServiceChoice,
    pub(super) naming: Naming,
    pub(super) seed: Option<u64>,
    faults: Vec<ConfigFault>,
}

impl ConfigBuilder {
    pub(super) fn new(name: &str, depth: u8, branching_factor: u8) -> Self {
        Self {
            name: name.into(),
            mode: Mode::Unihost,
            depth,
            branching_factor,
            deckies_per_lan_min: 1,
            deckies_per_lan_max: 3,
            bridge_forward_probability: 1.0,
            cross_edge_probability: 0.0,
            subnet_base_prefix: DEFAULT_SUBNET_BASE_PREFIX,
            lan_prefix: DEFAULT_LAN_PREFIX,
            randomize_services: true,
            services_explicit: None,
            dmz_gateway: false,
            service_choice: ServiceChoice::default(),
            naming: Naming::default(),
            seed: None,
            faults: Vec::new(),
        }
    }

    /// Sets where the deckies run. The default is this host.
    pub fn mode(mut self, mode: Mode) -> Self {
        self.mode = mode;
        self
    }

    /// Sets how many deckies each LAN except the DMZ has: minimum (0 to 32) and maximum (1 to 32). The default is 1 to 3.
    pub fn deckies_per_lan(mut self, min: u8, max: u8) -> Self {
        self.deckies_per_lan_min = min;
        self.deckies_per_lan_max = max;
        self
    }

    /// Sets the probability, 0 to 1, that a decky that joins a LAN to its parent forwards packets. The default is 1.
    pub fn bridge_forward_probability(mut self, probability: f64) -> Self {
        self.bridge_forward_probability = probability;
        self
    }

    /// Sets the probability, 0 to 1, that a decky of a LAN is also attached to a LAN elsewhere. The default is 0.
    pub fn cross_edge_probability(mut self, probability: f64) -> Self {
        self.cross_edge_probability = probability;
        self
    }

    /// Sets the pool for subnets: a CIDR, or the short form `172.20`. The default is 172.16.0.0/12.
    pub fn subnet_base_prefix(mut self, base: &str) -> Self {
        match net::parse_base(base) {
            Ok(base) => self.subnet_base_prefix = base,
            Err(error) => self.fault("subnet_base_prefix", error),
        }
        self
    }

    /// Refuses a range that overlaps one that no LAN can use.
    pub(super) fn check_subnet_base_prefix(&mut self) {
        let base = self.subnet_base_prefix;
        if let Some(special) = net::unusable(base) {
            self.fault(
                "subnet_base_prefix",
                format_args!(
                    "{base} overlaps {special}, which no LAN can use; use a private range, like {DEFAULT_SUBNET_BASE_PREFIX}"
                ),
            );
        }
    }

    /// Sets the length of a subnet, 16 to 29. The default is 24.
    pub fn lan_prefix(mut self, prefix: u8) -> Self {
        self.lan_prefix = prefix;
        self
    }

    /// Sets the services that every decky runs, instead of random ones.
    pub fn services_explicit<'s>(mut self, services: impl IntoIterator<Item = &'s str>) -> Self {
        self.services_explicit = Some(services.into_iter().map(ServiceName::new).collect());
        self.randomize_services = false;
        self
    }

    /// Sets whether the DMZ's decky is a gateway. The default is false.
    pub fn dmz_gateway(mut self, gateway: bool) -> Self {
        self.dmz_gateway = gateway;
        self
    }

    /// Sets how the services are chosen if none are named. The default is at random.
    pub fn services(mut self, choice: ServiceChoice) -> Self {
        self.service_choice = choice;
        self
    }

    /// Sets how deckies are named. The default is by number.
    pub fn naming(mut self, naming: Naming) -> Self {
        self.naming = naming;
        self
    }

    /// Sets the seed. Without it, a seed is drawn from the operating system.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// Checks all bounds and builds the config. [`TopologyConfig::check_services`] checks whether the services exist.
    pub fn build(mut self) -> Result<TopologyConfig, InvalidConfig> {
        self.check_subnet_base_prefix();
        self.build_or_seed(rng::os_seed)
    }

    pub(super) fn fault(&mut self, field: &str, message: impl Display) {
        self.faults.push(ConfigFault {
            field: field.into(),
            message: message.to_string(),
        });
    }

    pub(super) fn add_faults(&mut self, faults: Vec<ConfigFault>) {
        self.faults.extend(faults);
    }

    fn is_sound(&self, fields: &[&str]) -> bool {
        self.faults.iter().all(|fault| !fields.contains(&fault.field.as_str()))
    }

    pub(super) fn build_or_seed(
        mut self,
        seed_if_absent: impl FnOnce() -> u64,
    ) -> Result<TopologyConfig, InvalidConfig> {
        let name = self.checked_name();
        self.check_bounds();
        self.check_across();
        let seed = match self.seed {
            Some(seed) => seed,
            // No seed is drawn for a config that is refused.
            None if !self.faults.is_empty() => 0,
            None => seed_if_absent(),
        };
        // A config without a name has a fault.
        let faults = std::mem::take(&mut self.faults);
        let (Some(name), true) = (name, faults.is_empty()) else {
            return Err(InvalidConfig::sorted(faults));
        };
        Ok(TopologyConfig {
            name,
            mode: self.mode,
            depth: self.depth,
            branching_factor: self.branching_factor,
            deckies_per_lan_min: self.deckies_per_lan_min,
            deckies_per_lan_max: self.deckies_per_lan_max,
            bridge_forward_probability: self.bridge_forward_probability,
            cross_edge_probability: self.cross_edge_probability,
            subnet_base_prefix: self.subnet_base_prefix,
            lan_prefix: self.lan_prefix,
            randomize_services: self.randomize_services,
            services_explicit: self.services_explicit.filter(|services| !services.is_empty()),
            dmz_gateway: self.dmz_gateway,
            service_choice: self.service_choice,
            naming: self.naming,
            seed,
        })
    }

    fn checked_name(&mut self) -> Option<TopologyName> {
        if !self.is_sound(&["name"]) {
            return None;
        }
        match TopologyName::new(&self.name) {
            Ok(name) => Some(name),
            Err(error) => {
                self.fault("name", error);
                None
            }
        }
    }

    fn check_bounds(&mut self) {
        let numbers = [
            ("depth", self.depth, DEPTH),
            ("branching_factor", self.branching_factor, BRANCHING),
            ("deckies_per_lan_min", self.deckies_per_lan_min, DECKIES_MIN),
            ("deckies_per_lan_max", self.deckies_per_lan_max, DECKIES_MAX),
            ("lan_prefix", self.lan_prefix, LAN_PREFIX),
        ];
        for (field, value, range) in numbers {
            if !range.contains(&value) {
                self.fault(field, out_of_range(&range, value));
            }
        }
        let probabilities = [
            ("bridge_forward_probability", self.bridge_forward_probability),
            ("cross_edge_probability", self.cross_edge_probability),
        ];
        for (field, value) in probabilities {
            if !(0.0..=1.0).contains(&value) {
                self.fault(field, not_a_probability(value));
            }
        }
    }

    fn check_across(&mut self) {
        let (min, max) = (self.deckies_per_lan_min, self.deckies_per_lan_max);
        if min > max && self.is_sound(&["deckies_per_lan_min", "deckies_per_lan_max"]) {
            self.fault(
                "*",
                format_args!("deckies_per_lan_min ({min}) must not be greater than deckies_per_lan_max ({max})"),
            );
        }
        let (base, prefix) = (self.subnet_base_prefix, self.lan_prefix);
        if base.prefix_len() > prefix && self.is_sound(&["subnet_base_prefix", "lan_prefix"]) {
            self.fault(
                "subnet_base_prefix",
                format_args!("{base} contains no subnet of /{prefix} (lan_prefix)"),
            );
        }
        let explicit = self
            .services_explicit
            .as_ref()
            .is_some_and(|services| !services.is_empty());
        let by_archetype = self.service_choice == ServiceChoice::Archetypes;
        if explicit && by_archetype {
            self.fault(
                "services",
                "`archetypes` and services_explicit exclude each other; remove one",
            );
        }
        if !explicit
            && !by_archetype
            && !self.randomize_services
            && self.is_sound(&["services_explicit", "randomize_services"])
        {
            self.fault("*", "services_explicit is required if randomize_services is false");
        }
    }
}

pub(super) fn out_of_range(range: &RangeInclusive<u8>, value: impl Display) -> String {
    format!(
        "must be a whole number from {} to {}, not {value}",
        range.start(),
        range.end()
    )
}

pub(super) fn not_a_probability(value: impl Display) -> String {
    format!("must be a number from 0 to 1, not {value}")
}
