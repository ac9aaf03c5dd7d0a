mod queue;

use jiff::{SignedDuration, Timestamp};

use rusqlite::{Connection, TransactionBehavior};

use super::{SqliteRepo, schema};
use crate::{
    ChangeFilter, ChangeLog as _, Decky, DeckyId, MutationId, MutationQueue, Sequence, Topology, TopologyId,
    TopologyStore, Version,
    model::ServiceConfig,
    repo::{
        Holder, NewMutation, NewTopology, RepoError, TopologyFilter,
        backend::{self, Backend},
        sql::tables::mutations,
    },
    rng,
};

fn new(name: &str, topology: Topology) -> NewTopology {
    NewTopology::new(name.parse().expect("name"), topology)
}

#[tokio::test]
async fn an_id_that_shares_its_first_eight_hex_digits_with_another_is_drawn_again() {
    let repo = SqliteRepo::open_in_memory().expect("a store");
    let ids = [
        "01234567-0000-4000-8000-000000000001",
        "01234567-0000-4000-8000-000000000002",
        "89abcdef-0000-4000-8000-000000000003",
    ];
    let stored = repo.write((), move |tables, ()| {
        let mut draws = ids.iter().map(|text| text.parse().expect("id"));
        let mut draw = || draws.next().expect("three draws");
        let mut create =
            |name| backend::create(tables, &mut draw, new(name, Topology::default()), Timestamp::UNIX_EPOCH);
        Ok([create("one")?.row.id, create("two")?.row.id])
    });
    let stored = stored.await.expect("both are stored");
    assert_eq!(stored.map(|id| id.to_string()), [ids[0], ids[2]]);
}

#[tokio::test]
async fn deckies_with_nearly_the_same_workload_are_distinguished() {
    let repo = SqliteRepo::open_in_memory().expect("a store");
    let runs = |id, archetype: Option<&str>, services: &[&str]| {
        Decky::new(DeckyId::new(id), format!("decky-{id}").parse().expect("name"))
            .with_services(services.iter().copied().map(Into::into))
            .with_archetype(archetype.map(Into::into))
    };
    let configured = ServiceConfig::from([("ssh".into(), [("port".into(), 22.into())].into())]);
    let deckies = vec![
        runs(0, None, &["ssh"]),
        runs(1, Some(""), &["ssh"]),
        runs(2, Some("web"), &["ssh"]),
        runs(3, None, &["ssh", "http"]),
        runs(4, None, &["ssh"]).with_service_config(configured).forwarding(true),
        runs(5, None, &["ssh"]),
        runs(6, None, &[]),
    ];
    let maze = Topology::new(Vec::new(), deckies).expect("a maze");
    let stored = repo.create(new("corp", maze.clone()), Timestamp::UNIX_EPOCH).await;
    let loaded = repo.load(stored.expect("stored").row.id).await.expect("loaded");
    assert_eq!(loaded.topology, maze);
}

#[tokio::test]
async fn a_full_disk_is_reported_and_loses_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let repo = SqliteRepo::open(folder.path().join("decnet.db")).expect("a store");
    let at = Timestamp::UNIX_EPOCH;
    let small = repo
        .create(new("small", Topology::default()), at)
        .await
        .expect("stored");
    let limit = |pages: i64| {
        let mut access = repo.access.lock().expect("the connection");
        let connection = access.connection();
        connection
            .pragma_update_and_check(None, "max_page_count", pages, |_| Ok(()))
            .expect("the limit");
    };
    limit(1);
    let mut big = Topology::builder();
    for at in 0..1000 {
        big = big.lan(&format!("lan-{at}"), &format!("10.{}.{}.0/24", at / 250, at % 250));
    }
    let big = new("big", big.build().expect("a maze"));
    let refusal = repo.create(big.clone(), at).await.expect_err("the disk is full");
    assert!(matches!(refusal, RepoError::Full), "{refusal:?}");
    let page = repo.list(&TopologyFilter::default()).await.expect("the list");
    assert_eq!(page.rows, [small.row]);
    assert_eq!(repo.check().await.expect("checked"), Vec::<String>::new());
    limit(i64::from(i32::MAX));
    repo.create(big, at).await.expect("there is room again");
}

#[test]
fn a_store_of_the_first_layout_is_migrated_by_all_processes_that_open_it_at_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("decnet.db");
    let instance = rng::instance_id();
    let id = rng::topology_id();
    let old = Connection::open(&path).expect("a file");
    let made = old
        .execute_batch(schema::STEPS[0])
        .and_then(|()| old.execute("INSERT INTO meta (instance) VALUES (?1)", [instance.to_string()]))
        .and_then(|_| {
            old.execute(
                "INSERT INTO topologies (id, name, name_key, mode, status, intent, version, created_at, changed_at,
                                         needs_resync, settings)
                 VALUES (?1, 'corp', 'corp', 'unihost', 'active', 'up', 7, '2030-01-01T00:00:00Z',
                         '2030-01-01T00:00:00Z', 0, '{}')",
                [id.to_string()],
            )
        })
        .and_then(|_| {
            old.execute(
                "INSERT INTO lans VALUES (1, 0, 'dmz', 0x0a000000, 0x0a0000ff, 1, NULL, NULL)",
                [],
            )
        })
        .and_then(|_| old.pragma_update(None, "user_version", 1));
    made.expect("a store of the first layout");
    drop(old);

    let start = std::sync::Barrier::new(4);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                start.wait();
                SqliteRepo::open(&path).expect("it is migrated");
            });
        }
    });
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let repo = SqliteRepo::open(&path).expect("a store");
        assert_eq!(repo.instance().await.expect("its id"), instance);
        assert_eq!(repo.check().await.expect("checked"), Vec::<String>::new());
        let stored = repo.load(id).await.expect("it is there");
        assert_eq!((stored.row.version, stored.topology.lans().len()), (Version::new(7), 1));
        let enqueued = repo
            .enqueue(id, queue::removing("web"), None, Timestamp::UNIX_EPOCH)
            .await;
        assert_eq!(enqueued.expect("it runs").version, Version::new(8));
        // What happened before the log existed is not in it.
        let log = repo.changes_since(None, &ChangeFilter::default()).await;
        let log = log.expect("the log");
        assert_eq!((log.changes.len(), log.latest), (1, Sequence::new(1)));
    });
}
