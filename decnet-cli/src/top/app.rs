//! The state of the view: which pane is chosen, which row, what is filtered. Only keys and updates change it.

use decnet_topology::TopologyId;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::{
    board::{Board, Pane},
    rows::Row,
};

/// How many rows about a decky its details show.
const RELATED: usize = 20;

/// What the view asks for after a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reaction {
    /// Nothing: it may have changed.
    Stay,
    /// Draw everything again.
    Redraw,
    /// The end.
    Quit,
    /// The end, as after Ctrl-C.
    Interrupt,
    /// Stop, as after Ctrl-Z.
    Suspend,
    /// Open the view of a maze.
    Open(TopologyId),
    /// Return to the view of all mazes.
    Back,
}

/// What covers the panes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Cover {
    /// The keys.
    Help,
    /// The details of the row of a pane with this key.
    Details(Pane, String),
}

/// The place in a pane.
#[derive(Debug, Default)]
struct Place {
    /// The key of the chosen row; none at the start of a table and at the end of a log.
    key: Option<String>,
    /// Where the row was, in case that it vanishes.
    index: usize,
    /// Only rows with this text are shown.
    filter: String,
    /// The first visible row.
    top: usize,
}

/// The state of the view.
#[derive(Debug)]
pub(super) struct App {
    pub(super) board: Board,
    focus: Pane,
    places: [Place; 4],
    typing: bool,
    cover: Option<Cover>,
    /// The first visible line of the cover.
    scroll: usize,
    /// The number of visible rows of the chosen pane or the cover, as drawn.
    page: usize,
    /// Whether this is one of several mazes.
    has_list: bool,
}

impl App {
    /// Creates the view of a board. `has_list` says whether there is a view of all mazes to return to.
    pub(super) fn new(board: Board, has_list: bool) -> Self {
        Self {
            board,
            focus: Pane::First,
            places: Default::default(),
            typing: false,
            cover: None,
            scroll: 0,
            page: 1,
            has_list,
        }
    }

    /// Returns the chosen pane.
    pub(super) const fn focus(&self) -> Pane {
        self.focus
    }

    /// Returns whether the filter is being typed.
    pub(super) const fn is_typing(&self) -> bool {
        self.typing
    }

    /// Returns whether there is a view of all mazes to return to.
    pub(super) const fn has_list(&self) -> bool {
        self.has_list
    }

    /// Returns what covers the panes.
    pub(super) const fn cover(&self) -> Option<&Cover> {
        self.cover.as_ref()
    }

    /// Returns the filter of a pane.
    pub(super) fn filter(&self, pane: Pane) -> &str {
        &self.places[pane as usize].filter
    }

    /// Returns the rows of a pane that match its filter.
    pub(super) fn rows(&self, pane: Pane) -> Vec<&Row> {
        let filter = self.filter(pane).to_lowercase();
        let matches =
            |row: &&Row| filter.is_empty() || row.cells.iter().any(|cell| cell.to_lowercase().contains(&filter));
        self.board.rows(pane).iter().filter(matches).collect()
    }

    /// Returns the position of the chosen row of a pane among those that match; none if there are none.
    pub(super) fn chosen(&self, pane: Pane) -> Option<usize> {
        let rows = self.rows(pane);
        let last = rows.len().checked_sub(1)?;
        let place = &self.places[pane as usize];
        Some(match &place.key {
            None if pane.is_log() => last,
            None => 0,
            Some(key) => {
                let found = rows.iter().position(|row| row.key == *key);
                found.unwrap_or(place.index.min(last))
            }
        })
    }

    /// Chooses the rows of a pane that are visible, so that the chosen one is among them. Returns the first one.
    pub(super) fn window(&mut self, pane: Pane, height: usize) -> usize {
        if pane == self.focus && self.cover.is_none() {
            self.page = height.max(1);
        }
        let number = self.rows(pane).len();
        let chosen = self.chosen(pane).unwrap_or_default();
        let place = &mut self.places[pane as usize];
        let lowest = (chosen + 1).saturating_sub(height);
        place.top = place
            .top
            .clamp(lowest, chosen.max(lowest))
            .min(number.saturating_sub(height));
        place.top
    }

    /// Chooses the visible lines of a cover with so many lines. Returns the first one.
    pub(super) fn scroll(&mut self, lines: usize, height: usize) -> usize {
        self.page = height.max(1);
        self.scroll = self.scroll.min(lines.saturating_sub(height));
        self.scroll
    }

    /// Returns the lines about the row that the cover is about. A row that vanished has none.
    pub(super) fn details(&self) -> Vec<String> {
        let Some(Cover::Details(pane, key)) = &self.cover else {
            return Vec::new();
        };
        let Some(row) = self.board.rows(*pane).iter().find(|row| row.key == *key) else {
            return vec!["it no longer exists".into()];
        };
        let headers = self.board.headers(*pane);
        let mut lines = row.details.clone();
        if lines.is_empty() {
            let cells = headers.iter().zip(&row.cells);
            lines.extend(cells.map(|(header, cell)| format!("{header:9} {cell}")));
        }
        if *pane == Pane::First
            && let Some(decky) = &row.decky
        {
            for (pane, title) in [(Pane::Queue, "Mutations"), (Pane::Visits, "Visits")] {
                let related = self
                    .board
                    .rows(pane)
                    .iter()
                    .filter(|row| row.decky.as_ref() == Some(decky));
                let related: Vec<_> = related.map(|row| row.cells.join("  ")).collect();
                if !related.is_empty() {
                    lines.extend([String::new(), title.to_owned()]);
                    lines.extend(related.into_iter().rev().take(RELATED).map(|line| format!("  {line}")));
                }
            }
        }
        lines
    }

