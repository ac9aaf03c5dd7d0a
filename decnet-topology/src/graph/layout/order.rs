use std::collections::BTreeMap;

use super::forest::{Forest, Links};

/// How often all neighbours are compared. Few children need more.
const MOST_ROUNDS: usize = 32;

/// How many steps from links to the DMZ are followed, so that a deep maze with many links takes no longer than it may.
const MOST_STEPS: usize = 1 << 20;

/// Where the other end of a link is, seen from a child of a LAN that the link passes.
#[derive(Clone, Copy)]
enum Other {
    /// To the left of everything below the LAN.
    Left,
    /// To the right of it.
    Right,
    /// Below this other child.
    Below(usize),
}

/// Orders the children of each LAN, so that links outside of the tree pass few other boxes, and so cross few lines.
///
/// From the DMZ down, neighbours are swapped while that makes links pass fewer boxes. Where no such link begins or ends below a LAN, its
/// children keep the order of the topology.
pub(super) fn order_children(forest: &mut Forest, links: &Links) {
    let is_tree = |one: usize, other: usize| forest.parents[one] == Some(other) || forest.parents[other] == Some(one);
    let outside: Vec<[usize; 2]> = links
        .keys()
        .filter(|&&(one, other)| !is_tree(one, other))
        .map(|&(one, other)| [one, other])
        .collect();
    if outside.is_empty() {
        return;
    }
    let weights = weights(forest);
    let passing = passing(forest, &outside);
    let Forest { order, children, .. } = forest;
    let mut places = vec![0; weights.len()];
    // Whether the first end of a link is on the left, once that is known.
    let mut is_left = vec![None; outside.len()];
    for &lan in &*order {
        if passing[lan].is_empty() {
            continue;
        }
        let mut pulls: BTreeMap<usize, Vec<Other>> = BTreeMap::new();
        let mut pull = |child, other| pulls.entry(child).or_default().push(other);
        for &(link, ends) in &passing[lan] {
            match (ends, is_left[link]) {
                ([Some(one), Some(other)], _) => {
                    pull(one, Other::Below(other));
                    pull(other, Other::Below(one));
                }
                // The other end of the link is on the side of the first one, or on the other side.
                ([Some(child), None], Some(true)) | ([None, Some(child)], Some(false)) => pull(child, Other::Right),
                ([Some(child), None], Some(false)) | ([None, Some(child)], Some(true)) => pull(child, Other::Left),
                _ => {}
            }
        }
        improve(&mut children[lan], &pulls, &weights, &mut places);
        for &(link, ends) in &passing[lan] {
            if let [Some(one), Some(other)] = ends {
                is_left[link] = Some(places[one] < places[other]);
            }
        }
    }
}

/// Counts for each LAN how many LANs are below it, with itself.
fn weights(forest: &Forest) -> Vec<i64> {
    let mut weights = vec![1; forest.parents.len()];
    for &lan in forest.order.iter().rev() {
        if let Some(parent) = forest.parents[lan] {
            weights[parent] += weights[lan];
        }
    }
    weights
}

/// Lists for each LAN the links that begin or end below it, with the children of both ends; none for an end that is elsewhere.
fn passing(forest: &Forest, outside: &[[usize; 2]]) -> Vec<Vec<(usize, [Option<usize>; 2])>> {
    let mut rank = vec![0; forest.parents.len()];
    for (place, &lan) in forest.order.iter().enumerate() {
        rank[lan] = place;
    }
    let mut passing = vec![Vec::new(); forest.parents.len()];
    let mut steps = 0;
    for (link, &ends) in outside.iter().enumerate() {
        let mut at = ends;
        let mut children = [None; 2];
        while at[0] != at[1] && steps < MOST_STEPS {
            steps += 1;
            // The one that the search found later is not above the other one.
            let end = usize::from(rank[at[1]] > rank[at[0]]);
            let Some(parent) = forest.parents[at[end]] else { break };
            children[end] = Some(at[end]);
            at[end] = parent;
            if at[0] != at[1] {
                let mut below = [None; 2];
                below[end] = children[end];
                passing[parent].push((link, below));
            }
        }
        if at[0] == at[1] {
            passing[at[0]].push((link, children));
        }
    }
    passing
}

/// Swaps neighbours while links then pass fewer LANs, and writes the place of each child.
fn improve(children: &mut [usize], pulls: &BTreeMap<usize, Vec<Other>>, weights: &[i64], places: &mut [usize]) {
    for (place, &child) in children.iter().enumerate() {
        places[child] = place;
    }
    for _ in 0..MOST_ROUNDS {
        let mut is_better = false;
        for at in 1..children.len() {
            let [left, right] = [children[at - 1], children[at]];
            let balance = |child, neighbour| balance(pulls.get(&child), places[child], neighbour, places);
            // What the one passes after the swap, and what the other one does not pass any more.
            if weights[left] * balance(right, left) < weights[right] * balance(left, right) {
                children.swap(at - 1, at);
                (places[left], places[right]) = (at, at - 1);
                is_better = true;
            }
        }
        if !is_better {
            return;
        }
    }
}

/// Returns how many links of a child lead to the right, minus those that lead to the left. Links to its neighbour do not count.
fn balance(pulls: Option<&Vec<Other>>, place: usize, neighbour: usize, places: &[usize]) -> i64 {
    let side = |other: &Other| match *other {
        Other::Right => 1,
        Other::Below(child) if child == neighbour => 0,
        Other::Below(child) if places[child] > place => 1,
        Other::Left | Other::Below(_) => -1,
    };
    pulls.into_iter().flatten().map(side).sum()
}
