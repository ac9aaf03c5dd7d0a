use crate::{
    alloc::{AllocError, IpAllocator},
    catalog::Catalog,
    config::TopologyConfig,
    generate::{
        GenerateError,
        hosts::{Hosts, Place},
        services::ServiceSets,
        tree::{Node, Tree},
    },
    id::DeckyId,
    model::{Attachment, Decky, Lan},
    name::Numbered,
    rng::RandomStream,
};

/// The deckies of one LAN, before they have names and addresses. Deckies are known by their number within the LAN.
#[derive(Debug)]
struct Residents {
    count: usize,
    /// The decky that joins the LAN to its parent; none in the DMZ.
    bridge: Option<Bridge>,
    /// The decky that is attached to a LAN elsewhere, and that LAN.
    cross: Option<(usize, usize)>,
}

#[derive(Debug)]
struct Bridge {
    number: usize,
    parent: usize,
    forwards: bool,
}

/// The deckies of all LANs, and their attachments.
#[derive(Debug)]
pub(super) struct Population {
    lans: Vec<Residents>,
}

impl Population {
    /// Draws how many deckies each LAN has, and which of them are attached to other LANs.
    pub(super) fn draw(config: &TopologyConfig, tree: &Tree) -> Self {
        let lans = tree.lans().iter().enumerate().map(|(lan, node)| match node.parent {
            None => Residents {
                count: 1,
                bridge: None,
                cross: None,
            },
            Some(parent) => Residents::draw(config, tree, lan, node, parent),
        });
        Self { lans: lans.collect() }
    }

    /// Sets the names, services and addresses of the deckies.
    pub(super) fn settle(
        &self,
        config: &TopologyConfig,
        catalog: &Catalog,
        lans: &[Lan],
        services: &mut ServiceSets,
    ) -> Result<Vec<Decky>, GenerateError> {
        self.check_room(lans)?;
        let attachments = self.attachments(lans)?;
        let names = Numbered::new("decky-", 3)?;
        let mut deckies = Vec::with_capacity(attachments.len());
        let mut hosts = Hosts::draw(config, catalog, lans.len(), self.places());
        let mut parts = (0_u32..).zip(names).zip(attachments);
        for (lan, residents) in self.lans.iter().enumerate() {
            for (number, ((id, name), attachments)) in (0..residents.count).zip(&mut parts) {
                let forwards = match &residents.bridge {
                    Some(bridge) => bridge.number == number && bridge.forwards,
                    None => config.dmz_gateway(),
                };
                let host = hosts.as_mut().map(|hosts| hosts.next(residents.place(lan, number)));
                let (archetype, own_name) = match host.transpose()? {
                    Some(host) => (host.archetype, host.name),
                    None => (None, None),
                };
                let decky = Decky::new(DeckyId::new(id), own_name.unwrap_or(name));
                let decky = match archetype {
                    Some(archetype) => decky
                        .with_archetype(Some(archetype.slug.clone()))
                        .with_services(archetype.services.iter().cloned()),
                    None => decky.with_services(services.next(lan, number)),
                };
                deckies.push(decky.forwarding(forwards).with_attachments(attachments));
            }
        }
        Ok(deckies)
    }

    /// Walks the deckies of all LANs.
    fn places(&self) -> impl Iterator<Item = Place> {
        let lans = self.lans.iter().enumerate();
        lans.flat_map(|(lan, residents)| (0..residents.count).map(move |number| residents.place(lan, number)))
    }

    /// Checks that every LAN has an address for each decky that is attached to it.
    fn check_room(&self, lans: &[Lan]) -> Result<(), GenerateError> {
        let mut members: Vec<u64> = self.lans.iter().map(|residents| residents.count as u64).collect();
        for residents in &self.lans {
            let bridged = residents.bridge.iter().map(|bridge| bridge.parent);
            let crossed = residents.cross.iter().map(|&(_, target)| target);
            for lan in bridged.chain(crossed) {
                members[lan] += 1;
            }
        }
        for (lan, needed) in lans.iter().zip(members) {
            let available = crate::net::usable(lan.subnet());
            if needed > available {
                return Err(GenerateError::Addresses {
                    lan: lan.name().clone(),
                    source: AllocError::AddressesExhausted {
                        subnet: lan.subnet(),
                        needed,
                        available,
                    },
                });
            }
        }
        Ok(())
    }

