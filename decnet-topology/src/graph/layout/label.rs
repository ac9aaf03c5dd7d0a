//! Where the labels of curves are: not over a box, and not over another label.

use super::{
    crossing::{MOST_COMPARED, PIECES, Rectangle, on_curve},
    parts::{LanBox, LanLink, SIDE},
};
use crate::model::Topology;

type Point = (i64, i64);

/// The width of a character.
pub(in crate::graph) const CHARACTER: i64 = 6;
/// The longest label, in pixels: a longer one is shortened.
pub(in crate::graph) const LABEL: i64 = 100;
/// The height of a label above its base line.
const HEIGHT: i64 = 10;
/// The space around a label.
const SPACE: i64 = 2;

/// Moves the labels of curves to the free places that are nearest to the middle of their curves, where there are such places.
pub(super) fn place_labels(topology: &Topology, boxes: &[LanBox], links: &mut [LanLink]) {
    if boxes.len().max(links.len()) > MOST_COMPARED {
        return;
    }
    let corners = |placed: &LanBox| {
        [
            (placed.x, placed.y),
            (placed.x + placed.width, placed.y + placed.height),
        ]
    };
    let mut taken: Vec<Rectangle> = boxes.iter().map(|placed| Rectangle::around(&corners(placed))).collect();
    let widths: Vec<i64> = links.iter().map(|link| width(topology, link)).collect();
    let fixed = links.iter().zip(&widths).filter(|(link, _)| !link.curved);
    taken.extend(fixed.map(|(link, width)| area(link.label, *width)));
    for (link, width) in links.iter_mut().zip(widths).filter(|(link, _)| link.curved) {
        let is_free = |place: &Point| {
            let one = area(*place, width);
            !taken.iter().any(|other| one.overlaps(*other))
        };
        if let Some(place) = places(&link.points, width).find(is_free) {
            link.label = place;
        }
        taken.push(area(link.label, width));
    }
}

/// Returns the places for the label of a curve: beside it from its middle to its ends, and then above the ends of it.
fn places(curve: &[Point], width: i64) -> impl Iterator<Item = Point> {
    let curve: Option<[Point; 4]> = curve.try_into().ok();
    curve.into_iter().flat_map(move |curve| {
        let middle = PIECES / 2;
        let pieces = (0..middle).flat_map(move |step| [middle - step, middle + step]);
        let beside = pieces.flat_map(move |piece| {
            let (x, y) = on_curve(curve, piece);
            [(x + 6, y - 4), (x - 6 - width, y - 4)]
        });
        // Between two boxes that are side by side there is no room, but above the gap there is.
        let [start, .., end] = curve;
        let above = [
            (i64::midpoint(start.0, end.0) - width / 2, start.1.min(end.1)),
            (start.0 - width / 2, start.1),
            (end.0 - width / 2, end.1),
        ];
        beside.chain(above.map(|(x, y)| (x, y - SIDE - 6)))
    })
}

/// Returns the width of a label: the name of the first decky, and the number of the others.
fn width(topology: &Topology, link: &LanLink) -> i64 {
    let name = link.deckies.first().and_then(|&decky| topology.decky(decky));
    let name = name.map_or(0, |decky| decky.name().as_str().chars().count());
    let more = if link.deckies.len() > 1 { 3 } else { 0 };
    i64::try_from(name + more)
        .unwrap_or(LABEL)
        .saturating_mul(CHARACTER)
        .min(LABEL)
}

/// Returns the area that a label takes.
fn area((x, y): Point, width: i64) -> Rectangle {
    Rectangle::around(&[(x - SPACE, y - HEIGHT), (x + width + SPACE, y + SPACE)])
}
