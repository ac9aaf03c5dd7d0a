use std::collections::{BTreeMap, BTreeSet};

use decnet_topology::{
    Catalog, Mutation, MutationContext, MutationError, Stage, SubnetClaim, SubnetPool, Syntax, Topology, TopologyId,
    ValidTopology, apply, document, history,
};
use serde_json::Value;

use crate::vectors::vectors;

fn text<'v>(value: &'v Value, key: &str) -> &'v str {
    value[key].as_str().unwrap_or_else(|| panic!("{key} of {value}"))
}

fn topology(document: &Value) -> Topology {
    let draft = document::parse(document.to_string(), Syntax::Json).expect("a document");
    draft
        .resolve(&Catalog::builtin(), &SubnetPool::default())
        .expect("a topology")
}

fn claims(others: &Value) -> Vec<SubnetClaim> {
    let others = others.as_array().into_iter().flatten();
    let holding = others.filter(|other| text(other, "status") != "torn_down");
    let subnets = holding.flat_map(|other| other["subnets"].as_array().expect("subnets"));
    let claim = |subnet: &Value| SubnetClaim {
        topology: TopologyId::nil(),
        name: "other".parse().expect("a name"),
        lan: "lan".parse().expect("a name"),
        subnet: subnet.as_str().expect("a text").parse().expect("a subnet"),
    };
    subnets.map(claim).collect()
}

fn step(maze: &Topology, step: &Value, context: &MutationContext<'_>) -> Result<Topology, MutationError> {
    let mutation = Mutation::from_value(&serde_json::json!({"op": step["op"], "payload": step["payload"]}))?;
    apply(maze, &mutation, context).map(ValidTopology::into_topology)
}

/// The compared parts: everything except ids and the order of lists; the home is distinguished from other memberships.
fn facts(maze: &Topology) -> impl PartialEq + std::fmt::Debug + use<> {
    let lans = maze.lans().iter();
    let lans: BTreeMap<_, _> = lans
        .map(|lan| (lan.name().to_string(), (lan.subnet(), lan.is_dmz(), lan.position())))
        .collect();
    let positions: BTreeMap<_, _> = maze
        .deckies()
        .iter()
        .map(|decky| (decky.name().to_string(), decky.position()))
        .collect();
    let mut deckies = history::at(maze, []);
    for state in deckies.values_mut() {
        if let Some((_, visits)) = state.attachments.split_first_mut() {
            visits.sort_by(|one, other| one.lan.cmp(&other.lan));
        }
    }
    (lans, positions, deckies)
}

/// Returns the codes for a label of the conformance data.
fn codes(label: &str) -> Vec<&'static str> {
    match label.split(':').next().unwrap_or_default() {
        "already-attached" => vec!["ALREADY_ATTACHED"],
        "lan-is-a-home" => vec!["LAN_IS_A_HOME"],
        "unknown-lan" | "unknown-decky" | "unknown-lan-or-decky" => {
            vec!["UNKNOWN_LAN", "UNKNOWN_DECKY", "NAME_INVALID", "IP_MALFORMED"]
        }
        "duplicate-lan-name" => vec!["LAN_NAME_DUP"],
        "duplicate-decky-name" => vec!["DECKY_NAME_DUP"],
        "not-attached" | "no-membership" => vec!["NOT_ATTACHED"],
        "detach-from-home" => vec!["DETACH_FROM_HOME"],
        "frozen-while-live" => vec!["FROZEN_WHILE_LIVE"],
        "missing-key" => vec!["MISSING_KEY", "UNKNOWN_KEY"],
        "unknown-op" => vec!["UNKNOWN_OP"],
        "bad-input" | "bad-field" => vec!["WRONG_TYPE"],
        "force-required" => vec!["FORCE_REQUIRED"],
        "subnet-pool-exhausted" => vec!["SUBNET_POOL_EXHAUSTED"],
        "address-pool-exhausted" => vec!["ADDRESS_POOL_EXHAUSTED"],
        "result-invalid" => vec!["RESULT_INVALID", "SUBNET_MALFORMED", "IP_MALFORMED"],
        _ => Vec::new(),
    }
}

/// Returns the difference from the expected outcome, if any.
fn fault(row: &Value, outcome: &Result<Topology, MutationError>) -> Option<String> {
    let (expected, label) = (text(row, "outcome"), row["reason"].as_str().unwrap_or_default());
    let found = match outcome {
        Ok(_) => "applied",
        Err(_) => "rejected",
    };
    if found != expected {
        return Some(format!("{found}, not {expected} ({label}): {outcome:?}"));
    }
    let refused = outcome.as_ref().err()?;
    let known = codes(label);
    if !known.is_empty() && !known.contains(&refused.code()) {
        return Some(format!("refused with {}, not for {label}: {refused}", refused.code()));
    }
    let MutationError::ResultInvalid { report } = refused else {
        return None;
    };
    let broken: BTreeSet<_> = report.errors().map(|error| error.code.as_str()).collect();
    let listed = label.split_once(": ").map(|(_, listed)| listed.split(' ').collect());
    (listed.as_ref() != Some(&broken)).then(|| format!("broke {broken:?}, not {label}"))
}

#[test]
fn the_conformance_steps_end_as_listed() {
    let catalog = Catalog::builtin();
    let mut faults = Vec::new();
    for row in vectors("mutate.json") {
        let name = text(&row, "name");
        let claims = claims(&row["others"]);
        let stage = match text(&row, "status") {
            "pending" => Stage::Pending,
            _ => Stage::Live,
        };
        let context = MutationContext {
            claims: &claims,
            ..MutationContext::new(&catalog, stage)
        };
        let mut maze = topology(&row["initial"]);
        for (at, listed) in row["steps"].as_array().expect("steps").iter().enumerate() {
            let outcome = step(&maze, listed, &context);
            faults.extend(fault(listed, &outcome).map(|fault| format!("{name}, step {at}: {fault}")));
            maze = outcome.unwrap_or(maze);
        }
        let (found, listed) = (facts(&maze), facts(&topology(&row["final"])));
        if found != listed {
            faults.push(format!("{name}: ends as {found:#?}\nnot as {listed:#?}"));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}
