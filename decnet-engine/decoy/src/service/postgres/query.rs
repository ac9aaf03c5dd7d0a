//! Statements.

use jiff::Timestamp;

use super::{
    answer::{Answer, TEXT, syntax},
    catalog,
    message::Fault,
    server::Server,
};

impl Server {
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
