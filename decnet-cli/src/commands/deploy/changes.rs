//! The mutations of a change, for people and as JSON.

use std::collections::BTreeSet;

use decnet_engine::{ContainerName, Plan, Prepared};
use decnet_topology::{Decky, Mutation, Name, ServiceName, Topology, UpdateDecky, UpdateLan};
use serde::Serialize;

use crate::{command_error::CommandError, commands::plan::print_steps, context::Context, text};

/// A planned change as JSON.
#[derive(Serialize)]
pub(super) struct ChangeReport<'a> {
    mutations: Vec<&'a Mutation>,
    steps: &'a Plan,
    restarts: BTreeSet<ContainerName>,
    deleted_logs: BTreeSet<&'a ContainerName>,
}

impl<'a> ChangeReport<'a> {
    /// Reports a planned operation.
    pub(super) fn of(prepared: &'a Prepared) -> Self {
        let plan = prepared.plan();
        Self {
            mutations: prepared.mutations(),
            steps: plan,
            restarts: prepared.restarts(),
            deleted_logs: plan.deleted_logs(),
        }
    }
}

/// Prints the mutations, the steps if wanted, and the running containers that are recreated or restarted. `before` is the stored
/// maze.
pub(super) fn print(
    context: &Context,
    before: &Topology,
    prepared: &Prepared,
    steps: bool,
) -> Result<(), CommandError> {
    if context.output.json {
        return context.output.json(&ChangeReport::of(prepared));
    }
    for line in describe(before, &prepared.mutations()) {
        context.output.line(line)?;
    }
    if steps {
        print_steps(context, prepared.plan())?;
    } else if let Some(warning) = prepared.plan().deleted_logs_text() {
        context.output.note(warning);
    }
    for container in prepared.restarts() {
        context.output.line(format!("{container} is recreated or restarted"))?;
    }
    Ok(())
}

/// Describes mutations, one line each: `+` adds, `-` removes, `~` changes.
fn describe(before: &Topology, mutations: &[&Mutation]) -> Vec<String> {
    let removed: BTreeSet<(bool, &Name)> = mutations
        .iter()
        .filter_map(|mutation| match mutation {
            Mutation::RemoveLan(remove) => Some((false, &remove.name)),
            Mutation::RemoveDecky(remove) => Some((true, &remove.decky)),
            _ => None,
        })
        .collect();
    let again = |is_decky: bool, name: &Name| {
        if removed.contains(&(is_decky, name)) {
            " (removed and added again)"
        } else {
            ""
        }
    };
    mutations
        .iter()
        .map(|mutation| match mutation {
            Mutation::AddLan(add) => {
                let subnet = add.subnet.map(|subnet| format!(" {subnet}")).unwrap_or_default();
                let dmz = if add.is_dmz { " DMZ" } else { "" };
                format!("+ lan {}{subnet}{dmz}{}", add.name, again(false, &add.name))
            }
            Mutation::RemoveLan(remove) => format!("- lan {}", remove.name),
            Mutation::UpdateLan(update) => describe_lan(update),
            Mutation::AddDecky(add) => {
                let ip = add.ip.map(|ip| format!(" {ip}")).unwrap_or_default();
                let services = list(add.services.iter().flatten().map(ServiceName::as_str));
                let router = if add.forwards_l3 { ", router" } else { "" };
                let archetype = add.archetype.as_ref().map(|slug| format!(", archetype {slug}"));
                let archetype = archetype.unwrap_or_default();
                let config = if add.service_config.is_some() {
                    ", configuration"
                } else {
                    ""
                };
                let persona = if add.persona.is_some() { ", persona" } else { "" };
                let again = again(true, &add.name);
                format!(
                    "+ decky {}: lan {}{ip}{router}, services {services}{config}{archetype}{persona}{again}",
                    add.name, add.lan
                )
            }
            Mutation::RemoveDecky(remove) => format!("- decky {}", remove.decky),
            Mutation::AttachDecky(attach) => {
                let ip = attach.ip.map(|ip| format!(" {ip}")).unwrap_or_default();
                let router = if attach.forwards_l3 { ", router" } else { "" };
                format!("~ decky {}: + lan {}{ip}{router}", attach.decky, attach.lan)
            }
            Mutation::DetachDecky(detach) => format!("~ decky {}: - lan {}", detach.decky, detach.lan),
            Mutation::UpdateDecky(update) => describe_update(before.decky_named(&update.decky), update),
            other => format!("~ {} {}", other.op(), other.subject()),
        })
        .collect()
}

fn describe_lan(update: &UpdateLan) -> String {
    let mut changes = Vec::new();
    if let Some(name) = &update.patch.name {
        changes.push(format!("name {name}"));
    }
    if let Some(Some(subnet)) = update.patch.subnet {
        changes.push(format!("subnet {subnet}"));
    }
    if update.x.is_some() || update.y.is_some() {
        changes.push("position".into());
    }
    format!("~ lan {}: {}", update.name, changes.join("; "))
}

fn describe_update(before: Option<&Decky>, update: &UpdateDecky) -> String {
    let mut changes = Vec::new();
    if let Some(services) = &update.services {
        let old = before.map(|decky| list(decky.services().iter().map(ServiceName::as_str)));
        let new = list(services.iter().map(ServiceName::as_str));
        changes.push(format!("services {} -> {new}", old.unwrap_or_default()));
    }
    if let Some(config) = &update.patch.service_config {
        let services = list(config.keys().map(ServiceName::as_str));
        changes.push(format!("configuration of {services}"));
    }
    if let Some(archetype) = &update.patch.archetype {
        let old = before.and_then(Decky::archetype).unwrap_or(NONE);
        changes.push(format!("archetype {old} -> {}", archetype.as_deref().unwrap_or(NONE)));
    }
    if update.patch.persona.is_some() {
        changes.push("persona".into());
    }
    if let Some(forwards) = update.patch.forwards_l3 {
        changes.push(format!("forwards_l3 {} -> {forwards}", !forwards));
    }
    if update.x.is_some() || update.y.is_some() {
        changes.push("position".into());
    }
    format!("~ decky {}: {}", update.decky, changes.join("; "))
}

/// The text for an empty list or value.
const NONE: &str = "none";

fn list<'a>(items: impl Iterator<Item = &'a str>) -> String {
    let items: Vec<_> = items.collect();
    if items.is_empty() { NONE.into() } else { items.join(",") }
}

/// Returns the question before a change.
pub(super) fn question(name: &str, prepared: &Prepared) -> String {
    let changes = text::count(prepared.mutations().len(), "change", "changes");
    match prepared.restarts().len() {
        0 => format!("apply {changes} to `{name}`"),
        restarts => {
            let containers = text::count(restarts, "running container", "running containers");
            format!("apply {changes} to `{name}`, and recreate or restart {containers}")
        }
    }
}
