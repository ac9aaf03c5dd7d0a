//! Statements and their answers.

use jiff::Timestamp;

use super::{
    super::context::Context,
    catalog,
    message::{Fault, message},
};

/// A column: its name and the number of its type.
pub(super) type Column = (String, u32);

pub(super) const TEXT: u32 = 25;
pub(super) const NAME: u32 = 19;
pub(super) const INT4: u32 = 23;
pub(super) const VOID: u32 = 2278;

/// The answer to a statement.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// Columns, rows and the tag of the command.
    Rows(Vec<Column>, Vec<Vec<String>>, String),
    /// A command without rows.
    Done(String),
    Error(Fault),
}

impl Answer {
    pub(super) fn rows(columns: Vec<Column>, rows: Vec<Vec<String>>) -> Self {
        let tag = format!("SELECT {}", rows.len());
        Self::Rows(columns, rows, tag)
    }

    /// Returns `RowDescription` or `NoData`.
    pub(super) fn description(&self) -> Vec<u8> {
        let Self::Rows(columns, ..) = self else {
            return message(b'n', &[]);
        };
        let mut body = u16::try_from(columns.len()).unwrap_or_default().to_be_bytes().to_vec();
        for (name, kind) in columns {
            let size: i16 = match *kind {
                NAME => 64,
                INT4 | VOID => 4,
                _ => -1,
            };
            // Neither table nor column; no modifier; text.
            body.extend(
                [
                    name.as_bytes(),
                    &[0; 7],
                    &kind.to_be_bytes(),
                    &size.to_be_bytes(),
                    &[0xff; 4],
                    &[0, 0],
                ]
                .concat(),
            );
        }
        message(b'T', &body)
    }

    /// Returns the messages. The simple protocol describes the rows, too.
    pub(super) fn encode(&self, describes: bool, version: &str) -> Vec<u8> {
        let done = |tag: &str| message(b'C', format!("{tag}\0").as_bytes());
        match self {
            Self::Error(fault) => fault.encode("ERROR", version),
            Self::Done(tag) => done(tag),
            Self::Rows(_, rows, tag) => {
                let mut bytes = if describes { self.description() } else { Vec::new() };
                for row in rows {
                    let mut body = u16::try_from(row.len()).unwrap_or_default().to_be_bytes().to_vec();
                    for value in row {
                        body.extend(u32::try_from(value.len()).unwrap_or_default().to_be_bytes());
                        body.extend(value.as_bytes());
                    }
                    bytes.extend(message(b'D', &body));
                }
                bytes.extend(done(tag));
                bytes
            }
        }
    }
}

/// The server as one visitor sees it.
#[derive(Debug, Clone)]
pub(super) struct Server {
    pub(super) version: String,
    pub(super) port: u16,
    pub(super) local: String,
    pub(super) user: String,
    pub(super) database: String,
    pub(super) databases: Vec<String>,
    pub(super) owner: String,
    /// Tables that the visitor created: their names and columns.
    tables: Vec<(String, Vec<String>)>,
    transaction: u8,
}

impl Server {
    pub(super) fn new(context: &Context, version: &str) -> Self {
        let mut databases = vec!["postgres".to_owned()];
        databases.extend(context.fields().lines("databases").into_iter().map(ToOwned::to_owned));
        databases.extend(["template1".to_owned(), "template0".to_owned()]);
        Self {
            version: version.into(),
            port: context.session.port,
            local: context.session.local.to_string(),
            user: String::new(),
            database: String::new(),
            databases,
            owner: context.fields().text("user").unwrap_or("postgres").to_owned(),
            tables: Vec::new(),
            transaction: b'I',
        }
    }

    /// Connects a user to a database. Returns false if there is none of this name.
    pub(super) fn connect(&mut self, user: &str, database: &str) -> bool {
        (self.user, self.database) = (user.into(), database.into());
        self.databases.iter().any(|known| known == database)
    }

    /// Returns the state of the transaction.
    pub(super) fn transaction(&self) -> u8 {
        self.transaction
    }

    /// Returns the parameters that the server reports after a login.
    pub(super) fn greeting(&self, application: &str) -> Vec<u8> {
        let parameters = [
            ("application_name", application),
            ("client_encoding", "UTF8"),
            ("DateStyle", "ISO, MDY"),
            ("default_transaction_read_only", "off"),
            ("in_hot_standby", "off"),
            ("integer_datetimes", "on"),
            ("IntervalStyle", "postgres"),
            ("is_superuser", "on"),
            ("server_encoding", "UTF8"),
            ("server_version", &self.version),
            ("session_authorization", &self.user),
            ("standard_conforming_strings", "on"),
            ("TimeZone", "Etc/UTC"),
        ];
        let messages = parameters.map(|(name, value)| message(b'S', format!("{name}\0{value}\0").as_bytes()));
        messages.concat()
    }

    /// Answers one statement.
    pub(super) fn answer(&mut self, statement: &str, now: Timestamp) -> Answer {
        let plain = statement.trim();
        let lower = plain.to_ascii_lowercase();
        let words: Vec<&str> = lower.split_whitespace().collect();
        if self.transaction == b'E' && !matches!(words.first(), Some(&("rollback" | "commit" | "end" | "abort"))) {
            let text = "current transaction is aborted, commands ignored until end of transaction block";
            return Answer::Error(Fault::at("25P02", text, "postgres.c", 1081, "exec_simple_query"));
        }
        let answer = self.run(plain, &lower, &words, now);
        if matches!(answer, Answer::Error(_)) && self.transaction == b'T' {
            self.transaction = b'E';
        }
        answer
    }

