//! Error answers: `application/problem+json` (RFC 9457).

use std::borrow::Cow;

use axum::{
    http::{HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use decnet_topology::{
    AllocError, ConfigFault, ConfigTextError, DocumentError, Finding, InvalidConfig, InvalidTopology, MutationError,
    RepoError, ResolveError, Status,
};
use serde_json::{Map, Value, json};

use super::{
    auth::{
        error::AuthError,
        scope::{AccessScope, Principal},
    },
    status::{hint_of, retry_after_of, status_of},
};
use crate::{causes, engine::EngineError, runtime::RuntimeError};

/// An error answer, with all findings.
#[derive(Debug, Clone)]
pub(crate) struct Problem {
    /// The status of the answer.
    pub(crate) status: StatusCode,
    /// The stable code.
    pub(crate) code: Cow<'static, str>,
    rest: Box<Rest>,
}

/// The rest of a problem.
#[derive(Debug, Clone, Default)]
struct Rest {
    /// What is wrong, with its causes.
    detail: String,
    /// What to do.
    hint: Option<Cow<'static, str>>,
    /// The broken rules.
    findings: Vec<Finding>,
    /// The faults of a config.
    faults: Vec<ConfigFault>,
    /// Further details for people, one line each.
    details: Vec<String>,
    /// Further members.
    members: Map<String, Value>,
    headers: Vec<(HeaderName, HeaderValue)>,
}

impl Problem {
    /// Returns what is wrong, with its causes.
    #[cfg(feature = "agent")]
    pub(crate) fn detail(&self) -> &str {
        &self.rest.detail
    }

    /// Creates a problem with the status and the hint of its code.
    pub(crate) fn new(code: impl Into<Cow<'static, str>>, detail: impl Into<String>) -> Self {
        let code = code.into();
        let rest = Rest {
            detail: detail.into(),
            hint: hint_of(&code).map(Cow::Borrowed),
            ..Rest::default()
        };
        Self {
            status: status_of(&code),
            code,
            rest: Box::new(rest),
        }
    }

    /// Creates the refusal of a principal whose scope is too narrow.
    pub(crate) fn forbidden(principal: &Principal, needs: AccessScope) -> Self {
        let (actor, scope) = (&principal.actor, principal.scope);
        let detail = format!("this needs the scope {needs}, and `{actor}` has {scope}");
        Self::new("forbidden", detail).member("needs", needs.as_str())
    }

    /// Creates the refusal after the stop.
    pub(crate) fn stopping() -> Self {
        Self::new("stopping", "the server is stopping")
    }

    /// Sets another status.
    pub(crate) fn status(self, status: StatusCode) -> Self {
        Self { status, ..self }
    }

    /// Sets what to do.
    pub(crate) fn hint(mut self, hint: impl Into<Cow<'static, str>>) -> Self {
        self.rest.hint = Some(hint.into());
        self
    }

    /// Sets the findings.
    pub(crate) fn findings(mut self, findings: Vec<Finding>) -> Self {
        self.rest.findings = findings;
        self
    }

    /// Returns the findings, to give them places.
    pub(crate) fn findings_mut(&mut self) -> &mut [Finding] {
        &mut self.rest.findings
    }

    /// Adds a member.
    pub(crate) fn member(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.rest.members.insert(name.into(), value.into());
        self
    }

    /// Adds a header. A text that cannot be a header is left out.
    pub(crate) fn header(mut self, name: HeaderName, value: &str) -> Self {
        let value = HeaderValue::from_str(value).ok();
        self.rest.headers.extend(value.map(|value| (name, value)));
        self
    }

    /// Makes a conflict of versions say that the condition of the request is not met, if the request has one.
    pub(crate) fn precondition_if(self, has_condition: bool) -> Self {
        if has_condition && self.code == "version_conflict" {
            self.status(StatusCode::PRECONDITION_FAILED)
        } else {
            self
        }
    }

    /// Makes it say that something does not exist, if its code is one of these.
    pub(crate) fn not_found_if(self, codes: &[&str]) -> Self {
        if codes.contains(&&*self.code) {
            self.status(StatusCode::NOT_FOUND)
        } else {
            self
        }
    }

    /// Returns it as a JSON value.
    pub(crate) fn to_value(&self) -> Value {
        let Rest {
            detail,
            hint,
            findings,
            faults,
            details,
            members,
            headers: _,
        } = &*self.rest;
        let mut fields = members.clone();
        let mut add = |name: &str, value: Value| fields.insert(name.into(), value);
        add("type", format!("urn:decnet:problem:{}", self.code).into());
        add("title", self.code.replace('_', " ").to_lowercase().into());
        add("status", self.status.as_u16().into());
        add("detail", detail.as_str().into());
        add("code", json!(self.code));
        if let Some(hint) = hint {
            add("hint", json!(hint));
        }
        for (name, list) in [
            ("findings", json!(findings)),
            ("faults", json!(faults)),
            ("details", json!(details)),
        ] {
            if list.as_array().is_some_and(|items| !items.is_empty()) {
                add(name, list);
            }
        }
        Value::Object(fields)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = (self.status, self.to_value().to_string()).into_response();
        let kind = HeaderValue::from_static("application/problem+json");
        response.headers_mut().insert(header::CONTENT_TYPE, kind);
        let retry_after = retry_after_of(&self.code).map(|seconds| (header::RETRY_AFTER, seconds.into()));
        response.headers_mut().extend(retry_after);
        response.headers_mut().extend(self.rest.headers);
        response
    }
}

impl From<EngineError> for Problem {
    fn from(error: EngineError) -> Self {
        let mut problem = Self::new(error.code(), causes::with_causes(&error));
        problem.rest.details = error.details();
        match error {
            EngineError::Invalid(InvalidTopology { report })
            | EngineError::Mutation(MutationError::ResultInvalid { report })
            | EngineError::Resolve(ResolveError::Unsound { report })
            | EngineError::RefusedAfterQueue {
                source: MutationError::ResultInvalid { report },
                ..
            } => problem.findings(report.into_findings()),
            EngineError::Config(InvalidConfig { faults }) => {
                problem.rest.faults = faults;
                problem
            }
            EngineError::Repo(RepoError::VersionConflict { expected, current, .. }) => problem
                .member("expected", expected.get())
                .member("current", current.get()),
            EngineError::Repo(RepoError::NameTaken { id, .. }) => problem.member("id", id.to_string()),
            EngineError::Busy { lease, .. } => problem
                .member("holder", lease.holder.label.as_str())
                .member("until", lease.until.to_string()),
            EngineError::MutationQueued { mutation, state, .. } => problem
                .member("mutation", mutation.get())
                .member("state", state.as_str()),
            EngineError::WrongStatus { status, .. } => {
                problem.member("topology_status", status.as_str()).hint(hint_of_status(status))
            }
            EngineError::Repo(RepoError::NotEditable { .. }) => problem.hint(
                "a maze can be changed while it is pending, active or degraded; POST …/deploy deploys a fresh copy of one that failed or is torn down",
            ),
            _ => problem,
        }
    }
}

/// Returns what makes an operation possible that a status does not allow.
fn hint_of_status(status: Status) -> &'static str {
    match status {
        Status::Pending => "POST …/deploy deploys it",
        Status::Deploying => "GET /operations lists the deploy that runs; POST …/deploy finishes an interrupted one",
        Status::Failed | Status::TornDown => "POST …/deploy deploys a fresh copy",
        Status::TearingDown | Status::Degraded => "POST …/deploy finishes the teardown and deploys a fresh copy",
        _ => "GET the topology: it has the status",
    }
}

impl From<AuthError> for Problem {
    fn from(error: AuthError) -> Self {
        match &error {
            AuthError::Missing | AuthError::Invalid { .. } => {
                Self::new(error.code(), error.to_string()).header(header::WWW_AUTHENTICATE, "Bearer realm=\"decnet\"")
            }
            AuthError::Unavailable { .. } => {
                // The reason names files of the server, and nobody has proved yet who asks.
                tracing::error!(%error, "nobody can be admitted");
                Self::new(
                    error.code(),
                    "tokens cannot be checked now; the log of the server has the reason",
                )
            }
            AuthError::ForeignHost { .. } => Self::new(error.code(), error.to_string()),
        }
    }
}

impl From<RepoError> for Problem {
    fn from(error: RepoError) -> Self {
        EngineError::from(error).into()
    }
}

impl From<MutationError> for Problem {
    fn from(error: MutationError) -> Self {
        EngineError::from(error).into()
    }
}

impl From<InvalidConfig> for Problem {
    fn from(error: InvalidConfig) -> Self {
        EngineError::Config(error).into()
    }
}

impl From<ConfigTextError> for Problem {
    fn from(error: ConfigTextError) -> Self {
        Self::new(error.code(), format!("the body cannot be read as a config: {error}"))
    }
}

impl From<DocumentError> for Problem {
    fn from(error: DocumentError) -> Self {
        let detail = format!("the body is not a maze file: {error}");
        Self::new(error.code(), detail)
            .status(StatusCode::BAD_REQUEST)
            .findings(error.findings)
    }
}

impl From<RuntimeError> for Problem {
    fn from(error: RuntimeError) -> Self {
        Self::new(error.code(), error.to_string()).member("error", json!(error))
    }
}

impl From<AllocError> for Problem {
    fn from(error: AllocError) -> Self {
        Self::new(error.code(), causes::with_causes(&error))
    }
}
