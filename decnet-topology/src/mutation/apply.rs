use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

use crate::{
    alloc::{IpAllocator, SubnetAllocator},
    id::{DeckyId, LanId},
    model::{Attachment, Decky, Lan, Position, Topology},
    mutation::{
        AddDecky, AddLan, AttachDecky, DetachDecky, Mutation, MutationContext, MutationError, RemoveDecky, RemoveLan,
        Stage, UpdateDecky, UpdateLan, changes_packets, changes_published, check::check,
    },
    name::{Name, ServiceName},
    spelling,
    validate::ValidTopology,
};

type Applied<T = Topology> = Result<T, MutationError>;

/// Returns the maze after a mutation, or the reason for a refusal.
///
/// The given maze is unchanged. The new one has passed the live rules against the claims of other topologies, so it has no
/// errors; errors of the given maze must be fixed too. Ids stay the same; a new LAN or decky gets the id after the greatest.
pub fn apply(
    before: &Topology,
    mutation: &Mutation,
    context: &MutationContext<'_>,
) -> Result<ValidTopology, MutationError> {
    let after = check(change(before, mutation, context)?, context)?;
    if context.stage == Stage::Live && !mutation.force() {
        let published = changes_published(before, &after);
        let style = changes_packets(before, &after, context.catalog);
        let published = published.first().map(|decky| (decky, "published ports"));
        let style = style.first().map(|decky| (decky, "TTL and TCP timestamps"));
        if let Some((decky, what)) = published.or(style) {
            return Err(MutationError::ForceRequired {
                decky: Name::clone(decky),
                what,
            });
        }
    }
    Ok(after)
}

/// Returns the maze after a mutation, without checking the rules.
pub(super) fn change(before: &Topology, mutation: &Mutation, context: &MutationContext<'_>) -> Applied {
    match mutation {
        Mutation::AddLan(add) => add_lan(before, add, context),
        Mutation::RemoveLan(remove) => remove_lan(before, remove),
        Mutation::AddDecky(add) => add_decky(before, add, context),
        Mutation::AttachDecky(attach) => attach_decky(before, attach),
        Mutation::DetachDecky(detach) => detach_decky(before, detach),
        Mutation::RemoveDecky(remove) => remove_decky(before, remove),
        Mutation::UpdateDecky(update) => update_decky(before, update),
        Mutation::UpdateLan(update) => update_lan(before, update, context),
    }
}

fn add_lan(before: &Topology, add: &AddLan, context: &MutationContext<'_>) -> Applied {
    if let Some(lan) = before.lan_named(&add.name) {
        let lan = lan.name().clone();
        return Err(MutationError::LanNameDup { lan });
    }
    let last = before.lans().last().map(|lan| lan.id().ordinal());
    let id = LanId::new(next_id(last, &add.name)?);
    let position = Position { x: add.x, y: add.y };
    let subnet = match add.subnet {
        Some(subnet) => subnet,
        None => free_subnet(before, &add.name, context)?,
    };
    let lan = Lan::new(id, add.name.clone(), subnet, add.is_dmz).at(position);
    Ok(before.clone().with_lan(lan))
}

fn remove_lan(before: &Topology, remove: &RemoveLan) -> Applied {
    let lan = lan(before, &remove.name)?;
    let at_home = |decky: &&Decky| decky.home().is_some_and(|home| home.lan == lan.id());
    match before.deckies().iter().find(at_home) {
        Some(decky) => Err(MutationError::LanIsHome {
            lan: lan.name().clone(),
            decky: decky.name().clone(),
        }),
        None => Ok(before.clone().without_lan(lan.id())),
    }
}

