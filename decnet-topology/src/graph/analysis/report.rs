use serde::Serialize;

use super::Analysis;
use crate::{graph::ChokePointNames, id::LanId, model::Lan, name::Name};

/// An analysis by the names of LANs and deckies, for programs. Its size is in proportion to the maze: a path is followed from LAN to
/// LAN by `through` and `from`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct AnalysisReport<'a> {
    /// The largest number of bridge deckies between the DMZ and a LAN.
    pub depth: usize,
    /// The largest number of LANs with the same distance from the DMZ.
    pub width: usize,
    /// The LANs that packets from the DMZ reach by routing alone, the DMZ included.
    pub routed: Vec<&'a Name>,
    /// The deckies and LANs that split the maze if they fail.
    pub choke_points: ChokePointNames<'a>,
    /// The LANs, in the order of the topology.
    pub lans: Vec<LanAnalysis<'a>>,
    /// The deckies, in the order of the topology.
    pub deckies: Vec<DeckyAnalysis<'a>>,
}

/// The distance of one LAN.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct LanAnalysis<'a> {
    /// The LAN.
    pub lan: &'a Name,
    /// The number of bridge deckies between the DMZ and the LAN; none if they are not connected.
    pub depth: Option<usize>,
    /// The fewest compromises after which an intruder can send packets to it; none if no path leads there.
    pub compromises: Option<usize>,
    /// The last decky on this path; none for a DMZ.
    pub through: Option<&'a Name>,
    /// The LAN before this decky.
    pub from: Option<&'a Name>,
}

/// The distance of one decky, and what is lost with it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct DeckyAnalysis<'a> {
    /// The decky.
    pub decky: &'a Name,
    /// The fewest compromises after which an intruder can send packets to it; none if no path leads there.
    pub compromises: Option<usize>,
    /// The LAN on which it is reached; its path is that of the decky.
    pub lan: Option<&'a Name>,
    /// What is cut off from the DMZ if it fails.
    pub loss: LossCounts,
}

/// The number of LANs and deckies that are cut off from the DMZ if one decky fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[non_exhaustive]
pub struct LossCounts {
    /// The LANs.
    pub lans: usize,
    /// The other deckies.
    pub deckies: usize,
}

impl<'a> Analysis<'a> {
    /// Returns the analysis by names.
    pub fn report(&self) -> AnalysisReport<'a> {
        let topology = self.topology;
        let lan_name = |lan: LanId| topology.lan(lan).map(Lan::name);
        let mut depths = vec![None; topology.lans().len()];
        for (depth, lans) in self.layers.iter().enumerate() {
            for at in lans.iter().filter_map(|lan| topology.lan_index(*lan)) {
                depths[at] = Some(depth);
            }
        }
        let lans = topology
            .lans()
            .iter()
            .zip(depths)
            .enumerate()
            .map(|(at, (lan, depth))| {
                let reached = self.compromises.lan(at);
                let from = reached.and_then(|reached| reached.from);
                LanAnalysis {
                    lan: lan.name(),
                    depth,
                    compromises: reached.map(|reached| reached.compromises),
                    through: from.map(|(decky, _)| topology.deckies()[decky].name()),
                    from: from.map(|(_, lan)| topology.lans()[lan].name()),
                }
            });
        let deckies = topology.deckies().iter().enumerate().map(|(at, decky)| {
            let (lans, deckies) = self.losses.counts(at);
            DeckyAnalysis {
                decky: decky.name(),
                compromises: self.compromises_before(decky.id()),
                lan: self.nearest_lan(decky.id()).and_then(lan_name),
                loss: LossCounts { lans, deckies },
            }
        });
        AnalysisReport {
            depth: self.depth(),
            width: self.width(),
            routed: self.routed_lans().into_iter().filter_map(lan_name).collect(),
            choke_points: ChokePointNames::new(topology, &self.choke_points),
            lans: lans.collect(),
            deckies: deckies.collect(),
        }
    }
}
