//! What happens with every request, whatever its route: its id, who sends it, its limits, its answer.

use std::{collections::BTreeMap, sync::Arc, time::Instant};

use axum::{
    body::Body,
    extract::{FromRequestParts as _, OriginalUri, RawPathParams, Request},
    http::{HeaderMap, HeaderName, HeaderValue, header, request::Parts},
    response::{IntoResponse as _, Response},
};
use decnet_topology::{did_you_mean, rng};
use tracing::Instrument as _;

use super::{
    answer::Answer,
    api::Api,
    auth::{
        error::AuthError,
        scope::{AccessScope, Principal},
    },
    body,
    call::Call,
    origin,
    problem::Problem,
    route::{Access, Route},
};

/// Where the API begins.
pub(super) const BASE: &str = "/api/v1";

/// The name of the header with the id of a request.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The longest id that is taken from a request.
const LONGEST_ID: usize = 128;

/// The parameter with the ticket of a stream.
const TICKET: &str = "ticket";

/// Answers a request of a route.
pub(super) async fn answer(api: Arc<Api>, route: Arc<Route>, request: Request) -> Response {
    let id = request_id(request.headers(), || api.request_ids.next());
    let (begun, method) = (Instant::now(), request.method().clone());
    let span = tracing::info_span!("http", request = %id, %method, route = route.path);
    let counted = Arc::clone(&api);
    let name = route.id;
    let response = admitted(api, route, request).instrument(span.clone()).await;
    let response = finished(&id, response.unwrap_or_else(Problem::into_response));
    let took = begun.elapsed();
    counted.counters.count(name, response.status(), took);
    span.in_scope(|| tracing::info!(status = response.status().as_u16(), ms = took.as_millis(), "answered"));
    response
}

/// Answers a request that has no route.
pub(super) async fn without_route(request: Request) -> Response {
    let problem = Problem::new("not_found", format!("there is no {}", request.uri().path()))
        .hint(format!("GET {BASE}/openapi.json lists the routes"));
    finished(&request_id(request.headers(), rng::os_seed), problem.into_response())
}

/// Answers a request whose route has other methods.
pub(super) async fn without_method(request: Request) -> Response {
    let detail = format!("{} does not take {}", request.uri().path(), request.method());
    let problem = Problem::new("method_not_allowed", detail);
    finished(&request_id(request.headers(), rng::os_seed), problem.into_response())
}

/// Adds the headers of every answer.
fn finished(id: &str, mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.extend(HeaderValue::from_str(id).ok().map(|id| (REQUEST_ID, id)));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

/// Returns the id that the client gave the request, if it is a short word, or else a new one.
fn request_id(headers: &HeaderMap, new: impl FnOnce() -> u64) -> String {
    let given = headers
        .get(REQUEST_ID)
        .and_then(|id| id.to_str().ok())
        .unwrap_or_default();
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte);
    if (1..=LONGEST_ID).contains(&given.len()) && given.bytes().all(is_plain) {
        given.into()
    } else {
        format!("{:016x}", new())
    }
}

async fn admitted(api: Arc<Api>, route: Arc<Route>, request: Request) -> Answer {
    let (mut parts, body) = request.into_parts();
    origin::check(&parts.method, &parts.headers, &api.options.origins)?;
    let principal = principal(&api, route.access, &parts).await?;
    let query = parameters(&route, parts.uri.query())?;
    let call = call(&api, &route, &mut parts, body, query, principal).await?;
    if parts.method.is_safe() {
        return (route.handler)(api, call).await;
    }
    let permit = Arc::clone(&api.changes).try_acquire_owned();
    let permit = permit.map_err(|_| {
        let detail = format!("{} changes are being made", api.options.max_changes);
        Problem::new("too_many_changes", detail)
    })?;
    // The server waits for the token. It is taken first: after the server has begun to wait, nothing begins.
    let token = api.changing.token();
    if api.changing.is_closed() {
        return Err(Problem::stopping());
    }
    // A change does not end if the client does: half of it would be done, and nobody would know which half.
    let work = async move {
        let _held = (permit, token);
        changed(api, route, call).await
    };
    tokio::spawn(work.in_current_span())
        .await
        .unwrap_or_else(|_| Err(Problem::new("internal", "the request failed unexpectedly")))
}

