use decnet_topology::{Catalog, ImageSource, Topology};

/// Lists the services with their own images, as `decky.service`.
///
/// They share the network of their base. After a restart of the daemon they may stay stopped until a
/// [reconcile](crate::engine::Engine::reconcile) or [`watch`](crate::watch) starts them.
pub fn own_images(topology: &Topology, catalog: &Catalog) -> Vec<String> {
    let services = topology.deckies().iter().flat_map(|decky| {
        let services = decky.services().iter();
        services.map(move |service| (decky.name(), service))
    });
    let foreign = services.filter(|(_, service)| {
        let entry = catalog.service(service.as_str());
        entry.is_some_and(|entry| entry.image != ImageSource::Builtin)
    });
    foreign.map(|(decky, service)| format!("{decky}.{service}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_services_with_their_own_images_are_listed() {
        let catalog = Catalog::builtin()
            .extend_from_toml("[services.forge]\nports = [\"3000/tcp\"]\nimage = \"forge:1\"")
            .expect("a catalogue");
        let topology = Topology::builder()
            .dmz("dmz", "10.90.0.0/24")
            .decky("web", |decky| decky.on("dmz", "10.90.0.10").services(["http", "forge"]))
            .decky("desk", |decky| decky.on("dmz", "10.90.0.11").services(["ssh"]))
            .build()
            .expect("a topology");
        assert_eq!(own_images(&topology, &catalog), ["web.forge"]);
    }
}
