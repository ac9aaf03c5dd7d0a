//! The terminal while the view is open: raw mode and the alternate screen. Every end restores it.

use std::{
    io::{self, IsTerminal as _, Stdout, stdout},
    panic,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use ratatui::{
    Frame, Terminal,
    backend::CrosstermBackend,
    crossterm::{
        cursor, execute, style,
        terminal::{EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode},
    },
};

use crate::{command_error::CommandError, context::Context};

/// The terminal. Dropping it restores the mode and the screen of before; so does a panic.
pub(super) struct Screen {
    terminal: Terminal<CrosstermBackend<Stdout>>,
    is_entered: Arc<AtomicBool>,
}

impl Screen {
    /// Takes the terminal.
    pub(super) fn enter(color: bool) -> Result<Self, CommandError> {
        // The flag and the environment have been read.
        style::force_color_output(color);
        let is_entered = Arc::new(AtomicBool::new(false));
        restore_on_panic(Arc::clone(&is_entered));
        let terminal = Terminal::new(CrosstermBackend::new(stdout())).map_err(CommandError::Stdout)?;
        let mut screen = Self { terminal, is_entered };
        screen.resume().map_err(CommandError::Stdout)?;
        Ok(screen)
    }

    /// Takes the terminal again, and forgets what is on it.
    pub(super) fn resume(&mut self) -> io::Result<()> {
        self.is_entered.store(true, Ordering::SeqCst);
        enable_raw_mode()?;
        execute!(stdout(), EnterAlternateScreen, cursor::Hide)?;
        self.clear()
    }

    /// Gives the terminal back for now.
    pub(super) fn leave(&mut self) {
        restore(&self.is_entered);
    }

    /// Forgets what is on the terminal.
    pub(super) fn clear(&mut self) -> io::Result<()> {
        // `Terminal::clear` asks the terminal for its cursor, and its answer would be read as keys.
        let size = self.terminal.size()?;
        self.terminal.resize(size.into())
    }

    /// Draws.
    pub(super) fn draw(&mut self, draw: impl FnOnce(&mut Frame<'_>)) -> io::Result<()> {
        self.terminal.draw(draw).map(drop)
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        self.leave();
    }
}

/// Checks that stdout is a terminal that can be drawn on, and that no JSON is wanted.
pub(crate) fn check(context: &Context) -> Result<(), CommandError> {
    let is_dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
    let why = if context.output.json {
        "it has no JSON"
    } else if !stdout().is_terminal() {
        "stdout is not a terminal"
    } else if is_dumb {
        "this terminal cannot move its cursor (TERM=dumb)"
    } else {
        return Ok(());
    };
    Err(CommandError::Usage(format!(
        "`decnet top` draws on a terminal, and {why}; use `decnet show` for the state, `decnet events` and `decnet logs --follow` for what happens"
    )))
}

/// Restores the terminal, if it was taken. There is nothing else to do if that fails.
fn restore(is_entered: &AtomicBool) {
    if is_entered.swap(false, Ordering::SeqCst) {
        let _ = execute!(stdout(), LeaveAlternateScreen, cursor::Show);
        let _ = disable_raw_mode();
    }
}

/// Restores the terminal before the message of a panic, which would otherwise be lost with the alternate screen.
fn restore_on_panic(is_entered: Arc<AtomicBool>) {
    let before = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        restore(&is_entered);
        before(info);
    }));
}

#[cfg(test)]
mod tests {
    use std::{env, process::Command};

    use super::*;

    /// Set in the program that panics.
    const PANICS: &str = "DECNET_TEST_PANICS";

    #[test]
    fn a_panic_restores_the_terminal_before_its_message() {
        if env::var_os(PANICS).is_some() {
            let _screen = Screen::enter(false).expect("a terminal");
            panic!("on purpose");
        }
        let program = env::current_exe().expect("this program");
        let test = "top::screen::tests::a_panic_restores_the_terminal_before_its_message";
        let line = format!("'{}' --exact {test} --nocapture", program.display());
        let output = Command::new("script")
            .args(["--quiet", "--return", "--command", &line, "/dev/null"])
            .env(PANICS, "1")
            .env("TERM", "xterm")
            .output()
            .expect("script(1) runs");
        let printed = String::from_utf8_lossy(&output.stdout);
        let left = printed.find("\u{1b}[?1049l").expect("the screen of before");
        assert!(printed[left..].contains("on purpose"), "{printed}");
        assert!(
            printed.find("\u{1b}[?1049h").is_some_and(|entered| entered < left),
            "{printed}"
        );
    }
}