    /// Handles a key.
    pub(super) fn key(&mut self, key: KeyEvent) -> Reaction {
        if key.modifiers.contains(KeyModifiers::CONTROL) {
            return match key.code {
                KeyCode::Char('c') => Reaction::Interrupt,
                KeyCode::Char('z') => Reaction::Suspend,
                KeyCode::Char('l') => Reaction::Redraw,
                _ => Reaction::Stay,
            };
        }
        if self.cover.is_some() {
            self.key_on_cover(key.code);
            return Reaction::Stay;
        }
        if self.typing && self.key_of_filter(key.code) {
            return Reaction::Stay;
        }
        match key.code {
            KeyCode::Char('q') => return Reaction::Quit,
            KeyCode::Char('?') | KeyCode::F(1) => self.open(Cover::Help),
            KeyCode::Char('/') => self.typing = true,
            KeyCode::Tab => self.focus_next(1),
            KeyCode::BackTab => self.focus_next(Pane::ALL.len() - 1),
            KeyCode::Char(digit @ '1'..='4') => {
                let at = digit.to_digit(10).unwrap_or(1);
                self.focus = Pane::ALL[at as usize - 1];
            }
            KeyCode::Enter => return self.enter(),
            KeyCode::Esc if !self.filter(self.focus).is_empty() => self.set_filter(String::new()),
            KeyCode::Esc | KeyCode::Backspace if self.has_list => return Reaction::Back,
            code => self.select(code),
        }
        Reaction::Stay
    }

    fn open(&mut self, cover: Cover) {
        self.cover = Some(cover);
        self.scroll = 0;
    }

    fn focus_next(&mut self, by: usize) {
        self.focus = Pane::ALL[(self.focus as usize + by) % Pane::ALL.len()];
    }

    fn set_filter(&mut self, filter: String) {
        self.places[self.focus as usize].filter = filter;
    }

    /// Opens the maze of the chosen row, or its details.
    fn enter(&mut self) -> Reaction {
        let rows = self.rows(self.focus);
        let Some(row) = self.chosen(self.focus).and_then(|at| rows.get(at)) else {
            return Reaction::Stay;
        };
        if let Some(maze) = row.opens {
            return Reaction::Open(maze);
        }
        let key = row.key.clone();
        self.open(Cover::Details(self.focus, key));
        Reaction::Stay
    }

    fn key_on_cover(&mut self, code: KeyCode) {
        let page = self.page;
        self.scroll = match code {
            KeyCode::Up | KeyCode::Char('k') => self.scroll.saturating_sub(1),
            KeyCode::Down | KeyCode::Char('j') => self.scroll.saturating_add(1),
            KeyCode::PageUp => self.scroll.saturating_sub(page),
            KeyCode::PageDown | KeyCode::Char(' ') => self.scroll.saturating_add(page),
            KeyCode::Home | KeyCode::Char('g') => 0,
            KeyCode::End | KeyCode::Char('G') => usize::MAX,
            KeyCode::Esc | KeyCode::Enter | KeyCode::Backspace | KeyCode::Char('q' | '?') | KeyCode::F(1) => {
                self.cover = None;
                0
            }
            _ => self.scroll,
        };
    }

    /// Handles a key while the filter is typed. Returns whether it was one for the filter.
    fn key_of_filter(&mut self, code: KeyCode) -> bool {
        let mut filter = self.filter(self.focus).to_owned();
        match code {
            KeyCode::Char(character) => filter.push(character),
            KeyCode::Backspace => {
                // An empty filter ends.
                self.typing = filter.pop().is_some();
            }
            KeyCode::Enter => self.typing = false,
            KeyCode::Esc => {
                filter.clear();
                self.typing = false;
            }
            KeyCode::Tab | KeyCode::BackTab => {
                self.typing = false;
                return false;
            }
            _ => return false,
        }
        self.set_filter(filter);
        true
    }

    /// Chooses another row of the pane.
    fn select(&mut self, code: KeyCode) {
        let Some(now) = self.chosen(self.focus) else { return };
        let rows = self.rows(self.focus);
        let last = rows.len() - 1;
        let next = match code {
            KeyCode::Up | KeyCode::Char('k') => now.saturating_sub(1),
            KeyCode::Down | KeyCode::Char('j') => now + 1,
            KeyCode::PageUp => now.saturating_sub(self.page),
            KeyCode::PageDown | KeyCode::Char(' ') => now.saturating_add(self.page),
            KeyCode::Home | KeyCode::Char('g') => 0,
            KeyCode::End | KeyCode::Char('G') => last,
            _ => return,
        };
        let next = next.min(last);
        // At its end, a log follows the newest row. At its start, a table keeps to the first row.
        let is_free = if self.focus.is_log() { next == last } else { next == 0 };
        let key = (!is_free).then(|| rows[next].key.clone());
        let place = &mut self.places[self.focus as usize];
        place.key = key;
        place.index = next;
    }
}
