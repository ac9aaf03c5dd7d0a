//! Answers to SQL. It knows the statements that clients and intruders send first.

use jiff::Timestamp;

use super::super::context::Context;

/// The answer to a command.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// Success, with the number of affected rows.
    Ok(u8),
    /// A plain text.
    Text(String),
    /// A code, a state and a text.
    Error(u16, &'static str, String),
    /// Columns and rows. A value that is not there is `NULL`.
    Table(Vec<String>, Vec<Vec<Option<String>>>),
}

impl Answer {
    /// Returns a table with one column.
    pub(super) fn list(column: &str, values: &[String]) -> Self {
        Self::Table(
            vec![column.into()],
            values.iter().map(|value| vec![Some(value.clone())]).collect(),
        )
    }

    pub(super) fn empty(columns: &[&str]) -> Self {
        Self::Table(columns.iter().map(|column| (*column).to_owned()).collect(), Vec::new())
    }
}

/// The tables of the schema `mysql` in 8.0.
const TABLES: &str = "columns_priv component db default_roles engine_cost func general_log global_grants gtid_executed \
    help_category help_keyword help_relation help_topic innodb_index_stats innodb_table_stats password_history plugin \
    procs_priv proxies_priv replication_asynchronous_connection_failover \
    replication_asynchronous_connection_failover_managed replication_group_configuration_version \
    replication_group_member_actions role_edges server_cost servers slave_master_info slave_relay_log_info \
    slave_worker_info slow_log tables_priv time_zone time_zone_leap_second time_zone_name time_zone_transition \
    time_zone_transition_type user";

/// What the visitor finds in the server.
pub(super) struct Database {
    /// The names of the databases, sorted.
    pub(super) names: Vec<String>,
    pub(super) selected: Option<String>,
    pub(super) version: String,
    pub(super) hostname: String,
    pub(super) remote: String,
    pub(super) port: u16,
    pub(super) uuid: String,
    start: i64,
}

impl Database {
    pub(super) fn new(context: &Context, version: &str) -> Self {
        let mut names: Vec<String> = ["information_schema", "mysql", "performance_schema", "sys"]
            .map(Into::into)
            .into();
        names.extend(context.fields().lines("databases").into_iter().map(ToOwned::to_owned));
        names.sort();
        names.dedup();
        let id = super::native::hex(&context.stable::<16>("mysql uuid"));
        let part = |from: usize, to: usize| id.get(from..to).unwrap_or_default();
        Self {
            names,
            selected: None,
            version: version.into(),
            hostname: context.persona().hostname.clone(),
            remote: context.session.remote.ip().to_string(),
            port: context.session.port,
            // Of version 1, as in MySQL.
            uuid: format!("{}-{}-11ee-9{}-{}", part(0, 8), part(8, 12), part(13, 16), part(16, 28)),
            start: i64::from(u32::from_le_bytes(context.stable("mysql start"))),
        }
    }

    /// Selects a database. Returns false if there is none of this name.
    pub(super) fn select(&mut self, name: &str) -> bool {
        let is_known = self.names.iter().any(|known| known == name);
        if is_known {
            self.selected = Some(name.into());
        }
        is_known
    }

    /// Returns the seconds since the start. It looks as if the server restarted every 40 days.
    pub(super) fn uptime(&self, now: Timestamp) -> i64 {
        (now.as_second() + self.start).rem_euclid(40 * 86_400)
    }

    pub(super) fn statistics(&self, now: Timestamp) -> String {
        let uptime = self.uptime(now);
        let questions = uptime / 40 + 12;
        let thousandths = questions * 1000 / uptime.max(1);
        format!(
            "Uptime: {uptime}  Threads: 2  Questions: {questions}  Slow queries: 0  Opens: 148  Flush tables: 3  Open tables: 67  Queries per second avg: {}.{:03}",
            thousandths / 1000,
            thousandths % 1000
        )
    }

    pub(super) fn no_table(&self, table: &str) -> String {
        format!(
            "Table '{}.{table}' doesn't exist",
            self.selected.as_deref().unwrap_or_default()
        )
    }

    pub(super) fn syntax(&self, near: &str) -> Answer {
        let product = if self.version.contains("MariaDB") {
            "MariaDB"
        } else {
            "MySQL"
        };
        let near: String = near.chars().take(80).collect();
        let text = format!(
            "You have an error in your SQL syntax; check the manual that corresponds to your {product} server version for the right syntax to use near '{near}' at line 1"
        );
        Answer::Error(1064, "42000", text)
    }

