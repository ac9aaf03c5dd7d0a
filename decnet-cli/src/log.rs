//! The log of the libraries on stderr, one line per event.

use std::{
    fmt::{self, Write as _},
    io::IsTerminal as _,
};

use tracing::{Event, Level, Subscriber, field::Visit};
use tracing_subscriber::{
    Layer as _,
    filter::{LevelFilter, Targets},
    fmt::{FmtContext, FormatEvent, FormatFields, format::Writer},
    layer::SubscriberExt as _,
    registry::LookupSpan,
};

use crate::{globals::Globals, output::Output, text};

/// Starts logging: warnings by default, information with `-v`, and details with `-vv` and `-vvv`. A command that
/// draws on the whole terminal does not log there.
pub(crate) fn start(globals: &Globals, output: Output, draws: bool) {
    let level = match (globals.quiet, globals.verbose) {
        _ if draws && std::io::stderr().is_terminal() => LevelFilter::OFF,
        (true, _) => LevelFilter::ERROR,
        (_, 0) => LevelFilter::WARN,
        (_, 1) => LevelFilter::INFO,
        (_, 2) => LevelFilter::DEBUG,
        _ => LevelFilter::TRACE,
    };
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .event_format(Lines { json: output.json });
    // The bus reports what this library logs again for each attempt to connect.
    let shown = match globals.verbose {
        ..=1 => Targets::new().with_target("async_nats", LevelFilter::OFF),
        _ => Targets::new(),
    };
    let subscriber = tracing_subscriber::registry().with(lines.with_filter(shown.with_default(level)));
    // The subscriber of the process is set only here.
    let _ = tracing::subscriber::set_global_default(subscriber);
}

/// Writes an event as one line: text with every value escaped, or JSON.
struct Lines {
    json: bool,
}

impl<S, N> FormatEvent<S, N> for Lines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, _: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let (level, target) = (event.metadata().level(), event.metadata().target());
        let line = if self.json {
            fields.json(*level, target)
        } else {
            fields.text(*level, target)
        };
        writeln!(writer, "{line}")
    }
}

#[derive(Default)]
struct Fields {
    message: String,
    others: Vec<(&'static str, String)>,
}

impl Fields {
    fn text(&self, level: Level, target: &str) -> String {
        let mut line = format!(
            "{} {target}: {}",
            level.as_str().to_lowercase(),
            text::one_line(&self.message)
        );
        for (key, value) in &self.others {
            // Quoted, so that a value with spaces or `=` cannot look like another field.
            let _ = write!(line, " {key}={value:?}");
        }
        line
    }

    fn json(&self, level: Level, target: &str) -> String {
        let fields: serde_json::Map<_, _> = self
            .others
            .iter()
            .map(|(key, value)| ((*key).to_owned(), value.as_str().into()))
            .collect();
        let level = level.as_str().to_lowercase();
        serde_json::json!({"level": level, "target": target, "message": self.message, "fields": fields}).to_string()
    }
}

impl Visit for Fields {
    fn record_str(&mut self, field: &tracing::field::Field, value: &str) {
        self.put(field.name(), value.into());
    }

    fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn fmt::Debug) {
        self.put(field.name(), format!("{value:?}"));
    }
}

impl Fields {
    fn put(&mut self, key: &'static str, value: String) {
        if key == "message" {
            self.message = value;
        } else {
            self.others.push((key, value));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_value_can_hide_the_next_field() {
        let fields = Fields {
            message: "pulled\nerror forged: line".into(),
            others: vec![("image", "a\" status=\"fine\n".into()), ("status", "bad".into())],
        };
        let line = fields.text(Level::WARN, "decnet_engine");
        assert_eq!(
            line,
            r#"warn decnet_engine: pulled\nerror forged: line image="a\" status=\"fine\n" status="bad""#
        );
        assert!(!fields.json(Level::WARN, "decnet_engine").contains('\n'));
    }
}
