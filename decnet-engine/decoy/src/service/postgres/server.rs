//! The server as one visitor sees it, and what it says of itself.

use super::{super::context::Context, message::message};

/// The server as one visitor sees it.
#[derive(Debug, Clone)]
pub(super) struct Server {
    pub(super) version: String,
    pub(super) port: u16,
    pub(super) local: String,
    pub(super) user: String,
    pub(super) database: String,
    pub(super) databases: Vec<String>,
    pub(super) owner: String,
    /// Tables that the visitor created: their names and columns.
    pub(super) tables: Vec<(String, Vec<String>)>,
    pub(super) transaction: u8,
}

impl Server {
    pub(super) fn new(context: &Context, version: &str) -> Self {
        let mut databases = vec!["postgres".to_owned()];
        databases.extend(context.fields().lines("databases").into_iter().map(ToOwned::to_owned));
        databases.extend(["template1".to_owned(), "template0".to_owned()]);
        Self {
            version: version.into(),
            port: context.session.port,
            local: context.session.local.to_string(),
            user: String::new(),
            database: String::new(),
            databases,
            owner: context.fields().text("user").unwrap_or("postgres").to_owned(),
            tables: Vec::new(),
            transaction: b'I',
        }
    }

    /// Connects a user to a database. Returns false if there is none of this name.
    pub(super) fn connect(&mut self, user: &str, database: &str) -> bool {
        (self.user, self.database) = (user.into(), database.into());
        self.databases.iter().any(|known| known == database)
    }

    /// Returns the state of the transaction.
    pub(super) fn transaction(&self) -> u8 {
        self.transaction
    }

    /// Returns the parameters that the server reports after a login.
    pub(super) fn greeting(&self, application: &str) -> Vec<u8> {
        let parameters = [
            ("application_name", application),
            ("client_encoding", "UTF8"),
            ("DateStyle", "ISO, MDY"),
            ("default_transaction_read_only", "off"),
            ("in_hot_standby", "off"),
            ("integer_datetimes", "on"),
            ("IntervalStyle", "postgres"),
            ("is_superuser", "on"),
            ("server_encoding", "UTF8"),
            ("server_version", &self.version),
            ("session_authorization", &self.user),
            ("standard_conforming_strings", "on"),
            ("TimeZone", "Etc/UTC"),
        ];
        let messages = parameters.map(|(name, value)| message(b'S', format!("{name}\0{value}\0").as_bytes()));
        messages.concat()
    }
}
