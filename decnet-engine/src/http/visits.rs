//! What visitors did, from the store.

use std::sync::Arc;

use decnet_topology::{Name, ServiceName, Timestamp};
use serde_json::json;

use super::{
    answer::{Answer, ok},
    api::Api,
    call::Call,
    problem::Problem,
    topologies::page,
};
use crate::logs::{LogItem, LogOptions};

/// Lists stored visits, oldest first.
pub(super) async fn logs(api: Arc<Api>, call: Call) -> Answer {
    let (limit, _) = page(&call)?;
    let service = call.query.get("service").map(|name| ServiceName::new(name));
    let since: Option<Timestamp> = call.parameter("since")?;
    let decky: Option<Name> = call.parameter("decky")?;
    let options = LogOptions::default()
        .topology(call.id()?)
        .decky(decky)
        .service(service)
        .since(since);
    let mut stored = api.engine.stored_logs(options).await?;
    let mut entries = Vec::new();
    while let Some(item) = stored.next().await {
        if entries.len() == limit {
            return ok(&json!({ "entries": entries, "more": true }));
        }
        if let LogItem::Entry(entry) = item.map_err(Problem::from)? {
            entries.push(entry);
        }
    }
    ok(&json!({ "entries": entries, "more": false }))
}
