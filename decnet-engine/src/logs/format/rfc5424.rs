//! Lines of syslog: RFC 5424.

use jiff::Timestamp;

use super::{
    ecs,
    fields::{self, Fields},
    level::Level,
};
use crate::{logs::LogItem, syslog::Message};

pub(super) fn line(item: &LogItem, now: Timestamp, longest: Option<usize>) -> String {
    let mut fields = Fields::of(item, now);
    let host = fields.take_text("host.name").unwrap_or_default();
    let service = fields.take_text("service.name");
    let action = fields.take_text("event.action");
    let text = fields.take_text("message").unwrap_or_default();
    let values = fields.rest().into_iter();
    let message = Message {
        severity: Level::of(item).syslog(),
        at: ecs::at(item, now),
        host: &host,
        program: service.as_deref().unwrap_or("decnet"),
        process: None,
        kind: action.as_deref().unwrap_or("text"),
        values: values.map(|(path, value)| (path, fields::text(&value))).collect(),
        text: &text,
    };
    longest.map_or_else(|| message.line(), |longest| message.line_within(longest))
}
