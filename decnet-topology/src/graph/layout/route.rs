use super::{
    crossing::Trace,
    forest::{Forest, Links},
    label::Labels,
    parts::{LanBox, LanLink, SIDE},
    place::INDENT,
};
use crate::model::{Decky, Topology};

/// The distance from a box to the horizontal part of a line below it.
const BEND: i64 = 14;
/// In a picture with more lines, curves take the shortest way: to compare all lines with all others takes too long, and nobody follows them.
const MOST_COMPARED: usize = 500;
/// How far a curve that leaves and enters boxes on the same side goes beyond them.
const AROUND: i64 = 56;

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
    let has_stored = |lan: usize| {
        let position = topology.lans()[lan].position();
        position.x.is_some() || position.y.is_some()
    };
    let is_tree = |child: usize, parent: usize| {
        forest.parents[child] == Some(parent) && !has_stored(child) && !has_stored(parent)
    };
    let mut drawn = Drawn {
        compares: links.len() <= MOST_COMPARED,
        lines: Vec::new(),
    };
    let mut routed: Vec<Option<LanLink>> = Vec::with_capacity(links.len());
    let mut outside = Vec::new();
    let mut labels = (links.len() <= MOST_COMPARED && boxes.len() <= MOST_COMPARED).then(|| Labels::new(boxes));
    for ((one, other), deckies) in links {
        let Some(&(_, from)) = deckies.first() else { continue };
        let to = if from == one { other } else { one };
        let drawn_as = |line: Line| link(topology, boxes, [from, to], &deckies, line);
        let mut line = if is_tree(to, from) {
            branch(&boxes[from], &boxes[to], stacked[from])
        } else if is_tree(from, to) {
            branch(&boxes[to], &boxes[from], stacked[to])
        } else {
            outside.push((routed.len(), [from, to], deckies));
            routed.push(None);
            continue;
        };
        if is_tree(from, to) {
            line.points.reverse();
        }
        drawn.add([from, to], &line);
        if let Some(labels) = &mut labels {
            labels.take(line.label, label_length(topology, &deckies));
        }
        routed.push(Some(drawn_as(line)));
    }
    // The curves come last: each takes the way that crosses the fewest lines.
    for (place, ends, deckies) in outside {
        let mut line = drawn.best(ends, arcs(&boxes[ends[0]], &boxes[ends[1]]));
        drawn.add(ends, &line);
        if let Some(labels) = &mut labels {
            line.label = labels
                .beside(&line.points, label_length(topology, &deckies))
                .unwrap_or(line.label);
        }
        routed[place] = Some(link(topology, boxes, ends, &deckies, line));
    }
    routed.into_iter().flatten().collect()
}

/// Returns the number of characters of a label: the name of the first decky, and the number of the others.
fn label_length(topology: &Topology, deckies: &[(usize, usize)]) -> i64 {
    let name = deckies
        .first()
        .map_or("", |&(decky, _)| topology.deckies()[decky].name().as_str());
    let more = if deckies.len() > 1 { 3 } else { 0 };
    i64::try_from(name.chars().count()).unwrap_or(i64::MAX - more) + more
}

/// Returns the link of a line.
fn link(
    topology: &Topology,
    boxes: &[LanBox],
    [from, to]: [usize; 2],
    deckies: &[(usize, usize)],
    line: Line,
) -> LanLink {
    let members = || deckies.iter().map(|&(decky, _)| &topology.deckies()[decky]);
    LanLink {
        from: boxes[from].lan,
        to: boxes[to].lan,
        both_ways: deckies.iter().any(|&(_, home)| home == to),
        forwards: members().any(Decky::is_router),
        deckies: members().map(Decky::id).collect(),
        curved: line.curved,
        points: line.points,
        label: line.label,
    }
}

/// The lines that are drawn, with the LANs at their ends; none if there are too many to compare.
struct Drawn {
    compares: bool,
    lines: Vec<([usize; 2], Trace)>,
}

impl Drawn {
    fn add(&mut self, ends: [usize; 2], line: &Line) {
        if self.compares {
            self.lines.push((ends, Trace::new(&line.points, line.curved)));
        }
    }

    /// Returns the line that crosses the fewest others; of several, the first. Lines of the same LAN do not count.
    fn best(&self, ends: [usize; 2], lines: [Line; 3]) -> Line {
        let crossings = |line: &Line| {
            let trace = Trace::new(&line.points, line.curved);
            let others = self
                .lines
                .iter()
                .filter(|(lans, _)| !lans.iter().any(|lan| ends.contains(lan)));
            others.filter(|(_, other)| trace.crosses(other)).count()
        };
        let best = lines.into_iter().min_by_key(crossings);
        best.expect("there is a way")
    }
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

/// Draws curves between the sides of two boxes: the shortest one, on the right of both, and on the left of both.
fn arcs(from: &LanBox, to: &LanBox) -> [Line; 3] {
    let (right, left) = ([from.x + from.width, to.x + to.width], [from.x, to.x]);
    let around = |ends: [i64; 2], by: i64| {
        let reach = if by > 0 {
            ends[0].max(ends[1])
        } else {
            ends[0].min(ends[1])
        } + by;
        curve(from, to, ends, [reach; 2])
    };
    let between = |start: i64, end: i64| {
        let reach = ((end - start) / 2).abs().max(24) * (end - start).signum();
        curve(from, to, [start, end], [start + reach, end - reach])
    };
    let shortest = if left[1] >= right[0] {
        between(right[0], left[1])
    } else if left[0] >= right[1] {
        between(left[0], right[1])
    } else {
        around(right, AROUND)
    };
    [shortest, around(right, AROUND), around(left, -AROUND)]
}

/// Draws a curve from a side of a box to a side of another one, towards two control points.
fn curve(from: &LanBox, to: &LanBox, [start, end]: [i64; 2], [first, second]: [i64; 2]) -> Line {
    let (from_y, to_y) = (from.y + SIDE, to.y + SIDE);
    let middle = ((start + 3 * first + 3 * second + end) / 8, i64::midpoint(from_y, to_y));
    Line {
        points: vec![(start, from_y), (first, from_y), (second, to_y), (end, to_y)],
        label: (middle.0 + 6, middle.1 - 4),
        curved: true,
    }
}
