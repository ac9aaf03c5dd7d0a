//! How far an intruder is from each LAN and decky, and what is lost with each decky.

mod compromises;
mod losses;
mod report;

pub use self::report::{AnalysisReport, DeckyAnalysis, LanAnalysis, LossCounts};

use self::{
    compromises::{Compromises, Reached},
    losses::Losses,
};
use crate::{
    finding::{Code, Finding, Target},
    graph::{ChokePoints, Graph, GraphNode, places},
    id::{DeckyId, LanId},
    model::{Decky, Lan, Topology},
    shown::count,
};

/// A decky on the path of an intruder, and the LAN behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Crossing {
    /// The decky.
    pub decky: DeckyId,
    /// The LAN that is reached through it.
    pub lan: LanId,
    /// Whether the intruder must take the decky over: it does not forward. A router forwards packets of anybody.
    pub is_compromise: bool,
}

/// The LANs and deckies that no chain of bridge deckies connects to the DMZ any more if one decky fails.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Loss {
    /// The LANs, in the order of the topology.
    pub lans: Vec<LanId>,
    /// The other deckies, in the order of the topology.
    pub deckies: Vec<DeckyId>,
}

/// The distances, paths and losses of a maze.
///
/// An intruder starts in the DMZ. Crossing a router costs nothing. A bridge decky that does not forward must be taken over, which
/// is one *compromise*. The decky through which the intruder entered the DMZ is not counted.
///
/// ```
/// use decnet_topology::{Graph, Topology};
///
/// let topology = Topology::builder()
///     .dmz("dmz", "10.0.0.0/24")
///     .lan("office", "10.0.1.0/24")
///     .lan("vault", "10.0.2.0/24")
///     .decky("router", |decky| decky.on("dmz", "10.0.0.3").on("office", "10.0.1.2").forwards())
///     .decky("clerk", |decky| decky.on("office", "10.0.1.3").on("vault", "10.0.2.2"))
///     .build()?;
/// let [_, office, vault] = [0, 1, 2].map(|at| topology.lans()[at].id());
/// let analysis = Graph::new(&topology).analysis();
/// assert_eq!(analysis.compromises(office), Some(0), "a router forwards packets of anybody");
/// assert_eq!(analysis.compromises(vault), Some(1));
/// assert_eq!(analysis.path_text(vault).as_deref(), Some("router (forwards), clerk (taken over)"));
/// assert_eq!(analysis.loss(topology.deckies()[0].id()).lans, [office, vault]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Analysis<'a> {
    topology: &'a Topology,
    layers: Vec<Vec<LanId>>,
    choke_points: ChokePoints,
    compromises: Compromises,
    losses: Losses,
}

impl<'a> Graph<'a> {
    /// Analyses the maze. It takes time in proportion to the maze, times the logarithm of the number of LANs.
    pub fn analysis(&self) -> Analysis<'a> {
        Analysis {
            topology: self.topology,
            layers: self.layers(),
            choke_points: self.choke_points(),
            compromises: Compromises::new(self),
            losses: Losses::new(self),
        }
    }
}

