use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

use crate::alloc::{AllocError, ranges::Ranges, refuse_special};

/// Hands out the subnets of one length from a range of addresses, past everything reserved.
///
/// Subnets are compared as ranges of addresses: one of any length may be reserved, inside the pool or not, and none that
/// shares an address with it is handed out. A call costs O(log n) in the number of gaps between what is reserved, and opening
/// one costs the same for a `/8` as for a `/24`.
///
/// ```
/// use decnet_topology::alloc::SubnetAllocator;
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
    /// Where to look next: below, no subnet is free.
    next: u64,
}

impl SubnetAllocator {
    /// Opens a pool of subnets of `prefix` bits each. Host bits of the base are dropped.
    ///
    /// Refused: a prefix that is shorter than the base's, or over 32, and a base that shares an address with a range that no
    /// LAN can use ([`net::unusable`](crate::net::unusable)).
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

    /// Keeps a subnet of any length from being handed out; idempotent.
    pub fn reserve(&mut self, subnet: Ipv4Net) {
        let (first, last) = bounds(subnet);
        self.taken.insert(first, last);
    }

    /// Takes the lowest subnet of the pool that overlaps nothing reserved or handed out.
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

    /// Returns whether a subnet of any length, inside the pool or not, overlaps nothing reserved or handed out.
    pub fn is_free(&self, subnet: Ipv4Net) -> bool {
        let (first, last) = bounds(subnet);
        self.taken.meeting(first, last).is_none()
    }

    /// Counts the subnets that are free: O(n) in the number of gaps.
    pub fn available(&self) -> u64 {
        let (base, end) = bounds(self.base);
        let size = self.size();
        let mut touched = 0;
        // The first block not counted yet: two ranges may meet one block.
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

/// Turns the bits of an address of the pool into it.
fn address(bits: u64) -> Ipv4Addr {
    Ipv4Addr::from_bits(u32::try_from(bits).expect("a subnet of the pool lies below 2^32"))
}
