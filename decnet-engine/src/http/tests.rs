//! What happens with every request, shown by routes of the tests.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{
    Router,
    body::{Body, to_bytes},
    http::{Method, Request, StatusCode, header},
    response::Response,
    routing::any,
};
use decnet_topology::{Catalog, MemoryRepo};
use serde_json::{Value, json};
use tokio::sync::Notify;
use tower::ServiceExt as _;

use super::{
    answer::{ok, with_body},
    api::Api,
    auth::open::OpenAccess,
    dispatch,
    options::HttpOptions,
    route::{BodyKind, Handler, Route},
};
use crate::{
    engine::{Engine, EngineOptions},
    runtime::simulated::Simulated,
};

fn api(set: impl FnOnce(HttpOptions) -> HttpOptions) -> Arc<Api> {
    let options = EngineOptions::new(Catalog::builtin());
    let engine = Engine::new(Arc::new(MemoryRepo::new()), Arc::new(Simulated::new()), options);
    Arc::new(Api::new(
        engine,
        set(HttpOptions::new(Arc::new(OpenAccess))),
        Value::Null,
    ))
}

/// Returns a router with one route, which changes something.
fn router(api: &Arc<Api>, handler: Handler) -> Router {
    let route = Route::new(Method::POST, "/test", "test", "A test.", handler).body(BodyKind::Document);
    let (api, route) = (Arc::clone(api), Arc::new(route));
    Router::new().route("/test", any(|request| dispatch::answer(api, route, request)))
}

async fn post(router: &Router, key: Option<&str>, body: impl Into<Body>) -> Response {
    let mut request = Request::post("/test")
        .header(header::HOST, "localhost")
        .header(header::CONTENT_TYPE, "application/json");
    if let Some(key) = key {
        request = request.header("idempotency-key", key);
    }
    let request = request.body(body.into()).expect("a request");
    router.clone().oneshot(request).await.expect("a router never fails")
}

/// Posts, and goes away as soon as the change has begun.
async fn abandon(router: &Router, begun: &Notify) {
    let client = tokio::spawn({
        let router = router.clone();
        async move { post(&router, None, "{}").await }
    });
    begun.notified().await;
    client.abort();
    client.await.expect_err("aborted");
}

async fn value(response: Response) -> Value {
    let body = to_bytes(response.into_body(), usize::MAX).await.expect("a body");
    serde_json::from_slice(&body).expect("JSON")
}

#[tokio::test]
async fn a_change_is_awaited_although_its_client_has_gone() {
    static BEGUN: Notify = Notify::const_new();
    static DONE: AtomicUsize = AtomicUsize::new(0);
    let api = api(|options| options);
    let router = router(&api, |_, _| {
        Box::pin(async {
            BEGUN.notify_one();
            tokio::time::sleep(Duration::from_millis(300)).await;
            DONE.fetch_add(1, Ordering::SeqCst);
            ok(&json!({}))
        })
    });
    abandon(&router, &BEGUN).await;
    api.finished().await;
    assert_eq!(DONE.load(Ordering::SeqCst), 1);
    let late = post(&router, None, "{}").await;
    assert_eq!(late.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(value(late).await["code"], "stopping");
    assert_eq!(DONE.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn there_are_only_so_many_changes_at_once() {
    static BEGUN: Notify = Notify::const_new();
    static GO_ON: Notify = Notify::const_new();
    let api = api(|options| options.max_changes(1));
    let router = router(&api, |_, _| {
        Box::pin(async {
            BEGUN.notify_one();
            GO_ON.notified().await;
            ok(&json!({}))
        })
    });
    // A change goes on without its client, so it counts on.
    abandon(&router, &BEGUN).await;
    let refused = post(&router, None, "{}").await;
    assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(refused.headers()[header::RETRY_AFTER], "1");
    assert_eq!(value(refused).await["code"], "too_many_changes");
    GO_ON.notify_one();
    let permit = api.changes.acquire().await.expect("open");
    drop(permit);
    GO_ON.notify_one();
    assert_eq!(post(&router, None, "{}").await.status(), StatusCode::OK);
}

#[tokio::test]
async fn a_large_body_counts_until_it_is_answered() {
    let api = api(|options| options);
    let free = api.large_bodies.available_permits();
    let router = router(&api, |api, call| {
        Box::pin(async move { ok(&json!({ "free": api.large_bodies.available_permits(), "length": call.body.len() })) })
    });
    for (length, permits) in [(2, 0), (1 << 20, 0), ((1 << 20) + 1, 1), (3 << 20, 2)] {
        let answer = value(post(&router, None, "x".repeat(length)).await).await;
        assert_eq!(answer, json!({ "free": free - permits, "length": length }));
        assert_eq!(api.large_bodies.available_permits(), free, "{length}");
    }
}

#[tokio::test]
async fn a_large_answer_is_given_and_the_request_can_be_repeated() {
    static TIMES: AtomicUsize = AtomicUsize::new(0);
    let api = api(|options| options);
    let router = router(&api, |_, _| {
        Box::pin(async {
            TIMES.fetch_add(1, Ordering::SeqCst);
            Ok(with_body(StatusCode::OK, "text/plain", "x".repeat(2 << 20)))
        })
    });
    for times in 1..3 {
        let answer = post(&router, Some("key"), "{}").await;
        assert_eq!(answer.status(), StatusCode::OK);
        assert!(!answer.headers().contains_key("idempotency-replayed"));
        let body = to_bytes(answer.into_body(), usize::MAX).await.expect("a body");
        assert_eq!((body.len(), TIMES.load(Ordering::SeqCst)), (2 << 20, times));
    }
}
