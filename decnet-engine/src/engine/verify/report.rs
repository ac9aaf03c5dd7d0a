use std::{fmt, net::IpAddr};

use decnet_topology::{Name, ServiceName};
use serde::Serialize;

use crate::host::Cause;

/// An end of a path.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum PathEnd {
    /// A decky.
    Decky(Name),
    /// A service of a decky.
    Service(Name, ServiceName),
    /// A LAN of the maze.
    Lan(Name),
    /// A network that is not the maze's, by the runtime's name of it; empty where the runtime knows of none.
    Network(String),
    /// The machine with the daemon.
    Host,
    /// An address that is nobody's, on the other side of that machine.
    Outside,
    /// The engine's own resolver, inside every container.
    Resolver,
}

impl fmt::Display for PathEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Decky(name) => name.fmt(f),
            Self::Service(decky, service) => write!(f, "{decky}.{service}"),
            Self::Lan(name) => write!(f, "LAN {name}"),
            Self::Network(name) if name.is_empty() => f.write_str("an unknown network"),
            Self::Network(name) => write!(f, "network {name}"),
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
    /// It answers, but sees another address than that of whoever asks.
    Anonymous,
    /// It could not be tried.
    Unknown,
}

impl Reach {
    pub(super) fn of(reached: bool) -> Self {
        if reached { Self::Reachable } else { Self::Unreachable }
    }
}

impl fmt::Display for Reach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Reachable => "reachable",
            Self::Unreachable => "unreachable",
            Self::Anonymous => "anonymous",
            Self::Unknown => "unknown",
        })
    }
}

/// One path that is not as the maze says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ReachDeviation {
    /// Where it begins.
    pub from: PathEnd,
    /// Where it leads.
    pub to: PathEnd,
    /// The address that was tried.
    pub address: IpAddr,
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
    pub from: PathEnd,
    /// Where it leads.
    pub to: PathEnd,
    /// Why.
    pub why: String,
}

/// Deckies whose containment nobody saw from outside, so that the program in them was asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct InsideOnly {
    /// Why.
    pub why: String,
    /// How many there are.
    pub deckies: usize,
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
    /// The steps that would bring the runtime back to what the maze says, as `plan` prints them.
    pub drift: Vec<String>,
    /// What on the host explains that packets are lost; looked for only where some are.
    pub causes: Vec<Cause>,
    /// The deckies that were only asked from inside, by the reason.
    pub inside_only: Vec<InsideOnly>,
}

impl VerifyReport {
    /// Returns whether all is as the maze says.
    pub fn is_clean(&self) -> bool {
        self.deviations.is_empty() && self.drift.is_empty()
    }

    /// Returns whether packets do not arrive that should.
    pub(super) fn loses_packets(&self) -> bool {
        let lost = |one: &ReachDeviation| one.expected == Reach::Reachable && one.found == Reach::Unreachable;
        let mut between = self
            .deviations
            .iter()
            .filter(|one| one.from != one.to && matches!(one.to, PathEnd::Decky(_)));
        between.any(lost)
    }

    pub(super) fn add(&mut self, other: Self) {
        self.deckies += other.deckies;
        self.probes += other.probes;
        self.deviations.extend(other.deviations);
        self.skipped.extend(other.skipped);
        self.drift.extend(other.drift);
        self.causes.extend(other.causes);
        for other in other.inside_only {
            match self.inside_only.iter_mut().find(|own| own.why == other.why) {
                Some(own) => own.deckies += other.deckies,
                None => self.inside_only.push(other),
            }
        }
    }
}
