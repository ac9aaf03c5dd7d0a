use super::forest::{Forest, Links};

/// A link outside of the tree, seen from a LAN that it passes or leaves.
#[derive(Clone, Copy)]
enum Pull {
    /// It connects something below one child with something below another.
    Between(usize, usize),
    /// It leads from a child to the left of everything below the LAN.
    Left(usize),
    /// It leads from a child to the right of it.
    Right(usize),
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
    // Whether the first end of a link is on the left, once that is known.
    let mut is_left = vec![None; outside.len()];
    for lan in forest.order.clone() {
        let pulls: Vec<Pull> = passing[lan]
            .iter()
            .filter_map(|&(link, children)| match children {
                [Some(one), Some(other)] => Some(Pull::Between(one, other)),
                // The other end of the link is on the side of the first one, or on the other side.
                [Some(child), None] => {
                    is_left[link].map(|left: bool| if left { Pull::Right(child) } else { Pull::Left(child) })
                }
                [None, Some(child)] => {
                    is_left[link].map(|left: bool| if left { Pull::Left(child) } else { Pull::Right(child) })
                }
                [None, None] => None,
            })
            .collect();
        let children = &mut forest.children[lan];
        improve(children, &pulls, &weights);
        for &(link, ends) in &passing[lan] {
            if let [Some(one), Some(other)] = ends {
                let place = |child| children.iter().position(|&found| found == child);
                is_left[link] = Some(place(one) < place(other));
            }
        }
    }
}

/// Counts for each LAN how many LANs are below it, with itself.
fn weights(forest: &Forest) -> Vec<usize> {
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
    for (link, &ends) in outside.iter().enumerate() {
        let mut at = ends;
        let mut children = [None; 2];
        while at[0] != at[1] {
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

/// Swaps neighbours while links then pass fewer LANs.
fn improve(children: &mut [usize], pulls: &[Pull], weights: &[usize]) {
    if pulls.is_empty() {
        return;
    }
    for _ in 0..children.len() {
        let mut is_better = false;
        for left in 1..children.len() {
            let before = passed(children, pulls, weights);
            children.swap(left - 1, left);
            if passed(children, pulls, weights) < before {
                is_better = true;
            } else {
                children.swap(left - 1, left);
            }
        }
        if !is_better {
            return;
        }
    }
}

/// Returns how many LANs the links pass.
fn passed(children: &[usize], pulls: &[Pull], weights: &[usize]) -> usize {
    let place = |child: usize| children.iter().position(|&found| found == child).unwrap_or_default();
    let weight = |passed: &[usize]| passed.iter().map(|&child| weights[child]).sum::<usize>();
    pulls
        .iter()
        .map(|pull| match *pull {
            Pull::Between(one, other) => {
                let (one, other) = (place(one), place(other));
                weight(&children[one.min(other) + 1..one.max(other)])
            }
            Pull::Left(child) => weight(&children[..place(child)]),
            Pull::Right(child) => weight(&children[place(child) + 1..]),
        })
        .sum()
}
