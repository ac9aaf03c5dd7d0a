use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

use crate::alloc::{AllocError, ranges::Ranges, refuse_special};

/// Hands out the subnets of one length from a range of addresses. It skips everything reserved.
///
/// Subnets are compared as ranges of addresses: one of any length may be reserved, inside or outside the pool, and no subnet that
/// overlaps it is handed out. A call costs O(log n) in the number of gaps between reserved ranges. Opening a `/8` costs the same
/// as opening a `/24`.
///
/// ```
/// use decnet_topology::SubnetAllocator;
///
/// let mut subnets = SubnetAllocator::new("172.16.0.0/12".parse()?, 24)?;
/// subnets.reserve("172.16.0.128/25".parse()?);
/// assert_eq!(subnets.next_free()?.to_string(), "172.16.1.0/24");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubnetAllocator {
    base: Ipv4Net,
    prefix: u8,
    taken: Ranges,
    /// The next place to try: no lower subnet is free.
    next: u64,
}

impl SubnetAllocator {
    /// Opens a pool of subnets of `prefix` bits each. Host bits of the base are dropped.
    ///
    /// Refuses a prefix that is shorter than the base's or longer than 32, and a base that overlaps a range that no LAN can use
    /// ([`net::unusable`](crate::net::unusable)).
    pub fn new(base: Ipv4Net, prefix: u8) -> Result<Self, AllocError> {
        let base = base.trunc();
        if prefix < base.prefix_len() || prefix > 32 {
            return Err(AllocError::PoolTooSmall { base, prefix });
        }
        refuse_special(base)?;
        Ok(Self {
            base,
            prefix,
            taken: Ranges::default(),
            next: base.network().to_bits().into(),
        })
    }

    /// Returns the range of addresses.
    pub fn base(&self) -> Ipv4Net {
        self.base
    }

    /// Returns the length of the subnets handed out.
    pub fn prefix(&self) -> u8 {
        self.prefix
    }

    /// Reserves a subnet of any length, so that it is not handed out; idempotent.
    pub fn reserve(&mut self, subnet: Ipv4Net) {
        let (first, last) = bounds(subnet);
        self.taken.insert(first, last);
    }

    /// Returns the lowest subnet of the pool that overlaps no reserved subnet, and reserves it.
    pub fn next_free(&mut self) -> Result<Ipv4Net, AllocError> {
        let size = self.size();
        let (base, end) = bounds(self.base);
        while self.next <= end {
            let last = self.next + size - 1;
            let Some((_, taken)) = self.taken.meeting(self.next, last) else {
                let found = Ipv4Net::new_assert(address(self.next), self.prefix);
                self.taken.insert(self.next, last);
                self.next += size;
                return Ok(found);
            };
            self.next = base + (taken + 1 - base).next_multiple_of(size);
        }
        Err(AllocError::SubnetsExhausted {
            base: self.base,
            prefix: self.prefix,
            needed: 1,
            available: 0,
        })
    }

    /// Returns whether a subnet of any length is free: it overlaps nothing that is reserved or handed out. It may be outside the
    /// pool.
    pub fn is_free(&self, subnet: Ipv4Net) -> bool {
        let (first, last) = bounds(subnet);
        self.taken.meeting(first, last).is_none()
    }

    /// Counts the free subnets: O(n) in the number of gaps.
    pub fn available(&self) -> u64 {
        let (base, end) = bounds(self.base);
        let size = self.size();
        let mut touched = 0;
        // The first block that is not counted yet: two ranges may overlap one block.
        let mut uncounted = 0;
        for (first, last) in self.taken.iter() {
            if last < base || first > end {
                continue;
            }
            let from = ((first.max(base) - base) / size).max(uncounted);
            let until = (last.min(end) - base) / size + 1;
            touched += until.saturating_sub(from);
            uncounted = uncounted.max(until);
        }
        (end - base + 1) / size - touched
    }

    fn size(&self) -> u64 {
        1 << (32 - self.prefix)
    }
}

fn bounds(subnet: Ipv4Net) -> (u64, u64) {
    (subnet.network().to_bits().into(), subnet.broadcast().to_bits().into())
}

/// Converts the bits of an address of the pool to the address.
fn address(bits: u64) -> Ipv4Addr {
    Ipv4Addr::from_bits(u32::try_from(bits).expect("a subnet of the pool lies below 2^32"))
}