/// Does a change, once for each idempotency key.
async fn changed(api: Arc<Api>, route: Arc<Route>, call: Call) -> Answer {
    let has_condition = call.headers.contains_key(header::IF_MATCH);
    let work = async {
        let answer = (route.handler)(Arc::clone(&api), call.clone()).await;
        // Another process may have changed it after the condition was checked.
        answer.map_err(|problem| problem.precondition_if(has_condition))
    };
    if route.has_keys() {
        api.answers.once(&call, work).await
    } else {
        work.await
    }
}

/// Decides who sends a request, and whether that principal may use the route.
async fn principal(api: &Api, access: Access, parts: &Parts) -> Result<Principal, Problem> {
    let Some(scope) = access.scope() else {
        // Nobody's name is needed.
        return Ok(Principal::new("anyone", AccessScope::Read));
    };
    let mut given = url::form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes());
    let ticket = given.find(|(name, _)| access.has_tickets() && name == TICKET);
    let authenticator = &api.options.authenticator;
    let principal = match ticket {
        Some((_, ticket)) => match api.tickets.redeem(&ticket) {
            // Its token may have been revoked meanwhile.
            Some(principal) => authenticator.renew(&principal).await,
            None => Err(AuthError::Invalid {
                reason: "the ticket is unknown, too old or was used".into(),
            }),
        },
        None => authenticator.authenticate(parts).await,
    }?;
    if principal.scope < scope {
        return Err(Problem::forbidden(&principal, scope));
    }
    Ok(principal)
}

async fn call(
    api: &Api,
    route: &Route,
    parts: &mut Parts,
    body: Body,
    query: BTreeMap<String, String>,
    principal: Principal,
) -> Result<Call, Problem> {
    let malformed = |error: &dyn std::fmt::Display| Problem::new("malformed", format!("the path: {error}"));
    let path = RawPathParams::from_request_parts(parts, &()).await;
    let path = path.map_err(|error| malformed(&error))?;
    let path = path
        .iter()
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let original = parts
        .extensions
        .get::<OriginalUri>()
        .map_or(&parts.uri, |OriginalUri(uri)| uri);
    let before = original.path().find(BASE).unwrap_or_default();
    let base = format!("{}{BASE}", &original.path()[..before]);
    let target = original.path_and_query().map(ToString::to_string).unwrap_or_default();
    let (body, room) = body::read(api, route.body, &parts.headers, body).await?;
    Ok(Call {
        method: parts.method.clone(),
        base,
        target,
        path,
        query,
        body,
        _room: room.map(Arc::new),
        headers: std::mem::take(&mut parts.headers),
        principal,
    })
}

/// Reads the parameters. Those that the route does not have are refused, as are repeated ones.
fn parameters(route: &Route, query: Option<&str>) -> Result<BTreeMap<String, String>, Problem> {
    let mut read = BTreeMap::new();
    let ticket = route.access.has_tickets().then_some(TICKET);
    let known = || route.query.iter().map(|parameter| parameter.name).chain(ticket);
    for (name, value) in url::form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
        if !known().any(|known| known == name) {
            let hint = did_you_mean(&name, known());
            return Err(Problem::new(
                "unknown_parameter",
                format!("`{name}` is not a parameter of this route{hint}"),
            ));
        }
        if value.is_empty() {
            return Err(Problem::new("invalid_parameter", format!("`{name}` is empty")));
        }
        let parameter = route.query.iter().find(|parameter| parameter.name == name);
        if let Some(form) = parameter.and_then(|parameter| parameter.kind.missed(&value)) {
            let detail = format!("`{name}` is `{value}`; it must be {form}");
            return Err(Problem::new("invalid_parameter", detail));
        }
        if read.insert(name.clone().into_owned(), value.into_owned()).is_some() {
            return Err(Problem::new("invalid_parameter", format!("`{name}` occurs twice")));
        }
    }
    Ok(read)
}
