//! Text for terminals and logs.

pub(crate) use decnet_engine::deleted_logs_text as deleted_logs;
pub(crate) use decnet_topology::shown::{count, lines as visible, one_line, time};
