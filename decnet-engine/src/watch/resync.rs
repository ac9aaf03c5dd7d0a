//! Topologies of mode `agent` whose agents report another version than the store has.

use decnet_topology::{HostRow, Mode, Repo, RepoError, Status, TopologyId, TopologyRow};
use jiff::Timestamp;

use crate::pushed::{HostReport, PushedVersion, report::SILENCE};

/// Marks the topologies that differ from the last heartbeat of their hosts as those that need a resync, and returns them. Nothing else
/// of them is changed.
///
/// A heartbeat from before the last change of a topology, or from a host that is silent now, says nothing.
pub(super) async fn mark(repo: &dyn Repo, found: &[TopologyRow], at: Timestamp) -> Result<Vec<TopologyId>, RepoError> {
    let waiting = |row: &&TopologyRow| row.mode == Mode::Agent && row.status == Status::Active && !row.needs_resync;
    let rows: Vec<&TopologyRow> = found.iter().filter(waiting).collect();
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let (hosts, now) = (repo.hosts().await?, repo.now(at).await?);
    let mut marked = Vec::new();
    for row in rows {
        let host = hosts
            .iter()
            .find(|host| host.revoked_at.is_none() && Some(host.name.as_str()) == row.host.as_deref());
        let Some(host) = host else { continue };
        match mark_one(repo, row.id, host, now).await {
            Ok(true) => marked.push(row.id),
            // It may have been deleted since.
            Ok(false) | Err(RepoError::NotFound { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(marked)
}

/// Returns whether the topology differs from the report of its host, and was marked.
async fn mark_one(repo: &dyn Repo, id: TopologyId, host: &HostRow, now: Timestamp) -> Result<bool, RepoError> {
    let stored = repo.load(id).await?;
    let Some(report) = current(host, &stored.row, now) else {
        return Ok(false);
    };
    if PushedVersion::reported(&report).as_ref() == Some(&PushedVersion::of(&stored)) {
        return Ok(false);
    }
    tracing::info!(
        maze = stored.row.name.as_str(),
        host = host.name.as_str(),
        "the agent reports another version; it gets the maze again"
    );
    repo.set_needs_resync(id, true, None, now).await?;
    Ok(true)
}

/// Returns the last report of a host, if it says something of the topology.
fn current(host: &HostRow, row: &TopologyRow, now: Timestamp) -> Option<HostReport> {
    let heard_at = host.heard_at?;
    // A change from after this moment was recorded by a clock that is ahead. Then the report may be from before it, and is checked.
    let is_newer = heard_at > row.changed_at || row.changed_at > now;
    let says_something = is_newer && now.duration_since(heard_at) <= SILENCE;
    says_something.then(|| HostReport::of(host))?
}

#[cfg(test)]
mod tests {
    use decnet_topology::{
        Enrolment, HostChange, HostProfile, HostStore as _, MemoryRepo, NewTopology, StatusChange, Topology,
        TopologyFilter, TopologyStore as _, rng,
    };
    use jiff::SignedDuration;

    use super::*;

    const AT: Timestamp = Timestamp::UNIX_EPOCH;

    fn after(seconds: i64) -> Timestamp {
        AT + SignedDuration::from_secs(seconds)
    }

    /// A store with a host and a topology of mode `agent` that is active since the third second.
    struct Scene {
        repo: MemoryRepo,
        host: decnet_topology::HostId,
        id: TopologyId,
    }

    impl Scene {
        async fn new() -> Self {
            let (repo, host, token) = (MemoryRepo::new(), rng::host_id(), rng::enrolment_id());
            let name = || "east".parse().unwrap();
            let enrolment = Enrolment::new(token, (host, name()), HostProfile::default(), "digest", after(60));
            repo.add_enrolment(enrolment, AT).await.unwrap();
            repo.enroll_host(token, "192.0.2.7:1", AT).await.unwrap();
            let topology = Topology::builder().dmz("dmz", "10.0.0.0/24").build().unwrap();
            let new = NewTopology::new("corp".parse().unwrap(), topology)
                .mode(Mode::Agent)
                .host("east".to_owned());
            let id = repo.create(new, AT).await.unwrap().row.id;
            for (from, to) in [
                (Status::Pending, Status::Deploying),
                (Status::Deploying, Status::Active),
            ] {
                repo.set_status(id, StatusChange::new(from, to), after(3))
                    .await
                    .unwrap();
            }
            Self { repo, host, id }
        }

        /// The report of an agent that has the stored version.
        async fn report(&self) -> HostReport {
            let stored = self.repo.load(self.id).await.unwrap();
            let push = crate::pushed::TopologyPush::new(&stored);
            HostReport {
                topology: Some(self.id),
                settings_digest: crate::pushed::AppliedTopology::digest(&push.catalog, &push.settings),
                version_hash: push.version_hash,
                ..HostReport::default()
            }
        }

        async fn hear(&self, report: &HostReport, second: i64) {
            let text = serde_json::to_string(report).unwrap();
            let heard = self.repo.host_heard(self.host, "192.0.2.7:1", &text, after(second));
            heard.await.unwrap();
        }

        /// Returns whether the topology is marked at a second, and removes the mark.
        async fn is_marked(&self, second: i64) -> bool {
            let rows = self.repo.list(&TopologyFilter::default()).await.unwrap().rows;
            let marked = mark(&self.repo, &rows, after(second)).await.unwrap();
            let row = self.repo.get(self.id).await.unwrap();
            assert_eq!(row.needs_resync, marked == [self.id]);
            assert_eq!(row.status, Status::Active);
            let cleared = self.repo.set_needs_resync(self.id, false, None, after(3)).await;
            cleared.unwrap();
            row.needs_resync
        }
    }

    #[tokio::test]
    async fn a_report_of_another_version_marks_the_topology() {
        let scene = Scene::new().await;
        let same = scene.report().await;
        let others = [
            HostReport {
                version_hash: String::new(),
                ..same.clone()
            },
            HostReport {
                settings_digest: "other".into(),
                ..same.clone()
            },
            HostReport {
                topology: Some(rng::topology_id()),
                ..same.clone()
            },
            HostReport {
                topology: None,
                ..same.clone()
            },
        ];
        scene.hear(&same, 4).await;
        assert!(!scene.is_marked(5).await);
        for (second, other) in (5..).zip(&others) {
            scene.hear(other, second).await;
            assert!(scene.is_marked(second).await, "{other:?}");
        }
    }

    #[tokio::test]
    async fn an_old_report_a_silent_and_a_revoked_host_mark_nothing() {
        let scene = Scene::new().await;
        assert!(!scene.is_marked(4).await, "it was never heard");
        scene.hear(&HostReport::default(), 3).await;
        assert!(!scene.is_marked(4).await, "it is from before the last change");
        scene.hear(&HostReport::default(), 10).await;
        assert!(scene.is_marked(40).await);
        assert!(!scene.is_marked(41).await, "the host is silent");
        let revoked = scene.repo.change_host(scene.host, HostChange::Revoke, after(11));
        revoked.await.unwrap();
        assert!(!scene.is_marked(12).await);
    }

    #[tokio::test]
    async fn a_topology_that_was_deleted_meanwhile_is_skipped() {
        let scene = Scene::new().await;
        scene.hear(&HostReport::default(), 4).await;
        let mut rows = scene.repo.list(&TopologyFilter::default()).await.unwrap().rows;
        let mut gone = rows[0].clone();
        gone.id = rng::topology_id();
        rows.insert(0, gone);
        let marked = mark(&scene.repo, &rows, after(5)).await.unwrap();
        assert_eq!(marked, [scene.id]);
    }
}
