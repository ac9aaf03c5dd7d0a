//! The services of a process, and the tasks that serve them.

use std::{collections::BTreeMap, io, sync::Arc};

use tokio::{net::TcpListener, sync::watch, task::JoinSet};

use super::{connections::Connections, datagram_socket::DatagramSocket, datagrams::Datagrams, shared::Shared};
use crate::{
    failure::Failure,
    ports::Obtained,
    protocol::{BuiltinService, EndReason, ListedService, Listen, Persona, Protocol, ServiceList, ServiceState},
    service::{context::Service, control::Refusal, secret::Secret},
};

/// The services by name.
pub(super) struct Offers {
    persona: Persona,
    secret: Secret,
    by_name: BTreeMap<String, Offer>,
}

struct Offer {
    service: Arc<Service>,
    listen: Vec<Listen>,
    /// None while there is no base.
    running: Option<Running>,
}

/// The tasks of a service.
pub(super) struct Running {
    end: watch::Sender<Option<EndReason>>,
    tasks: JoinSet<()>,
}

impl Running {
    /// Reports the reason for the end to the tasks.
    pub(super) fn end(&self, reason: EndReason) {
        self.end.send_replace(Some(reason));
    }

    /// Closes the sockets, and ends all conversations for this reason.
    pub(super) async fn stop(mut self, reason: EndReason) {
        self.end(reason);
        while self.tasks.join_next().await.is_some() {}
    }
}

impl Offers {
    /// Reads the services that the process starts with.
    pub(super) fn new(state: &ServiceState, secret: Secret) -> Result<Self, Failure> {
        let mut offers = Self {
            persona: state.persona.clone(),
            secret,
            by_name: BTreeMap::new(),
        };
        for service in &state.services {
            match offers.refusal(service) {
                None => offers.insert(service.clone()),
                Some(Refusal::NameTaken(name)) => {
                    return Err(Failure::usage("two services have the same name", name));
                }
                Some(Refusal::PortTaken(port)) => {
                    return Err(Failure::usage("two services have the same port", port));
                }
                Some(_) => {}
            }
        }
        Ok(offers)
    }

    /// Returns why a service cannot be added to these.
    pub(super) fn refusal(&self, service: &BuiltinService) -> Option<Refusal> {
        if self.by_name.contains_key(&service.name) {
            return Some(Refusal::NameTaken(service.name.clone()));
        }
        self.by_name.iter().find_map(|(name, offer)| {
            let taken = service.listen.iter().find(|listen| offer.listen.contains(listen))?;
            Some(Refusal::PortTaken(format!("port {} of {name}", taken.port)))
        })
    }

    /// Adds a service. It is served when it has sockets.
    pub(super) fn insert(&mut self, service: BuiltinService) {
        let shared = Service {
            name: service.name.clone(),
            fields: service.fields.into(),
            persona: self.persona.clone(),
            secret: self.secret.clone(),
        };
        let offer = Offer {
            service: Arc::new(shared),
            listen: service.listen,
            running: None,
        };
        self.by_name.insert(service.name, offer);
    }

    /// Removes a service. Its tasks run until they are stopped.
    pub(super) fn remove(&mut self, name: &str) -> Result<Option<Running>, Refusal> {
        let removed = self.by_name.remove(name).ok_or_else(|| Refusal::Unknown(name.into()))?;
        Ok(removed.running)
    }

    /// Returns the ports of all services.
    pub(super) fn listen(&self) -> Vec<Listen> {
        self.by_name.values().flat_map(|offer| offer.listen.clone()).collect()
    }

    pub(super) fn list(&self) -> ServiceList {
        let listed = self.by_name.iter().map(|(name, offer)| ListedService {
            name: name.clone(),
            listen: offer.listen.clone(),
        });
        ServiceList {
            services: listed.collect(),
        }
    }

    /// Serves the sockets, each by the service that has the port.
    pub(super) fn serve(&mut self, obtained: Obtained, shared: &Arc<Shared>) -> io::Result<()> {
        for (listener, port) in obtained.listeners {
            let listener = TcpListener::from_std(listener)?;
            if let Some((service, running)) = self.of(port, Protocol::Tcp) {
                let connections = Connections::new(port, service, Arc::clone(shared), running.end.subscribe());
                running.tasks.spawn(connections.run(listener));
            }
        }
        for (socket, port) in obtained.sockets {
            let socket = DatagramSocket::new(socket)?;
            if let Some((service, running)) = self.of(port, Protocol::Udp) {
                let datagrams = Datagrams::new(socket, port, service, Arc::clone(shared), running.end.subscribe());
                running.tasks.spawn(datagrams.run());
            }
        }
        Ok(())
    }

    /// Returns the service of a port and its tasks.
    fn of(&mut self, port: u16, protocol: Protocol) -> Option<(Arc<Service>, &mut Running)> {
        let listen = Listen { port, protocol };
        let offer = self.by_name.values_mut().find(|offer| offer.listen.contains(&listen))?;
        let running = offer.running.get_or_insert_with(|| Running {
            end: watch::Sender::new(None),
            tasks: JoinSet::new(),
        });
        Some((Arc::clone(&offer.service), running))
    }

    /// Returns the tasks of all services, which run until they are stopped.
    pub(super) fn take_running(&mut self) -> Vec<Running> {
        self.by_name
            .values_mut()
            .filter_map(|offer| offer.running.take())
            .collect()
    }
}
