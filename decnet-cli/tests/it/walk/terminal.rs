//! Runs a command of a page in a terminal of some width.

use std::{
    fs::File,
    io::Read as _,
    num::NonZero,
    os::{fd::OwnedFd, unix::process::CommandExt as _},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use rustix::{
    fs::{Mode, OFlags},
    process::{Pid, Signal, kill_process_group},
    pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt},
    termios::{Winsize, tcsetwinsize},
};

/// The lines that a terminal keeps.
const ROWS: u16 = 2000;

/// A command that runs longer is stopped.
const LIMIT: Duration = Duration::from_mins(4);

/// What a person sees after a command has ended.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) text: String,
    pub(crate) code: Option<i32>,
}

/// Opens a terminal of this size: its two sides, that of a person and that of a program.
pub(crate) fn open(columns: u16, rows: u16) -> (OwnedFd, OwnedFd) {
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).expect("a terminal");
    grantpt(&master).expect("a terminal");
    unlockpt(&master).expect("a terminal");
    let name = ptsname(&master, Vec::new()).expect("a name");
    let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
    let slave = rustix::fs::open(&*name, flags, Mode::empty()).expect("a terminal");
    let size = Winsize {
        ws_row: rows,
        ws_col: columns,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    tcsetwinsize(&slave, size).expect("a size");
    (master, slave)
}

/// Runs a command whose output is a terminal with so many columns. It reads nothing. After the time, if any, it gets Ctrl-C.
pub(crate) fn run(command: &mut Command, columns: u16, interrupt_after: Option<Duration>) -> Seen {
    let (master, slave) = open(columns, 50);
    command
        .process_group(0)
        .env("TERM", "xterm")
        .env("COLUMNS", columns.to_string())
        .stdin(Stdio::null())
        .stdout(Stdio::from(slave.try_clone().expect("a descriptor")))
        .stderr(Stdio::from(slave));
    let mut child = command.spawn().expect("the command starts");
    // The copies of the terminal in this process would keep it open.
    command.stdout(Stdio::null()).stderr(Stdio::null());

    let rows = NonZero::new(ROWS).expect("not zero");
    let width = NonZero::new(columns).expect("not zero");
    let reader = std::thread::spawn(move || {
        let mut screen = vt100::Parser::new(rows, width, 0);
        let mut master = File::from(master);
        let mut buffer = [0; 4096];
        // A terminal whose other side is closed is an error (EIO).
        while let Ok(read) = master.read(&mut buffer)
            && read > 0
        {
            screen.process(&buffer[..read]);
        }
        screen.screen().contents()
    });

    let group = Pid::from_child(&child);
    let start = Instant::now();
    let mut signals = vec![(Signal::KILL, LIMIT)];
    signals.extend(interrupt_after.map(|time| (Signal::INT, time)));
    let code = loop {
        if let Some(status) = child.try_wait().expect("a status") {
            break status.code();
        }
        if let Some((signal, _)) = signals.pop_if(|(_, time)| start.elapsed() > *time) {
            // It may have ended meanwhile.
            let _ = kill_process_group(group, signal);
        }
        std::thread::sleep(Duration::from_millis(10));
    };
    // Processes that it left in the background hold the terminal open.
    let _ = kill_process_group(group, Signal::KILL);
    let text = reader.join().expect("no panic");
    Seen { text, code }
}
