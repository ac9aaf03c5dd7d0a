//! Resources on the daemon that are left by deleted or torn-down mazes, or belong to other databases.

use std::{collections::BTreeMap, fmt};

use decnet_topology::{InstanceId, Repo, RepoError, Status, TopologyId, short_id, shown::count};

use super::Check;
use crate::{
    naming::{self, Labels},
    observe::{self, Activity, Observed},
};

/// The number of resources of one repo or topology.
#[derive(Default)]
struct Remains {
    networks: usize,
    containers: usize,
    /// How many of the containers are running.
    running: usize,
    /// The volumes, without those that are kept.
    volumes: usize,
}

impl fmt::Display for Remains {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let containers = count(self.containers, "container", "containers");
        let networks = count(self.networks, "network", "networks");
        match self.volumes {
            0 => write!(f, "{containers} and {networks}"),
            volumes => write!(
                f,
                "{containers}, {networks} and {}",
                count(volumes, "volume", "volumes")
            ),
        }
    }
}

/// Lists resources left by deleted or torn-down mazes, and those of other databases.
pub(super) async fn checks(observed: &Observed, repo: Option<&dyn Repo>) -> Result<Vec<Check>, RepoError> {
    const WHAT: &str = "left behind";
    let own = match repo {
        Some(repo) => Some(repo.instance().await?),
        None => None,
    };
    let mut others: BTreeMap<InstanceId, Remains> = BTreeMap::new();
    let mut ours: BTreeMap<TopologyId, Remains> = BTreeMap::new();
    let mut add = |labels: &Labels, more: &Remains| {
        let Some(instance) = observe::instance_of(labels) else {
            return;
        };
        let remains = match observe::topology_of(labels) {
            Some(topology) if Some(instance) == own => ours.entry(topology).or_default(),
            _ => others.entry(instance).or_default(),
        };
        remains.containers += more.containers;
        remains.running += more.running;
        remains.networks += more.networks;
        remains.volumes += more.volumes;
    };
    for container in &observed.containers {
        let running = usize::from(container.activity == Activity::Running);
        let containers = Remains {
            containers: 1,
            running,
            ..Remains::default()
        };
        add(&container.labels, &containers);
    }
    for network in &observed.networks {
        let networks = Remains {
            networks: 1,
            ..Remains::default()
        };
        add(&network.labels, &networks);
    }
    for volume in observed.volumes.iter().filter(|volume| !volume.is_kept()) {
        let volumes = Remains {
            volumes: 1,
            ..Remains::default()
        };
        add(&volume.labels, &volumes);
    }
    let mut checks = Vec::new();
    for (topology, remains) in ours {
        let row = match repo {
            Some(repo) => repo.get(topology).await.ok(),
            None => None,
        };
        if row.as_ref().is_none_or(|row| row.status == Status::TornDown) {
            // The name of a deleted maze is not known.
            let message = match row {
                Some(row) => format!("{remains} of maze `{}`, which is torn down", row.name),
                None => format!("{remains} of a deleted maze ({})", short_id(topology)),
            };
            checks.push(Check::warn(WHAT, message, "`decnet reap` removes them"));
        }
    }
    let (theirs, others): (Vec<_>, Vec<_>) = others.into_iter().partition(|(_, remains)| remains.running > 0);
    for (instance, remains) in others {
        let message = format!(
            "{remains} of another database ({}={instance}), none of them running",
            naming::INSTANCE
        );
        let hint = format!(
            "if that database is lost: `decnet reap --instance {instance} --dry-run` shows what would be removed"
        );
        checks.push(Check::warn(WHAT, message, hint));
    }
    if checks.is_empty() {
        checks.push(Check::ok(WHAT, "nothing"));
    }
    // Running containers are in use.
    checks.extend(theirs.into_iter().map(|(instance, remains)| {
        let message = format!("{remains} run for another database ({}={instance})", naming::INSTANCE);
        Check::ok("other databases", message)
    }));
    checks.extend(kept(observed));
    Ok(checks)
}

/// Lists the volumes that stay when their maze is removed: they are not left behind.
fn kept(observed: &Observed) -> Option<Check> {
    let volumes: Vec<_> = observed.kept_volumes().map(ToString::to_string).collect();
    let number = count(volumes.len(), "volume", "volumes");
    let message = format!(
        "{number} with `keep`: {}; `docker volume rm NAME` removes one",
        volumes.join(", ")
    );
    (!volumes.is_empty()).then(|| Check::ok("kept volumes", message))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        doctor::Verdict,
        naming::{ContainerName, NetworkName},
        observe::{ObservedContainer, ObservedNetwork},
    };

    fn network(instance: &str) -> ObservedNetwork {
        let labels = [
            (naming::INSTANCE, instance),
            (naming::TOPOLOGY, "aaaaaaaa-0000-4000-8000-000000000000"),
        ];
        ObservedNetwork {
            id: "0123456789ab".into(),
            name: NetworkName::from_docker("decnet_t_aaaaaaaa_lan"),
            labels: labels.map(|(key, value)| (key.into(), value.into())).into(),
            subnet: None,
        }
    }

    #[tokio::test]
    async fn the_hint_about_another_database_removes_nothing() {
        let observed = Observed {
            networks: vec![network("bbbbbbbb-0000-4000-8000-000000000000")],
            ..Observed::default()
        };
        let found = checks(&observed, None).await.expect("no store to fail");
        let [check] = &found[..] else { panic!("{found:?}") };
        assert_eq!(check.verdict, Verdict::Warn);
        let hint = check.hint.as_deref().unwrap_or_default();
        assert!(hint.contains("--dry-run") && !hint.contains("--yes"), "{hint}");
    }

    #[tokio::test]
    async fn running_containers_of_another_database_are_not_offered_for_removal() {
        let instance = "bbbbbbbb-0000-4000-8000-000000000000";
        let observed = Observed {
            networks: vec![network(instance)],
            containers: vec![ObservedContainer::running(
                "1",
                ContainerName::from_docker("decnet_t_aaaaaaaa_web"),
                network(instance).labels,
            )],
            ..Observed::default()
        };
        let found = checks(&observed, None).await.expect("no store to fail");
        let [nothing, theirs] = &found[..] else {
            panic!("{found:?}")
        };
        assert_eq!((nothing.message.as_str(), theirs.what), ("nothing", "other databases"));
        assert!(theirs.message.contains(instance) && theirs.hint.is_none(), "{theirs:?}");
    }
}
