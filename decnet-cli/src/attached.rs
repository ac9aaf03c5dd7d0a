//! A command in a container, attached to this terminal: its input, output, size and exit status.

use std::{
    io::{self, IsTerminal as _, Write},
    pin::Pin,
    sync::Arc,
};

use decnet_engine::{CommandControl, CommandOutput, RunningCommand, TerminalSize};
use futures_util::StreamExt as _;
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr};
use tokio::{
    io::{AsyncWrite, AsyncWriteExt as _},
    signal::unix::{SignalKind, signal},
};

use crate::{command_error::CommandError, exit::Exit, interrupt::Signals, text};

/// The size of a terminal whose size is unknown.
const USUAL: TerminalSize = TerminalSize { columns: 80, rows: 24 };

/// Returns the size of this terminal.
pub(crate) fn terminal_size() -> TerminalSize {
    let found = tcgetwinsize(io::stdout()).or_else(|_| tcgetwinsize(io::stdin()));
    let found = found.ok().filter(|size| size.ws_col > 0 && size.ws_row > 0);
    found.map_or(USUAL, |size| TerminalSize {
        columns: size.ws_col,
        rows: size.ws_row,
    })
}

/// This terminal in raw mode: each key goes to the command. The old mode is restored when this is dropped.
struct RawTerminal(Termios);

impl RawTerminal {
    fn enter() -> io::Result<Self> {
        let before = tcgetattr(io::stdin())?;
        let mut raw = before.clone();
        raw.make_raw();
        tcsetattr(io::stdin(), OptionalActions::Drain, &raw)?;
        Ok(Self(before))
    }
}

impl Drop for RawTerminal {
    fn drop(&mut self) {
        // There is nothing else to do if it fails.
        // Input that was not read is dropped: it may be an answer of the terminal to the program in the container.
        let _ = tcsetattr(io::stdin(), OptionalActions::Flush, &self.0);
    }
}

/// Passes input and output until the command ends, and returns its exit status.
pub(crate) async fn attach(command: RunningCommand, has_input: bool, has_terminal: bool) -> Result<Exit, CommandError> {
    let RunningCommand {
        input,
        mut output,
        control,
    } = command;
    let raw = has_terminal && has_input;
    let entered = raw.then(RawTerminal::enter).transpose();
    let _raw = entered.map_err(|error| CommandError::Usage(format!("stdin is not a usable terminal: {error}")))?;
    // Held until the end: without it, the connection of some daemons would end.
    let mut idle = None;
    if has_input {
        tokio::spawn(pass_input(input));
    } else {
        idle = Some(input);
    }
    let resizing = has_terminal.then(|| tokio::spawn(pass_sizes(control.clone())));
    // Without a raw terminal, a signal ends this program as usual.
    let mut signals = if raw { Some(Signals::new()?) } else { None };
    let mut printer = Printer::new(has_terminal);
    let ended = loop {
        let piece = tokio::select! {
            piece = output.next() => piece,
            () = async { match &mut signals { Some(signals) => signals.next().await, None => std::future::pending().await } } => {
                return Ok(Exit::Interrupted);
            }
        };
        match piece.transpose() {
            Ok(Some(piece)) => printer.print(piece).map_err(CommandError::Stdout)?,
            Ok(None) => break Ok(()),
            Err(error) => break Err(error),
        }
    };
    printer.end().map_err(CommandError::Stdout)?;
    drop(idle);
    if let Some(resizing) = resizing {
        resizing.abort();
    }
    ended?;
    let code = control.exit_code().await?;
    // Only eight bits of an exit status reach a parent.
    Ok(Exit::OfCommand(u8::try_from(code & 0xff).unwrap_or(u8::MAX)))
}

/// Passes stdin to the command, and then its end.
async fn pass_input(mut input: Pin<Box<dyn AsyncWrite + Send>>) {
    // The command may end first.
    let _ = tokio::io::copy(&mut tokio::io::stdin(), &mut input).await;
    let _ = input.shutdown().await;
}

