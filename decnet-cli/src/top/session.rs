//! Connects keys, updates, signals and the screen until the end.

use std::{thread, time::Duration};

use decnet_engine::Engine;
use decnet_topology::TopologyRow;
use ratatui::crossterm::event::{self, Event, KeyEventKind};
use rustix::process::{Signal, kill_current_process_group};
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::mpsc,
    time::{Instant, sleep_until, timeout},
};

use super::{
    app::{App, Reaction},
    board::{Board, Update},
    draw::{Theme, draw},
    screen::Screen,
    source::Source,
};
use crate::{
    bus::{BusAddress, RemoteBus},
    command_error::CommandError,
    context::Context,
    exit::Exit,
    interrupt::Signals,
};

/// The least time between two drawings that no key asked for.
const FRAME: Duration = Duration::from_millis(50);

/// How many updates are applied between two drawings.
const AT_ONCE: usize = 500;

/// How long to wait for the signal that continues this process. Where nobody can stop it, none comes.
const CONTINUED: Duration = Duration::from_millis(200);

/// A view and its updates.
struct View {
    app: App,
    source: Source,
}

impl View {
    /// Applies an update, and those that wait already.
    fn apply(&mut self, update: Update) -> Result<(), CommandError> {
        self.app.board.apply(update)?;
        for _ in 1..AT_ONCE {
            match self.source.ready() {
                Some(update) => self.app.board.apply(update)?,
                None => break,
            }
        }
        Ok(())
    }
}

/// Waits for the next update of a view, if there is one.
async fn next_of(view: Option<&mut View>) -> Option<Update> {
    match view {
        Some(view) => view.source.next().await,
        None => std::future::pending().await,
    }
}

/// Shows a maze, or the list of all, until the user quits.
pub(crate) async fn run(context: &Context, only: Option<TopologyRow>, engine: &Engine) -> Result<Exit, CommandError> {
    let theme = Theme {
        color: context.globals.color.on_terminal(),
    };
    let address = BusAddress::of(&context.globals).ok();
    let bus = address.map(|address| address.connect("decnet top"));
    let mut view = open(engine, bus.as_ref(), only.as_ref(), false).await?;
    // The list from which a maze was opened. It stays up to date.
    let mut list: Option<View> = None;
    let mut signals = Signals::new()?;
    let mut continued = signal(SignalKind::from_raw(Signal::CONT.as_raw())).map_err(CommandError::Signals)?;
    let mut screen = Screen::enter(theme.color)?;
    let mut events = events();
    let mut next_frame = Instant::now();
    let mut is_old = true;
    loop {
        if is_old && next_frame <= Instant::now() {
            screen
                .draw(|frame| draw(frame, &mut view.app, theme))
                .map_err(CommandError::Stdout)?;
            is_old = false;
            next_frame = Instant::now() + FRAME;
        }
        let reaction = tokio::select! {
            event = events.recv() => {
                next_frame = Instant::now();
                match event {
                    Some(Ok(Event::Key(key))) if key.kind != KeyEventKind::Release => view.app.key(key),
                    // Drawing measures the terminal.
                    Some(Ok(_)) => Reaction::Stay,
                    Some(Err(error)) => return Err(CommandError::Usage(format!("the keys of the terminal cannot be read: {error}"))),
                    None => Reaction::Quit,
                }
            }
            update = view.source.next() => {
                // Without its tasks the view would never change again.
                let Some(update) = update else { return Ok(Exit::Failed) };
                view.apply(update)?;
                Reaction::Stay
            }
            Some(update) = next_of(list.as_mut()) => {
                if let Some(all) = &mut list {
                    all.apply(update)?;
                }
                Reaction::Stay
            }
            () = sleep_until(next_frame), if is_old => continue,
            () = signals.next() => Reaction::Interrupt,
            _ = continued.recv() => {
                screen.resume().map_err(CommandError::Stdout)?;
                Reaction::Stay
            }
        };
        is_old = true;
        match reaction {
            Reaction::Stay => {}
            Reaction::Redraw => screen.clear().map_err(CommandError::Stdout)?,
            Reaction::Quit => return Ok(Exit::Done),
            Reaction::Interrupt => return Ok(Exit::Interrupted),
            Reaction::Suspend => {
                screen.leave();
                // A process group that nobody can continue is not stopped.
                let _ = kill_current_process_group(Signal::TSTP);
                let _ = timeout(CONTINUED, continued.recv()).await;
                screen.resume().map_err(CommandError::Stdout)?;
            }
            Reaction::Open(id) => {
                // It may have been deleted meanwhile; then the list says so soon.
                if let Ok(row) = engine.repo().get(id).await {
                    let maze = open(engine, bus.as_ref(), Some(&row), true).await?;
                    list = Some(std::mem::replace(&mut view, maze));
                }
            }
            Reaction::Back => {
                if let Some(all) = list.take() {
                    view = all;
                }
            }
        }
    }
}

/// Opens the view of a maze, or of all.
async fn open(
    engine: &Engine,
    bus: Option<&RemoteBus>,
    maze: Option<&TopologyRow>,
    has_list: bool,
) -> Result<View, CommandError> {
    let source = Source::open(engine, bus, maze.map(|row| row.id)).await?;
    let board = Board::new(maze.map(|row| row.name.as_str()));
    Ok(View {
        app: App::new(board, has_list),
        source,
    })
}

/// Reads keys and changes of size in a thread of its own, which ends with the process.
fn events() -> mpsc::Receiver<std::io::Result<Event>> {
    let (sender, events) = mpsc::channel(16);
    thread::spawn(move || {
        loop {
            let event = event::read();
            let is_last = event.is_err();
            if sender.blocking_send(event).is_err() || is_last {
                return;
            }
        }
    });
    events
}
