use super::{
    forest::{Forest, Links},
    parts::LanBox,
    place::{place, usual_boxes},
    route::{crossings, route},
};
use crate::model::Topology;

/// How often a curve is compared with another line, so that a picture takes a few milliseconds longer. It suffices for about 60 LANs.
const MOST_COMPARISONS: usize = 40_000;

/// Swaps neighbouring children of a LAN where fewer lines cross then.
///
/// The boxes count with the height that three deckies give them, so that one more decky does not change the order.
pub(super) fn untangle(topology: &Topology, forest: &mut Forest, links: &Links, boxes: &[LanBox]) {
    // Each LAN except the roots has one line to its parent.
    let curves = links.len() - (boxes.len() - forest.roots.len());
    let mut attempts = MOST_COMPARISONS / (curves * links.len()).max(1);
    if curves == 0 || attempts == 0 {
        return;
    }
    let usual = usual_boxes(boxes);
    let crossings = |forest: &Forest| {
        let (boxes, stacked) = place(topology, forest, usual.clone());
        crossings(&route(topology, forest, &boxes, &stacked, links))
    };
    let mut fewest = crossings(forest);
    loop {
        let before = fewest;
        for lan in 0..forest.children.len() {
            for right in 1..forest.children[lan].len() {
                if fewest == 0 || attempts == 0 {
                    return;
                }
                attempts -= 1;
                forest.children[lan].swap(right - 1, right);
                let now = crossings(forest);
                if now < fewest {
                    fewest = now;
                } else {
                    forest.children[lan].swap(right - 1, right);
                }
            }
        }
        if fewest == before {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Catalog, TopologyConfig, generate,
        graph::layout::{forest, order, place},
    };

    /// Returns the order of the LANs below each LAN, before and after lines are untangled, each with the number of crossings.
    fn untangled(topology: &Topology) -> [(Vec<Vec<usize>>, usize); 2] {
        let links = forest::links(topology);
        let mut forest = Forest::new(topology, &links);
        let boxes = place::boxes(topology, &forest, false);
        let counted = |forest: &Forest| {
            let (boxes, stacked) = place(topology, forest, usual_boxes(&boxes));
            let count = crossings(&route(topology, forest, &boxes, &stacked, &links));
            (forest.children.clone(), count)
        };
        order::order_children(&mut forest, &links);
        let before = counted(&forest);
        untangle(topology, &mut forest, &links, &boxes);
        [before, counted(&forest)]
    }

    #[test]
    fn fewer_lines_cross_and_a_decky_does_not_change_the_order() {
        let config = TopologyConfig::builder("corp", 4, 3)
            .deckies_per_lan(2, 2)
            .cross_edge_probability(0.1)
            .seed(5)
            .build()
            .unwrap();
        let maze = generate(&config, &Catalog::builtin(), &[]).unwrap();
        let [(_, before), (order, after)] = untangled(&maze);
        assert!(after < before, "{after} crossings, {before} before");

        let (lans, mut deckies) = maze.into_parts();
        let plain = deckies.iter().position(|decky| !decky.is_bridge()).unwrap();
        deckies.remove(plain);
        let [_, (with_one_less, _)] = untangled(&Topology::new(lans, deckies).unwrap());
        assert_eq!(order, with_one_less);
    }
}
