use std::fmt::{self, Write as _};

use super::text::{escaped, shortened};
use crate::{
    graph::layout::{
        LanLink, Layout,
        label::{CHARACTER, LABEL},
    },
    id::LanId,
    model::Topology,
};

/// Draws the lines, below the boxes.
pub(super) fn write_lines(out: &mut String, topology: &Topology, layout: &Layout) -> fmt::Result {
    for link in layout.links() {
        let title = escaped(&title(topology, link));
        let class = if link.forwards { "edge forwards" } else { "edge" };
        write!(
            out,
            "<g class=\"{class}\" data-from=\"{}\" data-to=\"{}\" tabindex=\"0\" role=\"img\" aria-label=\"{title}\"><title>{title}</title>\
             <path class=\"link\" d=\"",
            escaped(name(topology, link.from)),
            escaped(name(topology, link.to)),
        )?;
        for (at, (x, y)) in link.points.iter().enumerate() {
            let command = match (at, link.curved) {
                (0, _) => "M",
                (1, true) => "C",
                (_, true) => " ",
                (_, false) => "L",
            };
            write!(out, "{command}{x} {y}")?;
        }
        out.push_str("\"/>");
        if let [first, second, .., third, last] = link.points[..] {
            write_arrow(out, third, last)?;
            if link.both_ways {
                write_arrow(out, second, first)?;
            }
        } else if let [first, middle, last] = link.points[..] {
            write_arrow(out, middle, last)?;
            if link.both_ways {
                write_arrow(out, middle, first)?;
            }
        }
        out.push_str("</g>\n");
    }
    Ok(())
}

/// Draws the labels, above the boxes. Readers of the titles of the lines need them no second time.
pub(super) fn write_labels(out: &mut String, topology: &Topology, layout: &Layout) -> fmt::Result {
    for link in layout.links() {
        let mut names = link.deckies.iter().filter_map(|id| topology.decky(*id));
        let Some(first) = names.next() else { continue };
        let more = match link.deckies.len() {
            0 | 1 => String::new(),
            number => format!(" +{}", number - 1),
        };
        let columns = LABEL / CHARACTER - i64::try_from(more.len()).unwrap_or(0);
        let label = escaped(&format!("{}{more}", shortened(first.name().as_str(), columns)));
        let (x, y) = link.label;
        writeln!(
            out,
            "<text class=\"link-label\" x=\"{x}\" y=\"{y}\" aria-hidden=\"true\">{label}</text>"
        )?;
    }
    Ok(())
}

fn name(topology: &Topology, lan: LanId) -> &str {
    topology.lan(lan).map(|lan| lan.name().as_str()).unwrap_or_default()
}

fn title(topology: &Topology, link: &LanLink) -> String {
    let mut title = format!("{} to {}: ", name(topology, link.from), name(topology, link.to));
    for (at, decky) in link.deckies.iter().filter_map(|id| topology.decky(*id)).enumerate() {
        let comma = if at == 0 { "" } else { ", " };
        let forwards = if decky.is_router() {
            "forwards"
        } else {
            "does not forward"
        };
        let _ = write!(title, "{comma}{} ({forwards})", decky.name());
    }
    title
}

/// Draws the point of an arrow. Lines end horizontally or vertically.
fn write_arrow(out: &mut String, (from_x, from_y): (i64, i64), (x, y): (i64, i64)) -> fmt::Result {
    let (right, down) = ((x - from_x).signum(), (y - from_y).signum());
    let (back_x, back_y) = (x - 8 * right, y - 8 * down);
    // Of a line that is not horizontal, only the vertical part counts.
    let (across_x, across_y) = if right == 0 { (4, 0) } else { (0, 4) };
    write!(
        out,
        "<polygon class=\"arrow\" points=\"{x},{y} {},{} {},{}\"/>",
        back_x + across_x,
        back_y + across_y,
        back_x - across_x,
        back_y - across_y,
    )
}
