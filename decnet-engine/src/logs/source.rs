//! The container that a line comes from.

use decnet_topology::{Catalog, ImageSource, Name, ServiceName, TopologyId};

use super::{
    LogOptions,
    entry::{LogContent, LogEntry},
    maze::{Mazes, Origin},
};
use crate::{
    naming::{self, ContainerName, Role},
    observe::{self, ObservedContainer},
    runtime::LogLine,
};

/// A container whose log is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Source {
    pub(super) id: String,
    pub(super) container: ContainerName,
    pub(super) topology: TopologyId,
    decky: Name,
    service: Option<ServiceName>,
    /// Whether its program is the decoy of DECNET, which writes events.
    is_builtin: bool,
}

impl Source {
    /// Returns the source of a container of a maze if the options select it.
    pub(super) fn of(container: &ObservedContainer, options: &LogOptions, mazes: &Mazes) -> Option<Self> {
        let label = |name: &str| container.labels.get(name);
        let service = match container.role()? {
            Role::Service => Some(ServiceName::new(label(naming::SERVICE_NAME)?)),
            Role::Base => None,
        };
        let topology = observe::topology_of(&container.labels)?;
        let is_builtin = service.as_ref().is_none_or(|service| {
            let known = mazes.catalog(topology).service(service.as_str());
            known.is_some_and(|service| service.image == ImageSource::Builtin)
        });
        let source = Self {
            id: container.id.clone(),
            container: container.name.clone(),
            topology,
            decky: label(naming::DECKY)?.parse().ok()?,
            service,
            is_builtin,
        };
        let is_selected = options.decky.as_ref().is_none_or(|decky| *decky == source.decky)
            && (options.service.is_none() || options.service == source.service);
        is_selected.then_some(source)
    }

    /// Reads a line with its number among those with its time. Returns none for a line that is not about visitors.
    pub(super) fn entry(&self, line: LogLine, number: u64, mazes: &Mazes) -> Option<LogEntry> {
        let maze = mazes.get(self.topology);
        let at = line.at;
        let content = if self.is_builtin {
            LogContent::read(line, &self.decky)
        } else {
            // An intruder may control another program, and imitate events.
            LogContent::of(line.stream, line.text)
        };
        if self.service.is_none() && !matches!(content, LogContent::Record(_)) {
            return None;
        }
        let origin = content.visitor().and_then(|address| Some(maze?.origin(address, at)));
        let inside = origin == Some(Origin::Inside);
        let short = self.id.get(..12).unwrap_or(&self.id);
        Some(LogEntry {
            id: format!("{short}-{:x}-{number}", at.as_nanosecond()),
            at,
            topology: self.topology,
            maze: maze.map(|maze| maze.name.clone()),
            decky: self.decky.clone(),
            service: self.service_of(&content, mazes.catalog(self.topology)),
            container: self.container.clone(),
            from: match origin {
                Some(Origin::Decky(decky)) => Some(decky),
                _ => None,
            },
            inside,
            content,
        })
    }

    /// Returns the service that a line is about: a decoy can have more services than the one that its container is named after.
    /// An intruder who controls the decoy cannot invent names.
    fn service_of(&self, content: &LogContent, catalog: &Catalog) -> Option<ServiceName> {
        let own = self.service.as_ref()?;
        let named = match content {
            LogContent::Record(record) => record.service.as_ref(),
            _ => None,
        };
        let named = named.filter(|service| catalog.service(&service.name).is_some());
        Some(named.map_or_else(|| own.clone(), |service| ServiceName::new(&service.name)))
    }
}
