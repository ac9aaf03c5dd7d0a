//! One-line descriptions of events for people.

use std::collections::BTreeSet;

use decnet_topology::{ServiceName, shown::count};

use super::{Event, StepState};
use crate::naming::ContainerName;

impl Event {
    /// Describes the event in one line for people. The start of a step and a change of settings
    /// are described only if `verbose`.
    pub fn describe(&self, verbose: bool) -> Option<String> {
        match self {
            Event::Status { to, reason, .. } => Some(match reason {
                Some(reason) => format!("status: {to} ({reason})"),
                None => format!("status: {to}"),
            }),
            Event::Mutation {
                mutation,
                op,
                state,
                reason,
                ..
            } => {
                let reason = reason
                    .as_deref()
                    .map(|reason| format!(" ({reason})"))
                    .unwrap_or_default();
                Some(format!("mutation {mutation} {op}: {}{reason}", state.as_str()))
            }
            Event::Edited { version, .. } => Some(format!("edited: version {version}")),
            Event::Settings { .. } => verbose.then(|| "settings changed".to_owned()),
            Event::Deleted { .. } => Some("deleted".to_owned()),
            Event::Decky(event) => Some(format!(
                "decky {}: {}, {} -> {}",
                event.decky,
                event.trigger,
                services(&event.old_services),
                services(&event.new_services)
            )),
            Event::ShuffleRequest { decky, .. } => Some(format!("decky {decky}: a shuffle is requested")),
            Event::Attacker(event) => Some(event.describe()),
            Event::Health(health) => Some(format!(
                "worker {}: {}, {} busy",
                health.worker,
                count(health.topologies, "topology", "topologies"),
                health.busy
            )),
            Event::Planned {
                steps, deleted_logs, ..
            } => {
                let plan = format!("plan: {}", count(*steps, "step", "steps"));
                Some(match deleted_logs_text(deleted_logs) {
                    Some(logs) => format!("{plan}; {logs}"),
                    None => plan,
                })
            }
            Event::Step { progress, .. } => {
                let mark = progress.undo_mark();
                let text = &progress.text;
                match &progress.state {
                    StepState::Started => verbose.then(|| format!("begin: {mark}{text}")),
                    StepState::Done { changed: true, took } => {
                        Some(format!("done: {mark}{text} ({} ms)", took.as_millis()))
                    }
                    StepState::Done { .. } => Some(format!("already done: {mark}{text}")),
                    StepState::Failed { error } => Some(format!("failed: {mark}{text}: {error}")),
                    StepState::Skipped => Some(format!("skipped: {mark}{text}")),
                }
            }
        }
    }
}

fn services(services: &BTreeSet<ServiceName>) -> String {
    if services.is_empty() {
        return "nothing".into();
    }
    let services: Vec<&str> = services.iter().map(ServiceName::as_str).collect();
    services.join(" ")
}

/// Warns of logs that the runtime deletes with their containers. Returns none if there are none.
pub fn deleted_logs_text(containers: &[ContainerName]) -> Option<String> {
    const NAMED: usize = 20;
    if containers.is_empty() {
        return None;
    }
    let names: Vec<&str> = containers.iter().take(NAMED).map(ContainerName::as_str).collect();
    let more = match containers.len() - names.len() {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let logs = count(containers.len(), "log is", "logs are");
    Some(format!(
        "{logs} deleted with the container: {}{more}; to keep one, run `docker logs NAME` first",
        names.join(", ")
    ))
}
