//! Lines of syslog: RFC 5424.

use jiff::Timestamp;
use syslog_fmt::{
    Facility,
    v5424::{self, Config},
};

use super::{
    ecs,
    fields::{self, Fields},
    level::Level,
};
use crate::{
    event::syslog::{ELEMENT, LONGEST_HOST, escape_invisible, field},
    logs::LogItem,
};

/// The maximum lengths of names in the header: section 6 of the RFC.
const LONGEST_APP: usize = 48;
const LONGEST_MESSAGE_ID: usize = 32;

/// It is not `authpriv`, because programs that read the logins of this machine would take those of visitors for real.
const FACILITY: Facility = Facility::Local0;

pub(super) fn line(item: &LogItem, now: Timestamp) -> String {
    let mut fields = Fields::of(item, now);
    let host = fields.take_text("host.name").unwrap_or_default();
    let service = fields.take_text("service.name");
    let action = fields.take_text("event.action").unwrap_or_else(|| "text".into());
    let message = fields.take_text("message").unwrap_or_default();
    let formatter = Config {
        facility: FACILITY,
        hostname: Some(&field(&host, LONGEST_HOST)),
        app_name: Some(&field(service.as_deref().unwrap_or("decnet"), LONGEST_APP)),
        proc_id: None::<&str>,
    }
    .into_formatter();
    let values: Vec<(String, String)> = fields
        .rest()
        .into_iter()
        .map(|(path, value)| (path, escape_invisible(&fields::text(&value))))
        .collect();
    let values = values.iter().map(|(path, value)| (path.as_str(), value.as_str()));
    // A fraction of a second has at most six digits: section 6.2.3.
    let at = ecs::at(item, now).strftime("%Y-%m-%dT%H:%M:%S%.6fZ").to_string();
    let message = escape_invisible(&message);
    let mut line = Vec::new();
    let written = formatter.write_with_data(
        &mut line,
        Level::of(item).syslog(),
        v5424::Timestamp::PreformattedString(at),
        message.as_str(),
        Some(field(&action, LONGEST_MESSAGE_ID).as_str()),
        [(ELEMENT, values.collect::<Vec<_>>())],
    );
    // Writing to memory does not fail, and the line is UTF-8.
    written
        .ok()
        .and_then(|()| String::from_utf8(line).ok())
        .unwrap_or_default()
}
