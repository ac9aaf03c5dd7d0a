//! Settings, system tables and expressions.

use jiff::Timestamp;

use super::{
    answer::{Answer, INT4, NAME, TEXT, VOID, syntax},
    message::Fault,
    server::Server,
};

/// Settings that are the same on every server, in lower case.
const SETTINGS: &[(&str, &str)] = &[
    ("application_name", ""),
    ("bytea_output", "hex"),
    ("client_encoding", "UTF8"),
    ("client_min_messages", "notice"),
    ("datestyle", "ISO, MDY"),
    ("default_transaction_isolation", "read committed"),
    ("extra_float_digits", "1"),
    ("integer_datetimes", "on"),
    ("is_superuser", "on"),
    ("lc_collate", "en_US.UTF-8"),
    ("lc_messages", "en_US.UTF-8"),
    ("listen_addresses", "*"),
    ("log_statement", "none"),
    ("max_connections", "100"),
    ("password_encryption", "scram-sha-256"),
    ("role", "none"),
    ("search_path", "\"$user\", public"),
    ("server_encoding", "UTF8"),
    ("shared_buffers", "128MB"),
    ("ssl", "on"),
    ("standard_conforming_strings", "on"),
    ("statement_timeout", "0"),
    ("lock_timeout", "0"),
    ("idle_in_transaction_session_timeout", "0"),
    ("row_security", "on"),
    ("timezone", "Etc/UTC"),
    ("time", "Etc/UTC"),
    ("transaction", "read committed"),
    ("transaction_isolation", "read committed"),
    ("work_mem", "4MB"),
    ("synchronous_commit", "on"),
];
const OWN: &[&str] = &[
    "server_version",
    "server_version_num",
    "data_directory",
    "config_file",
    "hba_file",
    "port",
    "session_authorization",
];

/// Returns whether a setting is known.
pub(super) fn is_setting(name: &str) -> bool {
    OWN.contains(&name)
        || matches!(name, "session" | "names" | "session_replication_role")
        || SETTINGS.iter().any(|(known, _)| *known == name)
}

/// Returns the value of a setting.
pub(super) fn setting(server: &Server, name: &str) -> Option<String> {
    let major = server.version.split('.').next().unwrap_or_default();
    let minor = server.version.split(['.', ' ']).nth(1).unwrap_or_default();
    Some(match name {
        "server_version" => server.version.clone(),
        "server_version_num" => format!("{major}{minor:0>4}"),
        "data_directory" => format!("/var/lib/postgresql/{major}/main"),
        "config_file" => format!("/etc/postgresql/{major}/main/postgresql.conf"),
        "hba_file" => format!("/etc/postgresql/{major}/main/pg_hba.conf"),
        "port" => server.port.to_string(),
        "session_authorization" => server.user.clone(),
        _ => SETTINGS.iter().find(|(known, _)| *known == name)?.1.to_owned(),
    })
}

/// Returns what `version()` says.
fn version(server: &Server) -> String {
    let number = &server.version;
    let compiler = if number.contains("deb12") {
        "gcc (Debian 12.2.0-14) 12.2.0"
    } else if number.contains("deb11") {
        "gcc (Debian 10.2.1-6) 10.2.1 20210110"
    } else if number.contains("22.04") {
        "gcc (Ubuntu 11.4.0-1ubuntu1~22.04) 11.4.0"
    } else if number.contains("24.04") {
        "gcc (Ubuntu 13.2.0-23ubuntu4) 13.2.0"
    } else {
        return format!("PostgreSQL {number}, compiled by Visual C++ build 1937, 64-bit");
    };
    format!("PostgreSQL {number} on x86_64-pc-linux-gnu, compiled by {compiler}, 64-bit")
}

/// The error about a table that is not there.
pub(super) fn no_table(name: &str, position: usize) -> Answer {
    let text = format!("relation \"{}\" does not exist", name.replace('"', ""));
    Answer::Error(Fault::at("42P01", &text, "parse_relation.c", 1392, "parserOpenTable").position(position))
}

/// Answers `SELECT`.
pub(super) fn select(server: &Server, plain: &str, lower: &str, now: Timestamp) -> Answer {
    let Some(at) = lower.find(" from ").or_else(|| lower.find("\nfrom ")) else {
        return values(server, plain, lower, now);
    };
    let rest = lower.get(at + 6..).unwrap_or_default().trim_start();
    let table = rest
        .split(|c: char| c.is_whitespace() || c == ',')
        .next()
        .unwrap_or_default();
    let bare = table.trim_start_matches("pg_catalog.");
    let columns = columns(plain.get(6..at).unwrap_or_default());
    let rows: Vec<String> = match bare {
        "pg_database" => server.databases.clone(),
        "pg_user" | "pg_shadow" | "pg_roles" | "pg_authid" => vec![server.owner.clone()],
        _ if table.starts_with("pg_") || table.starts_with("information_schema.") => Vec::new(),
        _ => return no_table(table, lower.find(table).unwrap_or_default() + 1),
    };
    let of_row = |row: &String| columns.iter().map(|column| cell(server, column, row)).collect();
    let rows = rows.iter().map(of_row).collect();
    Answer::rows(columns.iter().map(|column| (column.clone(), NAME)).collect(), rows)
}

