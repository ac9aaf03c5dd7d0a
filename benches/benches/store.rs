//! The store in SQLite: mazes, and the queue of mutations. The floor works on a file of the same layout.

use std::{
    error::Error,
    path::Path,
    time::{Duration, Instant},
};

use criterion::{Criterion, criterion_group, criterion_main};
use decnet_benches::{Limit, SIZES, Table, drawn, maze, of_kind, repeat_on_the_clock};
use decnet_topology::{
    Holder, Intent, MutationQueue, NewMutation, NewTopology, SqliteRepo, Status, StatusChange, StoredTopology,
    Topology, TopologyId, TopologyStore, UpdateDecky,
};
use jiff::{SignedDuration, Timestamp};
use rusqlite::{Connection, params};
use tokio::runtime::Runtime;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

const MOMENT: &str = "2030-01-01T00:00:00.000000000Z";

/// The approximate number of LANs of the generated mazes, whose deckies run different sets of services.
const DRAWN: [u32; 2] = [1_000, 4_000];

/// Id, name, services, their configuration, archetype, persona, and whether it forwards.
type DeckyRow = (u32, String, String, String, Option<String>, Option<String>, bool);

/// A maze as the texts and numbers of the tables.
struct Rows {
    lans: Vec<(u32, String, u32, u32, bool)>,
    deckies: Vec<DeckyRow>,
    attachments: Vec<(u32, i64, u32, u32)>,
}

impl Rows {
    fn of(maze: &Topology) -> Result<Self> {
        let lans = maze.lans().iter().map(|lan| {
            let (first, last) = (lan.subnet().network().to_bits(), lan.subnet().broadcast().to_bits());
            (lan.id().ordinal(), lan.name().to_string(), first, last, lan.is_dmz())
        });
        let deckies = maze.deckies().iter().map(|decky| {
            Ok((
                decky.id().ordinal(),
                decky.name().to_string(),
                serde_json::to_string(decky.services())?,
                serde_json::to_string(decky.service_config())?,
                decky.archetype().map(Into::into),
                decky.persona().map(serde_json::to_string).transpose()?,
                decky.forwards_l3(),
            ))
        });
        let attachments = maze.deckies().iter().flat_map(|decky| {
            let places = (0_i64..).zip(decky.attachments());
            places.map(|(place, at)| (decky.id().ordinal(), place, at.lan.ordinal(), at.ip.to_bits()))
        });
        Ok(Self {
            lans: lans.collect(),
            deckies: deckies.collect::<Result<_>>()?,
            attachments: attachments.collect(),
        })
    }
}

/// A topology's own row: name, id, mode, host, status, intent, version, times of creation and change, whether it needs a resync,
/// its config, its deploy settings.
type Head = (
    String,
    String,
    String,
    Option<String>,
    String,
    Option<String>,
    i64,
    String,
    String,
    bool,
    Option<String>,
    String,
);

/// A connection without any checks.
struct Raw(Connection);

impl Raw {
    /// Opens a new file with the store's layout.
    fn open(path: &Path) -> Result<Self> {
        drop(SqliteRepo::open(path)?);
        let connection = Connection::open(path)?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        Ok(Self(connection))
    }