    /// Answers a query.
    pub(super) fn query(&mut self, user: &str, query: &str, now: Timestamp) -> Answer {
        let plain = plain(query);
        let lower = plain.to_ascii_lowercase();
        let words: Vec<&str> = lower.split_whitespace().collect();
        let word = |at: usize| {
            plain
                .split_whitespace()
                .nth(at)
                .unwrap_or_default()
                .replace(['`', '"', '\''], "")
        };
        let last = word(words.len().saturating_sub(1));
        match words.as_slice() {
            [] => Answer::Error(1065, "42000", "Query was empty".into()),
            ["use", _] if self.select(&last) => Answer::Ok(0),
            ["use", _] => Answer::Error(1049, "42000", format!("Unknown database '{last}'")),
            ["show", ..] => self.show(user, &plain, &lower, now),
            ["select", ..] if lower.contains("into outfile") || lower.contains("into dumpfile") => {
                let text = "The MySQL server is running with the --secure-file-priv option so it cannot execute this statement";
                Answer::Error(1290, "HY000", text.into())
            }
            ["select", ..] => self.values(user, &plain, &lower, now),
            ["create", "database" | "schema", ..] => self.create(&last),
            ["drop", "database" | "schema", ..] => self.drop(&last, words.contains(&"exists")),
            ["create", "function", ..] => {
                let text = format!(
                    "Can't open shared library '{last}' (errno: 0 /usr/lib/mysql/plugin/{last}: cannot open shared object file: No such file or directory)"
                );
                Answer::Error(1126, "HY000", text)
            }
            ["create" | "alter" | "drop", "user" | "role", ..]
            | ["grant" | "revoke", _, ..]
            | [
                "set" | "begin" | "commit" | "rollback" | "start" | "flush" | "lock" | "unlock",
                ..,
            ] => Answer::Ok(0),
            ["create", "table", ..] if self.selected.is_some() => Answer::Ok(0),
            ["insert" | "replace", ..] if self.selected.is_some() => Answer::Ok(1),
            ["create", "table", ..] | ["insert" | "replace", _, ..] => no_database(),
            ["drop" | "truncate", "table", ..] if self.selected.is_some() => {
                let database = self.selected.as_deref().unwrap_or_default();
                Answer::Error(1051, "42S02", format!("Unknown table '{database}.{last}'"))
            }
            ["delete", "from", ..] | ["drop" | "truncate" | "alter", "table", ..] => self.missing(&word(2)),
            ["update" | "desc" | "describe", _, ..] => self.missing(&word(1)),
            _ => self.syntax(&plain),
        }
    }

    pub(super) fn missing(&self, table: &str) -> Answer {
        match table.split_once('.') {
            Some((database, table)) => {
                Answer::Error(1146, "42S02", format!("Table '{database}.{table}' doesn't exist"))
            }
            None if self.selected.is_none() => no_database(),
            None => Answer::Error(1146, "42S02", self.no_table(table)),
        }
    }

    pub(super) fn tables(&self, database: Option<&str>) -> Answer {
        let Some(name) = database else { return no_database() };
        if !self.names.iter().any(|known| known == name) {
            return Answer::Error(1049, "42000", format!("Unknown database '{name}'"));
        }
        let tables = if name == "mysql" { TABLES } else { "" };
        let tables: Vec<String> = tables.split_whitespace().map(ToOwned::to_owned).collect();
        Answer::list(&format!("Tables_in_{name}"), &tables)
    }

    fn create(&mut self, name: &str) -> Answer {
        if self.names.iter().any(|known| known == name) {
            return Answer::Error(
                1007,
                "HY000",
                format!("Can't create database '{name}'; database exists"),
            );
        }
        if self.names.len() < 64 && name.len() <= 64 {
            self.names.push(name.into());
            self.names.sort();
        }
        Answer::Ok(1)
    }

    fn drop(&mut self, name: &str, if_exists: bool) -> Answer {
        let count = self.names.len();
        self.names.retain(|known| known != name);
        if self.selected.as_deref() == Some(name) {
            self.selected = None;
        }
        if self.names.len() < count || if_exists {
            Answer::Ok(0)
        } else {
            Answer::Error(
                1008,
                "HY000",
                format!("Can't drop database '{name}'; database doesn't exist"),
            )
        }
    }
}

fn no_database() -> Answer {
    Answer::Error(1046, "3D000", "No database selected".into())
}

/// Removes comments at the start and what ends the statement.
fn plain(query: &str) -> String {
    let mut rest = query.trim_start();
    while let Some((_, after)) = rest.strip_prefix("/*").and_then(|rest| rest.split_once("*/")) {
        rest = after.trim_start();
    }
    rest.trim_end_matches([';', ' ', '\t', '\r', '\n', '\0']).to_owned()
}
