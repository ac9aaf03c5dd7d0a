//! Text for terminals and logs.

pub(crate) use decnet_engine::event::deleted_logs_text as deleted_logs;
pub(crate) use decnet_topology::shown::{lines as visible, one_line};

/// Counts something: `1 LAN`, `2 LANs`, `3 deckies`.
pub(crate) fn count(number: usize, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

/// Counts something of which there may be very many.
pub(crate) fn many(number: u64, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}