    fn store(&mut self, rows: &Rows) -> Result<i64> {
        let tx = self.0.transaction()?;
        tx.prepare_cached(
            "INSERT INTO topologies (id, name, name_key, mode, status, version, created_at, changed_at, needs_resync, settings)
             VALUES ('00000000-0000-4000-8000-000000000000', 'bench', 'bench', 'unihost', 'pending', 1, ?1, ?1, 0, '{}')",
        )?
        .execute([MOMENT])?;
        let key = tx.last_insert_rowid();
        tx.prepare_cached("INSERT INTO status_events (topology, to_status, at) VALUES (?1, 'pending', ?2)")?
            .execute(params![key, MOMENT])?;
        let mut lan = tx.prepare_cached(
            "INSERT INTO lans (topology, id, name, first_address, last_address, is_dmz) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )?;
        for (id, name, first, last, is_dmz) in &rows.lans {
            lan.execute(params![key, id, name, first, last, is_dmz])?;
        }
        let mut decky = tx.prepare_cached(
            "INSERT INTO deckies (topology, id, name, services, service_config, archetype, persona, forwards_l3)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        )?;
        for (id, name, services, config, archetype, persona, forwards) in &rows.deckies {
            decky.execute(params![key, id, name, services, config, archetype, persona, forwards])?;
        }
        let mut attachment = tx.prepare_cached(
            "INSERT INTO attachments (topology, decky, place, lan, address) VALUES (?1, ?2, ?3, ?4, ?5)",
        )?;
        for (decky, place, lan, address) in &rows.attachments {
            attachment.execute(params![key, decky, place, lan, address])?;
        }
        drop((lan, decky, attachment));
        tx.commit()?;
        Ok(key)
    }

    fn load(&mut self, key: i64) -> Result<(Head, Rows)> {
        let tx = self.0.transaction()?;
        let mut head = tx.prepare_cached(
            "SELECT name, id, mode, host, status, intent, version, created_at, changed_at, needs_resync, config, settings
             FROM topologies WHERE key = ?1",
        )?;
        let head = head.query_row([key], |row| row.try_into())?;
        let mut lans = tx.prepare_cached(
            "SELECT id, name, first_address, last_address, is_dmz, x, y FROM lans WHERE topology = ?1 ORDER BY id",
        )?;
        let lans = lans.query_map([key], |row| {
            row.get::<_, Option<f64>>(5)?;
            row.get::<_, Option<f64>>(6)?;
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?))
        })?;
        let lans = lans.collect::<rusqlite::Result<_>>()?;
        let mut deckies = tx.prepare_cached(
            "SELECT id, name, services, service_config, archetype, persona, forwards_l3, x, y
             FROM deckies WHERE topology = ?1 ORDER BY id",
        )?;
        let deckies = deckies.query_map([key], |row| {
            row.get::<_, Option<f64>>(7)?;
            row.get::<_, Option<f64>>(8)?;
            Ok((
                row.get(0)?,
                row.get(1)?,
                row.get(2)?,
                row.get(3)?,
                row.get(4)?,
                row.get(5)?,
                row.get(6)?,
            ))
        })?;
        let deckies = deckies.collect::<rusqlite::Result<_>>()?;
        let mut attachments = tx.prepare_cached(
            "SELECT decky, place, lan, address FROM attachments WHERE topology = ?1 ORDER BY decky, place",
        )?;
        let attachments =
            attachments.query_map([key], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))?;
        let attachments = attachments.collect::<rusqlite::Result<_>>()?;
        let rows = Rows {
            lans,
            deckies,
            attachments,
        };
        Ok((head, rows))
    }
}

/// Times several functions without their cleanup.
fn timed<T>(times: u64, mut work: impl FnMut() -> Result<T>, mut after: impl FnMut(T) -> Result<()>) -> Duration {
    let mut took = Duration::ZERO;
    for _ in 0..times {
        let start = Instant::now();
        let outcome = work();
        took += start.elapsed();
        outcome.and_then(&mut after).expect("the store works");
    }
    took
}

fn new(topology: Topology) -> Result<NewTopology> {
    Ok(NewTopology::new("bench".parse()?, topology))
}

fn mazes(criterion: &mut Criterion, folder: &Path, runtime: &Runtime) -> Result<()> {
    let table = |subject, floor| Table::new(subject, floor).limit(Limit::Ratio(1.5));
    let mut store = table(
        "store a maze",
        "prepared inserts of the same rows in one transaction, synchronous=FULL",
    );
    let mut load = table(
        "load a maze",
        "prepared selects of the same rows in one transaction, synchronous=FULL",
    );
    let uniform = SIZES.map(|lans| ("", maze(lans)));
    let varied = DRAWN.map(|lans| ("drawn", drawn(lans).1));
    for (kind, maze) in uniform.into_iter().chain(varied) {
        let rows = Rows::of(&maze)?;
        let size = of_kind(kind, &maze);
        let repo = SqliteRepo::open(folder.join(format!("{size}.db")))?;
        let mut raw = Raw::open(&folder.join(format!("{size}, raw.db")))?;
        let at: Timestamp = MOMENT.parse()?;
        store.compare_kind(
            criterion,
            kind,
            &maze,
            |times| {
                (0..times)
                    .map(|_| {
                        let mut new = Some(new(maze.clone()).expect("a name"));
                        let create = || Ok(runtime.block_on(repo.create(new.take().ok_or("one maze")?, at))?);
                        let delete =
                            |stored: StoredTopology| Ok(runtime.block_on(repo.delete(stored.row.id, None, at))?);
                        timed(1, create, delete)
                    })
                    .sum()
            },
            |times| {
                let mut took = Duration::ZERO;
                for _ in 0..times {
                    let start = Instant::now();
                    let key = raw.store(&rows).expect("no other process uses the file");
                    took += start.elapsed();
                    raw.0
                        .execute("DELETE FROM topologies WHERE key = ?1", [key])
                        .expect("the maze is stored");
                }
                took
            },
        );
        let id = runtime.block_on(repo.create(new(maze.clone())?, at))?.row.id;
        let key = raw.store(&rows)?;
        assert_eq!(raw.load(key)?.1.attachments, rows.attachments);
        load.compare_kind(
            criterion,
            kind,
            &maze,
            repeat_on_the_clock(|| runtime.block_on(repo.load(id)).expect("the maze is stored")),
            repeat_on_the_clock(|| raw.load(key).expect("the maze is stored")),
        );
    }
    store.finish()?;
    load.finish()?;
    Ok(())
}

