//! The past of a topology.

use std::sync::Arc;

use decnet_topology::{Name, Status, StoredTopology, Timestamp};
use serde::Serialize;
use serde_json::json;

use super::{
    answer::{Answer, ok},
    api::Api,
    call::Call,
    problem::Problem,
};
use crate::event::timeline::{DeckyMoment, Timeline};

/// Lists the changes of status, oldest first.
pub(super) async fn status_events(api: Arc<Api>, call: Call) -> Answer {
    let id = call.id()?;
    let repo = api.engine.repo();
    repo.get(id).await?;
    ok(&json!({ "events": repo.status_events(id).await? }))
}

/// A decky at a time.
#[derive(Serialize)]
struct DeckyAt<'a> {
    decky: &'a Name,
    #[serde(flatten)]
    moment: &'a DeckyMoment,
}

/// Returns the deckies at a time.
pub(super) async fn at(api: Arc<Api>, call: Call) -> Answer {
    let time: Option<Timestamp> = call.parameter("time")?;
    let time =
        time.ok_or_else(|| Problem::new("invalid_parameter", "`time` is missing").hint("?time=2030-01-31T12:00:00Z"))?;
    let stored = api.engine.repo().load(call.id()?).await?;
    let (status, timeline) = timeline_at(&api, &stored, time).await?;
    let deckies: Vec<_> = timeline
        .at(time)
        .map(|(decky, moment)| DeckyAt { decky, moment })
        .collect();
    ok(&json!({ "at": time, "status": status, "deckies": deckies }))
}

/// Loads the timeline of a topology, and its status at a time. Refuses a time before its creation.
pub(super) async fn timeline_at(
    api: &Api,
    stored: &StoredTopology,
    time: Timestamp,
) -> Result<(Status, Timeline), Problem> {
    let timeline = Timeline::load(api.engine.repo().as_ref(), stored).await?;
    let Some(status) = timeline.status_at(time) else {
        let created = stored.row.created_at;
        let detail = format!("the maze has no history at {time}: it begins at {created}, when it was stored");
        return Err(Problem::new("not_found", detail));
    };
    Ok((status, timeline))
}
