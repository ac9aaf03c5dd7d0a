//! What the store knows of the mazes whose logs are read.

use std::{borrow::Cow, collections::BTreeMap, net::Ipv4Addr};

use decnet_topology::{
    Catalog, CatalogExcerpt, DeckySnapshot, Lan, Name, RecordedChange, Repo, RepoError, StoredTopology, TopologyId,
    TopologyName, Version, net,
};
use ipnet::Ipv4Net;
use jiff::{SignedDuration, Timestamp};

/// A maze, as far as lines of logs need it.
#[derive(Debug, Clone)]
pub(super) struct Maze {
    pub(super) name: TopologyName,
    /// Its catalogue, if it stored entries of its own.
    catalog: Option<Catalog>,
    stored: CatalogExcerpt,
    version: Version,
    /// Who had each address, and when.
    addresses: BTreeMap<Ipv4Addr, Vec<Holder>>,
    subnets: Vec<Ipv4Net>,
}

/// A decky that has or had an address.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Holder {
    decky: Name,
    /// None since the maze was stored.
    since: Option<Timestamp>,
    /// None if it still has the address.
    until: Option<Timestamp>,
}

/// Where a visitor came from.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Origin {
    Outside,
    Decky(Name),
    /// From an address of a LAN that no decky ever had.
    Inside,
}

impl Maze {
    fn new(stored: &StoredTopology, changes: &[RecordedChange], catalog: &Catalog) -> Self {
        let mut addresses: BTreeMap<_, Vec<Holder>> = BTreeMap::new();
        for decky in stored.topology.deckies() {
            for attachment in decky.attachments() {
                addresses.entry(attachment.ip).or_default().push(Holder {
                    decky: decky.name().clone(),
                    since: None,
                    until: None,
                });
            }
        }
        for recorded in changes.iter().rev() {
            undo(&mut addresses, recorded);
        }
        Self {
            name: stored.row.name.clone(),
            catalog: match catalog.with_stored(&stored.row.catalog) {
                Cow::Owned(catalog) => Some(catalog),
                Cow::Borrowed(_) => None,
            },
            stored: stored.row.catalog.clone(),
            version: stored.row.version,
            addresses,
            subnets: stored.topology.lans().iter().map(Lan::subnet).collect(),
        }
    }

    /// Returns where a visitor with an address came from at a time.
    ///
    /// A container that was just created or removed prints lines a little before or after the store's change, so the decky that had
    /// the address closest to that time is returned.
    pub(super) fn origin(&self, address: Ipv4Addr, at: Timestamp) -> Origin {
        let holders = self.addresses.get(&address).into_iter().flatten();
        if let Some(holder) = holders.min_by_key(|holder| holder.distance(at)) {
            return Origin::Decky(holder.decky.clone());
        }
        // The address of the host in a LAN: visitors whom Docker's proxy forwards have it.
        let is_inside = |subnet: &Ipv4Net| subnet.contains(&address) && net::gateway(*subnet) != address;
        if self.subnets.iter().any(is_inside) {
            Origin::Inside
        } else {
            Origin::Outside
        }
    }
}

impl Holder {
    /// Returns how long before or after a time it had the address.
    fn distance(&self, at: Timestamp) -> SignedDuration {
        match (self.since, self.until) {
            (Some(since), _) if at < since => since.duration_since(at),
            // It had the address until then, not at that time.
            (_, Some(until)) if at >= until => at.duration_since(until).saturating_add(SignedDuration::from_nanos(1)),
            _ => SignedDuration::ZERO,
        }
    }
}

/// Adds what was different before a change. Changes must come newest first.
fn undo(addresses: &mut BTreeMap<Ipv4Addr, Vec<Holder>>, recorded: &RecordedChange) {
    let change = &recorded.change;
    let of = |snapshot: Option<&DeckySnapshot>| -> Vec<Ipv4Addr> {
        let attachments = snapshot.into_iter().flat_map(|snapshot| &snapshot.attachments);
        attachments.map(|attachment| attachment.ip).collect()
    };
    let (before, after) = (of(change.before.as_ref()), of(change.after.as_ref()));
    for address in after.iter().filter(|address| !before.contains(address)) {
        let holders = addresses.entry(*address).or_default();
        let is_it = |holder: &&mut Holder| holder.decky == change.decky && holder.since.is_none();
        if let Some(holder) = holders.iter_mut().find(is_it) {
            holder.since = Some(recorded.at);
        }
    }
    for address in before.iter().filter(|address| !after.contains(address)) {
        addresses.entry(*address).or_default().push(Holder {
            decky: change.decky.clone(),
            since: None,
            until: Some(recorded.at),
        });
    }
}

