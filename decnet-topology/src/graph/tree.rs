use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
};

use serde::Serialize;

use super::{ChokePoints, Graph, GraphNode};
use crate::{
    id::{DeckyId, LanId},
    model::{Decky, Lan, PlacementNames, Topology},
    name::Name,
    shown::count,
};

/// The shape of a maze by the names of its LANs and deckies, for programs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct GraphShape<'a> {
    /// The LANs by their distance from the DMZ, the DMZ first.
    pub layers: Vec<Vec<&'a Name>>,
    /// The LANs that routers connect.
    pub zones: Vec<Vec<&'a Name>>,
    /// The LANs that no decky connects to the DMZ.
    pub orphans: Vec<&'a Name>,
    /// The deckies and LANs that split the maze if they fail.
    pub choke_points: ChokePointNames<'a>,
    /// The members of a fleet that have the LANs and deckies, if it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub placement: Option<PlacementNames<'a>>,
}

/// The names of the deckies and LANs that split a maze if they fail.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ChokePointNames<'a> {
    /// The deckies.
    pub deckies: Vec<&'a Name>,
    /// The LANs.
    pub lans: Vec<&'a Name>,
}

impl<'a> ChokePointNames<'a> {
    pub(super) fn new(topology: &'a Topology, points: &ChokePoints) -> Self {
        let deckies = points.deckies.iter().filter_map(|id| topology.decky(*id));
        let lans = points.lans.iter().filter_map(|id| topology.lan(*id));
        Self {
            deckies: deckies.map(Decky::name).collect(),
            lans: lans.map(Lan::name).collect(),
        }
    }
}

impl<'a> Graph<'a> {
    /// Returns the shape of the maze by names.
    pub fn shape(&self) -> GraphShape<'a> {
        let topology = self.topology;
        let names = |lans: &[LanId]| {
            lans.iter()
                .filter_map(|lan| topology.lan(*lan))
                .map(Lan::name)
                .collect()
        };
        let all_names = |sets: Vec<Vec<LanId>>| sets.iter().map(|lans| names(lans)).collect();
        GraphShape {
            layers: all_names(self.layers()),
            zones: all_names(self.zones()),
            orphans: names(&self.orphan_lans()),
            choke_points: ChokePointNames::new(topology, &self.choke_points()),
            placement: self.placement_names(),
        }
    }

    /// Draws the maze as a tree of LANs for terminals, with a summary in the last line.
    pub fn to_text(&self) -> String {
        Tree::new(self).draw()
    }

    /// Returns the rows of that tree: each LAN, the deckies whose home it is, and the LANs below it. Deckies without a LAN come last.
    ///
    /// ```
    /// use decnet_topology::{Graph, Topology};
    ///
    /// let topology = Topology::builder()
    ///     .dmz("dmz", "10.0.0.0/24")
    ///     .lan("office", "10.0.1.0/24")
    ///     .decky("door", |decky| decky.on("dmz", "10.0.0.2").on("office", "10.0.1.2"))
    ///     .build()?;
    /// let rows = Graph::new(&topology).tree();
    /// let branches: Vec<&str> = rows.iter().map(|row| row.branches.as_str()).collect();
    /// assert_eq!(branches, ["", "│   • ", "└── "], "the DMZ, the door in it, and the office");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn tree(&self) -> Vec<TreeRow> {
        Tree::new(self).rows()
    }
}

/// One row of a maze as a tree.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TreeRow {
    /// The LAN or the decky.
    pub node: GraphNode,
    /// The branches before its name: lines, spaces, and a bullet before a decky.
    pub branches: String,
    /// What is in their place if it needs another line.
    pub continued: String,
    /// The name of the decky; or the name and the subnet of the LAN, whether it is the DMZ or cut off from it, and where it is on a fleet.
    pub label: String,
}

/// A maze as a tree: each LAN below the one through which it is nearest to the DMZ.
struct Tree<'g> {
    graph: &'g Graph<'g>,
    topology: &'g Topology,
    children: BTreeMap<LanId, Vec<LanId>>,
    roots: Vec<LanId>,
    depths: BTreeMap<LanId, usize>,
    residents: BTreeMap<LanId, Vec<&'g Decky>>,
    chokes: BTreeSet<DeckyId>,
}

impl<'g> Tree<'g> {
    fn new(graph: &'g Graph<'g>) -> Self {
        let topology = graph.topology();
        let layers = graph.layers();
        let depths: BTreeMap<LanId, usize> = layers
            .iter()
            .enumerate()
            .flat_map(|(depth, lans)| lans.iter().map(move |lan| (*lan, depth)))
            .collect();
        let mut parents = BTreeMap::new();
        let mut residents: BTreeMap<LanId, Vec<&Decky>> = BTreeMap::new();
        for decky in topology.deckies() {
            if let Some(home) = decky.home() {
                residents.entry(home.lan).or_default().push(decky);
            }
            let depth_of = |lan: LanId| depths.get(&lan).copied();
            let nearest = decky
                .attachments()
                .iter()
                .filter_map(|edge| Some((depth_of(edge.lan)?, edge.lan)))
                .min();
            for edge in decky.attachments() {
                if let (Some((near, parent)), Some(depth)) = (nearest, depth_of(edge.lan))
                    && near + 1 == depth
                {
                    parents.entry(edge.lan).or_insert(parent);
                }
            }
        }
        let mut children: BTreeMap<LanId, Vec<LanId>> = BTreeMap::new();
        for (lan, parent) in &parents {
            children.entry(*parent).or_default().push(*lan);
        }
        let roots = topology
            .lans()
            .iter()
            .map(Lan::id)
            .filter(|lan| !parents.contains_key(lan))
            .collect();
        let chokes = graph.choke_points().deckies.into_iter().collect();
        Self {
            graph,
            topology,
            children,
            roots,
            depths,
            residents,
            chokes,
        }
    }

