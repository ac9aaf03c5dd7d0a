//! Answers to `SHOW` and `SELECT`.

use jiff::Timestamp;

use super::query::{Answer, Database};

/// System variables of MySQL 8.0 that are the same on every server.
const VARIABLES: &[(&str, &str)] = &[
    ("autocommit", "1"),
    ("auto_increment_increment", "1"),
    ("basedir", "/usr/"),
    ("character_set_client", "utf8mb4"),
    ("character_set_connection", "utf8mb4"),
    ("character_set_database", "utf8mb4"),
    ("character_set_results", "utf8mb4"),
    ("character_set_server", "utf8mb4"),
    ("collation_connection", "utf8mb4_0900_ai_ci"),
    ("collation_database", "utf8mb4_0900_ai_ci"),
    ("collation_server", "utf8mb4_0900_ai_ci"),
    ("datadir", "/var/lib/mysql/"),
    ("general_log", "0"),
    ("general_log_file", "/var/lib/mysql/{hostname}.log"),
    ("have_openssl", "YES"),
    ("have_ssl", "YES"),
    ("init_connect", ""),
    ("interactive_timeout", "28800"),
    ("license", "GPL"),
    ("local_infile", "0"),
    ("lower_case_table_names", "0"),
    ("max_allowed_packet", "67108864"),
    ("max_connections", "151"),
    ("net_buffer_length", "16384"),
    ("net_read_timeout", "30"),
    ("net_write_timeout", "60"),
    ("performance_schema", "1"),
    ("plugin_dir", "/usr/lib/mysql/plugin/"),
    ("read_only", "0"),
    ("secure_file_priv", "/var/lib/mysql-files/"),
    ("server_id", "1"),
    ("socket", "/var/run/mysqld/mysqld.sock"),
    (
        "sql_mode",
        "ONLY_FULL_GROUP_BY,STRICT_TRANS_TABLES,NO_ZERO_IN_DATE,NO_ZERO_DATE,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION",
    ),
    ("super_read_only", "0"),
    ("system_time_zone", "UTC"),
    ("time_zone", "SYSTEM"),
    ("tmpdir", "/tmp"),
    ("transaction_isolation", "REPEATABLE-READ"),
    ("version_compile_machine", "x86_64"),
    ("version_compile_os", "Linux"),
    ("wait_timeout", "28800"),
];

impl Database {
    /// Answers `SHOW`.
    pub(super) fn show(&self, user: &str, plain: &str, lower: &str, now: Timestamp) -> Answer {
        let words: Vec<&str> = lower.split_whitespace().collect();
        let named = plain.split_whitespace().nth(3).unwrap_or_default().replace('`', "");
        match words.get(1..).unwrap_or_default() {
            ["databases" | "schemas", ..] => Answer::list("Database", &self.names),
            ["tables"] | ["full", "tables"] => self.tables(self.selected.as_deref()),
            ["tables", "from" | "in", ..] => self.tables(Some(&named)),
            ["variables" | "status", ..] | ["global" | "session", "variables" | "status", ..] => {
                self.variables(lower, now)
            }
            ["grants", ..] => {
                let grant = format!("GRANT ALL PRIVILEGES ON *.* TO `{user}`@`%` WITH GRANT OPTION");
                Answer::list(&format!("Grants for {user}@%"), &[grant])
            }
            ["processlist"] | ["full", "processlist"] => {
                let columns = ["Id", "User", "Host", "db", "Command", "Time", "State", "Info"]
                    .map(Into::into)
                    .into();
                let some = |value: &str| Some(value.to_owned());
                let place = [some("8"), some(user), Some(self.remote.clone()), self.selected.clone()];
                let state = [some("Query"), some("0"), some("init"), some(plain)];
                Answer::Table(columns, vec![place.into_iter().chain(state).collect()])
            }
            ["warnings" | "errors", ..] => Answer::empty(&["Level", "Code", "Message"]),
            ["master", "status"] => Answer::empty(&[
                "File",
                "Position",
                "Binlog_Do_DB",
                "Binlog_Ignore_DB",
                "Executed_Gtid_Set",
            ]),
            _ => self.syntax(plain.get(5..).unwrap_or_default()),
        }
    }

    /// Returns the value of a system variable.
    fn variable(&self, name: &str, now: Timestamp) -> Option<String> {
        let comment = match () {
            () if self.version.contains("MariaDB") => "Debian 12",
            () if self.version.contains("ubuntu") => "(Ubuntu)",
            () => "MySQL Community Server - GPL",
        };
        Some(match name {
            "version" => self.version.clone(),
            "version_comment" => comment.into(),
            "hostname" => self.hostname.clone(),
            "port" => self.port.to_string(),
            "server_uuid" => self.uuid.clone(),
            "uptime" => self.uptime(now).to_string(),
            _ => {
                let (_, value) = VARIABLES.iter().find(|(known, _)| *known == name)?;
                value.replace("{hostname}", &self.hostname)
            }
        })
    }