    #[expect(clippy::too_many_lines, reason = "it has one arm for each statement")]
    fn run(&mut self, plain: &str, lower: &str, words: &[&str], now: Timestamp) -> Answer {
        let word = |at: usize| plain.split_whitespace().nth(at).unwrap_or_default();
        let name = |text: &str| {
            text.split('(')
                .next()
                .unwrap_or_default()
                .replace('"', "")
                .to_ascii_lowercase()
        };
        let done = |tag: &str| Answer::Done(tag.into());
        match words {
            [] => Answer::Done(String::new()),
            ["begin", ..] | ["start", "transaction", ..] => {
                self.transaction = b'T';
                done(if words.first() == Some(&"begin") {
                    "BEGIN"
                } else {
                    "START TRANSACTION"
                })
            }
            ["commit" | "end", ..] if self.transaction != b'E' => {
                self.transaction = b'I';
                done("COMMIT")
            }
            ["commit" | "end" | "rollback" | "abort", ..] => {
                self.transaction = b'I';
                done("ROLLBACK")
            }
            ["show", setting, ..] => match catalog::setting(self, setting) {
                Some(value) => Answer::Rows(vec![((*setting).into(), TEXT)], vec![vec![value]], "SHOW".into()),
                None => unknown_setting(word(1)),
            },
            ["set", "session" | "local", setting, ..] | ["set", setting, ..] => {
                let setting = setting.split('=').next().unwrap_or_default();
                if catalog::is_setting(setting) {
                    done("SET")
                } else {
                    unknown_setting(setting)
                }
            }
            ["select", ..] => {
                let table = lower
                    .split_once(" from ")
                    .map(|(_, rest)| name(rest.split_whitespace().next().unwrap_or_default()));
                match table.and_then(|table| self.tables.iter().find(|(known, _)| *known == table)) {
                    Some((_, columns)) => Answer::rows(
                        columns.iter().map(|column| (column.clone(), TEXT)).collect(),
                        Vec::new(),
                    ),
                    None => catalog::select(self, plain, lower, now),
                }
            }
            ["create", "table", rest @ ..] => {
                let at = if rest.starts_with(&["if", "not", "exists"]) {
                    5
                } else {
                    2
                };
                let columns = plain.split_once('(').map_or("", |(_, columns)| columns).split(',');
                let columns =
                    columns.filter_map(|column| Some(name(column.split_whitespace().next()?.trim_matches(')'))));
                let table = (name(word(at)), columns.take(16).collect());
                if self.tables.len() < 16 && !table.0.is_empty() {
                    self.tables.push(table);
                }
                done("CREATE TABLE")
            }
            ["drop", "table", rest @ ..] => {
                let is_optional = rest.starts_with(&["if", "exists"]);
                let table = name(word(if is_optional { 4 } else { 2 }));
                let count = self.tables.len();
                self.tables.retain(|(known, _)| *known != table);
                if self.tables.len() < count || is_optional {
                    return done("DROP TABLE");
                }
                let text = format!("table \"{table}\" does not exist");
                Answer::Error(Fault::at(
                    "42P01",
                    &text,
                    "tablecmds.c",
                    1291,
                    "DropErrorMsgNonExistent",
                ))
            }
            ["insert", "into", table, ..] if self.tables.iter().any(|(known, _)| *known == name(table)) => {
                done("INSERT 0 1")
            }
            ["copy", ..] if lower.contains(" program ") => done("COPY 0"),
            ["insert", "into", table, ..]
            | ["copy" | "update" | "truncate", table, ..]
            | ["delete", "from", table, ..] => {
                let position = lower.find(table).unwrap_or_default() + 1;
                catalog::no_table(table, position)
            }
            [
                "create" | "drop" | "alter",
                kind @ ("database" | "role" | "user" | "schema" | "extension" | "function" | "view"),
                ..,
            ] => {
                let kind = if *kind == "user" { "role" } else { *kind };
                let first = words.first().copied().unwrap_or_default();
                done(&format!("{first} {kind}").to_uppercase())
            }
            [
                "grant" | "revoke" | "reset" | "vacuum" | "checkpoint" | "discard" | "analyze" | "do" | "listen",
                ..,
            ] => done(&words.first().copied().unwrap_or_default().to_uppercase()),
            [first, ..] => syntax(first, 1),
        }
    }
}

pub(super) fn syntax(near: &str, position: usize) -> Answer {
    let end = near
        .find(|c: char| !c.is_alphanumeric() && c != '_')
        .filter(|end| *end > 0);
    let near = near.get(..end.unwrap_or(near.len())).unwrap_or_default();
    let text = format!("syntax error at or near \"{near}\"");
    Answer::Error(Fault::at("42601", &text, "scan.l", 1188, "scanner_yyerror").position(position))
}

fn unknown_setting(name: &str) -> Answer {
    let text = format!("unrecognized configuration parameter \"{name}\"");
    Answer::Error(Fault::at("42704", &text, "guc.c", 5734, "find_option"))
}

/// Splits at semicolons outside of quotes, and leaves out empty statements.
pub(super) fn split(text: &str) -> Vec<&str> {
    let (mut quote, mut start) = (None, 0);
    let mut statements = Vec::new();
    for (at, character) in text.char_indices() {
        match (quote, character) {
            (None, '\'' | '"') => quote = Some(character),
            (Some(mark), _) if mark == character => quote = None,
            (None, ';') => {
                statements.push(text.get(start..at).unwrap_or_default());
                start = at + 1;
            }
            _ => {}
        }
    }
    statements.push(text.get(start..).unwrap_or_default());
    statements.retain(|statement| !statement.trim().is_empty());
    statements.truncate(64);
    statements
}
