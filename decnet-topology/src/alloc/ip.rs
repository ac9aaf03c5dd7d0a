use std::{collections::BTreeSet, net::Ipv4Addr};

use ipnet::Ipv4Net;

use crate::{
    alloc::{AllocError, ranges::Ranges},
    net,
};

/// Hands out the addresses of one subnet.
///
/// Network, broadcast and gateway (the first host) are never handed out. A call costs O(log n) in the number of gaps between
/// the addresses in use, and opening one costs the same for a `/8` as for a `/29`.
///
/// ```
/// use decnet_topology::alloc::IpAllocator;
///
/// let mut addresses = IpAllocator::new("10.0.0.0/24".parse()?);
/// addresses.reserve("10.0.0.3".parse()?)?;
/// assert_eq!(addresses.next_free()?.to_string(), "10.0.0.2");
/// assert_eq!(addresses.next_free()?.to_string(), "10.0.0.4");
/// assert!(addresses.reserve("10.0.0.1".parse()?).is_err(), "the gateway");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IpAllocator {
    subnet: Ipv4Net,
    taken: Ranges,
    used: u64,
    /// Where to look next: below, every address is taken or in `returned`.
    next: u32,
    returned: BTreeSet<u32>,
}

impl IpAllocator {
    /// Opens a subnet with every address of it free. Host bits are dropped.
    pub fn new(subnet: Ipv4Net) -> Self {
        let subnet = subnet.trunc();
        Self {
            subnet,
            taken: Ranges::default(),
            used: 0,
            next: net::gateway(subnet).to_bits().saturating_add(1),
            returned: BTreeSet::new(),
        }
    }

    /// Returns the subnet.
    pub fn subnet(&self) -> Ipv4Net {
        self.subnet
    }

    /// Counts the addresses that are free.
    pub fn available(&self) -> u64 {
        net::usable(self.subnet) - self.used
    }

    /// Takes the lowest address above the last one handed out, or, when there is none, the lowest that was given back.
    pub fn next_free(&mut self) -> Result<Ipv4Addr, AllocError> {
        let end = self.subnet.broadcast().to_bits();
        let ahead = match self.taken.meeting(self.next.into(), self.next.into()) {
            Some((_, last)) => u32::try_from(last + 1).unwrap_or(end),
            None => self.next,
        };
        let found = if ahead < end {
            self.next = ahead + 1;
            Some(ahead)
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
        self.take(address);
        Ok(Ipv4Addr::from_bits(address))
    }

    /// Takes an address. One that is taken already is no error.
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
        if !self.taken.contains(address.to_bits().into()) {
            self.returned.remove(&address.to_bits());
            self.take(address.to_bits());
        }
        Ok(())
    }

    /// Gives an address back. One that is not taken is no error.
    pub fn release(&mut self, address: Ipv4Addr) {
        if self.taken.remove(address.to_bits().into()) {
            self.used -= 1;
            if address.to_bits() < self.next {
                self.returned.insert(address.to_bits());
            }
        }
    }

    /// Tells whether an address could be taken.
    pub fn is_free(&self, address: Ipv4Addr) -> bool {
        self.subnet.contains(&address)
            && net::reserved(self.subnet, address).is_none()
            && !self.taken.contains(address.to_bits().into())
    }

    fn take(&mut self, address: u32) {
        self.taken.insert(address.into(), address.into());
        self.used += 1;
    }
}
