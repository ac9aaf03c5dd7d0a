//! Forwarding of logs to an output.

use std::{
    convert::Infallible,
    path::Path,
    time::{Duration, Instant},
};

use decnet_engine::{EngineError, Forwarded, LogCursorError, LogOutput};

use super::*;

/// An output that keeps its items until it is flushed.
#[derive(Debug, Default)]
struct Kept {
    waiting: usize,
    accepted: Vec<usize>,
    /// How long it takes for an item.
    slow: Duration,
    hangs: bool,
    /// Cancelled with the first item.
    cancel: CancellationToken,
}

impl LogOutput for Kept {
    type Error = Infallible;

    async fn put(&mut self, _: &LogItem) -> Result<(), Infallible> {
        self.cancel.cancel();
        if self.hangs {
            std::future::pending::<()>().await;
        }
        tokio::time::sleep(self.slow).await;
        self.waiting += 1;
        Ok(())
    }

    async fn flush(&mut self) -> Result<(), Infallible> {
        self.accepted.extend((self.waiting > 0).then_some(self.waiting));
        self.waiting = 0;
        Ok(())
    }

    fn due(&self) -> Option<Instant> {
        (self.waiting > 0).then(|| Instant::now() + Duration::from_hours(1))
    }
}

#[derive(Debug)]
enum Failed {
    Engine(#[expect(dead_code, reason = "shown by a test that fails")] EngineError),
    Cursor(#[expect(dead_code, reason = "shown by a test that fails")] LogCursorError),
}

impl From<Infallible> for Failed {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}

impl From<EngineError> for Failed {
    fn from(error: EngineError) -> Self {
        Self::Engine(error)
    }
}

impl From<LogCursorError> for Failed {
    fn from(error: LogCursorError) -> Self {
        Self::Cursor(error)
    }
}

async fn forward(lab: &Lab, options: LogOptions, output: &mut Kept, cursor: &Path) -> Forwarded {
    let cancel = output.cancel.clone();
    let mut logs = lab.logs(options).await;
    logs.forward::<_, Failed>(output, Some(cursor), &cancel)
        .await
        .expect("forwarded")
}

#[tokio::test]
async fn a_cancelled_output_is_flushed_and_the_cursor_is_after_what_it_accepted() {
    let (lab, _) = Lab::with_maze().await;
    for sequence in 1..=3 {
        lab.print("web.http", &line("request", sequence, "192.0.2.7", 80));
    }
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("cursor.json");
    let mut output = Kept::default();
    let options = || LogOptions::default().follow(true);
    assert_eq!(forward(&lab, options(), &mut output, &path).await, Forwarded::Cancelled);
    assert_eq!(output.accepted, [1]);
    let rest = LogOptions::default().cursor(LogCursor::read(&path).expect("a cursor"));
    assert_eq!(sequences(&lab.read(rest).await.0), [2, 3], "no line is lost or doubled");
}

#[tokio::test]
async fn a_cancelled_output_that_accepts_nothing_is_left_and_the_cursor_stays() {
    let (lab, _) = Lab::with_maze().await;
    lab.print("web.http", &line("request", 1, "192.0.2.7", 80));
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("cursor.json");
    let mut output = Kept {
        hangs: true,
        ..Kept::default()
    };
    let forwarded = forward(&lab, LogOptions::default(), &mut output, &path).await;
    assert_eq!(forwarded, Forwarded::CancelledEarly);
    let rest = LogOptions::default().cursor(LogCursor::read(&path).expect("a cursor"));
    assert_eq!(sequences(&lab.read(rest).await.0), [1]);
}

#[tokio::test]
async fn the_cursor_is_written_while_items_come_without_a_pause() {
    let (lab, _) = Lab::with_maze().await;
    for sequence in 1..=6 {
        lab.print("web.http", &line("request", sequence, "192.0.2.7", 80));
    }
    let folder = tempfile::tempdir().expect("a folder");
    let mut output = Kept {
        slow: Duration::from_millis(400),
        ..Kept::default()
    };
    // It is not cancelled.
    let cancel = CancellationToken::new();
    let mut logs = lab.logs(LogOptions::default()).await;
    let path = folder.path().join("cursor.json");
    let done = logs.forward::<_, Failed>(&mut output, Some(&path), &cancel).await;
    assert_eq!(done.expect("forwarded"), Forwarded::All);
    assert_eq!(output.accepted.iter().sum::<usize>(), 6);
    assert!(output.accepted.len() > 1, "{:?}", output.accepted);
}
