use std::collections::BTreeMap;

use crate::{
    id::LanId,
    model::{Decky, Lan, Topology, print_alike},
    mutation::{
        AddDecky, AddLan, AttachDecky, DetachDecky, Mutation, MutationError, RemoveDecky, RemoveLan, UpdateDecky,
        UpdateLan, apply::updated,
    },
};

/// Lists the mutations that turn one maze into another, in the order in which a [`MutationBatch`](super::MutationBatch) applies
/// them.
///
/// The result has the [canonical hash](crate::canonical_hash) and the positions of `after`. LANs and deckies are paired by their
/// exact names. The mazes in between may break rules: mutations that move things out of the way come first.
///
/// Some changes need more than one mutation, because a mutation cannot express them. They remove the LAN or decky, and add it
/// again:
/// - a LAN with another subnet, or that becomes or stops being the DMZ, and all deckies with their home there;
/// - a decky with another home, or another address there;
/// - a decky that begins to forward packets, but has only one LAN that is not the DMZ.
///
/// ```
/// use decnet_topology::{
///     Catalog, Mutation, MutationBatch, MutationContext, Stage, Topology, canonical_hash, difference,
/// };
///
/// let maze = |services: &'static [&'static str]| {
///     let dmz = Topology::builder().dmz("dmz", "172.20.0.0/24");
///     dmz.decky("web", |decky| decky.on("dmz", "172.20.0.10").services(services.iter().copied())).build()
/// };
/// let (before, after) = (maze(&["http"])?, maze(&["http", "ssh"])?);
///
/// let mutations = difference(&before, &after)?;
/// assert_eq!(mutations.iter().map(Mutation::op).collect::<Vec<_>>(), ["update_decky"]);
///
/// let catalog = Catalog::builtin();
/// let batch = MutationBatch::apply(&before, mutations, &MutationContext::new(&catalog, Stage::Live))?;
/// assert_eq!(canonical_hash(batch.topology()), canonical_hash(&after));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
///
/// [`MutationError::DeckyWithoutHome`] if a decky has no attachment in `after`, and did not exist like that before.
pub fn difference(before: &Topology, after: &Topology) -> Result<Vec<Mutation>, MutationError> {
    let pairs = Pairs::new(before, after);
    let mut mutations = Vec::new();
    pairs.leave(&mut mutations);
    pairs.enter(&mut mutations)?;
    for (old, new) in &pairs.deckies {
        mutations.extend(update(old, new).map(Mutation::UpdateDecky));
    }
    Ok(mutations)
}

/// The LANs and deckies that stay.
struct Pairs<'a> {
    before: &'a Topology,
    after: &'a Topology,
    /// The LANs that stay, by their ids before.
    lans: BTreeMap<LanId, &'a Lan>,
    /// The deckies that stay, as before and after, in order of their ids after.
    deckies: Vec<(&'a Decky, &'a Decky)>,
}

impl<'a> Pairs<'a> {
    fn new(before: &'a Topology, after: &'a Topology) -> Self {
        let named: BTreeMap<&str, &Lan> = before.lans().iter().map(|lan| (lan.name().as_str(), lan)).collect();
        let pairs = after.lans().iter().filter_map(|new| {
            let old = *named.get(new.name().as_str())?;
            let stays = old.subnet() == new.subnet() && old.is_dmz() == new.is_dmz();
            stays.then_some((old.id(), new))
        });
        let mut pairs = Self {
            before,
            after,
            lans: pairs.collect(),
            deckies: Vec::new(),
        };
        let named: BTreeMap<&str, &Decky> = before
            .deckies()
            .iter()
            .map(|decky| (decky.name().as_str(), decky))
            .collect();
        let stay = after.deckies().iter().filter_map(|new| {
            let old = *named.get(new.name().as_str())?;
            pairs.stays(old, new).then_some((old, new))
        });
        pairs.deckies = stay.collect();
        pairs
    }

    /// Returns whether mutations can change a decky into another without removing it.
    fn stays(&self, old: &Decky, new: &Decky) -> bool {
        let same_home = match (old.home(), new.home()) {
            (Some(old), Some(new)) => self.is_same_lan(old.lan, new.lan) && old.ip == new.ip,
            (None, None) => true,
            _ => false,
        };
        let begins = new.forwards_l3() && !old.forwards_l3();
        let idle = begins && !new.is_bridge() && !self.after.is_gateway(new);
        same_home && !idle
    }

    fn is_same_lan(&self, old: LanId, new: LanId) -> bool {
        self.lans.get(&old).is_some_and(|stays| stays.id() == new)
    }

