//! Hosts that left the fleet while they had parts of a maze.

use std::sync::Arc;

use decnet_engine::{
    CancellationToken, DecoyImage, DeployOptions, Engine, EngineError, EngineOptions, Fleet, LostHost, Operation,
    RuntimeError,
    simulated::{Moment, Simulated},
};
use decnet_topology::{
    DeploySettings, Enrolment, HostChange, HostId, HostProfile, HostStore as _, MemoryRepo, Name, RepoError, Status,
    StatusChange, TopologyId, TopologyStore as _, rng,
};
use jiff::{SignedDuration, Timestamp};

use super::{CATALOG, FleetLab, member, two_lans};

const FORCE: Operation = Operation::Teardown { force: true };

/// Returns an engine on the store of a lab, with other hosts.
fn with(lab: &FleetLab, fleet: Fleet) -> Engine {
    let options = EngineOptions::new(CATALOG.clone()).image(Arc::new(DecoyImage::pack(b"a program")));
    Engine::new(lab.repo.clone(), Arc::new(fleet), options)
}

/// A fleet that only has a host which the maze is not on.
fn north() -> Fleet {
    Fleet::new().with(member("north", 9, "192.0.2.3"), Arc::new(Simulated::new().with_links()))
}

/// Lets a host of a name be in the store.
async fn enrol(repo: &MemoryRepo, name: &str) -> HostId {
    let (token, host, at) = (rng::enrolment_id(), rng::host_id(), Timestamp::now());
    let name = (host, name.parse().expect("a name"));
    let enrolment = Enrolment::new(
        token,
        name,
        HostProfile::default(),
        "digest".to_owned(),
        at + SignedDuration::from_mins(9),
    );
    repo.add_enrolment(enrolment, at).await.expect("added");
    let enrolled = repo.enroll_host(token, "192.0.2.1:7378", at).await;
    enrolled.expect("enrolled");
    host
}

/// Lets the deploy of a maze on `west` fail.
async fn failed() -> (FleetLab, TopologyId) {
    let lab = FleetLab::new(13);
    let id = lab.store("maze", two_lans()).await;
    let settings = DeploySettings::default().hosts(["west".parse().expect("a name")]);
    let refusal = RuntimeError::Refused { reason: "no".into() };
    lab.west.fail(3, Moment::Before, refusal);
    let options = DeployOptions::default().settings(settings);
    let deployed = lab.engine.deploy(id, options, &CancellationToken::new()).await;
    deployed.expect_err("the host refuses a step");
    assert_eq!(lab.repo.get(id).await.expect("a row").status, Status::Failed);
    (lab, id)
}

/// Deploys a maze on both hosts: one LAN each, and a link between them.
async fn on_both() -> (FleetLab, TopologyId) {
    let lab = FleetLab::new(1);
    let id = lab.store("maze", two_lans()).await;
    lab.deploy(id).await.expect("deployed");
    assert!(!lab.east.world().containers.is_empty() && !lab.west.world().containers.is_empty());
    (lab, id)
}

fn named(lost: &[LostHost]) -> Vec<(&str, bool, usize)> {
    lost.iter()
        .map(|lost| (lost.host.as_str(), lost.revoked, lost.deckies))
        .collect()
}

#[tokio::test]
async fn a_teardown_clears_the_hosts_that_are_left_and_names_the_others() {
    let (lab, id) = on_both().await;
    let west = Arc::new(lab.west.clone());
    let left = with(&lab, Fleet::new().with(member("west", 1, "192.0.2.2"), west));
    let teardown = Operation::Teardown { force: false };
    let prepared = left.prepare(id, teardown).await.expect("planned");
    assert_eq!(named(prepared.given_up()), [("east", false, 1)]);
    let down = prepared.execute(&CancellationToken::new()).await.expect("torn down");
    assert_eq!((down.row.status, down.reason), (Status::TornDown, None));
    assert_eq!(named(&down.given_up), [("east", false, 1)]);
    assert!(lab.west.world().containers.is_empty());
    let events = lab.repo.status_events(id).await.expect("events");
    let reason = events.last().and_then(|event| event.reason.clone());
    assert_eq!(
        reason.as_deref(),
        Some("given up: host east is not in the fleet, and 1 decky may still run there")
    );
}