    /// Hands out the addresses: homes first, then the bridges', then those of cross edges.
    fn attachments(&self, lans: &[Lan]) -> Result<Vec<Vec<Attachment>>, GenerateError> {
        let refused = |lan: &Lan, source| GenerateError::Addresses {
            lan: lan.name().clone(),
            source,
        };
        let pool = |lan: &Lan| IpAllocator::new(lan.subnet()).map_err(|source| refused(lan, source));
        let mut pools: Vec<IpAllocator> = lans.iter().map(pool).collect::<Result<_, _>>()?;
        let mut attach = |lan: usize| {
            let next = pools[lan].next_free();
            let ip = next.map_err(|source| refused(&lans[lan], source))?;
            Ok::<_, GenerateError>(Attachment {
                lan: lans[lan].id(),
                ip,
            })
        };
        let count = self.lans.iter().map(|residents| residents.count).sum();
        let mut attachments = Vec::with_capacity(count);
        // The number of the first decky of each LAN.
        let mut starts = Vec::with_capacity(self.lans.len());
        for (lan, residents) in self.lans.iter().enumerate() {
            starts.push(attachments.len());
            for number in 0..residents.count {
                let mut own = Vec::with_capacity(residents.attachments(number));
                own.push(attach(lan)?);
                attachments.push(own);
            }
        }
        for (start, residents) in starts.iter().zip(&self.lans) {
            if let Some(bridge) = &residents.bridge {
                attachments[start + bridge.number].push(attach(bridge.parent)?);
            }
        }
        for (start, residents) in starts.iter().zip(&self.lans) {
            if let Some((number, target)) = residents.cross {
                attachments[start + number].push(attach(target)?);
            }
        }
        Ok(attachments)
    }
}

impl Residents {
    fn draw(config: &TopologyConfig, tree: &Tree, lan: usize, node: &Node, parent: usize) -> Self {
        let stream = |kind| RandomStream::new(config.seed(), kind, lan as u64);
        let (min, max) = config.deckies_per_lan().into_inner();
        let count = usize::from(stream("lan.deckies").between(min, max));
        let mut bridge = stream("lan.bridge");
        let bridge = Bridge {
            parent,
            forwards: bridge.chance(config.bridge_forward_probability()),
            number: bridge.index(count),
        };
        let mut cross = stream("lan.cross");
        let crossed = cross.chance(config.cross_edge_probability());
        // The decky and the LAN are drawn only if there is a cross edge. They are the last draws of the stream.
        let cross = crossed.then(|| {
            let target = elsewhere(tree, lan, node, parent, &mut cross)?;
            Some((cross.index(count), target))
        });
        Self {
            count,
            bridge: Some(bridge),
            cross: cross.flatten(),
        }
    }

    /// Describes a decky of this LAN.
    fn place(&self, lan: usize, number: usize) -> Place {
        let bridge = self.bridge.as_ref().filter(|bridge| bridge.number == number);
        Place {
            lan,
            number,
            bridge: bridge.map(|bridge| bridge.forwards),
        }
    }

    /// Counts the LANs that a decky is attached to.
    fn attachments(&self, number: usize) -> usize {
        let is_bridge = self.bridge.as_ref().is_some_and(|bridge| bridge.number == number);
        let crosses = self.cross.is_some_and(|(crossing, _)| crossing == number);
        1 + usize::from(is_bridge) + usize::from(crosses)
    }
}

/// Draws a LAN that is neither the given one nor its parent nor its child; none if there is no other.
fn elsewhere(tree: &Tree, lan: usize, node: &Node, parent: usize, stream: &mut RandomStream) -> Option<usize> {
    let excluded = 2 + node.children.len();
    let others = tree.lans().len() - excluded;
    if others == 0 {
        return None;
    }
    let mut drawn = stream.index(others);
    // The parent comes before the LAN, and the LAN before its children: skipping one shifts those that follow.
    for (first, length) in [(parent, 1), (lan, 1), (node.children.start, node.children.len())] {
        if drawn >= first && length > 0 {
            drawn += length;
        }
    }
    Some(drawn)
}
