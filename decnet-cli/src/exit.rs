//! Exit codes and hints. Only this file and its modules decide them.

mod hints;
mod hosts;

use std::{io, process::ExitCode};

use decnet_engine::EngineError;

use crate::command_error::CommandError;

/// The exit status of the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Success.
    Done,
    /// A failure.
    Failed,
    /// The arguments are invalid.
    Usage,
    /// A document, a config or a maze breaks rules.
    Invalid,
    /// A conflict: a version, a lease, a status, a name.
    Conflict,
    /// Docker, a master, a host or an agent is unreachable.
    Unreachable,
    /// A failure; all changes were undone.
    RolledBack,
    /// Interrupted; the changes were undone.
    Interrupted,
    /// The exit status of a command in a container.
    OfCommand(u8),
}

impl Exit {
    /// Returns the number.
    pub(crate) const fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Invalid => 3,
            Self::Conflict => 4,
            Self::Unreachable => 5,
            Self::RolledBack => 6,
            Self::Interrupted => 130,
            Self::OfCommand(status) => status,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        exit.code().into()
    }
}

impl CommandError {
    /// Decides the exit code.
    pub(crate) fn exit(&self) -> Exit {
        match self {
            Self::Engine(error) => exit_of_engine(error),
            // The highest of all.
            Self::NotMoved { unmoved, .. } => {
                let exits = unmoved.iter().map(|one| one.error.exit());
                exits.max_by_key(|exit| exit.code()).unwrap_or(Exit::Failed)
            }
            // It is not a failure if the reader of the output closes it.
            Self::Stdout(error) if error.kind() == io::ErrorKind::BrokenPipe => Exit::Done,
            error => exit_of_code(error.code()),
        }
    }
}

fn exit_of_engine(error: &EngineError) -> Exit {
    match error {
        EngineError::Runtime(error) if error.is_unreachable() => Exit::Unreachable,
        EngineError::Mutation(error) if error.is_bad_input() => Exit::Usage,
        EngineError::Mutation(_) | EngineError::RefusedAfterQueue { .. } => Exit::Invalid,
        // Nothing could be undone while Docker did not answer.
        EngineError::DeployFailed {
            failures, leftovers, ..
        } if !leftovers.is_empty() && failures.iter().any(|failure| failure.source.is_unreachable()) => {
            Exit::Unreachable
        }
        EngineError::MutationQueued { source, .. } => exit_of_engine(source),
        EngineError::TeardownIncomplete { unseen, failures, .. }
            if *unseen || failures.iter().any(|failure| failure.source.is_unreachable()) =>
        {
            Exit::Unreachable
        }
        error => exit_of_code(error.code()),
    }
}

/// Decides the exit code by the stable code of an error.
///
/// For hosts: a value that no fleet accepts is usage. It is a conflict if the fleet, a host or a token does not allow what is asked for.
/// A master, a host or an agent that does not answer is unreachable. An agent whose host was revoked has the
/// status of something invalid. Everything else is a failure: a name that nobody has, a certificate,
/// a clock or a version that does not fit.
fn exit_of_code(code: &str) -> Exit {
    match code {
        "ambiguous"
        | "database_address"
        | "host_profile"
        | "invalid_nats_url"
        | "invalid_path"
        | "invalid_verb"
        | "malformed_header"
        | "malformed_target"
        | "bus_on_server"
        | "peer_address"
        | "publish_maps_nothing"
        | "token_malformed"
        | "unconfirmed"
        | "usage"
        | "wrong_option" => Exit::Usage,
        "RESULT_INVALID"
        | "SUBNET_SPECIAL"
        | "invalid"
        | "invalid_catalog"
        | "invalid_config"
        | "invalid_name"
        | "malformed"
        | "host_revoked"
        | "mutation_unreadable"
        | "not_shuffled" => Exit::Invalid,
        "address_in_use" | "agent_superseded" | "bus_in_use" | "busy" | "destination_exists" | "destructive"
        | "differs" | "folder_in_use" | "foreign" | "host_full" | "host_lost" | "host_name_taken" | "host_taken"
        | "vni_taken" | "in_use" | "left_on_docker" | "mutation_conflict" | "name_taken" | "not_movable"
        | "not_placed" | "not_running" | "other_agent" | "plan_changed" | "queue_not_empty" | "port_taken"
        | "status_conflict" | "subnet_claimed" | "subnet_taken" | "rotation_not_begun" | "rotation_pending"
        | "rotation_waits" | "token_expired" | "token_name" | "token_used" | "version_conflict" | "wrong_status" => {
            Exit::Conflict
        }
        "agent_unreachable" | "host_unreachable" | "peer_not_tls" | "peer_unreachable" => Exit::Unreachable,
        "deploy_failed" => Exit::RolledBack,
        "interrupted" => Exit::Interrupted,
        _ => Exit::Failed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command_error::Unmoved;

    #[test]
    fn errors_about_hosts_are_usage_conflicts_unreachable_or_failures() {
        for (codes, exit) in [
            (&["host_profile", "peer_address", "token_malformed"][..], Exit::Usage),
            (
                &["host_full", "host_lost", "host_name_taken", "host_taken"],
                Exit::Conflict,
            ),
            (
                &["agent_superseded", "folder_in_use", "not_placed", "other_agent"],
                Exit::Conflict,
            ),
            (&["token_expired", "token_name", "token_used"], Exit::Conflict),
            (&["agent_unreachable", "host_unreachable"], Exit::Unreachable),
            (&["peer_not_tls", "peer_unreachable"], Exit::Unreachable),
            (
                &["agent_mode", "fleet_missing", "hosts_unknown", "no_host"],
                Exit::Failed,
            ),
            (&["host_revoked"], Exit::Invalid),
            (&["host_unknown", "token_unknown", "underlay_missing"], Exit::Failed),
            (&["agent_untrusted", "agent_version", "clock_off"], Exit::Failed),
        ] {
            for code in codes {
                assert_eq!(exit_of_code(code), exit, "{code}");
            }
        }
    }

    #[test]
    fn the_status_of_several_mazes_that_did_not_move_is_the_highest() {
        let (maze, host) = ("corp".to_owned(), "east".to_owned());
        let degraded = CommandError::Degraded {
            name: maze.clone(),
            reason: "east is unseen".into(),
        };
        let stays = CommandError::NotMovable {
            name: maze.clone(),
            host: host.clone(),
        };
        let unmoved = [stays, degraded].map(|error| Unmoved {
            maze: maze.clone(),
            error: Box::new(error),
        });
        let unmoved = unmoved.into();
        assert_eq!(CommandError::NotMoved { host, unmoved }.exit(), Exit::Conflict);
    }
}
