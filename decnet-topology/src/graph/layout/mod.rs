//! Where the LANs of a picture are: integer coordinates, the same on every platform.

mod crossing;
mod forest;
pub(super) mod label;
mod order;
pub(super) mod parts;
mod place;
mod route;
mod untangle;

pub(crate) use forest::{Forest, Links, links};
pub use parts::{LanBox, LanLink};

use crate::graph::Graph;

/// Mazes with more LANs show only the number of deckies in each LAN behind the DMZ.
const MOST_OPEN_LANS: usize = 60;

/// The coordinates of a picture of a maze, in pixels: x to the right, y downward.
///
/// Each LAN is a box below the LAN through which it is nearest to the DMZ. Children are side by side, or one below the other where
/// that keeps the picture compact. Links outside of this tree are curves. Children are in the order of the topology, unless fewer
/// lines cross in another order. A decky that is attached to its home only makes its LAN's box higher, which moves boxes
/// downward, and none to the side. A position that is stored with a LAN replaces the computed one, and moves no other box; it is
/// rounded and limited to ±100 000. Positions of deckies have no effect, because a decky is a row in the box of its home.
///
/// ```
/// use decnet_topology::{Graph, Topology};
///
/// let maze = Topology::builder()
///     .dmz("dmz", "10.0.0.0/24")
///     .lan("office", "10.0.1.0/24")
///     .decky("door", |decky| decky.on("dmz", "10.0.0.2").on("office", "10.0.1.2"))
///     .build()?;
/// let layout = Graph::new(&maze).layout();
/// let [dmz, office] = layout.boxes() else { unreachable!() };
/// assert!(office.y > dmz.y + dmz.height);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    boxes: Vec<LanBox>,
    links: Vec<LanLink>,
}

impl Layout {
    /// Returns the boxes, in the order of the LANs of the topology.
    pub fn boxes(&self) -> &[LanBox] {
        &self.boxes
    }

    /// Returns the lines, in the order of their LANs.
    pub fn links(&self) -> &[LanLink] {
        &self.links
    }
}

impl Graph<'_> {
    /// Computes the coordinates of a picture of the maze. A maze of more than 60 LANs shows the deckies of the DMZ, and of other
    /// LANs their number.
    pub fn layout(&self) -> Layout {
        let topology = self.topology;
        let links = forest::links(topology);
        let mut forest = forest::Forest::new(topology, &links);
        let boxes = place::boxes(topology, &forest, topology.lans().len() > MOST_OPEN_LANS);
        order::order_children(&mut forest, &links);
        untangle::untangle(topology, &mut forest, &links, &boxes);
        let (boxes, stacked) = place::place(topology, &forest, boxes);
        let routes = route::route(topology, &forest, &boxes, &stacked, &links);
        let mut links: Vec<_> = routes.into_iter().map(|route| route.link(topology, &boxes)).collect();
        label::place_labels(topology, &boxes, &mut links);
        Layout { boxes, links }
    }
}
