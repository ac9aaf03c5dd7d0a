//! The store.

use std::time::Duration;

use deadpool_postgres::{Manager, ManagerConfig, Object, Pool, RecyclingMethod, Runtime};
use tokio::runtime::Handle;

use super::{
    address::Address,
    clock::LeaseClock,
    fault::{failure, no_connection},
    schema,
    statement::lock_key,
    tls,
    transaction::{InUse, Pauses, Transactions},
};
use crate::repo::{
    RepoError, Stamp,
    backend::{Backend, Tables},
    blocking::on_blocking_thread,
    sql,
};

/// A store in a PostgreSQL database that the processes of several hosts can use at the same time.
///
/// A change is on the server's disk when a method returns. Several transactions write at the same time, each to its own topology.
/// Leases are measured by the server's clock ([`LeaseStore::now`](crate::LeaseStore::now)).
///
/// A transaction that meets another one, or whose connection is lost, runs again, for up to [`PostgresOptions::timeout`] since it was
/// first tried. A server that does not answer a statement for a little longer than the timeout counts as lost. If the connection is
/// lost while a change is committed, the server is asked whether it was, also a standby that took over meanwhile. If none answers
/// within the timeout, the error is [`RepoError::OutcomeUnknown`].
///
/// The methods of [`Repo`](crate::Repo) need a tokio runtime with timers and input/output, and work on its blocking threads. A future that is dropped early
/// leaves the store consistent, but its change may still have been made.
///
/// ```no_run
/// use decnet_topology::{PostgresRepo, TopologyStore};
///
/// # async fn open() -> Result<(), decnet_topology::RepoError> {
/// let repo = PostgresRepo::open("postgres://decnet:secret@db.example/decnet?sslmode=verify-full").await?;
/// let instance = repo.instance().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct PostgresRepo {
    transactions: Transactions,
}

/// The options to open a [`PostgresRepo`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
#[non_exhaustive]
pub struct PostgresOptions {
    /// How long to wait for a lock, for a free connection, and for a server that restarts or does not answer; 10 s by default.
    pub timeout: Duration,
    /// How many connections are open at most; 8 by default.
    pub connections: usize,
    /// Whose clock measures leases and claims.
    pub lease_clock: LeaseClock,
    /// Whether the store is created in an empty schema, and an older layout migrated. True by default; without it, an empty schema
    /// is refused ([`RepoError::NotAStore`]).
    pub create: bool,
}

impl Default for PostgresOptions {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(10),
            connections: 8,
            lease_clock: LeaseClock::default(),
            create: true,
        }
    }
}

impl PostgresOptions {
    /// Sets how long to wait for a lock, for a connection, and for a server that restarts.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Sets how many connections are open at most.
    pub fn connections(mut self, connections: usize) -> Self {
        self.connections = connections;
        self
    }

    /// Sets whose clock measures leases and claims.
    pub fn lease_clock(mut self, clock: LeaseClock) -> Self {
        self.lease_clock = clock;
        self
    }

    /// Sets whether the store is created in an empty schema.
    pub fn create(mut self, create: bool) -> Self {
        self.create = create;
        self
    }

    /// Opens the store in a database, as [`PostgresRepo::open`] does.
    pub async fn open(&self, address: &str) -> Result<PostgresRepo, RepoError> {
        PostgresRepo::connect(address, self).await
    }
}

impl PostgresRepo {
    /// Opens the store in a database. In an empty schema, it creates the store; it migrates an older layout.
    ///
    /// The address is `postgres://user:password@host:port/database`. It can name several hosts, separated by commas, and have the
    /// parameters of PostgreSQL's own clients, for instance `sslmode` (`disable`, `prefer`, `require`, `verify-ca`,
    /// `verify-full`), `sslrootcert`, `sslcert`, `sslkey`, `connect_timeout`, `target_session_attrs` and `options`.
    ///
    /// Refused, with the database unchanged: an invalid address, a server that does not answer or does not let the user in, tables
    /// of another program, a store of a newer program, and a store that another process migrates for longer than the timeout
    /// ([`RepoError::Locked`]).
    pub async fn open(address: &str) -> Result<Self, RepoError> {
        PostgresOptions::default().open(address).await
    }

