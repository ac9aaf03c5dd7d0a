//! The store in PostgreSQL. Its tests need the server of `scripts/postgres-up`, whose address is in `DECNET_TEST_POSTGRES`. Without
//! it, they are skipped.

mod address;
mod clock;
mod failover;
mod layout;
mod locks;
mod loss;
pub(super) mod race;
mod restart;
mod server;
mod texts;
mod tls;

use std::{env, time::Duration};

use decnet_topology::{
    NewTopology, PostgresOptions, PostgresRepo, Topology, TopologyId, TopologyStore as _, testing::PostgresDatabase,
};
use jiff::Timestamp;

/// Returns the address of the server, if there is one.
fn server() -> Option<String> {
    let found = env::var("DECNET_TEST_POSTGRES").ok().filter(|url| !url.is_empty());
    if found.is_none() {
        println!("skipped: DECNET_TEST_POSTGRES names no server; see scripts/postgres-up");
    }
    found
}

/// Creates a database, if there is a server.
pub(super) fn database() -> Option<PostgresDatabase> {
    Some(PostgresDatabase::create(&server()?))
}

/// Opens the store in a database.
async fn open(database: &PostgresDatabase) -> PostgresRepo {
    PostgresRepo::open(database.url()).await.expect("a store")
}

/// Options that give up soon.
fn impatient() -> PostgresOptions {
    PostgresOptions::default().timeout(Duration::from_millis(500))
}

/// A maze of one LAN.
fn small(name: &str, subnet: &str) -> NewTopology {
    let maze = Topology::builder().dmz("dmz", subnet).build().expect("a maze");
    super::new(name, maze)
}

/// Stores a maze of one LAN, and returns its id.
async fn store_corp(repo: &PostgresRepo) -> TopologyId {
    let stored = repo.create(small("corp", "10.0.0.0/24"), Timestamp::UNIX_EPOCH).await;
    stored.expect("stored").row.id
}
