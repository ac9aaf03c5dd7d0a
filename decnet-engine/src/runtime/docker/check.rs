//! Compares bases with their specs: from outside if the daemon runs on this machine, otherwise with the program in the base.

use std::collections::BTreeMap;

use bollard::models::ContainerInspectResponse;
use decnet_decoy::protocol::StateReport;
use futures_util::{StreamExt, TryStreamExt, stream};

use super::{Docker, containers, exec::ExecOutput, labels, observe::WIDTH};
use crate::{
    decoy::DecoyImage,
    desired::BaseSpec,
    naming::{self, ContainerName},
    runtime::{NetworkCheck, RuntimeError, ownership},
};

/// A base to check, and its container.
pub(super) struct Subject<'a> {
    pub(super) spec: &'a BaseSpec,
    pub(super) found: ContainerInspectResponse,
}

/// The result of a check from outside, or the reason why it is not possible.
pub(super) type CheckResult = Result<NetworkCheck, String>;

impl Docker {
    pub(super) async fn check_bases(
        &self,
        bases: &[&BaseSpec],
    ) -> Result<BTreeMap<ContainerName, NetworkCheck>, RuntimeError> {
        let mut checks = BTreeMap::new();
        let mut subjects = Vec::new();
        let finds = bases.iter().map(|spec| async { (*spec, self.find_base(spec).await) });
        let finds: Vec<_> = finds.collect();
        for (spec, found) in stream::iter(finds).buffer_unordered(WIDTH).collect::<Vec<_>>().await {
            match found {
                Ok(found) => subjects.push(Subject { spec, found }),
                Err(error) => {
                    checks.insert(spec.name.clone(), unchecked(error)?);
                }
            }
        }
        let seen = self.check_from_outside(&subjects).await;
        let mut hidden = Vec::new();
        let mut reasons: BTreeMap<String, usize> = BTreeMap::new();
        for (subject, seen) in subjects.iter().zip(seen) {
            match seen {
                Ok(check) => {
                    checks.insert(subject.spec.name.clone(), check);
                }
                Err(why) => {
                    *reasons.entry(why.clone()).or_default() += 1;
                    hidden.push(self.ask_base(subject, why));
                }
            }
        }
        for (why, bases) in reasons {
            tracing::info!(bases, why, "bases are only checked from inside");
        }
        let asked: Vec<_> = stream::iter(hidden).buffer_unordered(WIDTH).try_collect().await?;
        checks.extend(asked);
        Ok(checks)
    }

    /// Finds the container of a base. It must run.
    async fn find_base(&self, spec: &BaseSpec) -> Result<ContainerInspectResponse, RuntimeError> {
        let name = &spec.name;
        let found = self
            .find(name.as_str())
            .await?
            .ok_or_else(|| containers::missing(name))?;
        let labels = labels::of_container(&found);
        if labels.get(naming::INSTANCE) != spec.labels.get(naming::INSTANCE) {
            return Err(ownership::foreign(containers::what(name), &labels));
        }
        if !containers::is_running(&found) {
            return Err(RuntimeError::Conflict {
                reason: format!("{} is not running", containers::what(name)),
            });
        }
        Ok(found)
    }

    #[cfg(not(target_os = "linux"))]
    async fn check_from_outside(&self, subjects: &[Subject<'_>]) -> Vec<CheckResult> {
        let nothing = || Err("this system has no network namespaces".to_owned());
        subjects.iter().map(|_| nothing()).collect()
    }

    /// Asks the program in a base. `why` is the reason why it was not checked from outside.
    async fn ask_base(
        &self,
        subject: &Subject<'_>,
        why: String,
    ) -> Result<(ContainerName, NetworkCheck), RuntimeError> {
        let Subject { spec, found } = subject;
        let state = serde_json::to_string(&spec.state).expect("a state has text keys only");
        let command = [DecoyImage::PROGRAM_PATH.into(), "state".into(), "check".into(), state];
        let id = found.id.as_deref().unwrap_or(spec.name.as_str());
        let check = match self.run_in(&spec.name, id, &command).await {
            Ok(output) => NetworkCheck::Checked {
                report: report(&output),
                inside_only: Some(why),
            },
            Err(error) => unchecked(error)?,
        };
        Ok((spec.name.clone(), check))
    }
}

/// Returns the reason why a base cannot be checked. Fails only if the daemon does not answer at all, not if one base hangs.
fn unchecked(error: RuntimeError) -> Result<NetworkCheck, RuntimeError> {
    if error.is_unreachable() {
        Err(error)
    } else {
        Ok(NetworkCheck::Unchecked { why: error.to_string() })
    }
}

/// Parses the output of `state check`. A program that fails without a report has not confirmed its state.
fn report(output: &ExecOutput) -> StateReport {
    if output.code == 0 {
        return StateReport::default();
    }
    let read = serde_json::from_slice(&output.stdout).ok();
    let read = read.filter(|report| *report != StateReport::default());
    read.unwrap_or_else(|| StateReport {
        refused: vec![format!("its program exited with {}: {}", output.code, output.text())],
        ..StateReport::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(code: i64, stdout: &str, refused: &[&str]) {
        let output = ExecOutput {
            code,
            stdout: stdout.into(),
            stderr: b"panicked".to_vec(),
        };
        assert_eq!(report(&output).refused, refused);
    }

    #[test]
    fn a_program_that_fails_without_a_report_is_a_deviation() {
        check(0, "", &[]);
        check(
            3,
            r#"{"deviations":[],"refused":["another state is kept"]}"#,
            &["another state is kept"],
        );
        check(
            3,
            r#"{"deviations":[],"refused":[]}"#,
            &[r#"its program exited with 3: panicked {"deviations":[],"refused":[]}"#],
        );
        check(101, "", &["its program exited with 101: panicked"]);
    }
}
