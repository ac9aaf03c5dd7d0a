//! Connections with TLS, and the checks of every request on them.

use std::{sync::Arc, time::Duration};

use axum::{
    Extension, Router,
    extract::Request,
    http::{HeaderValue, StatusCode},
    middleware::{Next, from_fn_with_state},
    response::{IntoResponse as _, Response},
};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::TcpListener,
    time,
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

use crate::{
    http::{
        listening::{Listening, PlainStream},
        problem::Problem,
    },
    peer::{CERTIFICATE_REFUSED, PROTOCOL, PROTOCOL_HEADER},
    pki::{CertificateInfo, Credentials, Peers, PkiError, server_config},
};

/// How long a handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// How long a refused client may read why.
const LINGER: Duration = Duration::from_secs(2);

/// How long a body may take.
const BODY: Duration = Duration::from_mins(2);

/// The certificate of the client; none if it has none.
#[derive(Debug, Clone)]
pub(crate) struct Client(pub(crate) Option<CertificateInfo>);

/// Whose connections are accepted.
#[derive(Debug)]
pub(crate) struct Doors {
    pub(crate) credentials: Credentials,
    pub(crate) clients: Peers,
    /// Whether a client needs a certificate.
    pub(crate) is_needed: bool,
}

/// Serves a router on connections with TLS. Each request has the certificate of its client, as [`Client`].
pub(crate) async fn serve(
    doors: Doors,
    router: Router,
    listening: Listening,
    listener: TcpListener,
) -> Result<(), PkiError> {
    let config = server_config(&doors.credentials, doors.clients, doors.is_needed)?;
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let router = router.layer(from_fn_with_state(doors.credentials, admit));
    listening
        .serve(listener, |stream| greet(acceptor.clone(), stream, router.clone()))
        .await;
    Ok(())
}

/// Does the handshake of a connection.
async fn greet(acceptor: TlsAcceptor, stream: PlainStream, router: Router) -> Option<(TlsStream<PlainStream>, Router)> {
    match time::timeout(HANDSHAKE, acceptor.accept(stream).into_fallible()).await {
        Ok(Ok(stream)) => {
            let client = Client(Credentials::peer(stream.get_ref().1.peer_certificates()));
            Some((stream, router.layer(Extension(client))))
        }
        Ok(Err((error, stream))) => {
            tracing::debug!(%error, "a handshake failed");
            linger(stream).await;
            None
        }
        Err(_) => None,
    }
}

/// Ends a connection so that the client can read why: closing it at once would discard that.
async fn linger(mut stream: impl AsyncRead + AsyncWrite + Unpin) {
    let read = async {
        let _ = stream.shutdown().await;
        let mut rest = [0; 1 << 10];
        while stream.read(&mut rest).await.is_ok_and(|length| length > 0) {}
    };
    let _ = time::timeout(LINGER, read).await;
}

/// Checks the version of the protocol and the certificate, which may have been revoked or have expired since the handshake.
async fn admit(
    axum::extract::State(credentials): axum::extract::State<Credentials>,
    request: Request,
    next: Next,
) -> Response {
    let client = request.extensions().get::<Client>();
    let refusal = client
        .and_then(|client| client.0.as_ref())
        .and_then(|certificate| credentials.refusal(certificate, Timestamp::now()));
    let version = request.headers().get(PROTOCOL_HEADER);
    let theirs = version.and_then(|version| version.to_str().ok()).unwrap_or("none");
    let mut response = if let Some(refusal) = refusal {
        Problem::new(CERTIFICATE_REFUSED, refusal)
            .header(axum::http::header::CONNECTION, "close")
            .into_response()
    } else if theirs != PROTOCOL.to_string() {
        let detail =
            format!("the request has version {theirs} of the protocol, and this program has version {PROTOCOL}");
        Problem::new("protocol_mismatch", detail)
            .member("protocol", PROTOCOL)
            .into_response()
    } else {
        next.run(request).await
    };
    response
        .headers_mut()
        .insert(PROTOCOL_HEADER, HeaderValue::from(PROTOCOL));
    response
}

/// Reads a JSON body of a limited length.
pub(crate) async fn read<T: DeserializeOwned>(request: Request, limit: usize) -> Result<T, Problem> {
    let body = Limited::new(request.into_body(), limit).collect();
    let body = time::timeout(BODY, body).await;
    let body = body.map_err(|_| Problem::new("slow_body", "the body did not arrive in time"))?;
    let body = body.map_err(|error| match error.downcast::<LengthLimitError>() {
        Ok(_) => {
            Problem::new("body_too_large", format!("the body has more than {} KiB", limit >> 10)).member("limit", limit)
        }
        Err(error) => Problem::new("malformed", format!("the body cannot be read: {error}")),
    })?;
    let body = body.to_bytes();
    serde_json::from_slice(&body)
        .map_err(|error| Problem::new("invalid_body", format!("the body is not valid: {error}")))
}

/// Answers a request that has no route.
pub(crate) async fn without_route(request: Request) -> Problem {
    let detail = format!("there is no {} {}", request.method(), request.uri().path());
    Problem::new("not_found", detail).status(StatusCode::NOT_FOUND)
}
