//! The live view, in a real terminal.

use std::{
    fs::File,
    io::{Read as _, Write as _},
    num::NonZero,
    os::fd::{AsFd as _, OwnedFd},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};

use rustix::{
    process::{Pid, Signal, kill_process},
    termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize},
};

use crate::{command::Sandbox, walk::terminal};

/// What a person waits for at most.
const LIMIT: Duration = Duration::from_mins(1);

/// A program in a terminal, and the person in front of it.
pub(crate) struct Session {
    child: Child,
    keys: File,
    slave: OwnedFd,
    screen: Arc<Mutex<vt100::Parser>>,
}

fn lines(number: u16) -> NonZero<u16> {
    NonZero::new(number).expect("not zero")
}

impl Session {
    /// Starts a command in a terminal that it controls.
    pub(crate) fn start(sandbox: &Sandbox, line: &str, columns: u16, rows: u16) -> Self {
        let (master, slave) = terminal::open(columns, rows);
        let inner = sandbox.shell(line);
        let mut command = Command::new("setsid");
        command.arg("--ctty").arg("bash").args(["-c", line]);
        for (name, value) in inner.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        command.current_dir(inner.get_current_dir().expect("a folder"));
        let copy = || Stdio::from(slave.try_clone().expect("a descriptor"));
        command
            .env("TERM", "xterm-256color")
            .env_remove("COLUMNS")
            .env_remove("NO_COLOR");
        let child = command
            .stdin(copy())
            .stdout(copy())
            .stderr(copy())
            .spawn()
            .expect("it starts");
        let screen = Arc::new(Mutex::new(vt100::Parser::new(lines(rows), lines(columns), 0)));
        let keys = File::from(master);
        let mut output = keys.try_clone().expect("a descriptor");
        let seen = Arc::clone(&screen);
        thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(read) = output.read(&mut buffer)
                && read > 0
            {
                seen.lock().expect("not poisoned").process(&buffer[..read]);
            }
        });
        Self {
            child,
            keys,
            slave,
            screen,
        }
    }

    pub(crate) fn text(&self) -> String {
        self.screen.lock().expect("not poisoned").screen().contents()
    }

    fn is_covered(&self) -> bool {
        self.screen.lock().expect("not poisoned").screen().alternate_screen()
    }

    /// Returns whether lines are edited and signals come from keys, as for a shell.
    fn is_restored(&self) -> bool {
        let usual = LocalModes::ICANON | LocalModes::ECHO | LocalModes::ISIG;
        let modes = tcgetattr(self.slave.as_fd()).expect("modes").local_modes;
        let hidden = self.screen.lock().expect("not poisoned").screen().hide_cursor();
        modes.contains(usual) && !self.is_covered() && !hidden
    }

    #[track_caller]
    pub(crate) fn wait(&self, what: &str, is_so: impl Fn(&Self) -> bool) {
        let start = Instant::now();
        while !is_so(self) {
            assert!(start.elapsed() < LIMIT, "no {what}:\n{}", self.text());
            thread::sleep(Duration::from_millis(10));
        }
    }

    #[track_caller]
    pub(crate) fn shows(&self, text: &str) {
        self.wait(text, |session| session.text().contains(text));
    }

    pub(crate) fn press(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).expect("written");
    }

    #[track_caller]
    pub(crate) fn ends(mut self) -> ExitStatus {
        let start = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().expect("a status") {
                self.wait("restored terminal", Self::is_restored);
                return status;
            }
            assert!(start.elapsed() < LIMIT, "it does not end:\n{}", self.text());
            thread::sleep(Duration::from_millis(10));
        }
    }
}

