//! One route of the API.

use std::{pin::Pin, sync::Arc};

use axum::http::Method;
use jiff::Timestamp;

use super::{answer::Answer, api::Api, auth::scope::AccessScope, call::Call};

/// The answer that a handler computes.
pub(super) type Handled = Pin<Box<dyn Future<Output = Answer> + Send>>;

/// Answers requests of one route.
pub(super) type Handler = fn(Arc<Api>, Call) -> Handled;

/// Who may use a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    /// Everyone, without a token.
    Public,
    /// Principals with a scope.
    Scope(AccessScope),
    /// The same, and holders of a ticket.
    Ticket(AccessScope),
}

impl Access {
    /// Returns the scope that a principal needs; none if the route is public.
    pub(super) fn scope(self) -> Option<AccessScope> {
        match self {
            Self::Public => None,
            Self::Scope(scope) | Self::Ticket(scope) => Some(scope),
        }
    }

    /// Returns whether holders of a ticket may use the route.
    pub(super) fn has_tickets(self) -> bool {
        matches!(self, Self::Ticket(_))
    }
}

/// The body that a route takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BodyKind {
    /// None. A body is ignored.
    None,
    /// A maze file, in JSON or YAML.
    Document,
    /// JSON with a schema.
    Json(&'static str),
    /// JSON with a schema, or none.
    OptionalJson(&'static str),
}

/// What a parameter may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ParameterKind {
    /// A text.
    Text,
    /// A whole number from 0 to this.
    Number(u64),
    /// `true` or `false`.
    Flag,
    /// A time.
    Time,
    /// One of these words.
    Word(&'static [&'static str]),
}

impl ParameterKind {
    /// Returns the form that a value must have, if the value does not have it. Handlers check texts and words.
    pub(super) fn missed(self, value: &str) -> Option<String> {
        let (fits, form) = match self {
            Self::Number(most) => (
                value.parse::<u64>().is_ok_and(|number| number <= most),
                format!("a whole number from 0 to {most}"),
            ),
            Self::Flag => (value.parse::<bool>().is_ok(), "`true` or `false`".into()),
            Self::Time => (
                value.parse::<Timestamp>().is_ok(),
                "a time like 2030-01-31T12:00:00Z".into(),
            ),
            Self::Text | Self::Word(_) => return None,
        };
        (!fits).then_some(form)
    }
}

/// A parameter of a route.
#[derive(Debug, Clone, Copy)]
pub(super) struct Parameter {
    /// Its name.
    pub(super) name: &'static str,
    /// What it may be.
    pub(super) kind: ParameterKind,
    /// Whether it must be given.
    pub(super) is_required: bool,
    /// What it does.
    pub(super) about: &'static str,
}

/// One route.
#[derive(Debug, Clone)]
pub(super) struct Route {
    /// The method.
    pub(super) method: Method,
    /// The path below `/api/v1`.
    pub(super) path: &'static str,
    /// The id of the operation.
    pub(super) id: &'static str,
    /// What it does.
    pub(super) summary: &'static str,
    /// Who may use it.
    pub(super) access: Access,
    /// Its parameters.
    pub(super) query: &'static [Parameter],
    /// Its body.
    pub(super) body: BodyKind,
    /// The statuses of success with the schemas of their bodies; an empty name is no body.
    pub(super) answers: &'static [(u16, &'static str)],
    /// Answers requests.
    pub(super) handler: Handler,
}

impl Route {
    /// Creates a route without parameters and body. Reading needs the scope read, everything else write.
    pub(super) fn new(
        method: Method,
        path: &'static str,
        id: &'static str,
        summary: &'static str,
        handler: Handler,
    ) -> Self {
        let scope = if method == Method::GET {
            AccessScope::Read
        } else {
            AccessScope::Write
        };
        Self {
            method,
            path,
            id,
            summary,
            access: Access::Scope(scope),
            query: &[],
            body: BodyKind::None,
            answers: &[],
            handler,
        }
    }

    /// Returns whether requests may have an idempotency key. Reading is repeated without harm, and readers must not be able to displace
    /// the answers to changes.
    pub(super) fn has_keys(&self) -> bool {
        self.method == Method::POST && self.access.scope() > Some(AccessScope::Read)
    }

    /// Sets who may use it.
    pub(super) fn access(self, access: Access) -> Self {
        Self { access, ..self }
    }

    /// Sets its parameters.
    pub(super) fn query(self, query: &'static [Parameter]) -> Self {
        Self { query, ..self }
    }

    /// Sets its body.
    pub(super) fn body(self, body: BodyKind) -> Self {
        Self { body, ..self }
    }

    /// Sets the statuses of success with the schemas of their bodies.
    pub(super) fn answers(self, answers: &'static [(u16, &'static str)]) -> Self {
        Self { answers, ..self }
    }
}