impl Analysis<'_> {
    /// Returns the largest number of bridge deckies between the DMZ and a LAN.
    pub fn depth(&self) -> usize {
        self.layers.len().saturating_sub(1)
    }

    /// Returns the largest number of LANs with the same distance from the DMZ.
    pub fn width(&self) -> usize {
        self.layers.iter().map(Vec::len).max().unwrap_or_default()
    }

    /// Returns the deckies and LANs that split the maze if they fail.
    pub fn choke_points(&self) -> &ChokePoints {
        &self.choke_points
    }

    /// Returns the LANs that packets from the DMZ reach by routing alone, the DMZ included, in the order of the topology.
    pub fn routed_lans(&self) -> Vec<LanId> {
        let lans = self.topology.lans().iter().map(Lan::id);
        lans.filter(|lan| self.compromises(*lan) == Some(0)).collect()
    }

    /// Returns the fewest compromises after which an intruder can send packets to a LAN; none if no path leads there.
    pub fn compromises(&self, lan: LanId) -> Option<usize> {
        self.reached(lan).map(|reached| reached.compromises)
    }

    /// Returns the fewest compromises after which an intruder can send packets to a decky; none if no path leads there.
    pub fn compromises_before(&self, decky: DeckyId) -> Option<usize> {
        self.compromises(self.nearest_lan(decky)?)
    }

    /// Returns the LAN of a decky that an intruder reaches first, with the fewest compromises and then the fewest deckies; none if
    /// no path leads there.
    pub fn nearest_lan(&self, decky: DeckyId) -> Option<LanId> {
        let decky = self.topology.decky(decky)?;
        let reached = places(self.topology, decky).filter_map(|(lan, _)| Some((self.compromises.lan(lan)?, lan)));
        let (_, lan) = reached.min_by_key(|(reached, lan)| (reached.compromises, reached.crossings, *lan))?;
        Some(self.topology.lans()[lan].id())
    }

    /// Returns a path with the fewest compromises from the DMZ to a LAN, and of these the one with the fewest deckies; none if no
    /// path leads there. The path to a decky is the one to its [nearest LAN](Self::nearest_lan).
    pub fn path(&self, lan: LanId) -> Option<Vec<Crossing>> {
        self.reached(lan)?;
        let mut path = Vec::new();
        let mut at = self.topology.lan_index(lan)?;
        while let Some((decky, before)) = self.compromises.lan(at).and_then(|reached| reached.from) {
            let decky = &self.topology.deckies()[decky];
            path.push(Crossing {
                decky: decky.id(),
                lan: self.topology.lans()[at].id(),
                is_compromise: !decky.is_router(),
            });
            at = before;
        }
        path.reverse();
        Some(path)
    }

    /// Formats the path to a LAN for people; the middle of a long one is left out. It is empty for the DMZ.
    pub fn path_text(&self, lan: LanId) -> Option<String> {
        /// How many deckies are named at each end.
        const ENDS: usize = 3;
        let path = self.path(lan)?;
        let word = |crossing: &Crossing| {
            let name = self.topology.decky(crossing.decky)?.name();
            let how = if crossing.is_compromise {
                "taken over"
            } else {
                "forwards"
            };
            Some(format!("{name} ({how})"))
        };
        let hidden = path.len().saturating_sub(2 * ENDS);
        let mut words: Vec<String> = if hidden > 1 {
            path[..ENDS].iter().filter_map(word).collect()
        } else {
            path.iter().filter_map(word).collect()
        };
        if hidden > 1 {
            words.push(format!("{hidden} more"));
            words.extend(path[path.len() - ENDS..].iter().filter_map(word));
        }
        Some(words.join(", "))
    }

    /// Returns what is cut off from the DMZ if a decky fails. What was cut off before is not included.
    pub fn loss(&self, decky: DeckyId) -> Loss {
        let at = self.topology.deckies().binary_search_by_key(&decky, Decky::id).ok();
        let mut loss = Loss::default();
        for node in self.losses.nodes(at) {
            match node {
                GraphNode::Lan(lan) => loss.lans.push(lan),
                GraphNode::Decky(decky) => loss.deckies.push(decky),
            }
        }
        // Topologies are in the order of their ids.
        loss.lans.sort_unstable();
        loss.deckies.sort_unstable();
        loss
    }

    /// Checks that a LAN takes a number of compromises. Returns the finding [`Code::MazeShallow`] if it takes fewer. A LAN that no
    /// path leads to is never too shallow.
    pub fn shallower_than(&self, lan: LanId, intended: usize) -> Option<Finding> {
        let fewest = self.compromises(lan).filter(|fewest| *fewest < intended)?;
        let name = self.topology.lan(lan)?.name();
        let path = self.path_text(lan)?;
        let advice = if path.is_empty() {
            "intruders start there: name an inner LAN".into()
        } else {
            format!(
                "path: {path}; turn off `forwards_l3` of a router on the path, or detach a decky on it from one of its LANs"
            )
        };
        let taken = count(fewest, "compromise", "compromises");
        let message = format!("LAN `{name}` takes {taken} from the DMZ, fewer than the intended {intended} ({advice})");
        let target = Target::Lan { lan: name.to_string() };
        Some(Finding::new(Code::MazeShallow, target, message))
    }

    fn reached(&self, lan: LanId) -> Option<Reached> {
        self.compromises.lan(self.topology.lan_index(lan)?)
    }
}
