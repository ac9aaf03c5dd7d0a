use super::{
    crossing::{MOST_COMPARED, Trace},
    forest::{Forest, Links},
    parts::{LanBox, LanLink, SIDE},
    place::INDENT,
};
use crate::model::{Decky, Topology};

/// The distance from a box to the horizontal part of a line below it.
const BEND: i64 = 14;
/// How far a curve that leaves and enters boxes on the same side goes beyond them.
const AROUND: i64 = 56;

/// How often each curve may take another way. Few curves find a better one after that.
const MOST_ROUNDS: usize = 3;

/// A line from one box to the other.
struct Line {
    points: Vec<(i64, i64)>,
    label: (i64, i64),
    curved: bool,
}

/// A line of the picture, from the home of its first decky to another LAN.
pub(super) struct Route<'a> {
    ends: [usize; 2],
    deckies: &'a [(usize, usize)],
    line: Line,
    trace: Trace,
}

/// Draws the lines between the boxes. `stacked` says of each LAN whether its children are below each other.
pub(super) fn route<'a>(
    topology: &Topology,
    forest: &Forest,
    boxes: &[LanBox],
    stacked: &[bool],
    links: &'a Links,
) -> Vec<Route<'a>> {
    let has_stored = |lan: usize| {
        let position = topology.lans()[lan].position();
        position.x.is_some() || position.y.is_some()
    };
    let is_tree = |child: usize, parent: usize| {
        forest.parents[child] == Some(parent) && !has_stored(child) && !has_stored(parent)
    };
    let mut routes = Vec::with_capacity(links.len());
    for (&(one, other), deckies) in links {
        let Some(&(_, from)) = deckies.first() else { continue };
        let to = if from == one { other } else { one };
        let line = if is_tree(to, from) {
            branch(&boxes[from], &boxes[to], stacked[from])
        } else if is_tree(from, to) {
            branch(&boxes[to], &boxes[from], stacked[to]).reversed()
        } else {
            shortest(&boxes[from], &boxes[to])
        };
        routes.push(Route::new([from, to], deckies, line));
    }
    if routes.len() <= MOST_COMPARED {
        choose_ways(&mut routes, boxes);
    }
    routes
}

/// Gives each curve in turn the way that crosses the fewest other lines.
fn choose_ways(routes: &mut [Route<'_>], boxes: &[LanBox]) {
    for _ in 0..MOST_ROUNDS {
        let mut is_better = false;
        for at in 0..routes.len() {
            let Route {
                ends,
                deckies,
                ref line,
                ..
            } = routes[at];
            if !line.curved {
                continue;
            }
            let mut fewest = routes[at].crossings(routes);
            for line in detours(&boxes[ends[0]], &boxes[ends[1]]) {
                if fewest == 0 {
                    break;
                }
                let other = Route::new(ends, deckies, line);
                let crossings = other.crossings(routes);
                if crossings < fewest {
                    (fewest, is_better) = (crossings, true);
                    routes[at] = other;
                }
            }
        }
        if !is_better {
            return;
        }
    }
}

/// Counts the lines that each curve crosses. Other lines do not cross each other.
pub(super) fn crossings(routes: &[Route<'_>]) -> usize {
    let curves = routes.iter().filter(|route| route.line.curved);
    curves.map(|route| route.crossings(routes)).sum()
}

impl<'a> Route<'a> {
    fn new(ends: [usize; 2], deckies: &'a [(usize, usize)], line: Line) -> Self {
        let trace = Trace::new(&line.points, line.curved);
        Self {
            ends,
            deckies,
            line,
            trace,
        }
    }

    /// Counts the lines that cross this one. Lines of the same LAN do not count: they may leave it at the same place.
    fn crossings(&self, routes: &[Self]) -> usize {
        let others = routes
            .iter()
            .filter(|other| !other.ends.iter().any(|lan| self.ends.contains(lan)));
        others.filter(|other| self.trace.crosses(&other.trace)).count()
    }

    /// Returns the link that the line stands for.
    pub(super) fn link(self, topology: &Topology, boxes: &[LanBox]) -> LanLink {
        let [from, to] = self.ends;
        let members = || self.deckies.iter().map(|&(decky, _)| &topology.deckies()[decky]);
        LanLink {
            from: boxes[from].lan,
            to: boxes[to].lan,
            both_ways: self.deckies.iter().any(|&(_, home)| home == to),
            forwards: members().any(Decky::is_router),
            deckies: members().map(Decky::id).collect(),
            curved: self.line.curved,
            points: self.line.points,
            label: self.line.label,
        }
    }
}

impl Line {
    fn reversed(mut self) -> Self {
        self.points.reverse();
        self
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

/// Draws the shortest curve between the sides of two boxes.
fn shortest(from: &LanBox, to: &LanBox) -> Line {
    let between = |start: i64, end: i64| {
        let reach = ((end - start) / 2).abs().max(24) * (end - start).signum();
        curve(from, to, [start, end], [start + reach, end - reach])
    };
    let ([from_right, to_right], [from_left, to_left]) = (right(from, to), left(from, to));
    if to_left >= from_right {
        between(from_right, to_left)
    } else if from_left >= to_right {
        between(from_left, to_right)
    } else {
        around(from, to, AROUND)
    }
}

/// Draws the other curves between two boxes: close to both on the right or on the left, from one side to the other, and further away.
fn detours(from: &LanBox, to: &LanBox) -> [Line; 6] {
    let ([from_right, to_right], [from_left, to_left]) = (right(from, to), left(from, to));
    let across = |start: i64, end: i64, by: i64| curve(from, to, [start, end], [start + by, end - by]);
    [
        around(from, to, AROUND),
        around(from, to, -AROUND),
        across(from_right, to_left, AROUND),
        across(from_left, to_right, -AROUND),
        around(from, to, 3 * AROUND),
        around(from, to, -3 * AROUND),
    ]
}

/// Draws a curve that leaves and enters two boxes on the same side: on the right if `by` is positive, otherwise on the left.
fn around(from: &LanBox, to: &LanBox, by: i64) -> Line {
    let (ends, reach) = if by > 0 {
        let ends = right(from, to);
        (ends, ends[0].max(ends[1]) + by)
    } else {
        let ends = left(from, to);
        (ends, ends[0].min(ends[1]) + by)
    };
    curve(from, to, ends, [reach; 2])
}

fn left(from: &LanBox, to: &LanBox) -> [i64; 2] {
    [from.x, to.x]
}

fn right(from: &LanBox, to: &LanBox) -> [i64; 2] {
    [from.x + from.width, to.x + to.width]
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
