use super::{
    forest::{Forest, Links},
    parts::{LanBox, LanLink},
    place::INDENT,
};
use crate::model::{Decky, Topology};

/// The distance from the upper edge of a box to the lines that enter it from the side.
const SIDE: i64 = 22;
/// The distance from a box to the horizontal part of a line below it.
const BEND: i64 = 14;

/// A line from one box to the other, before it has a direction.
struct Line {
    points: Vec<(i64, i64)>,
    label: (i64, i64),
    curved: bool,
}

/// Draws the lines between the boxes. `stacked` says of each LAN whether its children are below each other.
pub(super) fn route(
    topology: &Topology,
    forest: &Forest,
    boxes: &[LanBox],
    stacked: &[bool],
    links: Links,
) -> Vec<LanLink> {
    let links = links.into_iter().filter_map(|((one, other), deckies)| {
        let from = deckies.first()?.1;
        let to = if from == one { other } else { one };
        let has_stored = |lan: usize| {
            let position = topology.lans()[lan].position();
            position.x.is_some() || position.y.is_some()
        };
        let is_tree = |child: usize, parent: usize| {
            forest.parents[child] == Some(parent) && !has_stored(child) && !has_stored(parent)
        };
        let mut line = if is_tree(to, from) {
            branch(&boxes[from], &boxes[to], stacked[from])
        } else if is_tree(from, to) {
            branch(&boxes[to], &boxes[from], stacked[to])
        } else {
            arc(&boxes[from], &boxes[to])
        };
        if is_tree(from, to) {
            line.points.reverse();
        }
        let members = || deckies.iter().map(|&(decky, _)| &topology.deckies()[decky]);
        Some(LanLink {
            from: boxes[from].lan,
            to: boxes[to].lan,
            both_ways: deckies.iter().any(|&(_, home)| home == to),
            forwards: members().any(Decky::is_router),
            deckies: members().map(Decky::id).collect(),
            curved: line.curved,
            points: line.points,
            label: line.label,
        })
    });
    links.collect()
}

/// Draws a line from a LAN to one that is placed below it.
fn branch(parent: &LanBox, child: &LanBox, is_stacked: bool) -> Line {
    let bottom = parent.y + parent.height;
    if is_stacked {
        let trunk = parent.x + INDENT / 2;
        return Line {
            points: vec![(trunk, bottom), (trunk, child.y + SIDE), (child.x, child.y + SIDE)],
            label: (child.x + 2, child.y - 7),
            curved: false,
        };
    }
    let (from, to) = (parent.x + parent.width / 2, child.x + child.width / 2);
    Line {
        points: vec![
            (from, bottom),
            (from, bottom + BEND),
            (to, bottom + BEND),
            (to, child.y),
        ],
        label: (to + 8, child.y - 10),
        curved: false,
    }
}

/// Draws a curve between the sides of two boxes.
fn arc(from: &LanBox, to: &LanBox) -> Line {
    let (from_y, to_y) = (from.y + SIDE, to.y + SIDE);
    let (from_right, to_right) = (from.x + from.width, to.x + to.width);
    let (start, end, first, second) = if to.x >= from_right {
        let reach = ((to.x - from_right) / 2).max(24);
        (from_right, to.x, from_right + reach, to.x - reach)
    } else if from.x >= to_right {
        let reach = ((from.x - to_right) / 2).max(24);
        (from.x, to_right, from.x - reach, to_right + reach)
    } else {
        let reach = from_right.max(to_right) + 56;
        (from_right, to_right, reach, reach)
    };
    let middle = ((start + 3 * first + 3 * second + end) / 8, i64::midpoint(from_y, to_y));
    Line {
        points: vec![(start, from_y), (first, from_y), (second, to_y), (end, to_y)],
        label: (middle.0 + 6, middle.1 - 4),
        curved: true,
    }
}
