use super::Graph;
use crate::{
    id::{DeckyId, LanId},
    model::{Decky, PlacementNames},
    name::Name,
    placement::{Placement, StretchedLan},
};

impl<'a> Graph<'a> {
    /// Adds the members of a fleet that have the LANs and deckies, so that texts and pictures show them.
    ///
    /// ```
    /// use decnet_topology::{Graph, Member, Name, PlaceRequest, Topology, TopologyId, place};
    ///
    /// let maze = Topology::builder()
    ///     .dmz("dmz", "10.0.0.0/24")
    ///     .decky("web", |decky| decky.on("dmz", "10.0.0.2"))
    ///     .build()?;
    /// let east: Name = "east".parse()?;
    /// let members = [Member::new(east, 10, "192.0.2.1".parse()?, 1500)];
    /// let placement = place(&maze, &PlaceRequest::new(TopologyId::nil(), members))?;
    /// let text = Graph::new(&maze).placed(&placement).to_text();
    /// assert!(text.starts_with("dmz 10.0.0.0/24 (DMZ) on east"), "{text}");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn placed(mut self, placement: impl Into<Option<&'a Placement>>) -> Self {
        self.placement = placement.into();
        self
    }

    /// Returns the placement by names.
    pub(super) fn placement_names(&self) -> Option<PlacementNames<'a>> {
        Some(PlacementNames::new(self.topology, self.placement?))
    }

    /// Returns the member of a LAN.
    pub(super) fn lan_host(&self, lan: LanId) -> Option<&'a Name> {
        self.placement?.lans.get(&lan)
    }

    /// Returns the member of a decky.
    pub(super) fn decky_host(&self, decky: DeckyId) -> Option<&'a Name> {
        self.placement?.deckies.get(&decky)
    }

    /// Returns the member of a decky, if it is not that of its home.
    pub(super) fn other_host(&self, decky: &Decky) -> Option<&'a Name> {
        let home = decky.home().and_then(|home| self.lan_host(home.lan));
        self.decky_host(decky.id()).filter(|host| Some(*host) != home)
    }

    /// Returns where a LAN is: `on east`, or `on east, stretched to west, VNI 7`.
    pub(super) fn lan_place(&self, lan: LanId) -> Option<String> {
        let host = self.lan_host(lan)?;
        let stretched = self.placement.and_then(|placement| placement.stretched.get(&lan));
        Some(stretched.map_or_else(|| format!("on {host}"), |stretched| stretched_text(host, stretched)))
    }
}

fn stretched_text(host: &Name, stretched: &StretchedLan) -> String {
    let others = stretched.members.iter().filter(|member| *member != host);
    let others: Vec<&str> = others.map(Name::as_str).collect();
    format!(
        "on {host}, stretched to {}, VNI {}",
        others.join(" and "),
        stretched.vni
    )
}
