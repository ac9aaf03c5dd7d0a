//! What a startup packet names.

/// What the visitor said in its startup packet.
#[derive(Debug, Default)]
pub(super) struct Login {
    pub(super) user: Vec<u8>,
    pub(super) database: Vec<u8>,
    pub(super) application: Vec<u8>,
    /// The first parameter that the server does not have.
    pub(super) unknown: Option<Vec<u8>>,
}

/// Parameters that clients set, in lower case. The server has more.
const PARAMETERS: &[&str] = &[
    "bytea_output",
    "client_encoding",
    "client_min_messages",
    "datestyle",
    "deadlock_timeout",
    "default_table_access_method",
    "default_transaction_deferrable",
    "default_transaction_isolation",
    "default_transaction_read_only",
    "extra_float_digits",
    "geqo",
    "gin_fuzzy_search_limit",
    "idle_in_transaction_session_timeout",
    "idle_session_timeout",
    "intervalstyle",
    "jit",
    "lc_messages",
    "lc_monetary",
    "lc_numeric",
    "lc_time",
    "lock_timeout",
    "log_statement",
    "maintenance_work_mem",
    "max_parallel_workers",
    "max_parallel_workers_per_gather",
    "options",
    "plan_cache_mode",
    "random_page_cost",
    "replication",
    "role",
    "row_security",
    "search_path",
    "session_replication_role",
    "standard_conforming_strings",
    "statement_timeout",
    "synchronous_commit",
    "tcp_keepalives_count",
    "tcp_keepalives_idle",
    "tcp_keepalives_interval",
    "tcp_user_timeout",
    "temp_buffers",
    "temp_tablespaces",
    "timezone",
    "transaction_isolation",
    "work_mem",
    "xmloption",
];

/// Returns whether the server has a parameter. Names with a dot are for extensions.
pub(super) fn is_known(name: &[u8]) -> bool {
    let name = name.to_ascii_lowercase();
    name.contains(&b'.') || name.starts_with(b"enable_") || PARAMETERS.iter().any(|known| known.as_bytes() == name)
}