/// Mazes by their topologies. A topology that was deleted from the store has none.
#[derive(Debug)]
pub(super) struct Mazes {
    mazes: BTreeMap<TopologyId, Option<Maze>>,
    /// The catalogue of mazes without entries of their own.
    catalog: Catalog,
}

impl Mazes {
    pub(super) fn new(catalog: Catalog) -> Self {
        Self {
            mazes: BTreeMap::new(),
            catalog,
        }
    }

    pub(super) fn get(&self, id: TopologyId) -> Option<&Maze> {
        self.mazes.get(&id)?.as_ref()
    }

    /// Returns the catalogue of a maze.
    pub(super) fn catalog(&self, id: TopologyId) -> &Catalog {
        let own = self.get(id).and_then(|maze| maze.catalog.as_ref());
        own.unwrap_or(&self.catalog)
    }

    /// Reads a maze if it was edited since it was last read.
    pub(super) async fn refresh(&mut self, repo: &dyn Repo, id: TopologyId) -> Result<(), RepoError> {
        if let Some(known) = self.get(id)
            && repo
                .get(id)
                .await
                .is_ok_and(|row| row.version == known.version && row.catalog == known.stored)
        {
            return Ok(());
        }
        let maze = match read(repo, id, &self.catalog).await {
            Ok(maze) => Some(maze),
            Err(RepoError::NotFound { .. }) => None,
            Err(error) => return Err(error),
        };
        self.mazes.insert(id, maze);
        Ok(())
    }
}

async fn read(repo: &dyn Repo, id: TopologyId, catalog: &Catalog) -> Result<Maze, RepoError> {
    // A change between the two reads has a later version, so that the maze is read again.
    let stored = repo.load(id).await?;
    let changes = repo.decky_changes(id, None).await?;
    Ok(Maze::new(&stored, &changes, catalog))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use decnet_topology::{Edit, MemoryRepo, NewTopology, Topology};

    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_900_000_000 + second).unwrap()
    }

    fn maze(deckies: &[(&str, &str)]) -> Topology {
        let mut maze = Topology::builder().dmz("dmz", "10.9.1.0/24");
        for (name, address) in deckies {
            maze = maze.decky(name, |decky| decky.on("dmz", address));
        }
        maze.build().unwrap()
    }

    #[tokio::test]
    async fn an_address_belongs_to_the_decky_that_had_it_at_the_time() {
        let repo: Arc<dyn Repo> = Arc::new(MemoryRepo::new());
        let new = NewTopology::new(
            "corp".parse().unwrap(),
            maze(&[("web", "10.9.1.10"), ("db", "10.9.1.20")]),
        );
        let id = repo.create(new, at(0)).await.unwrap().row.id;
        let mut mazes = Mazes::new(Catalog::builtin());
        let states: [&[(&str, &str)]; 3] = [
            &[("db", "10.9.1.20")],
            &[("db", "10.9.1.20"), ("mail", "10.9.1.10")],
            &[("db", "10.9.1.21"), ("mail", "10.9.1.10")],
        ];
        for (number, deckies) in (1..).zip(states) {
            mazes.refresh(repo.as_ref(), id).await.unwrap();
            let edit = Edit::new(maze(deckies));
            repo.edit(id, edit, at(number * 100)).await.unwrap();
        }
        mazes.refresh(repo.as_ref(), id).await.unwrap();
        let found = |address: &str, second| mazes.get(id).unwrap().origin(address.parse().unwrap(), at(second));
        let decky = |name: &str| Origin::Decky(name.parse().unwrap());
        for (address, second, expected) in [
            ("10.9.1.10", 50, decky("web")),
            ("10.9.1.10", 101, decky("web")),
            ("10.9.1.10", 199, decky("mail")),
            ("10.9.1.10", 200, decky("mail")),
            ("10.9.1.10", 900, decky("mail")),
            ("10.9.1.20", 299, decky("db")),
            ("10.9.1.20", 900, decky("db")),
            ("10.9.1.21", 900, decky("db")),
            ("10.9.1.99", 900, Origin::Inside),
            ("10.9.1.1", 900, Origin::Outside),
            ("192.0.2.7", 50, Origin::Outside),
        ] {
            assert_eq!(found(address, second), expected, "{address} at {second}");
        }
    }
}