async fn running(repo: &SqliteRepo, maze: Topology, at: Timestamp) -> Result<TopologyId> {
    let id = repo.create(new(maze)?, at).await?.row.id;
    for (from, to) in [
        (Status::Pending, Status::Deploying),
        (Status::Deploying, Status::Active),
    ] {
        let change = StatusChange::new(from, to).intent(Intent::Up);
        repo.set_status(id, change, at).await?;
    }
    Ok(id)
}

fn queue(criterion: &mut Criterion, folder: &Path, runtime: &Runtime) -> Result<()> {
    let table = |subject, floor| Table::new(subject, floor).limit(Limit::Ratio(1.3));
    let mut enqueue = table("enqueue", "one raw INSERT and its commit, synchronous=FULL");
    let mut claim = table("claim", "one raw UPDATE and its commit, synchronous=FULL");
    let maze = maze(10);
    let at: Timestamp = MOMENT.parse()?;
    let repo = SqliteRepo::open(folder.join("queue.db"))?;
    let id = runtime.block_on(running(&repo, maze.clone(), at))?;
    let mut raw = Raw::open(&folder.join("queue-raw.db"))?;
    let key = raw.store(&Rows::of(&maze)?)?;
    let mutation = UpdateDecky::new("decky-000001".parse()?).services(["ssh", "http"]);
    let asked = NewMutation::new(mutation.into()).actor("bench".to_owned());
    let text = serde_json::to_string(&asked.mutation)?;
    let insert = |()| -> Result<()> {
        raw.0
            .prepare_cached(
                "INSERT INTO mutations (topology, mutation, actor, state, version, attempts, enqueued_at)
                 VALUES (?1, ?2, 'bench', 'pending', 2, 0, ?3)",
            )?
            .execute(params![key, text, MOMENT])?;
        Ok(())
    };
    insert(())?;
    enqueue.compare(
        criterion,
        &maze,
        repeat_on_the_clock(|| {
            runtime
                .block_on(repo.enqueue(id, asked.clone(), None, at))
                .expect("it runs")
        }),
        repeat_on_the_clock(|| insert(()).expect("no other process uses the file")),
    );
    let holder = Holder {
        boot_id: "4c7f5a0e-0000-4000-8000-000000000000".into(),
        pid: 1,
        started: 1,
        label: "bench".into(),
    };
    let minute = SignedDuration::from_secs(60);
    let take = || {
        let claimed = runtime.block_on(repo.claim_mutation(Some(id), &holder, minute, None, at))?;
        Ok(claimed
            .and_then(|row| Some((row.id, row.claim?.token)))
            .ok_or("nothing to claim")?)
    };
    let first: i64 = raw.0.query_row("SELECT min(id) FROM mutations", [], |row| row.get(0))?;
    let update = || -> Result<()> {
        raw.0
            .prepare_cached(
                "UPDATE mutations SET state = 'applying', attempts = attempts + 1, begun_at = coalesce(begun_at, ?1),
                     claim_token = '4c7f5a0e-0000-4000-8000-000000000000', claim_until = ?1,
                     claim_boot_id = '4c7f5a0e-0000-4000-8000-000000000000', claim_pid = 1, claim_started = 1,
                     claim_label = 'bench' WHERE id = ?2",
            )?
            .execute(params![MOMENT, first])?;
        Ok(())
    };
    let undo = |()| -> Result<()> {
        let undo = "UPDATE mutations SET state = 'pending', claim_token = NULL, claim_until = NULL WHERE id = ?1";
        raw.0.prepare_cached(undo)?.execute([first])?;
        Ok(())
    };
    claim.compare(
        criterion,
        &maze,
        |times| {
            timed(times, take, |(id, token)| {
                Ok(runtime.block_on(repo.release_claim(id, token, at))?)
            })
        },
        |times| timed(times, update, undo),
    );
    enqueue.finish()?;
    claim.finish()?;
    Ok(())
}

fn benches(criterion: &mut Criterion) {
    // On the disk of the build folder: a temporary folder may be in memory, where nothing is synced to a disk.
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime");
    mazes(criterion, folder.path(), &runtime).expect("the store works");
    queue(criterion, folder.path(), &runtime).expect("the store works");
}

criterion_group!(group, benches);
criterion_main!(group);
