//! Checks that each container of a maze runs and keeps running.

use std::collections::BTreeMap;

use decnet_topology::Name;
use jiff::Timestamp;

use super::report::{PathEnd, Reach, ReachDeviation};
use crate::{
    desired::{Desired, ServiceSpec},
    naming::ContainerName,
    observe::{Activity, Observed, ObservedContainer},
};

/// Returns the containers by name.
pub(super) fn by_name(observed: &Observed) -> BTreeMap<&ContainerName, &ObservedContainer> {
    let containers = observed.containers.iter();
    containers.map(|container| (&container.name, container)).collect()
}

/// Compares the services with the maze, and finds bases in a crash loop.
///
/// One restart between the two observations is not a crash loop: a service exits with its base and restarts.
pub(super) fn deviations(
    desired: &Desired,
    before: &Observed,
    after: &Observed,
    now: Timestamp,
) -> Vec<ReachDeviation> {
    let (before, after) = (by_name(before), by_name(after));
    let why_not_serving = |name| why_not_serving(before.get(name).copied(), after.get(name).copied(), now);
    let deviation = |decky: &Name, to, base: &ContainerName, how| {
        let home = desired.bases.get(base).and_then(|base| base.interfaces.first());
        Some(ReachDeviation {
            from: PathEnd::Decky(decky.clone()),
            to,
            address: home?.ip.into(),
            expected: Reach::Reachable,
            found: Reach::Unreachable,
            how,
        })
    };
    let bases = desired.bases.values().filter_map(|base| {
        // A base that does not run cannot be probed; that is already reported.
        let looping = before
            .get(&base.name)
            .is_some_and(|there| there.activity == Activity::Running);
        let how = why_not_serving(&base.name).filter(|_| looping)?;
        deviation(&base.decky, PathEnd::Decky(base.decky.clone()), &base.name, how)
    });
    let services = desired.services.values().filter_map(|service| {
        let place = PathEnd::Service(service.decky.clone(), service.service.clone());
        deviation(&service.decky, place, &service.base, why_not_serving(&service.name)?)
    });
    bases.chain(services).collect()
}

/// Returns the running services, which can be probed, by base.
pub(super) fn running<'a>(
    desired: &'a Desired,
    observed: &BTreeMap<&ContainerName, &ObservedContainer>,
) -> BTreeMap<&'a ContainerName, Vec<&'a ServiceSpec>> {
    let mut running: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for service in desired.services.values() {
        let there = observed.get(&service.name);
        if there.is_some_and(|there| there.activity == Activity::Running) {
            running.entry(&service.base).or_default().push(service);
        }
    }
    running
}

/// Returns why a container does not serve. Returns none if it serves.
pub(in crate::engine) fn why_not_serving(
    before: Option<&ObservedContainer>,
    after: Option<&ObservedContainer>,
    now: Timestamp,
) -> Option<String> {
    let Some(after) = after.or(before) else {
        return Some("its container does not exist".into());
    };
    let again = before.is_some_and(|before| before.id == after.id && before.restarts + 1 < after.restarts);
    if after.is_crash_looping(now) || again {
        return Some(format!(
            "its container is in a crash loop: {}",
            after.restarts_in_words()
        ));
    }
    match after.activity {
        Activity::Running => None,
        _ => Some(format!("its container {}", after.activity_in_words())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::naming::Labels;

    fn container(activity: Activity, restarts: u32, started: i64, exit_code: Option<i64>) -> ObservedContainer {
        let name = ContainerName::from_docker("p_web.ssh");
        ObservedContainer {
            activity,
            started_at: Timestamp::from_second(started).ok(),
            restarts,
            exit_code,
            ..ObservedContainer::running("1", name, Labels::new())
        }
    }

    #[track_caller]
    fn check(before: Option<&ObservedContainer>, after: Option<&ObservedContainer>, expected: Option<&str>) {
        let now = Timestamp::from_second(1_000).expect("a time");
        assert_eq!(why_not_serving(before, after, now).as_deref(), expected);
    }

    #[test]
    fn a_running_container_is_healthy_and_a_crash_loop_is_reported_even_while_it_runs() {
        let well = container(Activity::Running, 0, 10, None);
        check(Some(&well), Some(&well), None);
        let came_back = container(Activity::Running, 7, 900, None);
        check(Some(&came_back), Some(&came_back), None);
        let again = container(Activity::Running, 7, 990, None);
        check(
            Some(&again),
            Some(&again),
            Some("its container is in a crash loop: 7 restarts"),
        );
        let with_its_base = container(Activity::Running, 1, 990, None);
        check(Some(&well), Some(&with_its_base), None);
        let meanwhile = container(Activity::Running, 2, 990, None);
        check(
            Some(&well),
            Some(&meanwhile),
            Some("its container is in a crash loop: 2 restarts"),
        );
        let waiting = container(Activity::Restarting, 2, 10, Some(137));
        check(
            Some(&waiting),
            Some(&waiting),
            Some("its container is in a crash loop: 2 restarts, the last exit code is 137"),
        );
    }

    #[test]
    fn an_exited_or_missing_container_is_reported() {
        check(None, None, Some("its container does not exist"));
        let ended = container(Activity::Exited, 0, 10, Some(1));
        check(Some(&ended), Some(&ended), Some("its container exited with code 1"));
        let paused = container(Activity::Paused, 0, 10, None);
        check(Some(&paused), Some(&paused), Some("its container is paused"));
    }
}
