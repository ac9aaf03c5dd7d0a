//! What a master asks of the runtime.

use std::sync::Arc;

use axum::{
    Extension,
    extract::{Request, State},
};

use super::shared::{Agent, Answer, json};
use crate::{
    fence::Fence,
    fleet::secure::read,
    peer::LONGEST,
    runtime::remote::messages::{ObserveRequest, PerformRequest, ProbeRequest},
};

/// Describes what exists.
pub(super) async fn observe(State(shared): Agent, request: Request) -> Answer {
    let runtime = shared.runtime();
    match read(request, LONGEST).await? {
        ObserveRequest::Info => json(&runtime.info().await?),
        ObserveRequest::List { scope } => json(&runtime.list(scope).await?),
        ObserveRequest::Inspect { scope } => json(&runtime.inspect(scope).await?),
        ObserveRequest::NameInterfaces { mut observed } => {
            runtime.name_interfaces(&mut observed).await?;
            json(&observed)
        }
        ObserveRequest::Machine => json(&runtime.machine().await?),
        ObserveRequest::ForeignNetworks { instance } => json(&runtime.foreign_networks(instance).await?),
        ObserveRequest::UnavailableImages { images } => {
            // A key of a JSON object is a string.
            let unavailable: Vec<_> = runtime.unavailable_images(&images).await?.into_iter().collect();
            json(&unavailable)
        }
        ObserveRequest::CheckNetwork { bases } => {
            let bases: Vec<_> = bases.iter().collect();
            json(&runtime.check_network(&bases).await?)
        }
    }
}

/// Performs an action.
pub(super) async fn perform(State(shared): Agent, Extension(fence): Extension<Fence>, request: Request) -> Answer {
    let PerformRequest { instance, action } = read(request, LONGEST).await?;
    let agent = Arc::clone(&shared);
    let work = async move {
        let _others_may_too = agent.removing.read().await;
        // A newer lease may have been seen while the body arrived, or while this waited.
        agent.generations.admit(fence)?;
        // It is remembered before anything exists that could be left behind.
        agent.instances.remember(instance)?;
        let action = action.marked(agent.name().as_str());
        Ok(agent.runtime().perform(instance, &action).await?)
    };
    json(&shared.change(work).await?)
}

/// Sends a probe.
pub(super) async fn probe(State(shared): Agent, request: Request) -> Answer {
    let ProbeRequest { instance, base, probe } = read(request, LONGEST).await?;
    json(&shared.runtime().probe(instance, &base, &probe).await?)
}
