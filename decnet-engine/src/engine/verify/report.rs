use std::{collections::BTreeSet, fmt, net::IpAddr};

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
    /// A foreign network, by the runtime's name; empty if the runtime does not know it.
    Network(String),
    /// The machine with the daemon.
    Host,
    /// An address that belongs to nobody, beyond that machine.
    Outside,
    /// The engine's own resolver, which is in every container.
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

/// Whether one end reaches the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reach {
    /// It answers.
    Reachable,
    /// It does not answer.
    Unreachable,
    /// It answers, but sees another source address than the visitor's.
    Anonymous,
    /// It could not be probed.
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

/// A path that differs from the maze.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ReachDeviation {
    /// The start of the path.
    pub from: PathEnd,
    /// The end of the path.
    pub to: PathEnd,
    /// The probed address.
    pub address: IpAddr,
    /// The expected result.
    pub expected: Reach,
    /// The actual result.
    pub found: Reach,
    /// The probe and its result, for people.
    pub how: String,
}

/// A path that was not probed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SkippedPath {
    /// The start of the path.
    pub from: PathEnd,
    /// The end of the path.
    pub to: PathEnd,
    /// The reason.
    pub why: String,
}

/// Deckies whose containment was not checked from outside, so that the program in them was asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct InsideOnly {
    /// The reason.
    pub why: String,
    /// Their number.
    pub deckies: usize,
}

/// The result of a verification.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct VerifyReport {
    /// How many deckies were probed.
    pub deckies: usize,
    /// How many paths were probed.
    pub probes: usize,
    /// The paths that differ from the maze, by the decky where they start.
    pub deviations: Vec<ReachDeviation>,
    /// The paths that were not probed because of the deploy settings.
    pub skipped: Vec<SkippedPath>,
    /// The steps that would reconcile the runtime with the maze, as `plan` prints them.
    pub drift: Vec<String>,
    /// The hosts that do not answer, with the reasons. Their deckies are not verified, and a lost path to one of them is no deviation.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unseen: Vec<String>,
    /// The reasons on the host for lost packets; determined only if packets are lost.
    pub causes: Vec<Cause>,
    /// The deckies that were only checked from inside, by reason.
    pub inside_only: Vec<InsideOnly>,
}

impl VerifyReport {
    /// Returns whether everything matches the maze.
    pub fn is_clean(&self) -> bool {
        self.deviations.is_empty() && self.drift.is_empty() && self.unseen.is_empty()
    }

    /// Drops lost paths to deckies whose hosts do not answer: these hosts are the reason.
    pub(super) fn forgive(&mut self, unseen: &BTreeSet<&Name>) {
        let is_lost = |one: &ReachDeviation| one.expected == Reach::Reachable && one.found != Reach::Reachable;
        let is_there =
            |end: &PathEnd| matches!(end, PathEnd::Decky(name) | PathEnd::Service(name, _) if unseen.contains(name));
        self.deviations.retain(|one| !(is_lost(one) && is_there(&one.to)));
    }

    /// Returns whether expected packets do not arrive.
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
        self.unseen.extend(other.unseen);
        self.causes.extend(other.causes);
        for other in other.inside_only {
            match self.inside_only.iter_mut().find(|own| own.why == other.why) {
                Some(own) => own.deckies += other.deckies,
                None => self.inside_only.push(other),
            }
        }
    }
}