fn add_decky(before: &Topology, add: &AddDecky, context: &MutationContext<'_>) -> Applied {
    if let Some(decky) = before.decky_named(&add.name) {
        let decky = decky.name().clone();
        return Err(MutationError::DeckyNameDup { decky });
    }
    let home = lan(before, &add.lan)?;
    let last = before.deckies().last().map(|decky| decky.id().ordinal());
    let id = DeckyId::new(next_id(last, &add.name)?);
    let position = Position { x: add.x, y: add.y };
    let home = membership(before, home, &add.name, add.ip)?;
    let usual = || context.catalog.usual_services(add.archetype.as_deref());
    let services = add.services.as_ref().or_else(usual);
    let decky = Decky::new(id, add.name.clone())
        .with_services(services.into_iter().flatten().cloned())
        .with_service_config(add.service_config.clone().unwrap_or_default())
        .with_archetype(add.archetype.clone())
        .with_persona(add.persona.as_deref().cloned())
        .forwarding(add.forwards_l3)
        .with_attachments([home])
        .at(position);
    Ok(before.clone().with_decky(decky))
}

fn attach_decky(before: &Topology, attach: &AttachDecky) -> Applied {
    let (decky, lan) = (decky(before, &attach.decky)?, lan(before, &attach.lan)?);
    if let Some(ip) = decky.ip_on(lan.id()) {
        return Err(MutationError::AlreadyAttached {
            decky: decky.name().clone(),
            lan: lan.name().clone(),
            ip,
        });
    }
    let added = membership(before, lan, decky.name(), attach.ip)?;
    let attached = decky
        .clone()
        .forwarding(decky.forwards_l3() || attach.forwards_l3)
        .with_attachments(decky.attachments().iter().copied().chain([added]));
    Ok(before.clone().with_decky(attached))
}

fn detach_decky(before: &Topology, detach: &DetachDecky) -> Applied {
    let (decky, lan) = (decky(before, &detach.decky)?, lan(before, &detach.lan)?);
    let named = || (decky.name().clone(), lan.name().clone());
    if decky.ip_on(lan.id()).is_none() {
        let (decky, lan) = named();
        return Err(MutationError::NotAttached { decky, lan });
    }
    if decky.home().is_some_and(|home| home.lan == lan.id()) {
        let (decky, lan) = named();
        return Err(MutationError::DetachFromHome { decky, lan });
    }
    let kept = decky
        .attachments()
        .iter()
        .filter(|attachment| attachment.lan != lan.id());
    let detached = decky.clone().with_attachments(kept.copied());
    Ok(before.clone().with_decky(detached))
}

fn remove_decky(before: &Topology, remove: &RemoveDecky) -> Applied {
    let decky = decky(before, &remove.decky)?;
    Ok(before.clone().without_decky(decky.id()))
}

fn update_decky(before: &Topology, update: &UpdateDecky) -> Applied {
    let decky = decky(before, &update.decky)?;
    let updated = updated(decky, update);
    if updated.forwards_l3() && !decky.forwards_l3() && !decky.is_bridge() && !before.is_gateway(&updated) {
        return Err(MutationError::RouterSingleHomed {
            decky: decky.name().clone(),
        });
    }
    Ok(before.clone().with_decky(updated))
}

/// Returns a decky after an update.
pub(super) fn updated(decky: &Decky, update: &UpdateDecky) -> Decky {
    let patch = &update.patch;
    let mut updated = decky
        .clone()
        .forwarding(patch.forwards_l3.unwrap_or(decky.forwards_l3()))
        .at(Position {
            x: update.x.unwrap_or(decky.position().x),
            y: update.y.unwrap_or(decky.position().y),
        });
    if let Some(archetype) = &patch.archetype {
        updated = updated.with_archetype(archetype.clone());
    }
    if let Some(services) = &update.services {
        let gone = |service: &ServiceName| decky.services().contains(service) && !services.contains(service);
        updated = updated.without_services(gone).with_services(services.iter().cloned());
    }
    if let Some(config) = &patch.service_config {
        updated = updated.with_service_config(config.clone());
    }
    if let Some(persona) = &patch.persona {
        updated = updated.with_persona(persona.as_deref().cloned());
    }
    updated
}

