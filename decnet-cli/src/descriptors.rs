//! The limit of file descriptors. A command that reads logs keeps one connection to Docker for each container.

use decnet_engine::Check;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// How many descriptors a command needs besides those for logs: files, the database, Docker, the bus, and targets of logs.
const OTHERS: u64 = 100;

/// Raises the soft limit of this process to its hard limit. A limit that cannot be raised stays: `doctor` reports it.
pub(crate) fn raise() {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        ..limit
    };
    if let Err(error) = setrlimit(Resource::Nofile, raised) {
        tracing::debug!(%error, "the limit of file descriptors stays");
    }
}

/// Checks whether the limit of this process allows to read the logs of a number of containers at once.
pub(crate) fn check(containers: usize) -> Check {
    of(getrlimit(Resource::Nofile).current, containers)
}

fn of(limit: Option<u64>, containers: usize) -> Check {
    const WHAT: &str = "descriptors";
    let containers = u64::try_from(containers).unwrap_or(u64::MAX);
    let needed = containers.saturating_add(OTHERS);
    let Some(limit) = limit else {
        return Check::ok(WHAT, "not limited");
    };
    if limit >= needed {
        return Check::ok(
            WHAT,
            format!("{limit} allowed, {needed} needed for {containers} containers"),
        );
    }
    Check::warn(
        WHAT,
        format!(
            "a process may open {limit}, but `watch` and `logs` need {needed}: one for the log of each of {containers} containers"
        ),
        "raise the hard limit: `ulimit -Hn` in a shell, `LimitNOFILE=` in a unit of systemd; or `watch --no-attackers`",
    )
}

#[cfg(test)]
mod tests {
    use decnet_engine::Verdict;

    use super::*;

    #[test]
    fn the_soft_limit_is_raised_to_the_hard_limit() {
        let hard = getrlimit(Resource::Nofile).maximum;
        let low = Rlimit {
            current: Some(64),
            maximum: hard,
        };
        setrlimit(Resource::Nofile, low).expect("lowered");
        raise();
        assert_eq!(getrlimit(Resource::Nofile).current, hard);
    }

    #[test]
    fn a_limit_that_is_too_small_for_the_containers_is_a_warning() {
        assert_eq!(of(Some(1_024), 924).verdict, Verdict::Ok);
        assert_eq!(of(None, 1_000_000).verdict, Verdict::Ok);
        let check = of(Some(1_024), 1_000);
        assert_eq!(check.verdict, Verdict::Warn);
        assert_eq!(
            check.message,
            "a process may open 1024, but `watch` and `logs` need 1100: one for the log of each of 1000 containers"
        );
    }
}