/// Returns the value of a column in a row of a database or user.
fn cell(server: &Server, column: &str, row: &str) -> String {
    match column {
        "Owner" => server.owner.clone(),
        "Encoding" => "UTF8".into(),
        "Collate" | "Ctype" | "datcollate" | "datctype" => "en_US.UTF-8".into(),
        "Locale Provider" => "libc".into(),
        "ICU Locale" | "Access privileges" | "datacl" | "valuntil" | "useconfig" => String::new(),
        "passwd" | "rolpassword" => "********".into(),
        "oid" | "usesysid" | "datdba" => "10".into(),
        column if column.starts_with("use") && column != "usename" => "t".into(),
        column if column.starts_with("rol") && column != "rolname" => "t".into(),
        _ => row.into(),
    }
}

/// Returns the names of the columns of a select list.
fn columns(list: &str) -> Vec<String> {
    let name = |part: &str| {
        let bare = part.trim().rsplit([' ', '.', '\n']).next().unwrap_or_default();
        match part.rsplit('"').nth(1) {
            Some(quoted) if part.trim_end().ends_with('"') => quoted.to_owned(),
            _ => bare.split('(').next().unwrap_or_default().to_owned(),
        }
    };
    let names = split(list).into_iter().take(32).map(name);
    names
        .map(|name| if name == "*" { "datname".to_owned() } else { name })
        .collect()
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

/// Answers `SELECT` without a table.
fn values(server: &Server, plain: &str, lower: &str, now: Timestamp) -> Answer {
    let body = plain.get(6..).unwrap_or_default().trim();
    if body.is_empty() {
        return Answer::rows(Vec::new(), vec![Vec::new()]);
    }
    let (mut columns, mut row) = (Vec::new(), Vec::new());
    for part in split(body).into_iter().take(64) {
        let end = part.to_ascii_lowercase().rfind(" as ");
        let expression = part.get(..end.unwrap_or(part.len())).unwrap_or_default().trim();
        let alias = end
            .and_then(|end| part.get(end + 4..))
            .map(|alias| alias.trim().replace('"', ""));
        let position = lower.find(&expression.to_ascii_lowercase()).unwrap_or_default() + 1;
        match value(server, expression, position, now) {
            Ok((name, kind, value)) => {
                columns.push((alias.unwrap_or(name), kind));
                row.push(value);
            }
            Err(answer) => return answer,
        }
    }
    Answer::rows(columns, vec![row])
}

/// Returns the column name, the type and the value of an expression.
fn value(server: &Server, expression: &str, position: usize, now: Timestamp) -> Result<(String, u32, String), Answer> {
    let lower = expression.to_ascii_lowercase();
    let call = lower
        .trim_start_matches("pg_catalog.")
        .strip_suffix(')')
        .and_then(|call| call.split_once('('));
    let fixed = |name: &str, kind, value: String| Ok((name.to_owned(), kind, value));
    let time = || now.strftime("%Y-%m-%d %H:%M:%S.%6f+00").to_string();
    match (lower.as_str(), call) {
        ("current_user" | "session_user" | "user" | "current_role", _) => fixed(&lower, NAME, server.user.clone()),
        ("current_catalog", _) => fixed(&lower, NAME, server.database.clone()),
        ("current_schema", _) => fixed(&lower, NAME, "public".into()),
        ("current_timestamp", _) => fixed(&lower, 1184, time()),
        (_, Some((name, arguments))) => match name {
            "version" => fixed(name, TEXT, version(server)),
            "current_database" => fixed(name, NAME, server.database.clone()),
            "current_schema" => fixed(name, NAME, "public".into()),
            "now" => fixed(name, 1184, time()),
            "inet_server_addr" => fixed(name, 869, server.local.clone()),
            "inet_server_port" => fixed(name, INT4, server.port.to_string()),
            "pg_backend_pid" => fixed(name, INT4, "20755".into()),
            "pg_is_in_recovery" => fixed(name, 16, "f".into()),
            "pg_sleep" | "set_config" | "lo_unlink" => fixed(name, VOID, String::new()),
            "current_setting" => {
                let wanted = arguments.trim_matches(['\'', ' ']);
                let unknown = || {
                    Answer::Error(Fault::at(
                        "42704",
                        &format!("unrecognized configuration parameter \"{wanted}\""),
                        "guc.c",
                        5734,
                        "find_option",
                    ))
                };
                setting(server, wanted)
                    .map(|value| (name.to_owned(), TEXT, value))
                    .ok_or_else(unknown)
            }
            _ if name.is_empty() || name.contains(' ') => Err(syntax(expression, position)),
            _ => {
                let types = if arguments.is_empty() { "" } else { "unknown" };
                let text = format!("function {name}({types}) does not exist");
                Err(Answer::Error(
                    Fault::at("42883", &text, "parse_func.c", 636, "ParseFuncOrColumn")
                        .hint("No function matches the given name and argument types. You might need to add explicit type casts.")
                        .position(position),
                ))
            }
        },
        (number, _) if number.parse::<i32>().is_ok() => fixed("?column?", INT4, number.into()),
        _ => match expression.strip_prefix('\'').and_then(|text| text.strip_suffix('\'')) {
            Some(text) => fixed("?column?", TEXT, text.into()),
            None if !lower.is_empty() && lower.chars().all(|c| c.is_alphanumeric() || c == '_') => {
                let text = format!("column \"{expression}\" does not exist");
                Err(Answer::Error(
                    Fault::at("42703", &text, "parse_relation.c", 3656, "errorMissingColumn").position(position),
                ))
            }
            None => Err(syntax(expression, position)),
        },
    }
}