fn update_lan(before: &Topology, update: &UpdateLan, context: &MutationContext<'_>) -> Applied {
    let lan = lan(before, &update.name)?;
    let patch = &update.patch;
    let frozen = [
        ("name", patch.name.is_some()),
        ("subnet", patch.subnet.is_some()),
        ("is_dmz", patch.is_dmz.is_some()),
    ];
    if context.stage == Stage::Live
        && let Some((field, _)) = frozen.into_iter().find(|(_, changed)| *changed)
    {
        let lan = lan.name().clone();
        return Err(MutationError::FrozenWhileLive { lan, field });
    }
    let name = patch.name.as_ref().unwrap_or(lan.name());
    if let Some(other) = before.lan_named(name).filter(|other| other.id() != lan.id()) {
        let lan = other.name().clone();
        return Err(MutationError::LanNameDup { lan });
    }
    let subnet = match patch.subnet {
        None => lan.subnet(),
        Some(Some(subnet)) => subnet,
        Some(None) => free_subnet(before, name, context)?,
    };
    let updated = Lan::new(lan.id(), name.clone(), subnet, patch.is_dmz.unwrap_or(lan.is_dmz())).at(Position {
        x: update.x.unwrap_or(lan.position().x),
        y: update.y.unwrap_or(lan.position().y),
    });
    Ok(before.clone().with_lan(updated))
}

fn lan<'t>(topology: &'t Topology, name: &Name) -> Applied<&'t Lan> {
    topology.lan_named(name).ok_or_else(|| MutationError::UnknownLan {
        lan: name.clone(),
        hint: spelling::hint(
            name.as_str(),
            topology.lans().iter().take(HINTED).map(|lan| lan.name().as_str()),
        ),
    })
}

fn decky<'t>(topology: &'t Topology, name: &Name) -> Applied<&'t Decky> {
    let names = || {
        topology
            .deckies()
            .iter()
            .take(HINTED)
            .map(|decky| decky.name().as_str())
    };
    topology.decky_named(name).ok_or_else(|| MutationError::UnknownDecky {
        decky: name.clone(),
        hint: spelling::hint(name.as_str(), names()),
    })
}

/// The largest number of names that are candidates for a suggestion.
const HINTED: usize = 1000;

fn next_id(last: Option<u32>, name: &Name) -> Applied<u32> {
    let next = last.map_or(Some(0), |last| last.checked_add(1));
    next.ok_or_else(|| MutationError::IdsExhausted { name: name.clone() })
}

/// Returns the next subnet of the pool that overlaps no subnet of any topology.
fn free_subnet(topology: &Topology, lan: &Name, context: &MutationContext<'_>) -> Applied<Ipv4Net> {
    let exhausted = |source| MutationError::SubnetPoolExhausted {
        lan: lan.clone(),
        source,
    };
    let mut pool = SubnetAllocator::new(context.pool, context.prefix).map_err(exhausted)?;
    let own = topology.lans().iter().map(Lan::subnet);
    let others = context.claims.iter().map(|claim| claim.subnet);
    own.chain(others).for_each(|subnet| pool.reserve(subnet));
    pool.next_free().map_err(exhausted)
}

/// Creates a membership in a LAN, with the lowest free address if none is given.
fn membership(topology: &Topology, lan: &Lan, decky: &Name, ip: Option<Ipv4Addr>) -> Applied<Attachment> {
    let refused = |source| MutationError::AddressPoolExhausted {
        lan: lan.name().clone(),
        decky: decky.clone(),
        source,
    };
    let allocated = || {
        let mut pool = IpAllocator::new(lan.subnet()).map_err(refused)?;
        for (_, attachment) in topology.edges().filter(|(_, attachment)| attachment.lan == lan.id()) {
            // An address that is outside the subnet or reserved uses up none of the free ones.
            drop(pool.reserve(attachment.ip));
        }
        pool.next_free().map_err(refused)
    };
    let ip = ip.map_or_else(allocated, Ok)?;
    Ok(Attachment { lan: lan.id(), ip })
}
