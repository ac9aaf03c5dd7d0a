//! A channel of the server, on which programs send each other short texts: `LISTEN` and `NOTIFY`.

use std::{future::poll_fn, time::Duration};

use tokio::{sync::mpsc, time::timeout};
use tokio_postgres::{AsyncMessage, Client};

use super::{address::Address, fault::failure, tls};
use crate::repo::RepoError;

/// Sends texts on a channel of a PostgreSQL server.
#[derive(Debug)]
pub struct PostgresSender {
    client: Client,
    channel: String,
    server: String,
}

/// Receives the texts of a channel of a PostgreSQL server, those of the sender beside it too.
#[derive(Debug)]
pub struct PostgresReceiver {
    texts: mpsc::UnboundedReceiver<String>,
}

impl PostgresSender {
    /// The longest text in bytes that a server passes on.
    pub const LONGEST: usize = 7999;

    /// Connects to a channel for the programs that use the store in a database. It needs a tokio runtime.
    ///
    /// Nothing is kept: a program that is not connected misses what is sent. Stores in other schemas of the database have other channels. The
    /// address is that of [`PostgresRepo::open`](crate::PostgresRepo::open).
    pub async fn connect(address: &str, time: Duration) -> Result<(Self, PostgresReceiver), RepoError> {
        const NAME: &str = "SELECT 'decnet_' || left(md5(current_schema()), 16)";
        let address = Address::parse(address, time)?;
        let server = address.shown.clone();
        let connector = tls::connector(&address)?;
        let unreachable = |source: &str| RepoError::DatabaseUnreachable {
            server: server.clone(),
            source: source.into(),
        };
        let silent = |_| unreachable("it does not answer in time");
        let failed = |error| failure(error, &server).error;
        let connected = timeout(time, address.config.connect(connector)).await;
        let (client, mut connection) = connected.map_err(silent)?.map_err(failed)?;
        let (received, texts) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            // It ends with the connection, and when the client or the receiver is dropped.
            while let Some(Ok(message)) = poll_fn(|context| connection.poll_message(context)).await {
                if let AsyncMessage::Notification(notification) = message
                    && received.send(notification.payload().to_owned()).is_err()
                {
                    return;
                }
            }
        });
        let named = timeout(time, client.query_one(NAME, &[])).await;
        let channel: Option<String> = named.map_err(silent)?.map_err(failed)?.try_get(0).map_err(failed)?;
        let channel = channel.ok_or_else(|| unreachable("no schema of the search path exists"))?;
        let listening = timeout(time, client.batch_execute(&format!("LISTEN {channel}"))).await;
        listening.map_err(silent)?.map_err(failed)?;
        let sender = Self {
            client,
            channel,
            server,
        };
        Ok((sender, PostgresReceiver { texts }))
    }

    /// Sends a text to all programs that are connected now. One that is longer than [`LONGEST`](Self::LONGEST) is refused.
    pub async fn send(&self, text: &str) -> Result<(), RepoError> {
        const NOTIFY: &str = "SELECT pg_notify($1, $2)";
        let sent = self.client.execute(NOTIFY, &[&self.channel, &text]).await;
        sent.map(drop).map_err(|error| failure(error, &self.server).error)
    }
}

impl PostgresReceiver {
    /// Waits for the next text; none if the connection was lost.
    pub async fn receive(&mut self) -> Option<String> {
        self.texts.recv().await
    }
}
