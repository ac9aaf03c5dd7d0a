//! Writes the results of the benches to `benches/RESULTS.md`: `cargo run --release --package decnet-benches --bin results`.

use std::{collections::BTreeMap, error::Error, fmt::Write as _, fs, path::Path};

use decnet_benches::{Limit, Row, Table, Unit, machine};
use jiff::Timestamp;

/// The subjects in the order of the report, with their limits.
const SUBJECTS: [(&str, &str); 20] = [
    ("validate", "≤ 3 ×; 40 000 LANs ≤ 40 ms"),
    ("canonical_hash", "≤ 1.5 ×"),
    ("generate", "≤ 2 × per part, ≤ 150 ms"),
    ("parse JSON", "≤ 1.5 ×"),
    ("print JSON", "≤ 1.5 ×"),
    ("apply", "≤ 1 ms at 4 000 LANs"),
    ("graph.routes", "≤ 3 ×"),
    ("layout", "≤ 20 ms at 4 000 LANs; no more crossings than dot"),
    ("place on 50 members", "≤ 50 ms at 4 000 LANs"),
    ("http, GET of a topology", "≤ 2 ×"),
    ("store a maze", "≤ 1.5 ×"),
    ("load a maze", "≤ 1.5 ×"),
    ("enqueue", "≤ 1.3 ×"),
    ("claim", "≤ 1.3 ×"),
    ("desired + diff", "≤ 20 ms at 10 000 containers, linear"),
    ("memory", "≤ 3 ×"),
    ("deploy on Docker", "≤ 1.1 ×"),
    ("teardown on Docker", "≤ 1.1 ×"),
    ("reconcile on Docker, nothing to do", "≤ 1.5 ×"),
    ("against Docker Compose", "–"),
];
/// The name of the tables that show growth.
const GROWTH: &str = "growth, ";
/// The placeholder for a missing measurement.
const NONE: &str = "–";

fn main() -> Result<(), Box<dyn Error>> {
    let tables = Table::all()?;
    let mut page = heading();
    summary(&mut page, &tables)?;
    for table in ordered(&tables) {
        section(&mut page, table)?;
    }
    growth(&mut page, &tables)?;
    let path = Path::new("benches/RESULTS.md");
    fs::write(path, page)?;
    println!("{} contains {} tables", path.display(), tables.len());
    Ok(())
}

fn heading() -> String {
    let (model, count) = machine::processor();
    let rustc = machine::line_of("rustc", &["--version"]).unwrap_or_else(|| "unknown".into());
    let system = machine::line_of("uname", &["-srm"]).unwrap_or_else(|| "unknown".into());
    format!(
        "# What the benches found\n\nWritten by `make bench`; the texts in `benches/notes` are added to the tables.\n\n\
         - machine: {count} × {model}\n- system: {system}\n- compiler: {rustc}\n- date: {}\n- commit: {}\n\n\
         Figures are medians. A subject and its floor are measured in turn in one run, so the ratio holds on a machine that is \
         busy. Times are processor time, except those of the store and of Docker, which are by the clock. The load is that of \
         `/proc/loadavg` at the end of each table.\n\n",
        Timestamp::now().strftime("%Y-%m-%d"),
        machine::commit(),
    )
}

fn find<'t>(tables: &'t [Table], subject: &str) -> Option<&'t Table> {
    tables.iter().find(|table| table.subject == subject)
}

/// The tables of the subjects, each with its related tables.
fn ordered(tables: &[Table]) -> impl Iterator<Item = &Table> {
    SUBJECTS.iter().flat_map(move |(subject, _)| {
        let related = format!("{subject}, ");
        tables
            .iter()
            .filter(move |table| table.subject == *subject || table.subject.starts_with(&related))
    })
}

