//! The events about attackers that a feed has returned.

use std::collections::{HashSet, VecDeque};

use crate::event::{AttackerAction, AttackerEvent};

/// How many events are remembered.
const REMEMBERED: usize = 4096;

/// The latest events about attackers. Several loops that follow one store publish the same ones.
#[derive(Debug, Default)]
pub(super) struct SeenAttackers {
    known: HashSet<(String, AttackerAction)>,
    order: VecDeque<(String, AttackerAction)>,
}

impl SeenAttackers {
    /// Records an event. Returns whether it is new.
    pub(super) fn note(&mut self, event: &AttackerEvent) -> bool {
        let key = (event.entry.clone(), event.action.clone());
        if !self.known.insert(key.clone()) {
            return false;
        }
        self.order.push_back(key);
        if self.order.len() > REMEMBERED
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
        true
    }
}
