//! The redirected ports of the base, which a live change may change.

use std::{fs, time::SystemTime};

use crate::{
    protocol::{NetState, Redirect, STATE_PATH},
    state_file::StateFile,
};

/// The redirects of the state that is kept.
#[derive(Debug, Default)]
pub(super) struct Redirects {
    known: Vec<Redirect>,
    /// The time of the file that they are from.
    read_at: Option<SystemTime>,
}

impl Redirects {
    /// Takes those of the state at the start.
    pub(super) fn new(state: &NetState) -> Self {
        Self {
            known: state.redirects.clone(),
            read_at: None,
        }
    }

    /// Returns the current ones. The file is read only if it changed.
    pub(super) fn current(&mut self) -> &[Redirect] {
        let changed_at = fs::metadata(STATE_PATH).and_then(|file| file.modified()).ok();
        if changed_at != self.read_at
            && let Ok(Some(state)) = StateFile::of_base().read()
        {
            self.known = state.redirects;
            self.read_at = changed_at;
        }
        &self.known
    }
}
