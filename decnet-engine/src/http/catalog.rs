//! Services, archetypes, the health of the server, and its description.

use std::sync::Arc;

use decnet_topology::{Archetype, Service};
use serde_json::{Value, json};

use super::{
    answer::{Answer, ok},
    api::Api,
    call::Call,
    problem::Problem,
};

/// Lists the services that deckies may run.
pub(super) fn services(api: &Api, _: &Call) -> Answer {
    let services: Vec<_> = api.engine.catalog().services().map(Service::described).collect();
    ok(&json!({ "services": services }))
}

/// Lists the archetypes.
pub(super) fn archetypes(api: &Api, _: &Call) -> Answer {
    let archetypes: Vec<_> = api.engine.catalog().archetypes().map(archetype).collect();
    ok(&json!({ "archetypes": archetypes }))
}

fn archetype(archetype: &Archetype) -> Value {
    json!({"slug": archetype.slug, "title": archetype.title, "services": archetype.services, "os": archetype.os})
}

/// Returns whether the store can be read. Docker is not asked: without it, mazes can still be read and edited.
pub(super) async fn healthz(api: Arc<Api>, _: Call) -> Answer {
    if api.options.stop.is_cancelled() {
        return Err(Problem::stopping());
    }
    // The id of the store is not shown: nobody proves who asks.
    api.engine.repo().instance().await?;
    ok(&json!({ "status": "ok", "version": env!("CARGO_PKG_VERSION") }))
}

/// Describes the API.
pub(super) fn openapi(api: &Api, _: &Call) -> Answer {
    ok(&api.openapi)
}
