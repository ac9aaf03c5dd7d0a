//! A database of its own for each test.

use std::{thread, time::Duration};

use backon::{ConstantBuilder, Retryable as _};
use tokio_postgres::{Config, NoTls, error::SqlState};

use crate::rng;

/// A new, empty database on a PostgreSQL server, which is removed when the value is dropped.
#[derive(Debug)]
pub struct PostgresDatabase {
    server: String,
    name: String,
    url: String,
}

impl PostgresDatabase {
    /// Creates a database on the server of an address, `postgres://user:password@host:port/database`, whose user may create
    /// databases.
    ///
    /// # Panics
    ///
    /// If the server refuses.
    pub fn create(server: &str) -> Self {
        let name = format!("decnet_test_{}", rng::instance_id().to_string().replace('-', ""));
        let database = Self {
            url: with_name(server, &name),
            server: server.to_owned(),
            name,
        };
        run(&database.server, format!("CREATE DATABASE {}", database.name));
        database
    }

    /// Returns the address of the database.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Runs statements in the database, as its owner.
    ///
    /// # Panics
    ///
    /// If a statement fails.
    pub fn run(&self, statements: &str) -> Vec<String> {
        run(&self.url, statements.to_owned())
    }

    /// Runs statements in the database of an address.
    ///
    /// # Panics
    ///
    /// If a statement fails.
    pub fn run_at(url: &str, statements: &str) -> Vec<String> {
        run(url, statements.to_owned())
    }

    /// Returns the name of the database.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl Drop for PostgresDatabase {
    fn drop(&mut self) {
        let (server, drop) = (self.server.clone(), format!("DROP DATABASE {} WITH (FORCE)", self.name));
        // The server may be gone, with all its databases.
        let _ = thread::spawn(move || try_run(&server, &drop)).join();
    }
}

/// Replaces the database of an address.
fn with_name(server: &str, name: &str) -> String {
    let (place, query) = server.split_once('?').unwrap_or((server, ""));
    let place = place.rsplit_once('/').map_or(place, |(place, _)| place);
    let mark = if query.is_empty() { "" } else { "?" };
    format!("{place}/{name}{mark}{query}")
}

/// Runs statements on a thread of its own: the caller may be in a runtime. Returns the first column of all rows.
fn run(url: &str, statements: String) -> Vec<String> {
    let url = url.to_owned();
    let ran = thread::spawn(move || try_run(&url, &statements)).join();
    let ran = ran.expect("the thread ends");
    ran.unwrap_or_else(|error| panic!("the statement failed: {:?}", error.into_source()))
}

fn try_run(url: &str, statements: &str) -> Result<Vec<String>, tokio_postgres::Error> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime can be started").block_on(async {
        let config: Config = url.parse()?;
        // A connection that was closed a moment ago may still count.
        let pauses = ConstantBuilder::new()
            .with_delay(Duration::from_millis(20))
            .with_max_times(500);
        let is_full = |error: &tokio_postgres::Error| error.code() == Some(&SqlState::TOO_MANY_CONNECTIONS);
        let connected = (|| config.connect(NoTls))
            .retry(pauses)
            .sleep(tokio::time::sleep)
            .when(is_full)
            .await;
        let (client, connection) = connected?;
        let connection = tokio::spawn(connection);
        let messages = client.simple_query(statements).await?;
        drop(client);
        let _ = connection.await;
        let rows = messages.into_iter().filter_map(|message| match message {
            tokio_postgres::SimpleQueryMessage::Row(row) => Some(row.get(0).unwrap_or_default().to_owned()),
            _ => None,
        });
        Ok(rows.collect())
    })
}
