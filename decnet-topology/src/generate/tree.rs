use std::ops::Range;

use crate::{
    alloc::{AllocError, SubnetAllocator},
    config::TopologyConfig,
    rng::RandomStream,
};

/// A LAN of the tree; LANs are identified by their positions in it.
#[derive(Debug)]
pub(super) struct Node {
    /// The LAN above; none for the DMZ.
    pub(super) parent: Option<usize>,
    /// The child LANs, which are adjacent in the list.
    pub(super) children: Range<usize>,
}

/// The LANs, breadth first from the DMZ.
#[derive(Debug)]
pub(super) struct Tree {
    lans: Vec<Node>,
}

impl Tree {
    /// Draws the tree level by level, and stops after the level that does not fit the pool.
    pub(super) fn grow(config: &TopologyConfig, pool: &SubnetAllocator) -> Result<Self, AllocError> {
        let available = pool.available();
        let mut lans = vec![Node {
            parent: None,
            children: 0..0,
        }];
        let mut needed = 1;
        check_room(pool, needed, available)?;
        let mut level = 0..1;
        for _ in 0..config.depth() {
            for parent in level.clone() {
                let mut stream = RandomStream::new(config.seed(), "lan.children", parent as u64);
                let children = stream.between(1, config.branching_factor());
                needed += u64::from(children);
                // LANs that do not fit the pool are only counted.
                if needed <= available {
                    let first = lans.len();
                    lans[parent].children = first..first + usize::from(children);
                    lans.extend((0..children).map(|_| Node {
                        parent: Some(parent),
                        children: 0..0,
                    }));
                }
            }
            check_room(pool, needed, available)?;
            level = level.end..lans.len();
        }
        Ok(Self { lans })
    }

    /// Returns the LANs, the DMZ first.
    pub(super) fn lans(&self) -> &[Node] {
        &self.lans
    }
}

fn check_room(pool: &SubnetAllocator, needed: u64, available: u64) -> Result<(), AllocError> {
    if needed <= available {
        return Ok(());
    }
    Err(AllocError::SubnetsExhausted {
        base: pool.base(),
        prefix: pool.prefix(),
        needed,
        available,
    })
}
