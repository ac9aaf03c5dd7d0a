//! Pure allocators of addresses and subnets. They complete a draft.
//!
//! [`IpAllocator`] hands out the addresses of one subnet, [`SubnetAllocator`] the subnets of one pool. Both keep only the used
//! ranges, not a list of free ones. [`Draft::resolve`](crate::Draft::resolve) uses them to fill the gaps in a draft.

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

/// Refuses a range that overlaps one that no LAN can use.
fn refuse_special(range: Ipv4Net) -> Result<(), AllocError> {
    net::unusable(range).map_or(Ok(()), |special| Err(AllocError::Special { range, special }))
}

/// The reason why an address or a subnet was not allocated.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
#[non_exhaustive]
pub enum AllocError {
    /// The pool cannot hold one subnet of that length.
    #[error("the pool {base} contains no subnet of /{prefix}")]
    #[strum(serialize = "exhausted")]
    PoolTooSmall {
        /// The pool.
        base: Ipv4Net,
        /// The length of a subnet.
        prefix: u8,
    },
    /// The pool or the subnet overlaps a range that no LAN can use.
    #[error("{range} overlaps {special}, which no LAN can use")]
    #[strum(serialize = "SUBNET_SPECIAL")]
    Special {
        /// The pool or the subnet.
        range: Ipv4Net,
        /// The range that it overlaps.
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
        /// How many were requested; a lower bound if counting stopped early.
        needed: u64,
        /// How many were free at that time.
        available: u64,
    },
    /// The subnet has too few addresses.
    #[error("the subnet {subnet} has {available} free address(es) for hosts, {needed} are needed")]
    #[strum(serialize = "exhausted")]
    AddressesExhausted {
        /// The subnet.
        subnet: Ipv4Net,
        /// How many were requested.
        needed: u64,
        /// How many were free at that time.
        available: u64,
    },
    /// The address is outside the subnet.
    #[error("{address} is not in {subnet}")]
    OutsideSubnet {
        /// The address.
        address: Ipv4Addr,
        /// The subnet.
        subnet: Ipv4Net,
    },
    /// The address is reserved.
    #[error("{address} is the {role} address of {subnet}")]
    Reserved {
        /// The address.
        address: Ipv4Addr,
        /// The subnet.
        subnet: Ipv4Net,
        /// Its role: network, broadcast or gateway.
        role: &'static str,
    },
}

impl AllocError {
    /// Returns a stable code for programs.
    pub fn code(&self) -> &'static str {
        self.into()
    }
}
