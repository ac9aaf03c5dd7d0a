//! What an error says besides its message.

use std::{error::Error as _, fmt};

use decnet_engine::EngineError;
use decnet_topology::{Finding, LineColumn, MutationError};

use crate::command_error::{CommandError, Unmoved};

impl CommandError {
    /// Returns the error with its causes in one line.
    pub(crate) fn with_causes(&self) -> String {
        [vec![self.to_string()], self.causes()].concat().join(": ")
    }

    /// Returns the causes, the nearest first, without repetition.
    pub(crate) fn causes(&self) -> Vec<String> {
        let mut causes = Vec::new();
        let mut previous = self.to_string();
        let mut cause = self.source();
        while let Some(source) = cause {
            let text = source.to_string();
            if !previous.contains(&text) {
                previous.clone_from(&text);
                causes.push(text);
            }
            cause = source.source();
        }
        causes
    }

    /// Returns the findings, if a document or a maze broke rules.
    pub(crate) fn findings(&self) -> &[Finding] {
        match self {
            Self::Document { findings, .. }
            | Self::NotImported { findings, .. }
            | Self::Maze { findings, .. }
            | Self::Mutated { findings, .. } => findings,
            _ => &[],
        }
    }

    /// Returns the findings as lines, with their places in the file.
    pub(crate) fn finding_lines(&self) -> Vec<String> {
        let lines = self.findings().iter();
        match self {
            Self::Document { origin, .. } | Self::NotImported { origin, .. } => lines
                .map(|finding| format!("{}: {finding}", finding.place_in(origin)))
                .collect(),
            _ => lines.map(ToString::to_string).collect(),
        }
    }

    /// Returns further details, one per line.
    pub(crate) fn details(&self) -> Vec<String> {
        match self {
            Self::Config(config) => config.faults.iter().map(ToString::to_string).collect(),
            Self::ConfigFile { origin, places, error } => {
                let mut faults: Vec<_> = error
                    .faults
                    .iter()
                    .map(|fault| (places.get(&fault.field), fault))
                    .collect();
                // In the order of the file; then what it lacks, then the flags.
                faults.sort_by_key(|(place, _)| match place {
                    Some(Some(place)) => (0, Some((place.line, place.column))),
                    None => (1, None),
                    Some(None) => (2, None),
                });
                let faults = faults.into_iter();
                faults
                    .map(|(place, fault)| match place {
                        Some(Some(LineColumn { line, column })) => format!("{origin}:{line}:{column}: {fault}"),
                        None => format!("{origin}: {fault}"),
                        Some(None) => fault.to_string(),
                    })
                    .collect()
            }
            Self::Parse { origin, error } => vec![match error.place {
                Some((line, column)) => format!("{origin}:{line}:{column}: {}", error.reason),
                None => error.reason.clone(),
            }],
            Self::Catalog { path, error } => {
                let file = path.display().to_string();
                let findings = error.findings.iter();
                findings
                    .map(|finding| format!("{}: {finding}", finding.place_in(&file)))
                    .collect()
            }
            Self::Engine(EngineError::RefusedAfterQueue {
                source: MutationError::ResultInvalid { report },
                ..
            }) => report.errors().map(ToString::to_string).collect(),
            Self::Engine(error) => error.details(),
            Self::NotMoved { unmoved, .. } => unmoved.iter().map(ToString::to_string).collect(),
            _ => Vec::new(),
        }
    }
}

impl fmt::Display for Unmoved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.maze, self.error.with_causes())?;
        match self.hint() {
            Some(hint) => write!(f, "; hint: {hint}"),
            None => Ok(()),
        }
    }
}
