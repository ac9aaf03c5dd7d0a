use std::collections::BTreeMap;

use decnet_topology::{HostId, HostRow, Mode, Name, Repo, RepoError, Status, TopologyFilter, TopologyId, TopologyRow};

/// The topologies of a store that may have something on hosts: all but those that were never deployed or were torn down.
///
/// Topologies know their hosts by name. A revoked host has none if another host has its name now.
#[derive(Debug)]
pub struct HostMazes {
    rows: Vec<TopologyRow>,
    /// How many deckies those have that an agent deploys as a whole.
    pushed: BTreeMap<TopologyId, usize>,
    /// By name, the host that has the topologies: the one that was not revoked, or else the one that was revoked last.
    owners: BTreeMap<Name, HostId>,
}

impl HostMazes {
    /// Reads them. One that was torn down keeps its placement for its next deploy.
    ///
    /// # Errors
    ///
    /// Those of the store.
    pub async fn read(repo: &dyn Repo) -> Result<Self, RepoError> {
        let present = TopologyFilter::default().without(&[Status::Pending, Status::TornDown]);
        Self::of(repo, repo.list(&present).await?.rows).await
    }

    async fn of(repo: &dyn Repo, listed: Vec<TopologyRow>) -> Result<Self, RepoError> {
        let (mut rows, mut pushed) = (Vec::with_capacity(listed.len()), BTreeMap::new());
        for row in listed {
            if row.mode == Mode::Agent {
                match repo.load(row.id).await {
                    Ok(stored) => drop(pushed.insert(row.id, stored.topology.deckies().len())),
                    // It was deleted meanwhile.
                    Err(RepoError::NotFound { .. }) => continue,
                    Err(error) => return Err(error),
                }
            }
            rows.push(row);
        }
        let mut hosts = repo.hosts().await?;
        hosts.sort_by_key(|host| (host.revoked_at.is_none(), host.revoked_at));
        let owners = hosts.into_iter().map(|host| (host.name, host.id)).collect();
        Ok(Self { rows, pushed, owners })
    }

    /// Returns the topologies, unless another host has the name of this one.
    fn rows_of(&self, host: &HostRow) -> impl Iterator<Item = &TopologyRow> {
        let is_owner = self.owners.get(&host.name).is_none_or(|owner| *owner == host.id);
        self.rows.iter().filter(move |_| is_owner)
    }

    /// Returns those that have deckies or LANs on a host, in order of creation.
    pub fn on_host<'a>(&'a self, host: &'a HostRow) -> impl Iterator<Item = &'a TopologyRow> {
        self.rows_of(host).filter(|row| {
            let placement = row.placement.as_ref();
            let is_placed = placement.is_some_and(|placement| {
                placement.members().contains(&host.name) || placement.former.contains(&host.name)
            });
            is_placed || row.is_for_agent_of(host.name.as_str())
        })
    }

    /// Counts the deckies on a host.
    pub fn deckies(&self, host: &HostRow) -> usize {
        let pushed = self.rows_of(host).filter(|row| row.is_for_agent_of(host.name.as_str()));
        self.movable(host) + pushed.filter_map(|row| self.pushed.get(&row.id)).sum::<usize>()
    }

    /// Counts the deckies on a host that were placed there, so that they can move.
    pub fn movable(&self, host: &HostRow) -> usize {
        let placements = self.rows_of(host).filter_map(|row| row.placement.as_ref());
        let hosts = placements.flat_map(|placement| placement.deckies.values());
        hosts.filter(|name| **name == host.name).count()
    }
}

#[cfg(test)]
mod tests {
    use decnet_topology::{
        Enrolment, HostChange, HostProfile, HostStore as _, MemoryRepo, NewTopology, StatusChange, Topology,
        TopologyStore as _, rng,
    };
    use jiff::{SignedDuration, Timestamp};

    use super::*;

    const AT: Timestamp = Timestamp::UNIX_EPOCH;

    /// Lets a host join, whose name no other host has.
    async fn join(repo: &MemoryRepo, name: &str) -> HostRow {
        let named = (rng::host_id(), name.parse().unwrap());
        let profile = HostProfile::default();
        let enrolment = Enrolment::new(
            rng::enrolment_id(),
            named,
            profile,
            "digest",
            AT + SignedDuration::from_mins(1),
        );
        let id = enrolment.id;
        repo.add_enrolment(enrolment, AT).await.unwrap();
        repo.enroll_host(id, "192.0.2.7:1", AT).await.unwrap()
    }

    /// Stores a maze with two deckies that the agent of `east` has, and returns its row.
    async fn push(repo: &MemoryRepo) -> TopologyRow {
        let maze = Topology::builder().dmz("dmz", "10.0.0.0/24");
        let maze = maze.decky("web", |decky| decky.on("dmz", "10.0.0.10"));
        let maze = maze.decky("db", |decky| decky.on("dmz", "10.0.0.11")).build().unwrap();
        let new = NewTopology::new("corp".parse().unwrap(), maze)
            .mode(Mode::Agent)
            .host("east".to_owned());
        let id = repo.create(new, AT).await.unwrap().row.id;
        let change = StatusChange::new(Status::Pending, Status::Deploying);
        repo.set_status(id, change, AT).await.unwrap()
    }

    #[tokio::test]
    async fn the_mazes_of_a_name_are_of_the_host_that_has_it_now() {
        let repo = MemoryRepo::new();
        push(&repo).await;
        let first = join(&repo, "east").await;
        let revoke = async |host: &HostRow, second| {
            let at = AT + SignedDuration::from_secs(second);
            repo.change_host(host.id, HostChange::Revoke, at).await.unwrap()
        };
        let counts = async |hosts: &[&HostRow]| {
            let mazes = HostMazes::read(&repo).await.unwrap();
            let count = |host: &&HostRow| (mazes.deckies(host), mazes.on_host(host).count());
            hosts.iter().map(count).collect::<Vec<_>>()
        };
        assert_eq!(counts(&[&first]).await, [(2, 1)]);
        let first = revoke(&first, 1).await;
        assert_eq!(counts(&[&first]).await, [(2, 1)], "nobody else has its mazes");
        let second = join(&repo, "East").await;
        assert_eq!(counts(&[&first, &second]).await, [(0, 0), (2, 1)]);
        let second = revoke(&second, 2).await;
        assert_eq!(counts(&[&first, &second]).await, [(0, 0), (2, 1)], "it had them last");
        let third = join(&repo, "east").await;
        assert_eq!(counts(&[&first, &second, &third]).await, [(0, 0), (0, 0), (2, 1)]);
    }

    #[tokio::test]
    async fn a_maze_that_was_deleted_meanwhile_is_not_counted() {
        let repo = MemoryRepo::new();
        let east = join(&repo, "east").await;
        let row = push(&repo).await;
        let mut gone = row.clone();
        gone.id = rng::topology_id();
        let mazes = HostMazes::of(&repo, vec![gone, row]).await.unwrap();
        assert_eq!((mazes.deckies(&east), mazes.on_host(&east).count()), (2, 1));
    }
}