/// Passes each new size of this terminal.
async fn pass_sizes(control: Arc<dyn CommandControl>) {
    let Ok(mut changes) = signal(SignalKind::window_change()) else {
        return;
    };
    while changes.recv().await.is_some() {
        // A command that ended has no size.
        let _ = control.resize(terminal_size()).await;
    }
}

/// Prints output. A command without a terminal gets no control over this one: control characters are printed as escapes.
struct Printer {
    escapes: [Option<Vec<u8>>; 2],
}

impl Printer {
    fn new(has_terminal: bool) -> Self {
        let escapes = |is_terminal: bool| (is_terminal && !has_terminal).then(Vec::new);
        Self {
            escapes: [escapes(io::stdout().is_terminal()), escapes(io::stderr().is_terminal())],
        }
    }

    fn print(&mut self, piece: CommandOutput) -> io::Result<()> {
        match piece {
            CommandOutput::Stdout(bytes) => put(&mut io::stdout().lock(), &mut self.escapes[0], &bytes),
            CommandOutput::Stderr(bytes) => put(&mut io::stderr().lock(), &mut self.escapes[1], &bytes),
        }
    }

    /// Prints what is left of a character that was cut off.
    fn end(&mut self) -> io::Result<()> {
        let [out, err] = &mut self.escapes;
        for (rest, is_stdout) in [(out, true), (err, false)] {
            let rest = rest.as_mut().map(std::mem::take).unwrap_or_default();
            let text = String::from_utf8_lossy(&rest).into_owned();
            if is_stdout {
                io::stdout().lock().write_all(text.as_bytes())?;
            } else {
                io::stderr().lock().write_all(text.as_bytes())?;
            }
        }
        Ok(())
    }
}

/// Writes bytes, escaped if there is a place for the bytes of a character that is not complete.
fn put(writer: &mut impl Write, escaped: &mut Option<Vec<u8>>, bytes: &[u8]) -> io::Result<()> {
    match escaped {
        None => writer.write_all(bytes)?,
        Some(waiting) => writer.write_all(visible(waiting, bytes).as_bytes())?,
    }
    writer.flush()
}

/// Makes bytes visible. The first bytes of a character that is not complete wait for the rest.
fn visible(waiting: &mut Vec<u8>, bytes: &[u8]) -> String {
    waiting.extend_from_slice(bytes);
    let complete = match std::str::from_utf8(waiting) {
        Ok(_) => waiting.len(),
        Err(error) if error.error_len().is_none() => error.valid_up_to(),
        // Invalid bytes are replaced; at most three bytes at the end may belong to a character.
        Err(_) => {
            let tail = waiting.len().saturating_sub(3);
            let start = (tail..waiting.len()).find(|at| {
                std::str::from_utf8(&waiting[*at..])
                    .is_err_and(|error| error.valid_up_to() == 0 && error.error_len().is_none())
            });
            start.unwrap_or(waiting.len())
        }
    };
    let rest = waiting.split_off(complete);
    let text = String::from_utf8_lossy(waiting).into_owned();
    *waiting = rest;
    text::visible(&text).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_without_a_terminal_cannot_control_this_one() {
        let mut waiting = Vec::new();
        let bytes = b"a\x1b[2Jb\tc\r\n\xc2\x9b\xff\xe5\x90";
        let mut text = visible(&mut waiting, bytes);
        text += &visible(&mut waiting, b"\x8d\n");
        assert_eq!(text, "a\\u{1b}[2Jb\tc\\r\n\\u{9b}\u{fffd}\u{540d}\n");
        assert!(waiting.is_empty());
        for cut in 0..bytes.len() {
            let mut waiting = Vec::new();
            let mut parts = visible(&mut waiting, &bytes[..cut]);
            parts += &visible(&mut waiting, &bytes[cut..]);
            parts += &visible(&mut waiting, b"\x8d\n");
            assert_eq!(parts, text, "cut at {cut}");
        }
    }
}
