//! The processes whose lines are read: a conversation ends with its process, although it then has no last line.

use std::collections::{BTreeMap, BTreeSet};

use decnet_decoy::protocol::Record;
use jiff::Timestamp;

use crate::{logs::LogEntry, naming::ContainerName};

/// How many services are remembered. An intruder can invent names.
const SERVICES: usize = 10_000;

/// How many characters of the name of a service or of an id are used.
const LONGEST: usize = 64;

/// Returns the start of a name that a container chose.
pub(super) fn cut(name: &str) -> String {
    name.chars().take(LONGEST).collect()
}

/// Returns the start of the id of the container of a line.
pub(super) fn container_id(entry: &str) -> &str {
    entry.split('-').next().unwrap_or_default()
}

/// Which conversations have ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Ended {
    /// Those of a service.
    Service(ContainerName, Option<String>),
    /// Those of a container that started before a time.
    Container(ContainerName, Timestamp),
}

/// The processes of one maze.
#[derive(Debug, Clone, Default)]
pub(super) struct Processes {
    /// The last sequence number of each service. The program of a service counts its lines from 1.
    sequences: BTreeMap<(ContainerName, Option<String>), u64>,
    /// The id of each container. A container that was recreated has another one.
    ids: BTreeMap<ContainerName, String>,
    /// When the processes of containers started, as far as lines of that time were not read yet.
    starts: BTreeSet<(Timestamp, ContainerName)>,
    /// Containers that do not run. Their conversations have ended, but it is not known when.
    stopped: BTreeSet<ContainerName>,
}

impl Processes {
    /// Notes that the process of a container started.
    pub(super) fn started(&mut self, container: ContainerName, at: Timestamp) {
        self.starts.insert((at, container));
    }

    /// Returns the starts of processes after all lines.
    pub(super) fn take_starts(&mut self) -> BTreeSet<(Timestamp, ContainerName)> {
        std::mem::take(&mut self.starts)
    }

    /// Notes that a container does not run.
    pub(super) fn stopped(&mut self, container: ContainerName) {
        self.stopped.insert(container);
    }

    /// Returns whether a container runs, as far as known.
    pub(super) fn runs(&self, container: &ContainerName) -> bool {
        !self.stopped.contains(container)
    }

    /// Returns the containers that do not run.
    pub(super) const fn all_stopped(&self) -> &BTreeSet<ContainerName> {
        &self.stopped
    }

    /// Processes a line, and returns which conversations had ended before it.
    pub(super) fn see(&mut self, entry: &LogEntry) -> Vec<Ended> {
        let mut ended = Vec::new();
        while self.starts.first().is_some_and(|(at, _)| *at <= entry.at) {
            ended.extend(
                self.starts
                    .pop_first()
                    .map(|(at, container)| Ended::Container(container, at)),
            );
        }
        let id = container_id(&entry.id);
        match self.ids.get(&entry.container) {
            Some(known) if known == id => {}
            Some(_) => {
                ended.push(Ended::Container(entry.container.clone(), entry.at));
                self.sequences.retain(|(container, _), _| *container != entry.container);
                self.ids.insert(entry.container.clone(), id.into());
            }
            None => {
                self.ids.insert(entry.container.clone(), id.into());
            }
        }
        ended
    }

    /// Processes an event of a service, and returns which conversations had ended before it.
    pub(super) fn see_record(&mut self, entry: &LogEntry, record: &Record) -> Option<Ended> {
        let service = record.service.as_ref().map(|service| cut(&service.name));
        let key = (entry.container.clone(), service);
        if self.sequences.len() >= SERVICES && !self.sequences.contains_key(&key) {
            self.sequences.clear();
        }
        let sequence = record.event.sequence;
        let last = self.sequences.insert(key.clone(), sequence);
        let is_restarted = sequence == 1 || last.is_some_and(|last| sequence < last);
        is_restarted.then_some(Ended::Service(key.0, key.1))
    }
}