    fn variables(&self, lower: &str, now: Timestamp) -> Answer {
        let quoted = lower
            .rsplit_once(['\'', '"'])
            .and_then(|(before, _)| before.rsplit_once(['\'', '"']));
        let pattern = quoted.map_or("", |(_, pattern)| pattern).replace('%', "");
        let own = [
            "hostname",
            "port",
            "server_uuid",
            "uptime",
            "version",
            "version_comment",
        ];
        let mut names: Vec<&str> = VARIABLES.iter().map(|(name, _)| *name).chain(own).collect();
        names.retain(|name| name.contains(&pattern) && (*name == "uptime") == lower.contains("status"));
        names.sort_unstable();
        let rows = names
            .into_iter()
            .map(|name| vec![Some(name.to_owned()), self.variable(name, now)]);
        Answer::Table(vec!["Variable_name".into(), "Value".into()], rows.collect())
    }

    /// Answers `SELECT` of values and of a few tables.
    pub(super) fn values(&self, user: &str, plain: &str, lower: &str, now: Timestamp) -> Answer {
        if let Some((_, table)) = lower.split_once(" from ") {
            let table = table.split_whitespace().next().unwrap_or_default().replace('`', "");
            return match table.as_str() {
                "information_schema.schemata" => Answer::list("SCHEMA_NAME", &self.names),
                "dual" => Answer::list("1", &["1".into()]),
                table if table.starts_with("information_schema.") => Answer::empty(&["TABLE_SCHEMA", "TABLE_NAME"]),
                "mysql.user" | "mysql.db" => {
                    let name = table.strip_prefix("mysql.").unwrap_or_default();
                    let text = format!(
                        "SELECT command denied to user '{user}'@'{}' for table '{name}'",
                        self.remote
                    );
                    Answer::Error(1142, "42000", text)
                }
                table => self.missing(table),
            };
        }
        let body = plain.get(6..).unwrap_or_default().trim();
        let end = body.to_ascii_lowercase().rfind(" limit ").unwrap_or(body.len());
        let (mut columns, mut row) = (Vec::new(), Vec::new());
        for part in split(body.get(..end).unwrap_or_default()).into_iter().take(64) {
            let (expression, alias) = match part.to_ascii_lowercase().rfind(" as ") {
                Some(at) => (part.get(..at).unwrap_or_default(), part.get(at + 4..)),
                None => (part, None),
            };
            match self.value(user, expression.trim(), now) {
                Ok(value) => row.push(value),
                Err(error) => return error,
            }
            columns.push(alias.unwrap_or(expression).trim().replace(['`', '\'', '"'], ""));
        }
        Answer::Table(columns, vec![row])
    }

    /// Returns the value of an expression; none is `NULL`.
    fn value(&self, user: &str, expression: &str, now: Timestamp) -> Result<Option<String>, Answer> {
        let lower = expression.to_ascii_lowercase();
        if let Some(name) = lower.strip_prefix("@@") {
            let name = name.trim_start_matches("session.").trim_start_matches("global.");
            let unknown = || Answer::Error(1193, "HY000", format!("Unknown system variable '{name}'"));
            return self.variable(name, now).map(Some).ok_or_else(unknown);
        }
        let quoted = ['\'', '"']
            .iter()
            .find_map(|mark| expression.strip_prefix(*mark)?.strip_suffix(*mark));
        if let Some(text) = quoted {
            return Ok(Some(text.to_owned()));
        }
        Ok(Some(match lower.as_str() {
            "version()" => self.version.clone(),
            "user()" | "session_user()" | "system_user()" => format!("{user}@{}", self.remote),
            "current_user()" | "current_user" => format!("{user}@%"),
            "database()" | "schema()" => return Ok(self.selected.clone()),
            "connection_id()" => "8".into(),
            "now()" | "current_timestamp()" | "current_timestamp" | "sysdate()" | "utc_timestamp()" => {
                now.strftime("%Y-%m-%d %H:%M:%S").to_string()
            }
            "unix_timestamp()" => now.as_second().to_string(),
            "" => return Err(self.syntax("")),
            number if number.parse::<i64>().is_ok() => number.into(),
            load if load.starts_with("load_file(") => return Ok(None),
            sleep if sleep.starts_with("sleep(") => "0".into(),
            call if call.ends_with(')') && call.contains('(') => {
                let name = call.split('(').next().unwrap_or_default();
                let place = self
                    .selected
                    .as_deref()
                    .map_or(String::new(), |database| format!("{database}."));
                return Err(Answer::Error(
                    1305,
                    "42000",
                    format!("FUNCTION {place}{name} does not exist"),
                ));
            }
            name if name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') => {
                return Err(Answer::Error(
                    1054,
                    "42S22",
                    format!("Unknown column '{expression}' in 'field list'"),
                ));
            }
            _ => return Err(self.syntax(expression)),
        }))
    }
}

/// Splits at commas outside of parentheses and quotes.
fn split(list: &str) -> Vec<&str> {
    let (mut depth, mut quote, mut start) = (0_u32, None, 0);
    let mut parts = Vec::new();
    for (at, character) in list.char_indices() {
        match (quote, character) {
            (None, '\'' | '"') => quote = Some(character),
            (Some(mark), _) if mark == character => quote = None,
            (None, '(') => depth += 1,
            (None, ')') => depth = depth.saturating_sub(1),
            (None, ',') if depth == 0 => {
                parts.push(list.get(start..at).unwrap_or_default().trim());
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(list.get(start..).unwrap_or_default().trim());
    parts
}
