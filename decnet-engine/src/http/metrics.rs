//! Counters, in the text format of Prometheus.

use std::{fmt::Write as _, sync::Arc};

use axum::http::StatusCode;
use decnet_topology::{MutationFilter, Status, TopologyFilter};

use super::{
    answer::{Answer, with_body},
    api::Api,
    call::Call,
    counters::Count,
};

/// Returns all counters.
pub(super) async fn metrics(api: Arc<Api>, _: Call) -> Answer {
    let repo = api.engine.repo();
    let mut text = String::new();
    let mut family = |name: &str, kind: &str, about: &str, samples: Vec<(String, String)>| {
        // Writing to a String does not fail.
        let _ = writeln!(text, "# HELP {name} {about}\n# TYPE {name} {kind}");
        for (labels, value) in samples {
            let _ = writeln!(text, "{name}{labels} {value}");
        }
    };
    let mut mazes = Vec::new();
    for &status in Status::ALL {
        let filter = TopologyFilter::default().statuses([status]).limit(0);
        let total = repo.list(&filter).await?.total;
        mazes.push((format!("{{status=\"{status}\"}}"), total.to_string()));
    }
    family("decnet_topologies", "gauge", "Stored topologies.", mazes);
    let unfinished = repo.mutations(&MutationFilter::unfinished(None).limit(0)).await?.total;
    let plain = |value: usize| vec![(String::new(), value.to_string())];
    family(
        "decnet_mutations_unfinished",
        "gauge",
        "Queued mutations.",
        plain(unfinished),
    );
    let running = api.jobs.list().iter().filter(|job| job.result().is_none()).count();
    family(
        "decnet_operations_running",
        "gauge",
        "Long operations that run.",
        plain(running),
    );
    let streams = api.options.max_streams - api.streams.available_permits();
    family("decnet_event_streams", "gauge", "Open event streams.", plain(streams));
    let counts = api.counters.all();
    let labelled = |value: fn(&Count) -> String| {
        let labels = |(operation, status): &(&str, u16)| format!("{{operation=\"{operation}\",status=\"{status}\"}}");
        counts.iter().map(|(key, count)| (labels(key), value(count))).collect()
    };
    let number = labelled(|count| count.number.to_string());
    family("decnet_http_requests_total", "counter", "Answered requests.", number);
    let time = labelled(|count| format!("{:.6}", count.time.as_secs_f64()));
    family(
        "decnet_http_seconds_total",
        "counter",
        "Time until the answers began.",
        time,
    );
    Ok(with_body(StatusCode::OK, "text/plain; version=0.0.4", text))
}
