//! The validation rules of mazes, one function each.

mod addresses;
mod fast;
mod host;
mod persona;
mod report;
mod services;
mod shape;
mod shared;
mod subnets;
mod view;

pub use host::{
    DaemonNetwork, HostFacts, HostRoute, Listener, NeighbourTable, PublishedPort, UnavailableImage, published_ports,
};
pub use report::{InvalidTopology, Report, RuleSet, ValidTopology};
pub(crate) use subnets::unusable as unusable_subnet;
pub use view::TopologyView;

use crate::{
    catalog::Catalog,
    finding::{Code, Finding, Findings, Severity},
    model::Topology,
    publish::Publish,
    repo::SubnetClaim,
};
use fast::UsedAddresses;

/// The known surroundings of a maze.
#[derive(Debug, Clone, Copy, Default)]
pub struct Surroundings<'a> {
    /// The subnets of other topologies.
    pub claims: &'a [SubnetClaim],
    /// How gateways publish ports on the host; by default each port on the same number.
    pub publish: Option<&'a Publish>,
    /// The facts about the host.
    pub host: Option<&'a HostFacts>,
}

/// Validates a draft or a topology on its own.
///
/// The report also has the findings of the parser.
///
/// All rules run, and none stops at the first fault, so that a [`Report`] shows everything.
///
/// ```
/// use decnet_topology::{Catalog, Code, RuleSet, Topology, validate};
///
/// let maze = Topology::builder()
///     .dmz("dmz", "172.20.0.0/24")
///     .lan("office", "172.20.1.0/24")
///     .decky("web", |decky| decky.on("dmz", "172.20.0.10").services(["htpp"]))
///     .build()?;
/// let report = validate(&maze, &Catalog::builtin(), RuleSet::deploy());
/// let codes: Vec<_> = report.errors().map(|finding| finding.code).collect();
/// assert_eq!(codes, [Code::DmzOrphan, Code::UnknownService]);
/// assert!(maze.validate(&Catalog::builtin(), RuleSet::deploy()).is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn validate<'a>(maze: impl Into<TopologyView<'a>>, catalog: &Catalog, rules: RuleSet) -> Report {
    validate_in(maze, catalog, rules, Surroundings::default())
}

/// Validates a draft or a topology against the subnets of other topologies.
pub fn validate_against<'a>(
    maze: impl Into<TopologyView<'a>>,
    catalog: &Catalog,
    rules: RuleSet,
    claims: &[SubnetClaim],
) -> Report {
    let surroundings = Surroundings {
        claims,
        ..Surroundings::default()
    };
    validate_in(maze, catalog, rules, surroundings)
}

/// Validates a draft or a topology in its surroundings.
///
/// For each subnet, at most four overlapping ones are reported, the nearest ones. If many deckies share an address or host port,
/// each finding names the first. Otherwise every fault is reported, up to [`MAX_LISTED`](crate::finding::MAX_LISTED) for each
/// code; one more finding has the number of the others. Runs in O(n log n).
pub fn validate_in<'a>(
    maze: impl Into<TopologyView<'a>>,
    catalog: &Catalog,
    rules: RuleSet,
    surroundings: Surroundings<'_>,
) -> Report {
    let view = maze.into();
    let mut findings = Findings::default();
    if let Some(draft) = view.draft() {
        findings.extend(draft.findings.iter().cloned());
        draft.check_form(&mut findings);
    }
    let found = &mut findings;
    let same_ports = Publish::default();
    let publish = surroundings.publish.unwrap_or(&same_ports);
    let mut joined = shape::Joined::new(view.lan_count());
    let mut used = UsedAddresses::new(view.lan_count());
    let mut members = subnets::Members::new(view.lan_count());
    let mut published = Vec::new();
    let mut hostnames = persona::Hostnames::default();
    let mut greedy = shared::Greedy::default();
    view.each_decky(catalog, &mut |decky| {
        shape::orphan_decky(decky, found);
        shape::idle_router(decky, found);
        addresses::misplaced(decky, found);
        services::unknown(decky, catalog, found);
        services::archetype(decky, catalog, found);
        services::port_clashes(decky, catalog, found);
        services::undeclared(decky, found);
        services::fields(decky, found);
        services::powerful(decky, found);
        persona::pins(decky, found);
        hostnames.add(decky);
        // The rules about the whole maze.
        joined.add(decky);
        addresses::record(decky, &mut used);
        members.add(decky);
        greedy.by(decky);
        published.extend(host::published_by(decky, publish));
    });
    shared::root(&greedy, found);
    shape::one_dmz(&view, found);
    shape::orphan_lans(&view, &joined, found);
    hostnames.shared(&view, catalog, found);
    addresses::collisions(&view, used, found);
    subnets::overlaps(&view, found);
    subnets::claimed(&view, surroundings.claims, found);
    subnets::too_small(&view, &members, found);
    subnets::special(&view, found);
    host::gateway_clashes(&published, found);
    host::ipv6(&published, found);
    if let Some(host) = surroundings.host {
        host::taken(&published, host, found);
        host::overlaps(&view, host, found);
        shared::images(&greedy, host, found);
        shared::disk(&greedy, host, found);
        shared::engine(host, found);
        shared::neighbours(&view, host, found);
        shared::unlimited(&view, host, found);
        host::rootless(&published, host, found);
    }
    let mut findings = findings.into_vec();
    if !rules.shape_is_error() {
        findings.iter_mut().for_each(soften);
    }
    Report::new(findings)
}

/// Turns findings on the maze's shape into warnings.
fn soften(finding: &mut Finding) {
    let shape = [Code::DmzMissing, Code::DmzMultiple, Code::DmzOrphan, Code::DeckyOrphan];
    if shape.contains(&finding.code) {
        finding.severity = Severity::Warning;
    }
}

impl Topology {
    /// Validates the topology; the returned type proves that it passed.
    pub fn validate(self, catalog: &Catalog, rules: RuleSet) -> Result<ValidTopology, InvalidTopology> {
        self.validate_in(catalog, rules, Surroundings::default())
    }

    /// Validates the topology in its surroundings; the returned type proves that it passed.
    pub fn validate_in(
        self,
        catalog: &Catalog,
        rules: RuleSet,
        surroundings: Surroundings<'_>,
    ) -> Result<ValidTopology, InvalidTopology> {
        let report = validate_in(&self, catalog, rules, surroundings);
        if report.is_clean() {
            Ok(ValidTopology::new(self, rules, report))
        } else {
            Err(InvalidTopology { report })
        }
    }
}
