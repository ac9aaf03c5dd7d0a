use std::{
    collections::{BTreeMap, BTreeSet},
    net::Ipv4Addr,
};

use decnet_decoy::protocol::NetState;
use ipnet::Ipv4Net;

use super::{
    Simulated,
    world::{Container, Network, Volume},
};
use crate::{
    naming::{ContainerName, Labels, NetworkName, VolumeName},
    observe::Activity,
};

/// Methods that change or damage the world, as other programs could.
///
/// A method with the name of a container returns whether the container exists.
impl Simulated {
    /// Adds an address of the host.
    pub fn add_address(&self, address: Ipv4Addr) {
        self.lock().info.addresses.push(address);
    }

    /// Adds a network of another owner.
    ///
    /// # Panics
    /// If the network exists.
    pub fn add_network(&self, name: NetworkName, subnet: Ipv4Net) {
        self.add_labelled_network(name, subnet, Labels::new());
    }

    /// Adds a network with labels, as another program or store might.
    ///
    /// # Panics
    /// If the network exists.
    pub fn add_labelled_network(&self, name: NetworkName, subnet: Ipv4Net, labels: Labels) {
        let world = &mut self.lock().world;
        assert!(!world.networks.contains_key(&name), "network {name} already exists");
        let network = Network {
            id: world.next_id(),
            subnet,
            gateway: None,
            labels,
            endpoints: BTreeMap::new(),
        };
        world.networks.insert(name, network);
    }

    /// Adds a running container of another owner.
    ///
    /// # Panics
    /// If the container exists.
    pub fn add_container(&self, name: ContainerName, image: &str) {
        self.add_labelled_container(name, image, Labels::new());
    }

    /// Adds a running container with labels, as another program or store might.
    ///
    /// # Panics
    /// If the container exists.
    pub fn add_labelled_container(&self, name: ContainerName, image: &str, labels: Labels) {
        let world = &mut self.lock().world;
        assert!(!world.containers.contains_key(&name), "container {name} already exists");
        let container = Container {
            id: world.next_id(),
            image: image.into(),
            labels,
            activity: Activity::Running,
            started_at: Some(world.tick()),
            restarts: 0,
            exit_code: None,
            listens: BTreeSet::new(),
            networks: BTreeMap::new(),
            shares: None,
            volume: None,
            mounts: BTreeSet::new(),
            publish: BTreeSet::new(),
            state: None,
            state_holds: true,
            tampered: None,
            contained: true,
            log: Vec::new(),
        };
        world.containers.insert(name, container);
    }

    /// Adds a named volume.
    pub fn add_volume(&self, name: VolumeName, labels: Labels) {
        let volume = Volume {
            labels,
            anonymous: false,
        };
        self.lock().world.volumes.insert(name, volume);
    }

    /// Replaces the volume of a container.
    pub fn use_volume(&self, name: &ContainerName, volume: &VolumeName) -> bool {
        let world = &mut self.lock().world;
        let found = world.containers.get_mut(name);
        found.map(|container| container.volume = Some(volume.clone())).is_some()
    }

    /// Adds an image of another owner.
    pub fn add_image(&self, reference: &str) {
        self.lock().world.images.insert(reference.into(), false);
    }

    /// Adds an image that the engine loaded, as if a request of a killed process had ended now.
    pub fn add_loaded_image(&self, reference: &str) {
        self.lock().world.images.insert(reference.into(), true);
    }

    /// Stops or kills a container, which stays as it is until somebody starts it.
    pub fn stop(&self, name: &ContainerName) -> bool {
        self.set_activity(name, Activity::Exited)
    }

    /// Pauses a container.
    pub fn pause(&self, name: &ContainerName) -> bool {
        self.set_activity(name, Activity::Paused)
    }

    /// Makes a container crash. Its restart policy restarts it at once, with a new start time.
    pub fn crash(&self, name: &ContainerName) -> bool {
        let world = &mut self.lock().world;
        world.start(name).is_ok()
    }

