//! The store in PostgreSQL. Its tests need the server of `scripts/postgres-up`, whose address is in `DECNET_TEST_POSTGRES`. Without
//! it, they are skipped.

use std::env;

use decnet_topology::testing::PostgresDatabase;

/// Creates a database, if there is a server.
pub(super) fn database() -> Option<PostgresDatabase> {
    let Ok(server) = env::var("DECNET_TEST_POSTGRES") else {
        println!("skipped: DECNET_TEST_POSTGRES names no server; see scripts/postgres-up");
        return None;
    };
    Some(PostgresDatabase::create(&server))
}
