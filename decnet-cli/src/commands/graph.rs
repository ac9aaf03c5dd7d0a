use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
};

use decnet_topology::{Decky, DeckyId, Lan, LanId, Topology, graph::Graph};
use serde_json::json;

use crate::{command_error::CommandError, context::Context, exit::Exit, lookup, text};

/// Show the shape of a maze: who is where, who forwards, where it breaks.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// A maze file, - for stdin, or a stored maze by name, id or beginning of its id.
    #[arg(value_name = "FILE|TOPOLOGY")]
    maze: String,
    /// How it is drawn.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

/// How a maze is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// A tree of LANs, for terminals.
    Text,
    /// For Graphviz: `| dot -Tsvg`.
    Dot,
    /// For Mermaid, which many viewers of Markdown draw.
    Mermaid,
}

/// Draws a maze.
pub(crate) async fn run(arguments: Arguments, context: &Context) -> Result<Exit, CommandError> {
    let topology = lookup::maze(context, &arguments.maze).await?;
    let graph = Graph::new(&topology);
    match arguments.format {
        Format::Dot => context.output.data(&graph.to_dot())?,
        Format::Mermaid => context.output.data(&graph.to_mermaid())?,
        Format::Text => context.output.either(&as_json(&graph), || Tree::new(&graph).draw())?,
    }
    Ok(Exit::Done)
}

fn as_json(graph: &Graph<'_>) -> serde_json::Value {
    let topology = graph.topology();
    let name_of = |lan: &LanId| topology.lan(*lan).map(Lan::name);
    let names = |lans: &[LanId]| lans.iter().filter_map(name_of).collect::<Vec<_>>();
    let all_names = |sets: Vec<Vec<LanId>>| sets.iter().map(|lans| names(lans)).collect::<Vec<_>>();
    let chokes = graph.choke_points();
    let deckies: Vec<_> = chokes
        .deckies
        .iter()
        .filter_map(|id| topology.decky(*id))
        .map(Decky::name)
        .collect();
    json!({
        "layers": all_names(graph.layers()),
        "zones": all_names(graph.zones()),
        "orphans": names(&graph.orphan_lans()),
        "choke_points": {"deckies": deckies, "lans": names(&chokes.lans)},
    })
}

/// A maze as a tree: each LAN below the one through which it is nearest to the DMZ.
struct Tree<'g> {
    topology: &'g Topology,
    children: BTreeMap<LanId, Vec<LanId>>,
    roots: Vec<LanId>,
    depths: BTreeMap<LanId, usize>,
    residents: BTreeMap<LanId, Vec<&'g Decky>>,
    chokes: BTreeSet<DeckyId>,
}

impl<'g> Tree<'g> {
    fn new(graph: &Graph<'g>) -> Self {
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
        for root in &self.roots {
            self.lan(&mut text, *root, "", "");
        }
        let lonely: Vec<_> = self
            .topology
            .deckies()
            .iter()
            .filter(|decky| decky.home().is_none())
            .collect();
        for decky in lonely {
            let _ = writeln!(text, "{} (attached to nothing)", decky.name());
        }
        let routers = self.topology.deckies().iter().filter(|decky| decky.is_router()).count();
        let deepest = self.depths.values().max().copied().unwrap_or_default();
        let _ = writeln!(
            text,
            "\n{}, {}, {}, depth {deepest}, {}",
            text::count(self.topology.lans().len(), "LAN", "LANs"),
            text::count(self.topology.deckies().len(), "decky", "deckies"),
            text::count(routers, "router", "routers"),
            text::count(self.chokes.len(), "choke point", "choke points"),
        );
        text
    }

    /// Draws a LAN, its deckies, and the LANs below it. A maze is at most as deep as it has LANs, so the lines to come are kept
    /// on a stack of its own, not on the thread's.
    fn lan(&self, text: &mut String, root: LanId, lead: &str, below: &str) {
        let mut stack = vec![(root, lead.to_owned(), below.to_owned())];
        while let Some((id, lead, below)) = stack.pop() {
            let Some(lan) = self.topology.lan(id) else { continue };
            let mark = match (lan.is_dmz(), self.depths.get(&id)) {
                (true, _) => " (DMZ)",
                (_, None) => " (cut off from the DMZ)",
                _ => "",
            };
            let _ = writeln!(text, "{lead}{} {}{mark}", lan.name(), lan.subnet());
            let children = self.children.get(&id).map_or(&[][..], Vec::as_slice);
            let bar = if children.is_empty() { "    " } else { "│   " };
            for decky in self.residents.get(&id).map_or(&[][..], Vec::as_slice) {
                let _ = writeln!(text, "{below}{bar}{}", self.decky(decky, lan));
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

    fn decky(&self, decky: &Decky, home: &Lan) -> String {
        let ip = decky.home().map(|home| home.ip.to_string()).unwrap_or_default();
        let services: Vec<_> = decky.services().iter().map(ToString::to_string).collect();
        let mut line = format!("• {} {ip}", decky.name());
        if !services.is_empty() {
            let _ = write!(line, " [{}]", services.join(" "));
        }
        let elsewhere = decky.attachments().iter().filter(|edge| edge.lan != home.id());
        let elsewhere: Vec<_> = elsewhere
            .filter_map(|edge| Some(format!("{} {}", self.topology.lan(edge.lan)?.name(), edge.ip)))
            .collect();
        if !elsewhere.is_empty() {
            let sign = if decky.forwards_l3() { "⇄" } else { "┄" };
            let _ = write!(line, " {sign} {}", elsewhere.join(", "));
        }
        let mut marks = Vec::new();
        if self.topology.is_gateway(decky) {
            marks.push("gateway");
        } else if decky.is_router() {
            marks.push("router");
        } else if decky.is_bridge() {
            marks.push("bridge");
        }
        if self.chokes.contains(&decky.id()) {
            marks.push("choke point");
        }
        if !marks.is_empty() {
            let _ = write!(line, " ({})", marks.join(", "));
        }
        line
    }
}
