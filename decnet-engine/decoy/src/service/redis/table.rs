//! The commands of redis 7.0: their names and arities.

use super::reply::Reply;

/// All commands of redis 7.0.15 with their arity, whether they write, and the answer about keys that do not exist. `.` stands
/// for an answer in `command.rs`.
const TABLE: &str = include_str!("commands.txt");

/// A command of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Found {
    arity: i64,
    pub(super) is_write: bool,
    pub(super) answer: &'static str,
}

fn row(name: &str) -> Option<Found> {
    let found = |line: &'static str| line.strip_prefix(name)?.strip_prefix(' ');
    read(TABLE.lines().find_map(found)?)
}

fn read(row: &'static str) -> Option<Found> {
    let mut words = row.splitn(3, ' ');
    Some(Found {
        arity: words.next()?.parse().ok()?,
        is_write: words.next()? == "w",
        answer: words.next()?,
    })
}

/// Finds a command and checks the number of its arguments.
pub(super) fn find(name: &str, arguments: &[Vec<u8>], is_old: bool) -> Result<Found, Reply> {
    let row_of = |name: &str| row(name).filter(|_| !name.contains('|'));
    let found = row_of(name).ok_or_else(|| unknown(arguments, is_old))?;
    let fits = |arity: i64| {
        let count = i64::try_from(arguments.len()).unwrap_or(i64::MAX);
        if arity < 0 { count >= -arity } else { count == arity }
    };
    let wrong = |name: &str| Reply::Error(format!("ERR wrong number of arguments for '{name}' command"));
    let is_container = TABLE
        .lines()
        .any(|line| line.strip_prefix(name).is_some_and(|rest| rest.starts_with('|')));
    match arguments.get(1).filter(|_| is_container) {
        None if fits(found.arity) => Ok(found),
        None => Err(wrong(name)),
        Some(sub) => {
            let full_name = format!("{name}|{}", String::from_utf8_lossy(sub).to_ascii_lowercase());
            let tried = String::from_utf8_lossy(sub.get(..sub.len().min(128)).unwrap_or_default()).into_owned();
            let upper = name.to_ascii_uppercase();
            let wrong_sub = || {
                Reply::Error(format!(
                    "ERR Unknown subcommand or wrong number of arguments for '{tried}'. Try {upper} HELP."
                ))
            };
            match row(&full_name) {
                Some(found) if fits(found.arity) => Ok(found),
                _ if is_old => Err(wrong_sub()),
                Some(_) => Err(wrong(&full_name)),
                None => Err(Reply::Error(format!(
                    "ERR unknown subcommand '{tried}'. Try {upper} HELP."
                ))),
            }
        }
    }
}

fn unknown(arguments: &[Vec<u8>], is_old: bool) -> Reply {
    let part = |bytes: &[u8], most: usize| {
        let shown = bytes.get(..bytes.len().min(most)).unwrap_or_default();
        let shown = shown.split(|byte| *byte == 0).next().unwrap_or_default();
        String::from_utf8_lossy(shown).into_owned()
    };
    let (open, close) = if is_old { ("`", "`, ") } else { ("'", "' ") };
    let mut rest = String::new();
    for argument in arguments.iter().skip(1) {
        if rest.len() >= 128 {
            break;
        }
        let shown = part(argument, 128 - rest.len());
        rest.extend([open, &shown, close]);
    }
    let name = part(arguments.first().map_or(&[], Vec::as_slice), 128);
    let comma = if is_old { "`" } else { "'" };
    Reply::Error(format!(
        "ERR unknown command {open}{name}{comma}, with args beginning with: {rest}"
    ))
}

/// The answer to `COMMAND`.
pub(super) fn commands() -> Reply {
    let none = || Reply::Array(Vec::new());
    let rows = TABLE.lines().filter_map(|line| line.split_once(' '));
    let entries = rows.filter(|(name, _)| !name.contains('|')).filter_map(|(name, row)| {
        let found = read(row)?;
        let flag = if found.is_write { "write" } else { "readonly" };
        Some(Reply::Array(vec![
            Reply::bulk(name),
            Reply::Number(found.arity),
            Reply::Array(vec![Reply::simple(flag)]),
            Reply::Number(1),
            Reply::Number(1),
            Reply::Number(1),
            none(),
            none(),
            none(),
            none(),
        ]))
    });
    Reply::Array(entries.collect())
}