    pub(super) async fn connect(address: &str, options: &PostgresOptions) -> Result<Self, RepoError> {
        let address = Address::parse(address, options.timeout)?;
        let tls = tls::connector(&address)?;
        let settings = ManagerConfig {
            recycling_method: RecyclingMethod::Fast,
        };
        let manager = Manager::from_config(address.config, tls, settings);
        // The server may accept a connection and then be silent.
        let pool = Pool::builder(manager)
            .runtime(Runtime::Tokio1)
            .create_timeout(Some(options.timeout))
            .wait_timeout(Some(options.timeout))
            .max_size(options.connections.max(1))
            .build();
        let pool = pool.map_err(|error| RepoError::Medium { source: error.into() })?;
        let mut transactions = Transactions {
            pool,
            server: address.shown,
            timeout: options.timeout,
            clock: options.lease_clock,
            keeps_apart: false,
        };
        transactions.keeps_apart = prepare(&transactions, options.create).await?;
        Ok(Self { transactions })
    }

    /// Returns an address without its password, as errors show it; refuses an invalid one.
    pub fn shown_address(address: &str) -> Result<String, RepoError> {
        Ok(Address::parse(address, PostgresOptions::default().timeout)?.shown)
    }

    /// Returns whether the database can be written to: it is not a standby, and its transactions are not read-only.
    pub async fn is_writable(&self) -> Result<bool, RepoError> {
        if self.has_writable_session().await? {
            return Ok(true);
        }
        // The session may be older than the setting.
        self.transactions.close_idle();
        self.has_writable_session().await
    }

    async fn has_writable_session(&self) -> Result<bool, RepoError> {
        const STATE: &str =
            "SELECT NOT pg_is_in_recovery() AND current_setting('default_transaction_read_only') = 'off'";
        let Transactions { pool, server, .. } = &self.transactions;
        let client = pool.get().await.map_err(|error| no_connection(error, server).error)?;
        // It returns to the pool only if it can be used.
        let client = InUse::of(client);
        let row = self.transactions.answer(client.client().query_one(STATE, &[])).await;
        let row = row.map_err(|failure| failure.error)?;
        let is_writable: bool = row.try_get(0).map_err(|error| failure(error, server).error)?;
        if is_writable {
            client.return_to_pool();
        }
        Ok(is_writable)
    }

    /// Returns the address of the database, without the password.
    pub fn address(&self) -> &str {
        &self.transactions.server
    }

    /// Returns the version of the layout of the database.
    pub fn schema_version(&self) -> u32 {
        schema::latest()
    }

    /// Returns whose clock measures leases and claims.
    pub fn lease_clock(&self) -> LeaseClock {
        self.transactions.clock
    }

    /// Returns whether the database refuses overlapping subnets by itself. That needs the extension `btree_gist` when the store is
    /// created. Without it, transactions that change mazes run one after the other.
    pub fn keeps_subnets_apart(&self) -> bool {
        self.transactions.keeps_apart
    }

    /// Checks for damage in every topology, mutation, visit and change. Returns one line for each fault; none if the store is
    /// sound. It reads the whole store.
    pub async fn check(&self) -> Result<Vec<String>, RepoError> {
        let transactions = self.transactions.clone();
        let runtime = Handle::current();
        let checked = on_blocking_thread(move || {
            transactions.read(&runtime, &|tables| {
                let mut found = Vec::new();
                sql::damage(tables.0, &mut found)?;
                Ok(found)
            })
        });
        match checked.await {
            Err(RepoError::Corrupt { what }) => Ok(vec![what]),
            found => found,
        }
    }
}

/// Prepares the layout. A server that is starting is waited for, one that does not answer is not.
async fn prepare(transactions: &Transactions, create: bool) -> Result<bool, RepoError> {
    let server = &transactions.server;
    let mut pauses = Pauses::new(transactions.timeout);
    loop {
        let prepared = match transactions.pool.get().await {
            Ok(mut client) => {
                let prepared = schema::prepare(&mut client, server, transactions.timeout, create).await;
                if prepared.is_err() {
                    // It may have an open transaction, or wait for an answer.
                    drop(Object::take(client));
                }
                prepared
            }
            Err(error) => Err(no_connection(error, server)),
        };
        match prepared {
            Ok(keeps_apart) => return Ok(keeps_apart),
            Err(failure) if failure.is_silence() => return Err(failure.error),
            Err(failure) => tokio::time::sleep(pauses.after(failure)?).await,
        }
    }
}

