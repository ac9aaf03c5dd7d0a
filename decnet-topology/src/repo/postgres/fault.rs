//! Converts PostgreSQL's errors to errors of the repo.

use std::{error::Error as _, io};

use deadpool_postgres::{PoolError, TimeoutType};
use tokio_postgres::{
    Error,
    error::{DbError, SqlState},
};

use crate::repo::RepoError;

/// Why a transaction may succeed if it runs again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Again {
    /// It met another transaction, which has ended since.
    Conflict,
    /// The connection was lost, or the server is starting.
    Lost,
    /// The session is read-only. One that begins now may not be: the setting counts when a session begins.
    ReadOnly,
}

/// An error of a transaction, and whether it may run again.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) error: RepoError,
    pub(super) again: Option<Again>,
}

impl From<RepoError> for Failure {
    fn from(error: RepoError) -> Self {
        Self { error, again: None }
    }
}

impl Failure {
    /// Returns whether no server answers at all. A server that answers while it starts is not silent.
    pub(super) fn is_silence(&self) -> bool {
        let RepoError::DatabaseUnreachable { source, .. } = &self.error else {
            return false;
        };
        !source.is::<DbError>()
    }
}

/// Returns whether, and why, a transaction with this error may run again.
fn again(error: &Error) -> Option<Again> {
    let Some(code) = error.code() else {
        return is_lost(error).then_some(Again::Lost);
    };
    match code.code() {
        // Two transactions changed the same row, or waited for each other; or one stored what the other had checked to be free,
        // and the check will now find it.
        "40001" | "40P01" | "23505" | "23P01" => Some(Again::Conflict),
        // The server is shutting down or starting, or has no connection left at this moment.
        "57P01" | "57P02" | "57P03" | "57P05" | "25P03" | "53300" => Some(Again::Lost),
        "25006" => Some(Again::ReadOnly),
        // Class 08: the connection.
        code if code.starts_with("08") => Some(Again::Lost),
        _ => None,
    }
}

/// Returns whether an error that does not come from the server is about the connection.
fn is_lost(error: &Error) -> bool {
    let is_of_system = || error.source().is_some_and(<dyn std::error::Error>::is::<io::Error>);
    error.is_closed() || is_timeout(error) || (!is_tls(error) && is_of_system())
}

// The library has no other way to see these kinds.
fn is_timeout(error: &Error) -> bool {
    error.to_string() == "timeout waiting for server"
}

fn is_about_password(error: &Error) -> bool {
    ["authentication error", "invalid configuration"].contains(&&*error.to_string())
}

fn is_tls(error: &Error) -> bool {
    error.to_string() == "error performing TLS handshake"
}

/// Returns the failure for an error of a server, which is shown without its password.
pub(super) fn failure(error: Error, server: &str) -> Failure {
    Failure {
        again: again(&error),
        error: read(error, server),
    }
}

/// Returns the failure for a pool that gives no connection.
pub(super) fn no_connection(error: PoolError, server: &str) -> Failure {
    match error {
        PoolError::Backend(error) => failure(error, server),
        // The wait was as long as the retry limit.
        PoolError::Timeout(TimeoutType::Wait) => Failure {
            again: None,
            error: RepoError::DatabaseUnreachable {
                server: server.into(),
                source: "all connections of this program are in use".into(),
            },
        },
        PoolError::Timeout(_) => silent(server),
        other => Failure {
            again: None,
            error: RepoError::Medium { source: other.into() },
        },
    }
}

/// Returns the failure for a server that does not answer.
pub(super) fn silent(server: &str) -> Failure {
    Failure {
        again: Some(Again::Lost),
        error: RepoError::DatabaseUnreachable {
            server: server.into(),
            source: "the server did not answer in time".into(),
        },
    }
}

/// Returns the error of the repo.
fn read(error: Error, server: &str) -> RepoError {
    let server = server.to_owned();
    let Some(code) = error.code().cloned() else {
        let lost = is_lost(&error);
        let is_known = lost || is_tls(&error) || is_about_password(&error);
        // The kinds without a cause say everything themselves.
        let source = match error.source() {
            Some(_) if is_known => cause(error),
            _ => error.into(),
        };
        return match (lost, is_known) {
            (true, _) => RepoError::DatabaseUnreachable { server, source },
            (_, true) => RepoError::DatabaseRefused { server, source },
            _ => RepoError::Medium { source },
        };
    };
    match code {
        SqlState::READ_ONLY_SQL_TRANSACTION => RepoError::ReadOnly,
        SqlState::DISK_FULL => RepoError::Full,
        SqlState::LOCK_NOT_AVAILABLE => RepoError::Locked,
        SqlState::DATA_CORRUPTED | SqlState::INDEX_CORRUPTED => RepoError::Corrupt {
            what: cause(error).to_string(),
        },
        code if is_refusal(code.code()) => RepoError::DatabaseRefused {
            server,
            source: cause(error),
        },
        _ if again(&error) == Some(Again::Lost) => RepoError::DatabaseUnreachable {
            server,
            source: cause(error),
        },
        _ => RepoError::Medium { source: cause(error) },
    }
}

/// Returns whether the server does not let this user in, or not into this database.
fn is_refusal(code: &str) -> bool {
    // Class 28 is about users and passwords, class 3D and 3F about databases and schemas.
    ["28", "3D", "3F"].iter().any(|class| code.starts_with(class))
        // No connection left, no privilege, or a database without connections.
        || ["53300", "42501", "55000"].contains(&code)
}

/// Returns what the server said, without the words of the library around it.
fn cause(error: Error) -> Box<dyn std::error::Error + Send + Sync> {
    error.into_source().unwrap_or_else(|| "an error without a cause".into())
}
