//! The rows of four panes, and what changes them.

use std::collections::VecDeque;

use decnet_engine::{Inspection, Observed};
use decnet_topology::{Status, StoredTopology, TopologyRow};
use jiff::Timestamp;

use super::rows::{self, Row};
use crate::{command_error::CommandError, text::count};

/// How many events and visits are kept.
const KEPT: usize = 1000;

/// A pane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pane {
    /// The mazes, or the deckies of one.
    First,
    /// The mutations.
    Queue,
    /// The events.
    Events,
    /// What visitors do.
    Visits,
}

impl Pane {
    /// All panes, from top to bottom.
    pub(super) const ALL: [Self; 4] = [Self::First, Self::Queue, Self::Events, Self::Visits];

    /// Returns whether the last row is the newest one.
    pub(super) const fn is_log(self) -> bool {
        !matches!(self, Self::First)
    }
}

/// Something new for the board.
pub(super) enum Update {
    /// The stored mazes and the numbers of their unfinished mutations.
    Mazes(Vec<(TopologyRow, usize)>),
    /// The stored maze; none if it was deleted.
    Maze(Option<Box<StoredTopology>>),
    /// The maze and the state of its deckies on Docker.
    Observed(Box<Inspection>),
    /// Docker does not answer, for this reason.
    Unobserved(String),
    /// The database does not answer, for this reason.
    StoreLost(String),
    /// The database answers again.
    StoreFound,
    /// The mutations.
    Queue(Vec<Row>),
    /// An event.
    Event(Row),
    /// What a visitor did.
    Visit(Row),
    /// The view cannot go on.
    Failed(CommandError),
}

/// The rows of the panes.
#[derive(Debug)]
pub(super) struct Board {
    of_all: bool,
    title: String,
    /// Why the states are unknown.
    trouble: Option<String>,
    /// Why everything is old.
    store_trouble: Option<String>,
    panes: [VecDeque<Row>; 4],
    /// The number of rows that logs got so far.
    logged: u64,
    stored: Option<Box<StoredTopology>>,
    observed: bool,
    deleted: bool,
}

impl Board {
    /// Creates the board of all mazes, or of one with this name.
    pub(super) fn new(maze: Option<&str>) -> Self {
        Self {
            of_all: maze.is_none(),
            title: maze.unwrap_or("mazes").into(),
            trouble: None,
            store_trouble: None,
            panes: Default::default(),
            logged: 0,
            stored: None,
            observed: false,
            deleted: false,
        }
    }

    /// Returns the line above the panes.
    pub(super) fn title(&self) -> &str {
        &self.title
    }

    /// Returns why what is shown is old, or the states are unknown.
    pub(super) fn trouble(&self) -> Option<&str> {
        self.store_trouble.as_deref().or(self.trouble.as_deref())
    }

    /// Returns the rows of a pane.
    pub(super) fn rows(&self, pane: Pane) -> &VecDeque<Row> {
        &self.panes[pane as usize]
    }

    /// Returns the name of a pane.
    pub(super) const fn name(&self, pane: Pane) -> &'static str {
        match pane {
            Pane::First if self.of_all => "Mazes",
            Pane::First => "Deckies",
            Pane::Queue => "Queue",
            Pane::Events => "Events",
            Pane::Visits => "Visits",
        }
    }

    /// Returns the headers of a pane's columns. Logs have none.
    pub(super) const fn headers(&self, pane: Pane) -> &'static [&'static str] {
        match pane {
            Pane::First if self.of_all => &["MAZE", "STATUS", "QUEUE", "VERSION", "CHANGED"],
            Pane::First => &["DECKY", "STATE", "SERVICES", "ROLE", "ADDRESSES"],
            Pane::Queue if self.of_all => &["NUMBER", "MAZE", "STATE", "CHANGE", "ENQUEUED", "ACTOR", "REASON"],
            Pane::Queue => &["NUMBER", "STATE", "CHANGE", "ENQUEUED", "ACTOR", "REASON"],
            Pane::Events | Pane::Visits => &[],
        }
    }

    /// Returns the column of a pane that has the state.
    pub(super) const fn state_column(&self, pane: Pane) -> usize {
        match pane {
            Pane::Queue if self.of_all => 2,
            _ => 1,
        }
    }

    /// Applies an update. Returns the error of one after which the view cannot go on.
    pub(super) fn apply(&mut self, update: Update) -> Result<(), CommandError> {
        match update {
            Update::Mazes(mazes) => {
                self.title = count(mazes.len(), "maze", "mazes");
                self.panes[0] = mazes.iter().map(|(row, waiting)| rows::maze(row, *waiting)).collect();
            }
            // An answer of Docker may arrive after the deletion.
            Update::Maze(Some(_)) | Update::Observed(_) | Update::Unobserved(_) if self.deleted => {}
            Update::Maze(Some(stored)) => {
                self.stored = Some(stored);
                if !self.observed {
                    self.show_stored();
                }
            }
            Update::Maze(None) => {
                self.title = format!("{}  deleted", self.name_of_maze());
                self.panes[0].clear();
                self.trouble = None;
                self.deleted = true;
            }
            Update::Observed(inspection) => {
                self.observed = true;
                self.trouble = None;
                self.show_deckies(&inspection);
                self.stored = Some(Box::new(inspection.stored));
            }
            Update::Unobserved(reason) => {
                self.observed = false;
                self.trouble = Some(format!("Docker does not answer, so states are unknown: {reason}"));
                self.show_stored();
            }
            Update::StoreLost(reason) => {
                self.store_trouble = Some(format!("The database does not answer, so this is old: {reason}"));
            }
            Update::StoreFound => self.store_trouble = None,
            Update::Queue(rows) => self.panes[Pane::Queue as usize] = rows.into(),
            Update::Event(row) => self.log(Pane::Events, row),
            Update::Visit(row) => self.log(Pane::Visits, row),
            Update::Failed(error) => return Err(error),
        }
        Ok(())
    }

    /// Sets the rows of the first pane.
    #[cfg(test)]
    pub(super) fn set_first(&mut self, rows: Vec<Row>) {
        self.panes[0] = rows.into();
    }

    fn name_of_maze(&self) -> String {
        match &self.stored {
            Some(stored) => stored.row.name.to_string(),
            None => self.title.clone(),
        }
    }

    /// Shows the deckies of the stored maze with unknown states.
    fn show_stored(&mut self) {
        if let Some(stored) = &self.stored {
            let unknown = Inspection::new((**stored).clone(), &Observed::default(), Timestamp::UNIX_EPOCH);
            self.show_deckies(&unknown);
        }
    }

    fn show_deckies(&mut self, Inspection { stored, deckies, .. }: &Inspection) {
        let StoredTopology { row, topology } = stored;
        let mut title = format!(
            "{}  {}  version {}, {}, {}",
            row.name,
            rows::status_text(row),
            row.version,
            count(topology.lans().len(), "LAN", "LANs"),
            count(deckies.len(), "decky", "deckies"),
        );
        if self.observed && !matches!(row.status, Status::Pending | Status::TornDown) {
            let running = deckies.iter().filter(|decky| decky.state_text() == "running").count();
            title = format!("{title}, {running} running");
        }
        self.title = title;
        let row_of = |decky| rows::decky(decky, row.status, self.observed);
        self.panes[0] = deckies.iter().map(row_of).collect();
    }

    fn log(&mut self, pane: Pane, row: Row) {
        self.logged += 1;
        let rows = &mut self.panes[pane as usize];
        rows.push_back(Row {
            key: self.logged.to_string(),
            ..row
        });
        if rows.len() > KEPT {
            rows.pop_front();
        }
    }
}
