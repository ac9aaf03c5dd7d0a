//! The runtime trait in memory, with faults to order.
