use std::path::PathBuf;

use decnet_topology::{
    Catalog, Finding, RuleSet, Severity, SubnetClaim, Target, TopologyName, find_live_topology, validate_against,
};
use serde::Serialize;
use serde_json::json;

use crate::{
    command_error::CommandError,
    context::Context,
    exit::Exit,
    input::{self, Source},
    output::{Output, Style},
    text,
};

/// Validate maze files with all rules.
///
/// Exits with status 3 if an error is found. Opens no database unless --against-store is given.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Maze files, folders with maze files, or - for stdin.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Also check for overlaps with stored mazes.
    #[arg(long)]
    against_store: bool,
    /// Use the rules for running mazes, which allow a temporary lack of a DMZ.
    #[arg(long)]
    live: bool,
}

/// The findings of one file.
struct Found {
    file: String,
    findings: Vec<Finding>,
}

/// A finding, with its file if several files are checked.
#[derive(Serialize)]
struct Line<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<&'a str>,
    #[serde(flatten)]
    finding: &'a Finding,
}

/// Checks maze files.
pub(crate) async fn run(arguments: Arguments, context: &Context) -> Result<Exit, CommandError> {
    let catalog = context.catalog()?;
    let rules = if arguments.live {
        RuleSet::live()
    } else {
        RuleSet::deploy()
    };
    let mut sources = Vec::new();
    for path in &arguments.files {
        sources.extend(input::maze_files(path)?);
    }
    let mut found = Vec::with_capacity(sources.len());
    for source in &sources {
        let findings = check(source, &catalog, rules, arguments.against_store.then_some(context)).await?;
        found.push(Found {
            file: source.name(),
            findings,
        });
    }
    let several = found.len() > 1;
    let all = || {
        found
            .iter()
            .flat_map(|found| found.findings.iter().map(move |finding| (found, finding)))
    };
    if context.output.json {
        let lines = all().map(|(found, finding)| Line {
            file: several.then_some(&*found.file),
            finding,
        });
        context.output.json(&json!({ "findings": lines.collect::<Vec<_>>() }))?;
    } else {
        for (found, finding) in all() {
            context
                .output
                .line(format!("{}: {finding}", place(&found.file, finding)))?;
        }
        sum_up(&found, context.output);
    }
    let invalid = all().any(|(_, finding)| finding.severity == Severity::Error);
    Ok(if invalid { Exit::Invalid } else { Exit::Done })
}

async fn check(
    source: &Source,
    catalog: &Catalog,
    rules: RuleSet,
    store: Option<&Context>,
) -> Result<Vec<Finding>, CommandError> {
    let draft = match source.draft() {
        Ok(draft) => draft,
        Err(CommandError::Document { findings, .. }) => return Ok(findings),
        Err(error) => return Err(error),
    };
    let claims: Vec<SubnetClaim> = match store {
        Some(context) => {
            let repo = context.repo()?;
            // The maze may keep its own subnets.
            let own = match TopologyName::new(&draft.header.name) {
                Ok(name) => find_live_topology(repo.as_ref(), &name).await?,
                Err(_) => None,
            };
            repo.claims(own.map(|row| row.id)).await?
        }
        None => Vec::new(),
    };
    Ok(validate_against(&draft, catalog, rules, &claims).findings().to_vec())
}

/// Formats the place of a finding as compilers do.
fn place(file: &str, finding: &Finding) -> String {
    match &finding.target {
        Target::Document {
            line: Some(line),
            column: Some(column),
            ..
        } => format!("{file}:{line}:{column}"),
        Target::Document { line: Some(line), .. } => format!("{file}:{line}"),
        _ => file.into(),
    }
}

fn sum_up(found: &[Found], output: Output) {
    let number = |severity| -> u64 {
        found
            .iter()
            .flat_map(|found| &found.findings)
            .filter(|finding| finding.severity == severity)
            .map(Finding::count)
            .sum()
    };
    let (errors, warnings) = (number(Severity::Error), number(Severity::Warning));
    let verdict = match (errors, warnings) {
        (0, 0) => output.paint(Style::Good, "valid"),
        (0, _) => format!(
            "{}, with {}",
            output.paint(Style::Good, "valid"),
            text::count(warnings, "warning", "warnings")
        ),
        (_, 0) => format!(
            "{}: {}",
            output.paint(Style::Error, "invalid"),
            text::count(errors, "error", "errors")
        ),
        _ => format!(
            "{}: {} and {}",
            output.paint(Style::Error, "invalid"),
            text::count(errors, "error", "errors"),
            text::count(warnings, "warning", "warnings")
        ),
    };
    if !output.quiet {
        crate::output::say(&format!("{}: {verdict}", text::one_line(&files(found))));
    }
}

fn files(found: &[Found]) -> String {
    match found {
        [one] => one.file.clone(),
        _ => text::count(found.len(), "file", "files"),
    }
}