#[tokio::test]
async fn the_deckies_of_a_lost_host_are_shown_as_unseen() {
    let (lab, id) = on_both().await;
    let left = with(
        &lab,
        Fleet::new().with(member("west", 1, "192.0.2.2"), Arc::new(lab.west.clone())),
    );
    let shown = left.inspect(id).await.expect("inspected");
    let mut unseen: Vec<_> = shown.deckies.iter().map(|decky| decky.unseen).collect();
    unseen.sort_unstable();
    assert_eq!(unseen, [false, true]);
    left.teardown(id, &CancellationToken::new()).await.expect("torn down");
    let shown = left.inspect(id).await.expect("inspected");
    assert!(shown.deckies.iter().all(|decky| !decky.unseen));
}

#[tokio::test]
async fn without_any_of_its_hosts_a_maze_is_torn_down_with_force_only() {
    let (lab, id) = on_both().await;
    let others = with(&lab, north());
    let cancel = CancellationToken::new();
    let refused = others.teardown(id, &cancel).await.expect_err("nobody can be asked");
    assert_eq!(refused.code(), "host_lost");
    assert_eq!(lab.repo.get(id).await.expect("a row").status, Status::Active);
    let prepared = others.prepare(id, FORCE).await.expect("planned");
    assert!(prepared.plan().is_empty());
    assert_eq!(named(prepared.given_up()), [("east", false, 1), ("west", false, 1)]);
    let down = prepared.execute(&cancel).await.expect("given up");
    assert_eq!((down.row.status, down.given_up.len()), (Status::TornDown, 2));
    let again = others.teardown(id, &cancel).await.expect("it is torn down already");
    assert!(again.given_up.is_empty());
}

#[tokio::test]
async fn a_lost_host_without_deckies_may_still_have_parts_of_the_maze() {
    let (lab, id) = on_both().await;
    let mut placement = lab.repo.get(id).await.expect("a row").placement.expect("placed");
    let name = |host: &str| host.parse::<Name>().expect("a name");
    for host in placement.deckies.values_mut() {
        *host = name("east");
    }
    placement.former.insert(name("west"));
    let placed = lab
        .repo
        .set_placement(id, Some(placement), None, Timestamp::now())
        .await;
    placed.expect("stored");
    let prepared = with(&lab, north()).prepare(id, FORCE).await.expect("planned");
    let said: Vec<_> = prepared.given_up().iter().map(ToString::to_string).collect();
    assert_eq!(
        said,
        [
            "host east is not in the fleet, and 2 deckies may still run there",
            "host west is not in the fleet, and parts of the maze may still be there",
        ]
    );
}

/// A store in which `east` joins again while somebody waits for a lease.
#[derive(Debug)]
struct JoinsAgain {
    inner: Arc<MemoryRepo>,
}

impl JoinsAgain {
    async fn guard<T>(&self, name: &str, call: impl Future<Output = Result<T, RepoError>>) -> Result<T, RepoError> {
        if name == "acquire_lease" && self.inner.hosts().await?.is_empty() {
            enrol(&self.inner, "east").await;
        }
        call.await
    }
}

guarded!(JoinsAgain);

#[tokio::test]
async fn a_maze_whose_host_joins_again_before_it_is_given_up_is_torn_down_as_usual() {
    let (lab, id) = on_both().await;
    let store = JoinsAgain {
        inner: lab.repo.clone(),
    };
    let options = EngineOptions::new(CATALOG.clone()).image(Arc::new(DecoyImage::pack(b"a program")));
    let others = Engine::new(Arc::new(store), Arc::new(north()), options);
    let error = others.operate(id, FORCE, None, &CancellationToken::new()).await;
    let error = error.expect_err("this program has no way to the host yet");
    let EngineError::TeardownIncomplete { unseen, leftovers, .. } = &error else {
        panic!("another error: {error}");
    };
    assert!(
        *unseen && leftovers.concat().contains("host east is unseen"),
        "{leftovers:?}"
    );
    assert_eq!(lab.repo.get(id).await.expect("a row").status, Status::Degraded);
}

