use std::{collections::BTreeSet, net::Ipv4Addr};

use ipnet::Ipv4Net;

use crate::{
    alloc::{AllocError, ranges::Ranges, refuse_special},
    net,
};

/// Hands out the addresses of one subnet.
///
/// The network, broadcast and gateway (first host) addresses are never handed out. A call costs O(log n) in the number of gaps
/// between used addresses. Opening a `/8` costs the same as opening a `/29`.
///
/// ```
/// use decnet_topology::IpAllocator;
///
/// let mut addresses = IpAllocator::new("10.0.0.0/24".parse()?)?;
/// addresses.reserve("10.0.0.3".parse()?)?;
/// assert_eq!(addresses.next_free()?.to_string(), "10.0.0.2");
/// assert_eq!(addresses.next_free()?.to_string(), "10.0.0.4");
/// assert!(addresses.reserve("10.0.0.1".parse()?).is_err(), "the gateway");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IpAllocator {
    subnet: Ipv4Net,
    used: u64,
    /// The next address to try: every lower address is in use or in `returned`.
    next: u32,
    returned: BTreeSet<u32>,
    /// The used addresses from there upward.
    ahead: Ranges,
}

impl IpAllocator {
    /// Opens a subnet with all its addresses free. Host bits are dropped.
    ///
    /// Refuses a subnet that shares an address with a range that no LAN can use
    /// ([`net::unusable`](crate::net::unusable)).
    pub fn new(subnet: Ipv4Net) -> Result<Self, AllocError> {
        let subnet = subnet.trunc();
        refuse_special(subnet)?;
        Ok(Self {
            subnet,
            used: 0,
            next: net::gateway(subnet).to_bits().saturating_add(1),
            returned: BTreeSet::new(),
            ahead: Ranges::default(),
        })
    }

    /// Returns the subnet.
    pub fn subnet(&self) -> Ipv4Net {
        self.subnet
    }

    /// Counts the free addresses.
    pub fn available(&self) -> u64 {
        net::usable(self.subnet) - self.used
    }

    /// Returns the lowest free address above the last one handed out. If there is none, returns the lowest released address.
    pub fn next_free(&mut self) -> Result<Ipv4Addr, AllocError> {
        let end = self.subnet.broadcast().to_bits();
        let free = match self.ahead.pop_at(self.next.into()) {
            Some(last) => u32::try_from(last + 1).unwrap_or(end),
            None => self.next,
        };
        let found = if free < end {
            self.next = free + 1;
            Some(free)
        } else {
            self.next = end;
            self.returned.pop_first()
        };
        let Some(address) = found else {
            return Err(AllocError::AddressesExhausted {
                subnet: self.subnet,
                needed: 1,
                available: 0,
            });
        };
        self.used += 1;
        Ok(Ipv4Addr::from_bits(address))
    }

    /// Reserves an address; idempotent.
    pub fn reserve(&mut self, address: Ipv4Addr) -> Result<(), AllocError> {
        if !self.subnet.contains(&address) {
            return Err(AllocError::OutsideSubnet {
                address,
                subnet: self.subnet,
            });
        }
        if let Some(role) = net::reserved(self.subnet, address) {
            return Err(AllocError::Reserved {
                address,
                subnet: self.subnet,
                role,
            });
        }
        let bits = address.to_bits();
        if !self.is_taken(bits) {
            self.used += 1;
            if bits < self.next {
                self.returned.remove(&bits);
            } else {
                self.ahead.insert(bits.into(), bits.into());
            }
        }
        Ok(())
    }

    /// Releases an address; idempotent.
    pub fn release(&mut self, address: Ipv4Addr) {
        if self.is_for_hosts(address) && self.is_taken(address.to_bits()) {
            let bits = address.to_bits();
            self.used -= 1;
            if bits < self.next {
                self.returned.insert(bits);
            } else {
                self.ahead.remove(bits.into());
            }
        }
    }

    /// Returns whether an address is free.
    pub fn is_free(&self, address: Ipv4Addr) -> bool {
        self.is_for_hosts(address) && !self.is_taken(address.to_bits())
    }

    fn is_for_hosts(&self, address: Ipv4Addr) -> bool {
        self.subnet.contains(&address) && net::reserved(self.subnet, address).is_none()
    }

    /// Returns whether an address of the subnet is in use.
    fn is_taken(&self, address: u32) -> bool {
        if address < self.next {
            !self.returned.contains(&address)
        } else {
            self.ahead.contains(address.into())
        }
    }
}