#[test]
fn a_person_opens_a_maze_and_a_decky_filters_resizes_and_quits() {
    let sandbox = Sandbox::with_corp();
    let mut session = Session::start(&sandbox, "exec decnet top", 80, 24);
    session.shows("1 maze");
    session.shows("corp");
    assert!(session.is_covered() && !session.is_restored());
    session.press("\r");
    session.shows("2 LANs, 2 deckies");
    session.shows("Docker does not answer");
    // A change of another process arrives.
    sandbox.run(&["create", "other"]).exits(0);
    sandbox
        .run(&[
            "mutate",
            "corp",
            "add_lan",
            "--name",
            "vault",
            "--expected-version",
            "1",
        ])
        .exits(0);
    session.shows("3 LANs");
    session.press("/door");
    session.shows("1 of 2 with `door`");
    session.press("\r\r");
    session.shows("Details");
    session.shows("service   ssh");
    session.press("\u{1b}");
    let size = Winsize {
        ws_row: 10,
        ws_col: 40,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    session
        .screen
        .lock()
        .expect("not poisoned")
        .screen_mut()
        .set_size(lines(10), lines(40));
    tcsetwinsize(session.slave.as_fd(), size).expect("a size");
    kill_process(Pid::from_child(&session.child), Signal::WINCH).expect("running");
    session.shows("[Deckies");
    session.press("\u{1b}\u{7f}");
    session.shows("[Mazes 2]");
    session.press("q");
    assert_eq!(session.ends().code(), Some(0));
}

#[test]
fn ctrl_c_and_signals_end_it_and_restore_the_terminal() {
    let sandbox = Sandbox::with_corp();
    for signal in [None, Some(Signal::TERM), Some(Signal::INT), Some(Signal::HUP)] {
        let mut session = Session::start(&sandbox, "exec decnet top corp", 80, 24);
        session.shows("2 LANs, 2 deckies");
        match signal {
            None => session.press("\u{3}"),
            Some(signal) => kill_process(Pid::from_child(&session.child), signal).expect("running"),
        }
        assert_eq!(session.ends().code(), Some(130), "{signal:?}");
    }
}

#[test]
fn ctrl_z_stops_it_and_fg_continues_it() {
    let sandbox = Sandbox::with_corp();
    let line = "set -m; decnet top corp; echo \"stopped with $?\"; read -r line; fg >/dev/null; echo \"ended with $?\"";
    let mut session = Session::start(&sandbox, line, 80, 24);
    session.shows("2 LANs, 2 deckies");
    session.press("\u{1a}");
    session.shows("stopped with 148");
    session.wait("restored terminal", Session::is_restored);
    session.press("\n");
    session.wait("view", |session| {
        session.is_covered() && session.text().contains("2 LANs, 2 deckies")
    });
    session.press("q");
    session.shows("ended with 0");
    assert_eq!(session.ends().code(), Some(0));
}

#[test]
fn a_session_leader_is_not_stopped() {
    let sandbox = Sandbox::with_corp();
    let mut session = Session::start(&sandbox, "exec decnet top corp", 80, 24);
    session.shows("2 LANs, 2 deckies");
    session.press("\u{1a}?");
    session.shows("these keys");
    session.press("qq");
    assert_eq!(session.ends().code(), Some(0));
}

#[test]
fn without_colours_the_states_are_still_words() {
    let sandbox = Sandbox::with_corp();
    let mut session = Session::start(&sandbox, "NO_COLOR=1 exec decnet top", 80, 24);
    session.shows("pending");
    let is_plain = |session: &Session| {
        let parser = session.screen.lock().expect("not poisoned");
        let screen = parser.screen();
        (0..24).all(|row| {
            (0..80).all(|column| {
                let cell = screen.cell(row, column).expect("a cell");
                cell.fgcolor() == vt100::Color::Default && cell.bgcolor() == vt100::Color::Default
            })
        })
    };
    assert!(is_plain(&session), "{}", session.text());
    session.press("q");
    assert_eq!(session.ends().code(), Some(0));
}

#[test]
fn without_a_terminal_it_is_refused_and_says_what_to_use() {
    let sandbox = Sandbox::with_corp();
    let ran = sandbox.run(&["top", "corp"]).exits(2);
    ran.says("stdout is not a terminal; use `decnet show`");
    let ran = sandbox.run(&["top", "--json"]).exits(2);
    assert_eq!(ran.error()["code"], "usage");
    let session = Session::start(&sandbox, "TERM=dumb exec decnet top", 80, 24);
    session.shows("TERM=dumb");
    assert_eq!(session.ends().code(), Some(2));
    let session = Session::start(&sandbox, "exec decnet top corq", 80, 24);
    session.shows("no maze named `corq`");
    assert_eq!(session.ends().code(), Some(1));
}
