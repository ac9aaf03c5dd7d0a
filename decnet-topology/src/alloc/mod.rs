//! Pure allocators of addresses and subnets, and what they complete a draft to.
//!
//! [`IpAllocator`] hands out the addresses of one subnet, [`SubnetAllocator`] the subnets of one pool. Neither keeps a list of
//! what is free, only the ranges in use. [`Draft::resolve`](crate::Draft::resolve) fills with them what a draft leaves open.

mod ip;
mod ranges;
mod resolve;
mod subnet;

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

pub use ip::IpAllocator;
pub use resolve::{ResolveError, SubnetPool};
pub use subnet::SubnetAllocator;

use crate::net::{self, SpecialRange};

/// Refuses a range that shares an address with one that no LAN can use.
fn refuse_special(range: Ipv4Net) -> Result<(), AllocError> {
    net::unusable(range).map_or(Ok(()), |special| Err(AllocError::Special { range, special }))
}

/// Says why an address or a subnet was not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
#[non_exhaustive]
pub enum AllocError {
    /// The pool cannot hold one subnet of that length.
    #[error("the pool {base} holds no subnet of /{prefix}")]
    #[strum(serialize = "exhausted")]
    PoolTooSmall {
        /// The pool.
        base: Ipv4Net,
        /// The length of a subnet.
        prefix: u8,
    },
    /// The pool or the subnet lies, if only in part, where no LAN can be.
    #[error("{range} shares addresses with {special}, which no LAN can use")]
    #[strum(serialize = "SUBNET_SPECIAL")]
    Special {
        /// The pool or the subnet.
        range: Ipv4Net,
        /// What it shares addresses with.
        special: SpecialRange,
    },
    /// The pool has too few subnets.
    #[error("the pool {base} has {available} free subnet(s) of /{prefix}, {needed} are needed")]
    #[strum(serialize = "exhausted")]
    SubnetsExhausted {
        /// The pool.
        base: Ipv4Net,
        /// The length of a subnet.
        prefix: u8,
        /// How many were asked for (at least, where counting on would have been in vain).
        needed: u64,
        /// How many were free then.
        available: u64,
    },
    /// The subnet has too few addresses.
    #[error("the subnet {subnet} has {available} free address(es) for hosts, {needed} are needed")]
    #[strum(serialize = "exhausted")]
    AddressesExhausted {
        /// The subnet.
        subnet: Ipv4Net,
        /// How many were asked for.
        needed: u64,
        /// How many were free then.
        available: u64,
    },
    /// The address lies elsewhere.
    #[error("{address} is not in {subnet}")]
    OutsideSubnet {
        /// The address.
        address: Ipv4Addr,
        /// The subnet.
        subnet: Ipv4Net,
    },
    /// The address is kept for something else.
    #[error("{address} is the {role} address of {subnet}")]
    Reserved {
        /// The address.
        address: Ipv4Addr,
        /// The subnet.
        subnet: Ipv4Net,
        /// What it is kept for: network, broadcast or gateway.
        role: &'static str,
    },
}

impl AllocError {
    /// Returns a stable code for programs.
    pub fn code(&self) -> &'static str {
        self.into()
    }
}
