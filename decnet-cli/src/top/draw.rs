//! Draws the view.

use ratatui::{
    Frame,
    layout::{Constraint, Layout, Rect},
    style::{Color, Modifier, Style},
    text::{Line, Span},
    widgets::{Block, Borders, Paragraph},
};

use super::{
    app::{App, Cover},
    board::Pane,
    rows::{Row, Tone},
};
use crate::{
    columns::{characters, cut_end, wrap},
    text::one_line,
};

/// The least height at which all panes are visible.
const ALL_PANES: u16 = 16;

/// The least height of a pane: its title, and two rows.
const LEAST: u16 = 3;

/// The keys.
const HELP: [(&str, &str); 12] = [
    ("up, down, k, j", "choose a row"),
    ("page up, page down, space", "a page up, down"),
    ("home, end, g, G", "the first, the last row; at its end a log follows"),
    ("tab, shift-tab, 1 to 4", "choose a pane"),
    ("enter", "open a maze, or the details of a row"),
    ("/", "show only rows of the pane with a text; esc shows all"),
    ("esc, backspace", "close the details; return to the list of mazes"),
    ("ctrl-l", "draw everything again"),
    ("ctrl-z", "stop; fg continues"),
    ("q, ctrl-c", "quit"),
    ("?", "these keys"),
    ("", "Times are in UTC. Visits are those of the last hour."),
];

/// How the view is drawn.
#[derive(Debug, Clone, Copy)]
pub(super) struct Theme {
    /// Whether there are colours. States are words in any case.
    pub(super) color: bool,
}

impl Theme {
    fn of(self, tone: Tone) -> Style {
        let plain = Style::new();
        let colored = |color| if self.color { plain.fg(color) } else { plain };
        match tone {
            Tone::Plain => plain,
            Tone::Good => colored(Color::Green),
            Tone::Busy => colored(Color::Yellow),
            Tone::Bad => colored(Color::Red).add_modifier(Modifier::BOLD),
            Tone::Dim => plain.add_modifier(Modifier::DIM),
        }
    }
}

/// Draws everything.
pub(super) fn draw(frame: &mut Frame<'_>, app: &mut App, theme: Theme) {
    let trouble = app.board.trouble().map(|trouble| one_line(trouble).into_owned());
    let [title, notice, panes, footer] = Layout::vertical([
        Constraint::Length(1),
        Constraint::Length(u16::from(trouble.is_some())),
        Constraint::Fill(1),
        Constraint::Length(1),
    ])
    .areas(frame.area());
    let bold = Style::new().add_modifier(Modifier::BOLD);
    frame.render_widget(Line::styled(one_line(app.board.title()).into_owned(), bold), title);
    if let Some(trouble) = trouble {
        frame.render_widget(Line::styled(trouble, theme.of(Tone::Bad)), notice);
    }
    match app.cover().cloned() {
        Some(cover) => draw_cover(frame, app, &cover, panes),
        None if panes.height < ALL_PANES => draw_one(frame, app, panes, theme),
        None => {
            let heights = heights(app, panes.height);
            let areas = Layout::vertical(heights.map(Constraint::Length)).split(panes);
            for (pane, area) in Pane::ALL.into_iter().zip(areas.iter()) {
                let title = pane_title(app, pane);
                draw_pane(frame, app, pane, *area, &title, theme);
            }
        }
    }
    frame.render_widget(footer_line(app), footer);
}

/// Distributes the height: the chosen pane gets most of it, but none gets more than its rows need while another one needs more.
fn heights(app: &App, whole: u16) -> [u16; 4] {
    let needed = Pane::ALL.map(|pane| {
        let header = u16::from(!app.board.headers(pane).is_empty());
        let rows = u16::try_from(app.rows(pane).len()).unwrap_or(u16::MAX);
        rows.saturating_add(1 + header).max(LEAST)
    });
    let focus = app.focus() as usize;
    let share = (whole / 5).max(LEAST + 1);
    let mut heights = needed.map(|needed| needed.min(share));
    heights[focus] = 0;
    let mut rest = whole.saturating_sub(heights.iter().sum());
    heights[focus] = rest.min(needed[focus]);
    rest -= heights[focus];
    for at in 0..heights.len() {
        let more = needed[at].saturating_sub(heights[at]).min(rest);
        heights[at] += more;
        rest -= more;
    }
    // What nobody needs is at the bottom.
    heights[Pane::Visits as usize] += rest;
    heights
}

/// Draws only the chosen pane, below the names of all.
fn draw_one(frame: &mut Frame<'_>, app: &mut App, area: Rect, theme: Theme) {
    let titles = Pane::ALL.map(|pane| {
        let title = format!("{} {}", app.board.name(pane), app.rows(pane).len());
        if pane == app.focus() {
            format!("[{title}]")
        } else {
            title
        }
    });
    let focus = app.focus();
    let mut title = titles.join(" ");
    let filter = app.filter(focus);
    if !filter.is_empty() {
        title = format!("{} /{filter}", titles[focus as usize]);
    }
    draw_pane(frame, app, focus, area, &title, theme);
}

fn pane_title(app: &App, pane: Pane) -> String {
    let (all, shown) = (app.board.rows(pane).len(), app.rows(pane).len());
    let filter = app.filter(pane);
    let number = if filter.is_empty() {
        all.to_string()
    } else {
        format!("{shown} of {all} with `{filter}`")
    };
    let mark = if pane == app.focus() { "▸" } else { " " };
    format!("{mark} {} {number}", app.board.name(pane))
}

