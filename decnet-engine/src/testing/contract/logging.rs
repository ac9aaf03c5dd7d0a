//! The logs of containers.

use std::time::Duration;

use decnet_topology::rng;
use futures_util::StreamExt as _;
use jiff::{SignedDuration, Timestamp};

use super::stage::{Lab, create_base, undo};
use crate::{
    desired::BaseSpec,
    runtime::{LogLine, LogLines, LogRequest, LogStream, RuntimeError},
};

/// How long a line may take.
const TIMEOUT: Duration = Duration::from_secs(20);

/// How long nothing may come.
const SILENCE: Duration = Duration::from_millis(300);

/// A pause after which a line has another whole second.
const SECOND: Duration = Duration::from_millis(1100);

async fn request(lab: &Lab, base: &BaseSpec) -> LogRequest {
    LogRequest {
        instance: lab.instance,
        id: lab.find(&base.name).await.id,
        since: None,
        follow: false,
    }
}

async fn follow(lab: &Lab, base: &BaseSpec) -> LogRequest {
    LogRequest {
        follow: true,
        ..request(lab, base).await
    }
}

/// Returns the next line that a test printed; none at the end. The program of a base may print lines of its own.
async fn next(lines: &mut LogLines<'_>) -> Option<LogLine> {
    let next = async {
        loop {
            let line = lines.next().await?.expect("a line");
            if !line.text.starts_with('{') {
                return Some(line);
            }
        }
    };
    let next = tokio::time::timeout(TIMEOUT, next).await;
    next.expect("a line or the end in time")
}

async fn text(lines: &mut LogLines<'_>) -> Option<String> {
    next(lines).await.map(|line| line.text)
}

/// Reads a whole log.
async fn read(lab: &Lab, request: &LogRequest) -> Vec<LogLine> {
    let mut lines = lab.runtime.container_log(request.clone());
    let mut all = Vec::new();
    while let Some(line) = next(&mut lines).await {
        all.push(line);
    }
    all
}

