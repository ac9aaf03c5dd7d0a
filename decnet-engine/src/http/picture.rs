//! The picture of a topology: as it is, with the states on Docker, or as it was.

use std::{collections::BTreeMap, sync::Arc};

use axum::http::{StatusCode, header};
use decnet_topology::{
    Draft, DraftAttachment, DraftDecky, DraftLan, DrawnState, Graph, Name, StoredTopology, SubnetPool, Timestamp,
    Topology,
};

use super::{
    answer::{Answer, WithHeaders as _, ok, with_body},
    api::Api,
    call::Call,
    history::timeline_at,
    problem::Problem,
};
use crate::event::timeline::DeckyMoment;

/// A picture has styles of its own, and nothing else.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; sandbox";

/// Draws a topology.
pub(super) async fn draw(api: Arc<Api>, call: Call) -> Answer {
    let id = call.id()?;
    let time: Option<Timestamp> = call.parameter("time")?;
    let with_states = call.parameter("states")?.unwrap_or(false);
    let (version, svg) = match time {
        Some(_) if with_states => {
            let detail = "`states` are those of now, so `time` has none";
            return Err(Problem::new("invalid_parameter", detail).hint("omit `states` or `time`"));
        }
        Some(time) => {
            let stored = api.engine.repo().load(id).await?;
            let (_, timeline) = timeline_at(&api, &stored, time).await?;
            let past = past(&api, &stored, &timeline.at(time).collect())?;
            (stored.row.version, Graph::new(&past).to_svg())
        }
        None if with_states => {
            let inspection = api.engine.inspect(id).await?;
            let topology = &inspection.stored.topology;
            let states: BTreeMap<&Name, DrawnState> = inspection
                .deckies
                .iter()
                .map(|state| (&state.decky, state.drawn()))
                .collect();
            let state = |decky| states.get(topology.decky(decky)?.name()).copied();
            let row = &inspection.stored.row;
            let graph = Graph::new(topology).placed(row.placement.as_ref());
            (row.version, graph.to_svg_with(state))
        }
        None => {
            let stored = api.engine.repo().load(id).await?;
            let graph = Graph::new(&stored.topology).placed(stored.row.placement.as_ref());
            (stored.row.version, graph.to_svg())
        }
    };
    Ok(with_body(StatusCode::OK, "image/svg+xml", svg))
        .with(header::CONTENT_SECURITY_POLICY, POLICY)
        .tagged(version)
}

/// Analyses a topology: how far an intruder is from each LAN and decky.
pub(super) async fn analyse(api: Arc<Api>, call: Call) -> Answer {
    let stored = api.engine.repo().load(call.id()?).await?;
    ok(&Graph::new(&stored.topology).analysis().report()).tagged(stored.row.version)
}

/// Returns the maze with the deckies of another time. The trail has no LANs, so they are those of now; attachments to others, and
/// addresses outside them, are left out.
fn past(api: &Api, stored: &StoredTopology, deckies: &Vec<(&Name, &DeckyMoment)>) -> Result<Topology, Problem> {
    let lans = stored.topology.lans();
    let decky = |(name, moment): &(&Name, &DeckyMoment)| {
        let state = moment.state.as_ref();
        let attachments = state.into_iter().flat_map(|state| &state.attachments);
        let attachments = attachments.filter_map(|edge| {
            let lan = lans.iter().position(|lan| *lan.name() == edge.lan)?;
            lans[lan]
                .subnet()
                .contains(&edge.ip)
                .then_some(DraftAttachment { lan, ip: Some(edge.ip) })
        });
        DraftDecky {
            name: name.to_string(),
            services: Some(moment.services.iter().cloned().collect()),
            archetype: state.and_then(|state| state.archetype.clone()),
            forwards_l3: state.is_some_and(|state| state.forwards_l3),
            attachments: attachments.collect(),
            ..DraftDecky::default()
        }
    };
    let draft = Draft {
        lans: lans
            .iter()
            .map(|lan| DraftLan {
                name: lan.name().to_string(),
                subnet: Some(lan.subnet()),
                is_dmz: lan.is_dmz(),
                position: lan.position(),
            })
            .collect(),
        deckies: deckies.iter().map(decky).collect(),
        ..Draft::default()
    };
    let unlike = |error| {
        let detail = format!("the maze of that time does not fit the LANs of now: {error}");
        Problem::new("no_picture", detail).hint("GET …/at lists its deckies")
    };
    draft
        .resolve(api.engine.catalog(), &SubnetPool::default())
        .map_err(unlike)
}