#[tokio::test]
async fn a_reconcile_that_goes_on_with_a_teardown_needs_a_host_too() {
    let (lab, id) = on_both().await;
    let begun = StatusChange::new(Status::Active, Status::TearingDown);
    lab.repo.set_status(id, begun, Timestamp::now()).await.expect("stored");
    let refused = with(&lab, north()).reconcile(id, true, &CancellationToken::new()).await;
    assert_eq!(refused.expect_err("nobody can be asked").code(), "host_lost");
    assert_eq!(lab.repo.get(id).await.expect("a row").status, Status::TearingDown);
}

#[tokio::test]
async fn a_fresh_copy_of_a_failed_maze_of_a_lost_host_needs_force_and_names_the_host() {
    let (lab, id) = failed().await;
    let others = with(&lab, north());
    let deploy = async |force| {
        let options = DeployOptions::default()
            .settings(DeploySettings::default())
            .force(force);
        others.deploy(id, options, &CancellationToken::new()).await
    };
    assert_eq!(
        deploy(false).await.expect_err("nobody can be asked").code(),
        "host_lost"
    );
    let up = deploy(true).await.expect("deployed");
    assert_eq!((up.row.status, up.row.id == id), (Status::Active, false));
    assert_eq!(named(&up.given_up), [("west", false, 2)]);
    assert_eq!(lab.repo.get(id).await.expect("a row").status, Status::TornDown);
}

#[tokio::test]
async fn a_host_of_the_store_that_the_fleet_lacks_is_unseen() {
    let (lab, id) = on_both().await;
    let east = enrol(&lab.repo, "east").await;
    let left = with(
        &lab,
        Fleet::new().with(member("west", 1, "192.0.2.2"), Arc::new(lab.west.clone())),
    );
    let cancel = CancellationToken::new();
    let error = left.teardown(id, &cancel).await.expect_err("east was not asked");
    let EngineError::TeardownIncomplete { unseen, leftovers, .. } = &error else {
        panic!("another error: {error}");
    };
    assert!(*unseen && leftovers.concat().contains("east"), "{leftovers:?}");
    assert_eq!(lab.repo.get(id).await.expect("a row").status, Status::Degraded);
    let revoked = lab.repo.change_host(east, HostChange::Revoke, Timestamp::now()).await;
    revoked.expect("revoked");
    let down = left.teardown(id, &cancel).await.expect("west has nothing any more");
    assert_eq!(named(&down.given_up), [("east", true, 1)]);
}

#[tokio::test]
async fn a_runtime_that_is_no_fleet_cannot_give_up_a_maze_of_one() {
    let (lab, id) = on_both().await;
    let options = EngineOptions::new(CATALOG.clone());
    let alone = Engine::new(lab.repo.clone(), Arc::new(Simulated::new()), options);
    let refused = alone.operate(id, FORCE, None, &CancellationToken::new()).await;
    assert_eq!(refused.expect_err("the fleet may have it").code(), "fleet_missing");
    assert_eq!(lab.repo.get(id).await.expect("a row").status, Status::Active);
    lab.teardown(id).await.expect("torn down");
    lab.assert_nothing_left();
}

#[tokio::test]
async fn a_failed_maze_of_a_lost_host_is_not_deleted() {
    let (lab, id) = failed().await;
    let left = with(&lab, north());
    assert_eq!(left.delete(id, None).await.expect_err("unknown").code(), "host_lost");
    enrol(&lab.repo, "west").await;
    assert_eq!(
        left.delete(id, None).await.expect_err("unseen").code(),
        "left_on_docker"
    );
    lab.engine.delete(id, None).await.expect("nothing is left on the host");
}