    fn draw(&self) -> String {
        let mut text = String::new();
        for row in self.rows() {
            let decky = match row.node {
                GraphNode::Lan(_) => None,
                GraphNode::Decky(id) => self.topology.decky(id),
            };
            let line = decky.map_or(row.label, |decky| self.decky(decky));
            let _ = writeln!(text, "{}{line}", row.branches);
        }
        let routers = self.topology.deckies().iter().filter(|decky| decky.is_router()).count();
        let deepest = self.depths.values().max().copied().unwrap_or_default();
        let _ = writeln!(
            text,
            "\n{}, {}, {}, depth {deepest}, {}",
            count(self.topology.lans().len(), "LAN", "LANs"),
            count(self.topology.deckies().len(), "decky", "deckies"),
            count(routers, "router", "routers"),
            count(self.chokes.len(), "choke point", "choke points"),
        );
        text
    }

    fn rows(&self) -> Vec<TreeRow> {
        let mut rows = Vec::new();
        for root in &self.roots {
            self.below(*root, &mut rows);
        }
        let deckies = self.topology.deckies().iter();
        let unattached = deckies.filter(|decky| decky.home().is_none());
        rows.extend(unattached.map(|decky| TreeRow {
            node: GraphNode::Decky(decky.id()),
            branches: String::new(),
            continued: String::new(),
            label: decky.name().to_string(),
        }));
        rows
    }

    /// Adds a LAN, its deckies, and the LANs below it. The depth is not bounded, so pending LANs are kept on a stack on the heap.
    fn below(&self, root: LanId, rows: &mut Vec<TreeRow>) {
        let mut stack = vec![(root, String::new(), String::new())];
        while let Some((id, branches, below)) = stack.pop() {
            let children = self.children.get(&id).map_or(&[][..], Vec::as_slice);
            let bar = if children.is_empty() { "    " } else { "│   " };
            rows.push(TreeRow {
                node: GraphNode::Lan(id),
                branches,
                continued: format!("{below}{bar}"),
                label: self.topology.lan(id).map(|lan| self.lan(lan)).unwrap_or_default(),
            });
            for decky in self.residents.get(&id).map_or(&[][..], Vec::as_slice) {
                rows.push(TreeRow {
                    node: GraphNode::Decky(decky.id()),
                    branches: format!("{below}{bar}• "),
                    continued: format!("{below}{bar}  "),
                    label: decky.name().to_string(),
                });
            }
            let last = children.len().saturating_sub(1);
            for (at, child) in children.iter().enumerate().rev() {
                let (branch, trunk) = if at == last {
                    ("└── ", "    ")
                } else {
                    ("├── ", "│   ")
                };
                stack.push((*child, format!("{below}{branch}"), format!("{below}{trunk}")));
            }
        }
    }

    fn lan(&self, lan: &Lan) -> String {
        let mark = match (lan.is_dmz(), self.depths.get(&lan.id())) {
            (true, _) => " (DMZ)",
            (_, None) => " (cut off from the DMZ)",
            _ => "",
        };
        let place = self.graph.lan_place(lan.id()).map(|place| format!(" {place}"));
        format!("{} {}{mark}{}", lan.name(), lan.subnet(), place.unwrap_or_default())
    }

    fn decky(&self, decky: &Decky) -> String {
        let Some(home) = decky.home() else {
            return format!("{} (not attached)", decky.name());
        };
        let services: Vec<_> = decky.services().iter().map(ToString::to_string).collect();
        let mut line = format!("{} {}", decky.name(), home.ip);
        if !services.is_empty() {
            let _ = write!(line, " [{}]", services.join(" "));
        }
        let elsewhere = decky.attachments().iter().filter(|edge| edge.lan != home.lan);
        let elsewhere: Vec<_> = elsewhere
            .filter_map(|edge| Some(format!("{} {}", self.topology.lan(edge.lan)?.name(), edge.ip)))
            .collect();
        if !elsewhere.is_empty() {
            let sign = if decky.forwards_l3() { "⇄" } else { "┄" };
            let _ = write!(line, " {sign} {}", elsewhere.join(", "));
        }
        let mut marks: Vec<String> = Vec::new();
        if self.topology.is_gateway(decky) {
            marks.push("gateway".into());
        } else if decky.is_router() {
            marks.push("router".into());
        } else if decky.is_bridge() {
            marks.push("bridge".into());
        }
        if self.chokes.contains(&decky.id()) {
            marks.push("choke point".into());
        }
        marks.extend(self.graph.other_host(decky).map(|host| format!("on {host}")));
        if !marks.is_empty() {
            let _ = write!(line, " ({})", marks.join(", "));
        }
        line
    }
}
