//! Resources in paths, and the answers about them.

use std::fmt::Write as _;

use super::answer::Answer;
use crate::service::wire::http::quoted;

/// A resource in a path, in the words of the API server.
pub(super) struct Resource<'a> {
    pub(super) group: &'a str,
    pub(super) namespace: Option<&'a str>,
    pub(super) kind: &'a str,
    pub(super) name: Option<&'a str>,
    pub(super) part: Option<&'a str>,
}

impl<'a> Resource<'a> {
    /// Reads a path: `/api/v1/…` or `/apis/GROUP/VERSION/…`.
    pub(super) fn of(parts: &[&'a str]) -> Option<Self> {
        let (group, rest) = match parts {
            ["api", "v1", rest @ ..] => ("", rest),
            ["apis", group, _, rest @ ..] => (*group, rest),
            _ => return None,
        };
        let (namespace, rest) = match rest {
            ["namespaces", namespace, rest @ ..] if !rest.is_empty() => (Some(*namespace), rest),
            _ => (None, rest),
        };
        let (kind, rest) = rest.split_first()?;
        Some(Self {
            group,
            namespace,
            kind,
            name: rest.first().copied(),
            part: rest.get(1).copied(),
        })
    }

    /// Returns the verb of a method, as messages have it.
    pub(super) fn verb(&self, method: &str) -> &'static str {
        match (method, self.name) {
            ("POST", _) => "create",
            ("PUT", _) => "update",
            ("PATCH", _) => "patch",
            ("DELETE", Some(_)) => "delete",
            ("DELETE", None) => "deletecollection",
            (_, Some(_)) => "get",
            (_, None) => "list",
        }
    }

    pub(super) fn forbidden(&self, method: &str) -> Answer {
        let name = self.name.map(|name| format!(" {}", quoted(name))).unwrap_or_default();
        let kind = match self.part {
            Some(part) => format!("{}/{part}", self.kind),
            None => self.kind.to_owned(),
        };
        let place = match self.namespace {
            Some(namespace) => format!("in the namespace {}", quoted(namespace)),
            None => "at the cluster scope".into(),
        };
        let full = if self.group.is_empty() {
            self.kind.to_owned()
        } else {
            format!("{}.{}", self.kind, self.group)
        };
        let message = format!(
            "{full}{name} is forbidden: User \"system:anonymous\" cannot {} resource {} in API group {} {place}",
            self.verb(method),
            quoted(&kind),
            quoted(self.group),
        );
        Answer::failure(403, "Forbidden", &message, Some(&self.details()))
    }

    pub(super) fn details(&self) -> String {
        let mut details = self
            .name
            .map(|name| format!("\"name\":{},", quoted(name)))
            .unwrap_or_default();
        if !self.group.is_empty() {
            let _ = write!(details, "\"group\":{},", quoted(self.group));
        }
        let _ = write!(details, "\"kind\":{}", quoted(self.kind));
        details
    }

    pub(super) fn missing(&self) -> Answer {
        let name = quoted(self.name.unwrap_or_default());
        let message = format!("{} {name} not found", self.kind);
        Answer::failure(404, "NotFound", &message, Some(&self.details()))
    }
}