    /// Removes a container but not its volume.
    pub fn remove(&self, name: &ContainerName) -> bool {
        let world = &mut self.lock().world;
        let there = world.containers.contains_key(name);
        world.erase(name);
        there
    }

    /// Removes a network and disconnects its containers.
    pub fn remove_network(&self, name: &NetworkName) -> bool {
        let world = &mut self.lock().world;
        let Some(network) = world.networks.get(name) else {
            return false;
        };
        for container in network.endpoints.clone().into_values() {
            world.unplug(&container, name);
        }
        world.networks.remove(name).is_some()
    }

    /// Disconnects a container from a network.
    pub fn disconnect(&self, name: &ContainerName, network: &NetworkName) -> bool {
        self.lock().world.unplug(name, network) == crate::runtime::Effect::Changed
    }

    /// Connects a container to a network, regardless of their owners.
    pub fn connect(&self, name: &ContainerName, network: &NetworkName, ip: Ipv4Addr) -> bool {
        let world = &mut self.lock().world;
        let there = world.containers.contains_key(name) && world.networks.contains_key(network);
        if there {
            world.plug_at(name, network, ip);
        }
        there
    }

    /// Makes a container end right after every start, so that its restart policy restarts it repeatedly.
    pub fn crash_repeatedly(&self, name: &ContainerName, exit_code: i64) -> bool {
        let world = &mut self.lock().world;
        let Some(container) = world.containers.get_mut(name) else {
            return false;
        };
        container.activity = Activity::Restarting;
        container.restarts += 10;
        container.exit_code = Some(exit_code);
        true
    }

    /// Makes a service run without answering on any port.
    pub fn stop_answering(&self, name: &ContainerName) -> bool {
        let world = &mut self.lock().world;
        let found = world.containers.get_mut(name);
        found.map(|container| container.listens.clear()).is_some()
    }

    /// Changes forwarding or routes in a running base, so that its namespace no longer matches its state.
    pub fn tamper_inside(&self, name: &ContainerName) -> bool {
        let world = &mut self.lock().world;
        let found = world.containers.get_mut(name);
        found.map(|container| container.state_holds = false).is_some()
    }

    /// Restarts the daemon, which starts bases last: services in the namespace of a base cannot start and stay stopped.
    pub fn restart_daemon(&self) {
        let world = &mut self.lock().world;
        for container in world.containers.values_mut() {
            container.activity = Activity::Exited;
            container.exit_code = Some(0);
        }
        let containers = world.containers.iter();
        let (bases, services): (Vec<_>, Vec<_>) = containers
            .map(|(name, container)| (name.clone(), container.state.is_some()))
            .partition(|(_, is_base)| *is_base);
        for (name, _) in services.into_iter().chain(bases) {
            // A container that cannot start is not tried again.
            let _ = world.start(&name);
        }
    }

    /// Changes the namespace of a base without its knowledge: routes, forwarding.
    pub fn tamper_state(&self, name: &ContainerName, change: impl FnOnce(&mut NetState)) -> bool {
        let world = &mut self.lock().world;
        let Some(container) = world.containers.get_mut(name) else {
            return false;
        };
        let Some(mut state) = container.tampered.clone().or_else(|| container.state.clone()) else {
            return false;
        };
        change(&mut state);
        container.tampered = Some(state);
        container.state_holds = false;
        true
    }

    /// Removes the containment of a base.
    pub fn uncontain(&self, name: &ContainerName) -> bool {
        let world = &mut self.lock().world;
        let found = world.containers.get_mut(name);
        found
            .map(|container| {
                container.contained = false;
                container.state_holds = false;
            })
            .is_some()
    }

    fn set_activity(&self, name: &ContainerName, activity: Activity) -> bool {
        let world = &mut self.lock().world;
        let found = world.containers.get_mut(name);
        found.map(|container| container.activity = activity).is_some()
    }
}
