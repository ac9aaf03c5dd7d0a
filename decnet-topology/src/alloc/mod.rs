//! Pure allocators of addresses and subnets.