impl Backend for PostgresRepo {
    async fn read<T: Send + 'static>(
        &self,
        work: impl Fn(&mut dyn Tables) -> Result<T, RepoError> + Send + 'static,
    ) -> Result<T, RepoError> {
        let transactions = self.transactions.clone();
        let runtime = Handle::current();
        on_blocking_thread(move || transactions.read(&runtime, &|tables| work(tables))).await
    }

    async fn write<I: Clone + Send + 'static, T: Send + 'static>(
        &self,
        input: I,
        work: impl Fn(&mut dyn Tables, I) -> Result<T, RepoError> + Send + 'static,
    ) -> Result<T, RepoError> {
        let transactions = self.transactions.clone();
        let runtime = Handle::current();
        on_blocking_thread(move || transactions.write(&runtime, &|tables| work(tables, input.clone()))).await
    }

    /// Only the server knows what other hosts committed.
    fn stamp(&self) -> Option<Stamp> {
        None
    }

    async fn lock_unwritten(&self) -> Result<Box<dyn Send + Sync>, RepoError> {
        const LOCK: &str = concat!("SELECT pg_try_advisory_lock(", lock_key!(), ", 4)");
        let Transactions { pool, server, .. } = &self.transactions;
        let client = pool.get().await.map_err(|error| no_connection(error, server).error)?;
        // The lock lasts as long as its connection.
        let client = Object::take(client);
        let row = self.transactions.answer(client.query_one(LOCK, &[])).await;
        let row = row.map_err(|failure| failure.error)?;
        match row.try_get(0) {
            Ok(true) => Ok(Box::new(client)),
            Ok(false) => Err(RepoError::Locked),
            Err(error) => Err(failure(error, server).error),
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::{
        Topology, TopologyStore as _,
        repo::{NewTopology, TopologyFilter},
        testing::PostgresDatabase,
    };

    #[expect(clippy::disallowed_methods, reason = "the address of the tests' server")]
    fn database() -> Option<PostgresDatabase> {
        let server = std::env::var("DECNET_TEST_POSTGRES").ok().filter(|url| !url.is_empty());
        if server.is_none() {
            println!("skipped: DECNET_TEST_POSTGRES names no server; see scripts/postgres-up");
        }
        Some(PostgresDatabase::create(&server?))
    }

    #[tokio::test]
    async fn a_connection_that_is_not_returned_is_waited_for_until_the_timeout() {
        let Some(database) = database() else { return };
        let options = PostgresOptions::default()
            .connections(1)
            .timeout(Duration::from_millis(500));
        let repo = options.open(database.url()).await.expect("a store");
        let held = repo.transactions.pool.get().await.expect("the only connection");
        let refusal = repo.instance().await.expect_err("it is in use");
        assert!(
            matches!(&refusal, RepoError::DatabaseUnreachable { source, .. } if source.to_string().contains("in use")),
            "{refusal:?}"
        );
        drop(held);
        repo.instance().await.expect("it is free");
    }

    #[tokio::test]
    async fn a_transaction_that_panics_is_rolled_back_and_leaves_no_lock() {
        let Some(database) = database() else { return };
        let options = PostgresOptions::default().connections(1);
        let repo = std::sync::Arc::new(options.open(database.url()).await.expect("a store"));
        let new = |name: &str| NewTopology::new(name.parse().expect("a name"), Topology::default());
        let id = repo
            .create(new("corp"), Timestamp::UNIX_EPOCH)
            .await
            .expect("stored")
            .row
            .id;
        let broken = std::sync::Arc::clone(&repo);
        let panicked = tokio::spawn(async move {
            let work = move |tables: &mut dyn Tables, ()| -> Result<(), RepoError> {
                let mut row = tables.topology(id)?;
                row.needs_resync = true;
                tables.update_topology(&row)?;
                panic!("in the middle")
            };
            broken.write((), work).await
        });
        assert!(panicked.await.expect_err("it panics").is_panic());
        let page = repo.list(&TopologyFilter::default()).await.expect("the list");
        assert!(!page.rows[0].needs_resync, "it is rolled back");
        repo.set_needs_resync(id, true, None, Timestamp::UNIX_EPOCH)
            .await
            .expect("it is not locked");
        assert_eq!(
            repo.list(&TopologyFilter::default())
                .await
                .expect("the list")
                .rows
                .len(),
            1
        );
    }
}
