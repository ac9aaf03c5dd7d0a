//! Text for terminals and logs.

use decnet_engine::naming::ContainerName;
pub(crate) use decnet_topology::shown::{lines as visible, one_line};

/// Counts something: `1 LAN`, `2 LANs`, `3 deckies`.
pub(crate) fn count(number: usize, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

/// Counts something of which there may be very many.
pub(crate) fn many(number: u64, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

/// Warns of logs that Docker deletes with their containers; none where it deletes none.
pub(crate) fn deleted_logs(containers: &[ContainerName]) -> Option<String> {
    const NAMED: usize = 20;
    if containers.is_empty() {
        return None;
    }
    let names: Vec<&str> = containers.iter().take(NAMED).map(ContainerName::as_str).collect();
    let more = match containers.len() - names.len() {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let logs = count(containers.len(), "log is", "logs are");
    Some(format!(
        "{logs} deleted with the container: {}{more}; to keep one, run `docker logs NAME` first",
        names.join(", ")
    ))
}