    /// Removes what is not in the maze afterwards: memberships, deckies, LANs.
    fn leave(&self, mutations: &mut Vec<Mutation>) {
        for (old, new) in &self.deckies {
            for attachment in old.attachments().iter().skip(1) {
                // The removal of a LAN ends the memberships in it.
                let Some(lan) = self.lans.get(&attachment.lan) else {
                    continue;
                };
                if new.ip_on(lan.id()) != Some(attachment.ip) {
                    mutations.push(DetachDecky::new(old.name().clone(), lan.name().clone()).into());
                }
            }
        }
        let stay: BTreeMap<_, _> = self.deckies.iter().map(|(old, new)| (old.id(), new)).collect();
        let gone = self
            .before
            .deckies()
            .iter()
            .filter(|decky| !stay.contains_key(&decky.id()));
        mutations.extend(gone.map(|decky| RemoveDecky::new(decky.name().clone()).into()));
        let gone = self
            .before
            .lans()
            .iter()
            .filter(|lan| !self.lans.contains_key(&lan.id()));
        mutations.extend(gone.map(|lan| RemoveLan::new(lan.name().clone()).into()));
    }

    /// Adds what was not in the maze before: LANs, deckies, memberships. Moves the LANs that stay.
    fn enter(&self, mutations: &mut Vec<Mutation>) -> Result<(), MutationError> {
        let stay: BTreeMap<LanId, LanId> = self.lans.iter().map(|(old, new)| (new.id(), *old)).collect();
        for lan in self.after.lans() {
            match stay.get(&lan.id()).and_then(|old| self.before.lan(*old)) {
                None => {
                    let mut add = AddLan::new(lan.name().clone()).subnet(lan.subnet()).at(lan.position());
                    add.is_dmz = lan.is_dmz();
                    mutations.push(add.into());
                }
                Some(old) if old.position() != lan.position() => {
                    mutations.push(UpdateLan::new(lan.name().clone()).exactly_at(lan.position()).into());
                }
                Some(_) => {}
            }
        }
        let olds: BTreeMap<_, _> = self.deckies.iter().map(|(old, new)| (new.id(), *old)).collect();
        for decky in self
            .after
            .deckies()
            .iter()
            .filter(|decky| !olds.contains_key(&decky.id()))
        {
            mutations.push(add(self.after, decky)?.into());
        }
        for decky in self.after.deckies() {
            for attachment in decky.attachments().iter().skip(1) {
                let is_member = || {
                    let old = stay.get(&attachment.lan)?;
                    let ip = olds.get(&decky.id())?.ip_on(*old)?;
                    (ip == attachment.ip).then_some(())
                };
                if is_member().is_none()
                    && let Some(lan) = self.after.lan(attachment.lan)
                {
                    let attach = AttachDecky::new(decky.name().clone(), lan.name().clone());
                    mutations.push(attach.ip(attachment.ip).into());
                }
            }
        }
        Ok(())
    }
}

/// Returns the mutation that adds a decky with its home.
fn add(maze: &Topology, decky: &Decky) -> Result<AddDecky, MutationError> {
    let name = decky.name();
    let home = decky.home().and_then(|home| Some((maze.lan(home.lan)?, home.ip)));
    let (lan, ip) = home.ok_or_else(|| MutationError::DeckyWithoutHome { decky: name.clone() })?;
    let mut add = AddDecky::new(name.clone(), lan.name().clone())
        .ip(ip)
        .services(decky.services().iter().cloned())
        .at(decky.position());
    add.service_config = Some(decky.service_config().clone()).filter(|config| !config.is_empty());
    add.archetype = decky.archetype().map(Into::into);
    add.persona = decky.persona().cloned().map(Box::new);
    add.forwards_l3 = decky.forwards_l3();
    Ok(add)
}

/// Returns the update from a decky that stays to its state afterwards; none if only its memberships change.
fn update(old: &Decky, new: &Decky) -> Option<UpdateDecky> {
    let nothing = UpdateDecky::new(new.name().clone());
    let mut update = nothing.clone();
    if old.services() != new.services() {
        update = update.services(new.services().iter().cloned());
    }
    // New services change the configuration and the persona.
    let then = updated(old, &update);
    if !print_alike(then.service_config(), new.service_config()) {
        update = update.service_config(new.service_config().clone());
    }
    if then.persona() != new.persona() {
        update = update.persona(new.persona().cloned());
    }
    if old.archetype() != new.archetype() {
        update = update.archetype(new.archetype());
    }
    if old.forwards_l3() != new.forwards_l3() {
        update = update.forwarding(new.forwards_l3());
    }
    if old.position() != new.position() {
        update = update.exactly_at(new.position());
    }
    (update != nothing).then_some(update)
}
