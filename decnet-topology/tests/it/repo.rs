//! The repo backends: both pass the contract. SQLite also works with other processes, after crashes and with bad files.

mod conformance;
mod crash;
mod damage;
mod draining;
mod faulty;
mod files;
mod postgres;
mod processes;
mod released;
mod stamps;
mod unwritable;

use std::path::Path;

use decnet_topology::{NewTopology, SqliteRepo, StoredTopology, Topology, TopologyStore};
use jiff::Timestamp;

mod memory {
    use decnet_topology::{MemoryRepo, testing::contract::Subject};

    decnet_topology::repo_contract!(async || Subject::new(MemoryRepo::new()));
}

mod sqlite_file {
    use decnet_topology::{SqliteRepo, testing::contract::Subject};

    decnet_topology::repo_contract!(async || {
        let folder = tempfile::tempdir().expect("a folder");
        let repo = SqliteRepo::open(folder.path().join("decnet.db")).expect("a store");
        Subject::new(repo).keeping(folder)
    });
}

mod sqlite_in_memory {
    use decnet_topology::{SqliteRepo, testing::contract::Subject};

    decnet_topology::repo_contract!(async || Subject::new(SqliteRepo::open_in_memory().expect("a store")));
}

mod postgres_database {
    use decnet_topology::{LeaseClock, PostgresOptions, testing::contract::Subject};

    use super::postgres;

    decnet_topology::repo_contract!(async || {
        let database = postgres::database()?;
        // The clauses choose the time.
        let options = PostgresOptions::default().lease_clock(LeaseClock::Caller);
        let repo = options.open(database.url()).await.expect("a store");
        Some(Subject::new(repo).keeping(database))
    });
}

fn new(name: &str, topology: Topology) -> NewTopology {
    NewTopology::new(name.parse().expect("a name"), topology)
}

/// Returns a maze of this many /28 LANs, with a bridge decky from each to the previous one.
fn maze(lans: u32) -> Topology {
    let address = |lan: u32, host: u32| std::net::Ipv4Addr::from_bits(0x0a00_0000 + lan * 16 + host).to_string();
    let mut maze = Topology::builder().dmz("lan-0", &format!("{}/28", address(0, 0)));
    for lan in 1..lans {
        maze = maze.lan(&format!("lan-{lan}"), &format!("{}/28", address(lan, 0)));
    }
    maze = maze.decky("decky-0", |decky| decky.on("lan-0", &address(0, 5)).services(["ssh"]));
    for lan in 1..lans.min(50) {
        maze = maze.decky(&format!("decky-{lan}"), |decky| {
            let decky = decky
                .on(&format!("lan-{lan}"), &address(lan, 5))
                .config("ssh", "banner", "hello");
            decky.on(&format!("lan-{}", lan - 1), &address(lan - 1, 6)).forwards()
        });
    }
    maze.build().expect("a maze")
}

/// Creates a store with one topology.
fn store_of_one(path: &Path, lans: u32) -> StoredTopology {
    let repo = SqliteRepo::open(path).expect("a store");
    wait(repo.create(new("corp", maze(lans)), Timestamp::UNIX_EPOCH)).expect("it is stored")
}

/// Runs a future on its own runtime.
pub(crate) fn wait<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(future)
}
