use std::{
    collections::BTreeMap,
    fmt::{self, Write as _},
};

use crate::{
    graph::{Graph, places},
    model::{Decky, Lan, Topology},
    name::Name,
};

/// The role of a decky in the maze.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Host,
    Bridge,
    Router,
    Gateway,
}

impl Role {
    pub(super) fn of(topology: &Topology, decky: &Decky) -> Self {
        if topology.is_gateway(decky) {
            Self::Gateway
        } else if decky.is_router() {
            Self::Router
        } else if decky.is_bridge() {
            Self::Bridge
        } else {
            Self::Host
        }
    }
}

/// A decky with its edges. The edge to the LAN nearest to the DMZ comes first, so that the DMZ is drawn at the top.
struct Drawn<'g> {
    decky: &'g Decky,
    role: Role,
    edges: Vec<(usize, std::net::Ipv4Addr)>,
}

impl Graph<'_> {
    /// Draws the maze for Graphviz: `dot -Tsvg`. LANs are boxes, the DMZ a red one; routers are hexagons with thick lines,
    /// gateways green houses; lines of bridge deckies that do not forward are dashed. Each member of a fleet is a box around its LANs and
    /// deckies.
    pub fn to_dot(&self) -> String {
        let mut text = String::new();
        // Writing to a string cannot fail.
        let _ = self.write_dot(&mut text);
        text
    }

    /// Draws the maze for Mermaid, with the same symbols as [`to_dot`](Self::to_dot). Most viewers refuse more than 500 edges.
    pub fn to_mermaid(&self) -> String {
        let mut text = String::new();
        let _ = self.write_mermaid(&mut text);
        text
    }

    fn drawn(&self) -> impl Iterator<Item = Drawn<'_>> {
        let depths = self.depths();
        self.topology.deckies().iter().map(move |decky| {
            let mut edges: Vec<_> = places(self.topology, decky).collect();
            edges.sort_by_key(|&(lan, _)| depths[lan].unwrap_or(usize::MAX));
            let role = Role::of(self.topology, decky);
            Drawn { decky, role, edges }
        })
    }

    fn write_dot(&self, out: &mut String) -> fmt::Result {
        out.push_str(
            "graph maze {\n  graph [rankdir=TB, nodesep=0.3, ranksep=0.7, fontname=\"Helvetica\"];\n  \
             node [fontname=\"Helvetica\", fontsize=11, style=filled, fillcolor=\"#f8fafc\", color=\"#64748b\"];\n  \
             edge [fontname=\"Helvetica\", fontsize=8, color=\"#64748b\", fontcolor=\"#475569\"];\n",
        );
        for (at, lan) in self.topology.lans().iter().enumerate() {
            let style = if lan.is_dmz() {
                "fillcolor=\"#fee2e2\", color=\"#b91c1c\", penwidth=2"
            } else {
                "fillcolor=\"#dbeafe\", color=\"#1d4ed8\""
            };
            let label = self.lan_label(lan, dot_text).join("\\n");
            writeln!(
                out,
                "  lan{at} [shape=box, style=\"filled,rounded\", {style}, label=\"{label}\"];"
            )?;
        }
        for (at, drawn) in self.drawn().enumerate() {
            let style = match drawn.role {
                Role::Host => "shape=ellipse",
                Role::Bridge => "shape=ellipse, style=\"filled,dashed\", fillcolor=\"#fef9c3\"",
                Role::Router => "shape=hexagon, fillcolor=\"#fde68a\", color=\"#b45309\", penwidth=2",
                Role::Gateway => "shape=house, fillcolor=\"#bbf7d0\", color=\"#15803d\", penwidth=2",
            };
            let label = decky_label(drawn.decky).map(|line| dot_text(&line)).join("\\n");
            writeln!(out, "  decky{at} [{style}, label=\"{label}\"];")?;
            let line = match drawn.role {
                Role::Bridge => ", style=dashed",
                Role::Router | Role::Gateway => ", penwidth=2",
                Role::Host => "",
            };
            for (number, (lan, ip)) in drawn.edges.iter().enumerate() {
                let (from, to) = (format!("lan{lan}"), format!("decky{at}"));
                // Downward from the nearest LAN to the decky, and on to the others.
                let (from, to) = if number == 0 { (from, to) } else { (to, from) };
                writeln!(out, "  {from} -- {to} [label=\"{ip}\"{line}];")?;
            }
        }
        for (number, (host, nodes)) in self.by_host().iter().enumerate() {
            writeln!(
                out,
                "  subgraph cluster{number} {{ label=\"{}\"; fontname=\"Helvetica\"; color=\"#94a3b8\"; {}; }}",
                dot_text(host.as_str()),
                nodes.join("; "),
            )?;
        }
        out.push_str("}\n");
        Ok(())
    }

    fn write_mermaid(&self, out: &mut String) -> fmt::Result {
        out.push_str("flowchart TD\n");
        for (at, lan) in self.topology.lans().iter().enumerate() {
            let class = if lan.is_dmz() { "dmz" } else { "lan" };
            let label = self.lan_label(lan, mermaid_text).join("<br/>");
            writeln!(out, "  lan{at}[\"{label}\"]:::{class}")?;
        }
        for (at, drawn) in self.drawn().enumerate() {
            let (open, close, class) = match drawn.role {
                Role::Host => ("([", "])", "host"),
                Role::Bridge => ("([", "])", "bridge"),
                Role::Router => ("{{", "}}", "router"),
                Role::Gateway => ("[/", "\\]", "gateway"),
            };
            let label = decky_label(drawn.decky).map(|line| mermaid_text(&line)).join("<br/>");
            writeln!(out, "  decky{at}{open}\"{label}\"{close}:::{class}")?;
            let line = match drawn.role {
                Role::Host => "---",
                Role::Bridge => "-.-",
                Role::Router | Role::Gateway => "===",
            };
            for (number, (lan, ip)) in drawn.edges.iter().enumerate() {
                let (from, to) = (format!("lan{lan}"), format!("decky{at}"));
                let (from, to) = if number == 0 { (from, to) } else { (to, from) };
                writeln!(out, "  {from} {line}|\"{ip}\"| {to}")?;
            }
        }
        for (number, (host, nodes)) in self.by_host().iter().enumerate() {
            let (host, nodes) = (mermaid_text(host.as_str()), nodes.join("\n    "));
            writeln!(out, "  subgraph host{number}[\"{host}\"]\n    {nodes}\n  end")?;
        }
        out.push_str(
            "  classDef dmz fill:#fee2e2,stroke:#b91c1c,stroke-width:2px,color:#111827\n  \
             classDef lan fill:#dbeafe,stroke:#1d4ed8,color:#111827\n  \
             classDef host fill:#f8fafc,stroke:#64748b,color:#111827\n  \
             classDef bridge fill:#fef9c3,stroke:#64748b,stroke-dasharray:4 3,color:#111827\n  \
             classDef router fill:#fde68a,stroke:#b45309,stroke-width:2px,color:#111827\n  \
             classDef gateway fill:#bbf7d0,stroke:#15803d,stroke-width:2px,color:#111827\n",
        );
        Ok(())
    }

    /// Returns the nodes on each member of a fleet.
    fn by_host(&self) -> BTreeMap<&Name, Vec<String>> {
        let mut hosts: BTreeMap<&Name, Vec<String>> = BTreeMap::new();
        for (at, lan) in self.topology.lans().iter().enumerate() {
            if let Some(host) = self.lan_host(lan.id()) {
                hosts.entry(host).or_default().push(format!("lan{at}"));
            }
        }
        for (at, decky) in self.topology.deckies().iter().enumerate() {
            if let Some(host) = self.decky_host(decky.id()) {
                hosts.entry(host).or_default().push(format!("decky{at}"));
            }
        }
        hosts
    }

    /// Returns the lines in the box of a LAN: its name, its subnet, and where it is on a fleet.
    fn lan_label(&self, lan: &Lan, escaped: fn(&str) -> String) -> Vec<String> {
        let mark = if lan.is_dmz() { " (DMZ)" } else { "" };
        let lines = [format!("{}{mark}", lan.name()), lan.subnet().to_string()];
        let lines = lines.into_iter().chain(self.lan_place(lan.id()));
        lines.map(|line| escaped(&line)).collect()
    }
}

fn decky_label(decky: &Decky) -> [String; 2] {
    let services: Vec<&str> = decky.services().iter().map(AsRef::as_ref).collect();
    let services = if services.is_empty() {
        "no service".into()
    } else {
        services.join(", ")
    };
    [decky.name().to_string(), services]
}

/// Escapes text for a quoted string of Graphviz. The name of a service may be any text.
fn dot_text(text: &str) -> String {
    let escaped = |character: char| match character {
        '"' => "\\\"".into(),
        '\\' => "\\\\".into(),
        control if control.is_control() => " ".into(),
        other => other.to_string(),
    };
    text.chars().map(escaped).collect()
}

/// Escapes text for a quoted label of Mermaid, which reads it as HTML with its own entities.
fn mermaid_text(text: &str) -> String {
    let escaped = |character: char| match character {
        plain if plain.is_alphanumeric() || " ._-/,()".contains(plain) => plain.to_string(),
        control if control.is_control() => " ".into(),
        other => format!("#{};", u32::from(other)),
    };
    text.chars().map(escaped).collect()
}