/// Draws the rows of a pane below its title.
fn draw_pane(frame: &mut Frame<'_>, app: &mut App, pane: Pane, area: Rect, title: &str, theme: Theme) {
    let is_chosen = pane == app.focus();
    let style = if is_chosen {
        Style::new().add_modifier(Modifier::BOLD)
    } else {
        Style::new()
    };
    let title = Line::styled(format!("{} ", one_line(title)), style);
    let block = Block::new().borders(Borders::TOP).title(title);
    let inner = block.inner(area);
    frame.render_widget(block, area);
    let headers = app.board.headers(pane);
    let height = usize::from(inner.height).saturating_sub(usize::from(!headers.is_empty()));
    let top = app.window(pane, height);
    let chosen = app.chosen(pane).filter(|_| is_chosen);
    let rows = app.rows(pane);
    if rows.is_empty() {
        let dim = theme.of(Tone::Dim);
        frame.render_widget(Line::styled("  nothing so far", dim), inner);
        return;
    }
    let visible: Vec<&Row> = rows.into_iter().skip(top).take(height).collect();
    let widths = widths(headers, &visible, usize::from(inner.width));
    let mut lines = Vec::with_capacity(height + 1);
    if !headers.is_empty() {
        let cells = headers.iter().map(|header| (*header).to_owned());
        let spans = spans("  ", cells, &widths, |_| theme.of(Tone::Dim));
        lines.push(Line::from(spans));
    }
    let state = app.board.state_column(pane);
    for (at, row) in visible.into_iter().enumerate() {
        let is_selected = chosen == Some(top + at);
        let cells = row.cells.iter().map(|cell| one_line(cell).into_owned());
        let style = |column| {
            if column == state {
                theme.of(row.tone)
            } else {
                Style::new()
            }
        };
        let line = Line::from(spans(if is_selected { "> " } else { "  " }, cells, &widths, style));
        lines.push(if is_selected {
            line.style(Style::new().add_modifier(Modifier::REVERSED))
        } else {
            line
        });
    }
    frame.render_widget(Paragraph::new(lines), inner);
}

/// Returns the widths of all columns but the last one, which gets the rest.
fn widths(headers: &[&str], rows: &[&Row], whole: usize) -> Vec<usize> {
    let columns = rows.iter().map(|row| row.cells.len()).max().unwrap_or_default();
    let most = |column: usize| if column == 0 { whole / 2 } else { whole / 3 };
    (0..columns.saturating_sub(1))
        .map(|column| {
            let header = headers.get(column).map_or(0, |header| header.len());
            let cells = rows.iter().filter_map(|row| row.cells.get(column));
            let longest = cells.map(|cell| characters(&one_line(cell))).max();
            longest.unwrap_or_default().max(header).min(most(column).max(4))
        })
        .collect()
}

fn spans(
    mark: &'static str,
    cells: impl Iterator<Item = String>,
    widths: &[usize],
    style: impl Fn(usize) -> Style,
) -> Vec<Span<'static>> {
    let mut spans = vec![Span::raw(mark)];
    for (column, cell) in cells.enumerate() {
        let text = match widths.get(column) {
            Some(&width) => format!("{:width$}", cut_end(&cell, width)),
            None => cell,
        };
        spans.push(Span::styled(text, style(column)));
        spans.push(Span::raw("  "));
    }
    spans
}

/// Draws the keys, or the details of a row.
fn draw_cover(frame: &mut Frame<'_>, app: &mut App, cover: &Cover, area: Rect) {
    let (title, lines) = match cover {
        Cover::Help => ("Keys", HELP.map(|(keys, text)| format!("{keys:26}{text}")).into()),
        Cover::Details(..) => ("Details", app.details()),
    };
    let block = Block::new().borders(Borders::TOP).title(format!("▸ {title} "));
    let inner = block.inner(area);
    frame.render_widget(block, area);
    let width = usize::from(inner.width);
    let lines: Vec<_> = lines.iter().flat_map(|line| folded(&one_line(line), width)).collect();
    let height = usize::from(inner.height);
    let top = app.scroll(lines.len(), height);
    let visible = lines.into_iter().skip(top).take(height).map(Line::from);
    frame.render_widget(Paragraph::new(visible.collect::<Vec<_>>()), inner);
}

/// Folds a line that is too long. Its indentation is kept.
fn folded(line: &str, width: usize) -> Vec<String> {
    if characters(line) <= width {
        return vec![line.into()];
    }
    let text = line.trim_start();
    let indent: String = line
        .chars()
        .take(characters(line) - characters(text))
        .take(width / 2)
        .collect();
    let lines = wrap(text, width.saturating_sub(characters(&indent)));
    lines.into_iter().map(|line| format!("{indent}{line}")).collect()
}

fn footer_line(app: &App) -> Line<'static> {
    if app.is_typing() {
        let filter = one_line(app.filter(app.focus())).into_owned();
        return Line::from(format!("/{filter}_   enter keep  esc all"));
    }
    let keys = match app.cover() {
        Some(_) => "esc close  up/down scroll",
        None if app.has_list() => "q quit  ? help  esc mazes  tab pane  enter details  / filter",
        None => "q quit  ? help  tab pane  enter open  / filter",
    };
    Line::styled(keys, Style::new().add_modifier(Modifier::DIM))
}
