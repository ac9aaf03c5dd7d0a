//! A picture of the maze as one SVG file that needs nothing else.

mod deckies;
mod links;
mod palette;
mod state;
mod text;

use std::fmt::{self, Write as _};

pub use state::DrawnState;
use text::{INNER, escaped, shortened};

use crate::{
    graph::{
        Graph,
        layout::{
            LanBox, Layout,
            label::LABEL,
            parts::{HEAD, row_height},
        },
    },
    id::DeckyId,
    model::{Decky, Lan},
    shown::count,
};

/// The space around the picture.
const MARGIN: i64 = 24;

impl Graph<'_> {
    /// Draws the maze as SVG, in light or dark colours as the reader prefers.
    ///
    /// Each LAN is a box, the DMZ one with a thick line. Each decky is a row in the box of its home: hosts are rectangles, bridges
    /// dashed ones, routers hexagons and gateways arrows. Lines lead from the home of a decky to its other LANs; they are dashed
    /// if no decky of them forwards packets. Everything has a title and can be focused with the keyboard. The groups have the names
    /// as `data-lan`, `data-decky`, `data-host`, `data-from` and `data-to`, for programs. The file has no scripts and no links.
    pub fn to_svg(&self) -> String {
        self.to_svg_with(|_| None)
    }

    /// Draws the maze as SVG with the states of deckies, as text and dashes. See [`to_svg`](Self::to_svg).
    ///
    /// ```
    /// use decnet_topology::{DrawnState, Graph, Topology};
    ///
    /// let maze = Topology::builder()
    ///     .dmz("dmz", "10.0.0.0/24")
    ///     .decky("web", |decky| decky.on("dmz", "10.0.0.2"))
    ///     .build()?;
    /// let picture = Graph::new(&maze).to_svg_with(|_| Some(DrawnState::Gone));
    /// assert!(picture.contains("✕ gone"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn to_svg_with(&self, state: impl Fn(DeckyId) -> Option<DrawnState>) -> String {
        let mut out = String::new();
        // Writing to a string cannot fail.
        let _ = self.write_svg(&mut out, &state);
        out
    }

    fn write_svg(&self, out: &mut String, state: &dyn Fn(DeckyId) -> Option<DrawnState>) -> fmt::Result {
        let layout = self.layout();
        let (left, top, right, bottom) = bounds(&layout);
        let (width, height) = (right - left, bottom - top);
        let summary = format!(
            "Maze of {} and {}",
            count(self.topology.lans().len(), "LAN", "LANs"),
            count(self.topology.deckies().len(), "decky", "deckies"),
        );
        writeln!(
            out,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"decnet-map\" width=\"{width}\" height=\"{height}\" \
             viewBox=\"{left} {top} {width} {height}\" role=\"group\" aria-label=\"{summary}\">\n\
             <title>{summary}</title>\n<style>{}</style>\n\
             <rect class=\"canvas\" x=\"{left}\" y=\"{top}\" width=\"{width}\" height=\"{height}\"/>",
            palette::style(),
        )?;
        links::write_lines(out, self.topology, &layout)?;
        let mut residents = vec![Vec::new(); layout.boxes().len()];
        let mut unattached = Vec::new();
        for decky in self.topology.deckies() {
            match self.topology.home_index(decky) {
                Some(home) => residents[home].push(decky),
                None => unattached.push(decky),
            }
        }
        for ((place, lan), residents) in layout.boxes().iter().zip(self.topology.lans()).zip(&residents) {
            self.write_lan(out, place, lan, residents, state)?;
        }
        links::write_labels(out, self.topology, &layout)?;
        if !unattached.is_empty() {
            let names: Vec<&str> = unattached.iter().map(|decky| decky.name().as_str()).collect();
            let all = escaped(&format!("Not attached: {}", names.join(", ")));
            let label = escaped(&format!("{} not attached", count(unattached.len(), "decky", "deckies")));
            writeln!(
                out,
                "<g class=\"unattached\" tabindex=\"0\" role=\"img\" aria-label=\"{all}\"><title>{all}</title>\
                 <text x=\"{}\" y=\"{}\">{label}</text></g>",
                left + MARGIN,
                bottom - INNER,
            )?;
        }
        out.push_str("</svg>\n");
        Ok(())
    }

    fn write_lan(
        &self,
        out: &mut String,
        area: &LanBox,
        lan: &Lan,
        residents: &[&Decky],
        state: &dyn Fn(DeckyId) -> Option<DrawnState>,
    ) -> fmt::Result {
        let (x, y, columns) = (area.x, area.y, (area.width - 2 * INNER) * 10 / 72);
        let (class, mark) = if lan.is_dmz() { ("lan dmz", "DMZ ") } else { ("lan", "") };
        let residents_count = count(residents.len(), "decky", "deckies");
        let place = self.lan_place(lan.id()).unwrap_or_default();
        let space = if place.is_empty() { "" } else { " " };
        let subnet = format!("{}{space}{place}", lan.subnet());
        let title = format!("{mark}{}, {subnet}, {residents_count}", lan.name());
        let (title, name) = (escaped(&title), format!("{mark}{}", lan.name()));
        writeln!(
            out,
            "<g class=\"{class}\" data-lan=\"{}\"{} tabindex=\"0\" role=\"group\" aria-label=\"{title}\"><title>{title}</title>\
             <rect class=\"box\" x=\"{x}\" y=\"{y}\" width=\"{}\" height=\"{}\" rx=\"6\"/>\
             <text class=\"name\" x=\"{tx}\" y=\"{}\">{}</text><text class=\"quiet\" x=\"{tx}\" y=\"{}\">{}</text>",
            escaped(lan.name().as_str()),
            text::host(self.lan_host(lan.id())),
            area.width,
            area.height,
            y + 18,
            escaped(&shortened(&name, columns)),
            y + 35,
            escaped(&shortened(&subnet, (area.width - 2 * INNER) * 10 / 66)),
            tx = x + INNER,
        )?;
        if area.collapsed {
            let gone = residents
                .iter()
                .filter(|decky| state(decky.id()) == Some(DrawnState::Gone))
                .count();
            let degraded = residents
                .iter()
                .filter(|decky| state(decky.id()) == Some(DrawnState::Degraded))
                .count();
            let mut label = residents_count;
            for (number, mark) in [(gone, "✕"), (degraded, "▲")] {
                if number > 0 {
                    let _ = write!(label, " {mark}{number}");
                }
            }
            writeln!(
                out,
                "<text x=\"{}\" y=\"{}\">{label}</text></g>",
                x + INNER,
                y + HEAD + 10
            )?;
            return Ok(());
        }
        let mut top = y + HEAD;
        for decky in residents {
            deckies::write_decky(out, self, (x + 6, top, area.width - 12), decky, state(decky.id()))?;
            top += row_height(decky.is_bridge());
        }
        out.push_str("</g>\n");
        Ok(())
    }
}

/// Returns the edges of the picture: left, top, right, bottom. Curves can be wider than the boxes, and labels longer.
fn bounds(layout: &Layout) -> (i64, i64, i64, i64) {
    let boxes = layout.boxes().iter();
    let corners = boxes.flat_map(|place| [(place.x, place.y), (place.x + place.width, place.y + place.height)]);
    let lines = layout.links().iter().flat_map(|link| link.points.iter().copied());
    let labels = layout
        .links()
        .iter()
        .flat_map(|link| [link.label, (link.label.0 + LABEL, link.label.1)]);
    let points: Vec<(i64, i64)> = corners.chain(lines).chain(labels).collect();
    let least = |values: &mut dyn Iterator<Item = i64>| values.min().unwrap_or(0) - MARGIN;
    let most = |values: &mut dyn Iterator<Item = i64>| values.max().unwrap_or(240) + MARGIN;
    (
        least(&mut points.iter().map(|point| point.0)),
        least(&mut points.iter().map(|point| point.1)),
        most(&mut points.iter().map(|point| point.0)),
        most(&mut points.iter().map(|point| point.1)),
    )
}