fn summary(page: &mut String, tables: &[Table]) -> std::fmt::Result {
    page.push_str("| subject | limit | worst | |\n|---|---|---|---|\n");
    for (subject, limit) in SUBJECTS {
        let Some(table) = find(tables, subject) else {
            writeln!(page, "| {subject} | {limit} | – | not measured |")?;
            continue;
        };
        let misses = table.rows.iter().filter(|row| {
            let keeps = |limit: &Limit| row.keeps(*limit, smallest(table));
            !row.limits.iter().all(keeps)
        });
        let (misses, all) = (misses.count(), table.rows.len());
        let held = table.rows.iter().any(|row| !row.limits.is_empty());
        let verdict = match misses {
            _ if !held => "–".into(),
            0 => "hit".into(),
            misses => format!("**miss** in {misses} of {all} rows"),
        };
        writeln!(page, "| {subject} | {limit} | {} | {verdict} |", worst(table))?;
    }
    page.push('\n');
    Ok(())
}

fn smallest(table: &Table) -> &Row {
    // A table without rows is never printed.
    &table.rows[0]
}

fn worst(table: &Table) -> String {
    let ratio = table.rows.iter().filter_map(Row::ratio).reduce(f64::max);
    let most = table.rows.iter().map(|row| row.measured).reduce(f64::max);
    match (ratio, most) {
        (Some(ratio), _) => format!("{ratio:.2} ×"),
        (None, Some(most)) => table.unit.figure(most),
        (None, None) => "–".into(),
    }
}

fn section(page: &mut String, table: &Table) -> std::fmt::Result {
    writeln!(page, "## {}\n", table.subject)?;
    if !table.floor.is_empty() {
        writeln!(page, "Floor: {}. ", table.floor)?;
    }
    let commit = if table.commit.is_empty() {
        "unknown"
    } else {
        &table.commit
    };
    writeln!(page, "Load: {}. Commit: {commit}.\n", table.load)?;
    let [measured, each] = match table.unit {
        Unit::Nanoseconds => ["time", "each"],
        Unit::Bytes => ["memory", "each"],
        Unit::Count => ["number", "each"],
    };
    writeln!(
        page,
        "| | {measured} | {each} | floor | ratio | limit | |\n|---|---|---|---|---|---|---|"
    )?;
    for row in &table.rows {
        writeln!(page, "| {} |", row.cells(table.unit, smallest(table)).join(" | "))?;
    }
    page.push('\n');
    let note = format!("benches/notes/{}.md", table.subject.replace([' ', '+', ','], "-"));
    if let Ok(note) = fs::read_to_string(note) {
        writeln!(page, "{}\n", note.trim_end())?;
    }
    Ok(())
}

/// Writes time and memory per decky, one line per size.
fn growth(page: &mut String, tables: &[Table]) -> std::fmt::Result {
    let grown = |table: &&Table| table.subject.starts_with(GROWTH) || table.subject == "memory";
    let tables: Vec<&Table> = tables.iter().filter(grown).collect();
    let mut lines: BTreeMap<u64, Vec<String>> = BTreeMap::new();
    for (at, table) in tables.iter().enumerate() {
        for row in &table.rows {
            // A generated maze has about this many deckies.
            let parts = 10_u64.pow(row.parts.max(1).ilog10());
            let near = if row.parts as u64 > 5 * parts {
                10 * parts
            } else {
                parts
            };
            let line = lines.entry(near).or_insert_with(|| vec![NONE.into(); tables.len()]);
            // Mazes of a special kind come after the usual ones of their size.
            if line[at] == NONE {
                line[at] = format!(
                    "{} ({:.2})",
                    table.unit.figure(row.each()),
                    row.each() / smallest(table).each()
                );
            }
        }
    }
    page.push_str("## Growth\n\nPer decky; in brackets, the factor relative to 100 deckies.\n\n| deckies |");
    for table in &tables {
        write!(page, " {} |", table.subject.trim_start_matches(GROWTH))?;
    }
    writeln!(page, "\n|---|{}", "---|".repeat(tables.len()))?;
    for (deckies, line) in lines {
        writeln!(page, "| {deckies} | {} |", line.join(" | "))?;
    }
    Ok(())
}
