use std::path::PathBuf;

use decnet_topology::{Catalog, Finding, Report, RuleSet, Severity, claims_except, validate_against};
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
#[command(after_help = "Examples:\n  \
                        decnet validate corp.yaml\n  \
                        decnet validate corp.yaml --json\n  \
                        decnet generate --config corp.toml -o - | decnet validate -")]
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

/// The findings of one file, in its order.
struct Found {
    file: String,
    findings: Vec<Finding>,
    errors: u64,
    warnings: u64,
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
        found.push(check(source, &catalog, rules, arguments.against_store.then_some(context)).await?);
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
                .line(format!("{}: {finding}", finding.place_in(&found.file)))?;
        }
        print_summary(&found, context.output);
    }
    let invalid = found.iter().any(|found| found.errors > 0);
    Ok(if invalid { Exit::Invalid } else { Exit::Done })
}

async fn check(
    source: &Source,
    catalog: &Catalog,
    rules: RuleSet,
    store: Option<&Context>,
) -> Result<Found, CommandError> {
    let (report, file) = match source.maze_file() {
        Ok(file) => {
            let claims = match store {
                Some(context) => claims_except(context.repo()?.as_ref(), &file.draft.header.name).await?,
                None => Vec::new(),
            };
            (validate_against(&file.draft, catalog, rules, &claims), Some(file))
        }
        Err(CommandError::Document { findings, .. }) => (Report::new(findings), None),
        Err(error) => return Err(error),
    };
    Ok(Found {
        file: source.name(),
        errors: report.count(Severity::Error),
        warnings: report.count(Severity::Warning),
        findings: match file {
            Some(file) => file.located(report),
            None => report.into_findings(),
        },
    })
}

fn print_summary(found: &[Found], output: Output) {
    let errors: u64 = found.iter().map(|found| found.errors).sum();
    let warnings: u64 = found.iter().map(|found| found.warnings).sum();
    let errors = (errors > 0).then(|| text::count(errors, "error", "errors"));
    let warnings = (warnings > 0).then(|| text::count(warnings, "warning", "warnings"));
    let (valid, invalid) = (
        output.paint(Style::Good, "valid"),
        output.paint(Style::Error, "invalid"),
    );
    let verdict = match (errors, warnings) {
        (None, None) => valid,
        (None, Some(warnings)) => format!("{valid}, with {warnings}"),
        (Some(errors), None) => format!("{invalid}: {errors}"),
        (Some(errors), Some(warnings)) => format!("{invalid}: {errors} and {warnings}"),
    };
    let files = match found {
        [one] => text::one_line(&one.file).into_owned(),
        _ => text::count(found.len(), "file", "files"),
    };
    if !output.quiet {
        crate::output::say(&format!("{files}: {verdict}"));
    }
}
