use crate::id::{DeckyId, LanId};

/// The height of the row of a decky: a bridge has a third line.
pub(in crate::graph) const fn row_height(is_bridge: bool) -> i64 {
    if is_bridge { 54 } else { 40 }
}

/// The height of the head of a box, with the name and the subnet of the LAN.
pub(in crate::graph) const HEAD: i64 = 46;

/// The distance from the upper edge of a box to the lines that enter it from the side.
pub(super) const SIDE: i64 = 22;

/// The box of a LAN in a [`Layout`](crate::Layout).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LanBox {
    /// The LAN.
    pub lan: LanId,
    /// The left edge.
    pub x: i64,
    /// The upper edge.
    pub y: i64,
    /// The width.
    pub width: i64,
    /// The height.
    pub height: i64,
    /// The LAN above it; none for the DMZ and for LANs that are cut off.
    pub parent: Option<LanId>,
    /// Whether the box has only the number of its deckies, not a row for each.
    pub collapsed: bool,
}

/// A line between two LANs in a [`Layout`](crate::Layout), for all deckies that connect them: from the home of a decky to another LAN of it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LanLink {
    /// The home of the first decky.
    pub from: LanId,
    /// The other LAN.
    pub to: LanId,
    /// The deckies, in the order of the topology.
    pub deckies: Vec<DeckyId>,
    /// Whether at least one of the deckies has its home at the end of the line.
    pub both_ways: bool,
    /// Whether at least one of the deckies is a router.
    pub forwards: bool,
    /// Whether `points` are the four points of a cubic curve: a link outside the tree. Otherwise they are corners.
    pub curved: bool,
    /// The points of the line, x and y.
    pub points: Vec<(i64, i64)>,
    /// The left end of the base line of the label.
    pub label: (i64, i64),
}
