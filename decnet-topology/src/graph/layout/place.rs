use super::{
    forest::Forest,
    parts::{HEAD, LanBox, row_height},
};
use crate::model::{Coordinate, Topology};

/// The width of a box with rows.
const WIDE: i64 = 272;
/// The width of a collapsed box.
const NARROW: i64 = 184;
/// The space below the last row.
const PAD: i64 = 8;
/// The height of the line with the number of deckies.
const COUNT: i64 = 22;
/// The space between boxes that are side by side.
const BESIDE: i64 = 32;
/// The space above a box, for lines and their labels.
const ABOVE: i64 = 48;
/// The distance from the left edge of a LAN to that of the LANs that are stacked below it.
pub(super) const INDENT: i64 = 32;
/// The greatest distance of a stored position from the origin.
const LIMIT: f64 = 100_000.0;

/// A LAN with everything below it.
#[derive(Clone, Copy, Default)]
struct Block {
    width: i64,
    height: i64,
    /// The height if each LAN had three deckies. The arrangement depends on it, so that a decky does not change the arrangement.
    usual_height: i64,
    /// The distance from the left edge of the block to that of the LAN's box.
    offset: i64,
    /// The distance from the left edge of the block to that of its first child.
    inset: i64,
    stacked: bool,
}

/// Places the boxes, and says of each LAN whether its children are below each other. Blocks never overlap, so neither do boxes
/// whose position is not stored.
pub(super) fn place(topology: &Topology, forest: &Forest, mut boxes: Vec<LanBox>) -> (Vec<LanBox>, Vec<bool>) {
    let mut blocks = vec![Block::default(); boxes.len()];
    for &lan in forest.order.iter().rev() {
        blocks[lan] = arrange(&boxes[lan], &forest.children[lan], &blocks, &boxes);
    }
    let mut corners = vec![(0, 0); boxes.len()];
    let mut left = 0;
    for &root in &forest.roots {
        corners[root] = (left, 0);
        left += blocks[root].width + BESIDE;
    }
    for &lan in &forest.order {
        let (block, (x, y)) = (blocks[lan], corners[lan]);
        (boxes[lan].x, boxes[lan].y) = (x + block.offset, y);
        let (mut x, mut y) = (x + block.inset, y + boxes[lan].height + ABOVE);
        for &child in &forest.children[lan] {
            corners[child] = (x, y);
            if block.stacked {
                y += blocks[child].height + ABOVE;
            } else {
                x += blocks[child].width + BESIDE;
            }
        }
    }
    for (placed, lan) in boxes.iter_mut().zip(topology.lans()) {
        let stored = lan.position();
        placed.x = stored.x.map_or(placed.x, rounded);
        placed.y = stored.y.map_or(placed.y, rounded);
    }
    (boxes, blocks.iter().map(|block| block.stacked).collect())
}

/// Returns the boxes with their sizes, at the origin.
pub(super) fn boxes(topology: &Topology, forest: &Forest, collapse: bool) -> Vec<LanBox> {
    let mut rows = vec![0; topology.lans().len()];
    for decky in topology.deckies() {
        if let Some(home) = topology.home_index(decky) {
            rows[home] += row_height(decky.is_bridge());
        }
    }
    let lans = topology.lans().iter().zip(&forest.parents).zip(rows);
    lans.map(|((lan, parent), rows)| {
        let collapsed = collapse && !lan.is_dmz();
        LanBox {
            lan: lan.id(),
            x: 0,
            y: 0,
            width: if collapsed { NARROW } else { WIDE },
            height: HEAD + if collapsed { COUNT } else { rows + PAD },
            parent: parent.map(|parent| topology.lans()[parent].id()),
            collapsed,
        }
    })
    .collect()
}

/// Returns the boxes as they would be if each LAN had three deckies.
pub(super) fn usual_boxes(boxes: &[LanBox]) -> Vec<LanBox> {
    let mut boxes = boxes.to_vec();
    for lan in &mut boxes {
        lan.height = usual_height(lan);
    }
    boxes
}

fn usual_height(lan: &LanBox) -> i64 {
    if lan.collapsed {
        lan.height
    } else {
        HEAD + 3 * row_height(false) + PAD
    }
}

/// Arranges the children of a LAN: side by side below it, or as a stack if that is nearer to a square.
fn arrange(own: &LanBox, children: &[usize], blocks: &[Block], boxes: &[LanBox]) -> Block {
    let usual = usual_height(own);
    let below = || children.iter().map(|&child| blocks[child]);
    let gaps = i64::try_from(children.len().saturating_sub(1)).unwrap_or(i64::MAX) * BESIDE;
    let children_width = below().map(|block| block.width).sum::<i64>() + gaps;
    let row_width = children_width.max(own.width);
    let row_height = usual + below().map(|block| block.usual_height + ABOVE).max().unwrap_or(0);
    let stack_width = own
        .width
        .max(INDENT + below().map(|block| block.width).max().unwrap_or(0));
    let stack_height = usual + below().map(|block| block.usual_height + ABOVE).sum::<i64>();
    // Screens are wider than high.
    let longer = |width: i64, height: i64| (2 * width).max(3 * height);
    if children.len() > 1 && longer(stack_width, stack_height) < longer(row_width, row_height) {
        return Block {
            width: stack_width,
            height: own.height + below().map(|block| block.height + ABOVE).sum::<i64>(),
            usual_height: stack_height,
            offset: 0,
            inset: INDENT,
            stacked: true,
        };
    }
    let inset = (row_width - children_width).max(0) / 2;
    let centre = |child: usize| blocks[child].offset + boxes[child].width / 2;
    let middle = match children {
        [] => own.width / 2,
        [only] => inset + centre(*only),
        [first, .., last] => {
            let end = children_width - blocks[*last].width + centre(*last);
            inset + i64::midpoint(centre(*first), end)
        }
    };
    Block {
        width: row_width,
        height: own.height + below().map(|block| block.height + ABOVE).max().unwrap_or(0),
        usual_height: row_height,
        offset: (middle - own.width / 2).clamp(0, row_width - own.width),
        inset,
        stacked: false,
    }
}

#[expect(clippy::cast_possible_truncation, reason = "the number is limited before")]
fn rounded(stored: Coordinate) -> i64 {
    stored.get().round().clamp(-LIMIT, LIMIT) as i64
}