/// Waits until a log has these texts. A line may arrive a moment after it was printed.
async fn settle(lab: &Lab, request: &LogRequest, texts: &[&str]) -> Vec<LogLine> {
    let mut lines = Vec::new();
    for _ in 0..50 {
        lines = read(lab, request).await;
        if lines.len() >= texts.len() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let found: Vec<&str> = lines.iter().map(|line| line.text.as_str()).collect();
    assert_eq!(found, texts);
    lines
}

pub(super) async fn a_log_has_each_line_whole_in_order_and_with_its_time(lab: &Lab) {
    let base = lab.create_base("near", "web").await;
    let request = request(lab, &base).await;
    assert_eq!(read(lab, &request).await, [], "it printed nothing, and the log ends");
    let long = "x".repeat(40_000);
    let texts = ["first", "  täglich \u{1b}[2J\u{2028} 名 ", "", &long, "last"];
    for text in texts {
        lab.outside.print(&base.name, text);
    }
    let lines = settle(lab, &request, &texts).await;
    assert!(lines.iter().all(|line| line.stream == LogStream::Stdout));
    assert!(lines.is_sorted_by_key(|line| line.at), "oldest first");
    assert_eq!(
        read(lab, &request).await,
        lines,
        "a line has the same time if it is read again"
    );

    // The log belongs to the container, which keeps it when it is started again.
    lab.outside.stop(&base.name);
    assert_eq!(read(lab, &request).await, lines);
    lab.change(&create_base(&base)).await;
    lab.outside.print(&base.name, "again");
    let after = settle(lab, &request, &[&texts[..], &["again"]].concat()).await;
    assert_eq!(after[..texts.len()], lines);
}

pub(super) async fn a_log_since_a_time_has_no_lines_of_seconds_before_it(lab: &Lab) {
    let base = lab.create_base("near", "web").await;
    let mut request = request(lab, &base).await;
    let texts = ["first", "second", "third"];
    for (number, text) in texts.iter().enumerate() {
        lab.outside.print(&base.name, text);
        settle(lab, &request, &texts[..=number]).await;
        tokio::time::sleep(SECOND).await;
    }
    let lines = read(lab, &request).await;
    for (number, line) in lines.iter().enumerate() {
        request.since = Some(line.at);
        assert_eq!(read(lab, &request).await, lines[number..], "since its own time");
    }
    request.since = Some(Timestamp::UNIX_EPOCH);
    assert_eq!(read(lab, &request).await, lines);
    request.since = lines[2].at.checked_add(SignedDuration::from_secs(2)).ok();
    assert_eq!(read(lab, &request).await, []);
}

pub(super) async fn a_followed_log_goes_on_until_the_container_ends(lab: &Lab) {
    let base = lab.create_base("near", "web").await;
    let request = follow(lab, &base).await;
    let mut lines = lab.runtime.container_log(request.clone());
    for printed in ["first", "second"] {
        lab.outside.print(&base.name, printed);
        assert_eq!(text(&mut lines).await.as_deref(), Some(printed));
    }
    lab.outside.stop(&base.name);
    assert_eq!(text(&mut lines).await, None);
    let texts: Vec<String> = read(lab, &request).await.into_iter().map(|line| line.text).collect();
    assert_eq!(
        texts,
        ["first", "second"],
        "a container that does not run has nothing to wait for"
    );
}

pub(super) async fn a_followed_log_ends_when_the_container_is_removed(lab: &Lab) {
    let base = lab.create_base("near", "web").await;
    let request = follow(lab, &base).await;
    // One waits for its first line, one has read a line.
    let mut silent = lab.runtime.container_log(LogRequest {
        since: Some(
            Timestamp::now()
                .saturating_add(SignedDuration::from_hours(1))
                .expect("a time"),
        ),
        ..request.clone()
    });
    let mut lines = lab.runtime.container_log(request.clone());
    lab.outside.print(&base.name, "first");
    assert_eq!(text(&mut lines).await.as_deref(), Some("first"));
    let open = tokio::time::timeout(SILENCE, next(&mut silent)).await;
    assert!(open.is_err(), "it is open, and there is no line: {open:?}");
    lab.change(&undo(&create_base(&base))).await;
    for lines in [&mut lines, &mut silent] {
        assert_eq!(next(lines).await, None);
    }
    let gone = lab.runtime.container_log(request).next().await;
    assert!(matches!(gone, Some(Err(RuntimeError::Gone { .. }))), "{gone:?}");
}

pub(super) async fn a_log_of_an_unknown_container_or_of_another_repo_is_an_error(lab: &Lab) {
    let base = lab.create_base("near", "web").await;
    lab.outside.print(&base.name, "secret");
    for follow in [false, true] {
        let known = LogRequest {
            follow,
            ..request(lab, &base).await
        };
        let unknown = LogRequest {
            id: "0".repeat(64),
            ..known.clone()
        };
        let mut lines = lab.runtime.container_log(unknown);
        let gone = lines.next().await;
        assert!(matches!(gone, Some(Err(RuntimeError::Gone { .. }))), "{gone:?}");
        assert!(lines.next().await.is_none(), "an error is the last item");

        let stranger = LogRequest {
            instance: rng::instance_id(),
            ..known
        };
        let mut lines = lab.runtime.container_log(stranger);
        let foreign = lines.next().await;
        assert!(
            matches!(foreign, Some(Err(RuntimeError::Foreign { .. }))),
            "{foreign:?}"
        );
        assert!(lines.next().await.is_none(), "an error is the last item");
    }
}

pub(super) async fn a_reader_of_a_log_that_stops_waiting_loses_no_line_and_stops_no_other(lab: &Lab) {
    let base = lab.create_base("near", "web").await;
    let request = follow(lab, &base).await;
    let mut lines = lab.runtime.container_log(request.clone());
    let mut other = lab.runtime.container_log(request);
    let mut expected = Vec::new();
    for number in 0..3 {
        let waited = tokio::time::timeout(SILENCE, next(&mut lines)).await;
        assert!(waited.is_err(), "nothing was printed: {waited:?}");
        let printed = format!("line {number}");
        lab.outside.print(&base.name, &printed);
        assert_eq!(text(&mut lines).await.as_ref(), Some(&printed));
        expected.push(printed);
    }
    drop(lines);
    lab.outside.print(&base.name, "last");
    expected.push("last".into());
    for printed in expected {
        assert_eq!(text(&mut other).await, Some(printed));
    }
}
