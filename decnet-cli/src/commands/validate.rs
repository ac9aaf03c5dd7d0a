use std::path::PathBuf;

use decnet_topology::{
    Catalog, Finding, Graph, Name, Report, RuleSet, Severity, Shuffles, check_shuffles, claims_except, did_you_mean,
    validate_against,
};
use serde::Serialize;
use serde_json::json;

use crate::{
    command_error::CommandError,
    context::Context,
    exit::Exit,
    input::{self, MazeFile, Source},
    number,
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
    /// Refuse a maze in which an intruder reaches this LAN with fewer compromises. May be repeated. The count starts in the DMZ:
    /// a router costs 0, a bridge decky that does not forward costs 1.
    #[arg(long, value_name = "LAN=N", value_parser = intended)]
    min_compromises: Vec<Intended>,
}

/// The fewest compromises that a LAN is intended to take.
#[derive(Debug, Clone)]
struct Intended {
    lan: Name,
    compromises: usize,
}

/// Reads `LAN=N`.
fn intended(text: &str) -> Result<Intended, String> {
    let (lan, compromises) = text
        .split_once('=')
        .ok_or("write the name of a LAN, `=` and a number, like servers=2")?;
    Ok(Intended {
        lan: Name::new(lan.trim()).map_err(|error| error.to_string())?,
        compromises: number::whole(compromises)?,
    })
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
        let store = arguments.against_store.then_some(context);
        found.push(check(source, &catalog, rules, &arguments.min_compromises, store).await?);
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
    intended: &[Intended],
    store: Option<&Context>,
) -> Result<Found, CommandError> {
    let (report, file) = match source.maze_file() {
        Ok(file) => {
            let claims = match store {
                Some(context) => claims_except(context.repo().await?.as_ref(), &file.draft.header.name).await?,
                None => Vec::new(),
            };
            let report = validate_against(&file.draft, catalog, rules, &claims);
            let report = with_shuffles(report, &file, catalog)?;
            (with_depths(report, &file, catalog, intended)?, Some(file))
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

/// Adds the faults of rules for shuffles. Those of a maze with other errors are not known.
fn with_shuffles(report: Report, file: &MazeFile, catalog: &Catalog) -> Result<Report, CommandError> {
    let shuffles = &file.draft.shuffles;
    if *shuffles == Shuffles::default() || report.count(Severity::Error) > 0 {
        return Ok(report);
    }
    let mut findings = check_shuffles(shuffles, &file.topology(catalog)?, catalog);
    findings.extend(report.into_findings());
    Ok(Report::new(findings))
}

/// Adds the LANs that are shallower than intended. The paths of a maze with errors are not known.
fn with_depths(
    report: Report,
    file: &MazeFile,
    catalog: &Catalog,
    intended: &[Intended],
) -> Result<Report, CommandError> {
    if intended.is_empty() || report.count(Severity::Error) > 0 {
        return Ok(report);
    }
    let topology = file.topology(catalog)?;
    let analysis = Graph::new(&topology).analysis();
    let mut findings = Vec::new();
    for Intended { lan, compromises } in intended {
        let known = topology.lan_named(lan).ok_or_else(|| CommandError::Unknown {
            kind: "LAN",
            name: lan.to_string(),
            hint: format!(
                " in {}{}",
                file.origin(),
                did_you_mean(lan.as_str(), topology.lans().iter().map(|lan| lan.name().as_str()))
            ),
        })?;
        findings.extend(analysis.shallower_than(known.id(), *compromises));
    }
    findings.extend(report.into_findings());
    Ok(Report::new(findings))
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
