//! The logs of simulated containers.

use std::{collections::VecDeque, time::Duration};

use futures_util::{StreamExt as _, future, stream};
use jiff::Timestamp;

use super::Simulated;
use crate::{
    naming::ContainerName,
    observe::Activity,
    runtime::{LogLine, LogLines, LogRequest, LogStream, RuntimeError, ownership},
};

/// How often a log that is followed is read again.
const PAUSE: Duration = Duration::from_millis(5);

impl Simulated {
    /// Prints a line on the standard output of a container, as its program would, at the time of the simulated clock. Returns
    /// whether the container exists.
    pub fn print(&self, name: &ContainerName, text: &str) -> bool {
        let at = self.lock().world.tick();
        self.print_at(name, at, text)
    }

    /// Prints a line at a time.
    pub fn print_at(&self, name: &ContainerName, at: Timestamp, text: &str) -> bool {
        let world = &mut self.lock().world;
        let Some(container) = world.containers.get_mut(name) else {
            return false;
        };
        container.log.push(LogLine {
            at,
            stream: LogStream::Stdout,
            text: text.into(),
        });
        true
    }

    pub(super) fn read_log(&self, request: LogRequest) -> LogLines<'_> {
        let state = Some((None, VecDeque::new()));
        let since = request.since;
        let lines = stream::unfold(state, move |state| {
            let request = request.clone();
            async move {
                let (mut read, mut lines) = state?;
                loop {
                    if let Some(line) = lines.pop_front() {
                        return Some((Ok(line), Some((read, lines))));
                    }
                    let (more, is_running) = match self.lines(&request, read).await {
                        Ok(found) => found,
                        Err(error) => return Some((Err(error), None)),
                    };
                    read = Some(read.unwrap_or(0) + more.len());
                    lines.extend(more);
                    if lines.is_empty() {
                        if !request.follow || !is_running {
                            return None;
                        }
                        tokio::time::sleep(PAUSE).await;
                    }
                }
            }
        });
        let is_wanted = move |line: &Result<LogLine, _>| line.as_ref().map_or(true, |line| Some(line.at) >= since);
        lines.filter(move |line| future::ready(is_wanted(line))).boxed()
    }

    /// Returns the lines after those that were read, and whether the container runs. It must exist if none were read before.
    async fn lines(&self, request: &LogRequest, read: Option<usize>) -> Result<(Vec<LogLine>, bool), RuntimeError> {
        self.reach().await?;
        let inner = self.lock();
        let mut containers = inner.world.containers.iter();
        let Some((name, container)) = containers.find(|(_, container)| container.id == request.id) else {
            if read.is_some() {
                return Ok((Vec::new(), false));
            }
            return Err(RuntimeError::Gone {
                what: format!("container {}", request.id),
            });
        };
        ownership::require_ours(format!("container {name}"), &container.labels, request.instance)?;
        let lines = container.log.iter().skip(read.unwrap_or(0)).cloned();
        Ok((lines.collect(), container.activity == Activity::Running))
    }
}
