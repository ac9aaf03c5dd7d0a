use std::{fmt, time::Duration};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::{
    Method, Request, Response, Uri,
    body::Incoming,
    header::{CONNECTION, CONTENT_TYPE, HeaderValue, UPGRADE, USER_AGENT},
};
use hyper_rustls::{FixedServerNameResolver, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};
use rustls::{ClientConfig, pki_types::ServerName};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Map, Value};
use tokio::time;

use super::{CERTIFICATE_REFUSED, GENERATION, LONGEST, PROTOCOL, PROTOCOL_HEADER, PeerError, STORE, TOPOLOGY, faults};
use crate::fence::Fence;

/// How long an unused connection is kept. The server closes one after ten seconds.
const IDLE: Duration = Duration::from_secs(5);

/// How many connections are tried after one whose certificate has expired. Each that is refused is closed.
const RETRIES: usize = 4;

/// How a client connects.
#[derive(Debug)]
pub(crate) struct PeerOptions {
    /// The address: `host:port`.
    pub(crate) address: String,
    /// The configuration of TLS.
    pub(crate) tls: ClientConfig,
    /// The name in the certificate of the server.
    pub(crate) name: ServerName<'static>,
    /// How long a connection and a sign of life may take.
    pub(crate) timeout: Duration,
}

/// A client of one server, with connections that are used again.
///
/// A request may take as long as it needs, for instance to pull an image. The client asks for a sign of life meanwhile, so a silent
/// server is noticed within three [timeouts](PeerOptions::timeout).
#[derive(Clone)]
pub(crate) struct PeerClient {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    address: String,
    fence: Option<Fence>,
    timeout: Duration,
}

impl fmt::Debug for PeerClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PeerClient")
            .field("address", &self.address)
            .field("fence", &self.fence)
            .finish_non_exhaustive()
    }
}

/// Checks that a text is a host and a port.
///
/// # Errors
///
/// [`PeerError::Address`] if it is not.
pub fn check_address(address: &str) -> Result<(), PeerError> {
    let parsed: Result<Uri, _> = format!("https://{address}/").parse();
    let is_address = parsed.is_ok_and(|uri| {
        let is_whole = uri.authority().is_some_and(|whole| whole == address);
        let has_host = uri.host().is_some_and(|host| !host.is_empty());
        is_whole && has_host && uri.port_u16().is_some_and(|port| port > 0) && !address.contains('@')
    });
    if is_address {
        Ok(())
    } else {
        Err(PeerError::Address {
            address: address.into(),
        })
    }
}

impl PeerClient {
    pub(crate) fn new(options: PeerOptions) -> Result<Self, PeerError> {
        let PeerOptions {
            address,
            tls,
            name,
            timeout,
        } = options;
        check_address(&address)?;
        let mut http = HttpConnector::new();
        http.enforce_http(false);
        http.set_nodelay(true);
        http.set_connect_timeout(Some(timeout));
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls)
            .https_only()
            .with_server_name_resolver(FixedServerNameResolver::new(name))
            .enable_http1()
            .wrap_connector(http);
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE)
            .build(connector);
        Ok(Self {
            client,
            address,
            fence: None,
            timeout,
        })
    }

    /// Returns a client with the same connections that says which lease this master holds.
    pub(crate) fn fenced(&self, fence: Fence) -> Self {
        Self {
            fence: Some(fence),
            ..self.clone()
        }
    }

    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// Returns the generation of the lease; zero without a lease.
    pub(crate) fn generation(&self) -> u64 {
        self.fence.map_or(0, |fence| fence.generation)
    }

    /// Sends JSON and reads JSON.
    pub(crate) async fn post<A: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Result<A, PeerError> {
        self.read(self.request(Method::POST, path, Some(body))?).await
    }

    /// Reads JSON.
    pub(crate) async fn get<A: DeserializeOwned>(&self, path: &str) -> Result<A, PeerError> {
        self.read(self.request(Method::GET, path, None::<&()>)?).await
    }

    async fn read<A: DeserializeOwned>(&self, request: Request<Full<Bytes>>) -> Result<A, PeerError> {
        let work = async {
            let response = self.send(request).await?;
            let body = self.body(response.into_body()).await?;
            serde_json::from_slice(&body).map_err(|error| self.unexpected(error.to_string()))
        };
        self.watched(work).await
    }

    /// Sends JSON, and returns the answer when it begins.
    pub(crate) async fn open(&self, path: &str, body: &impl Serialize) -> Result<Response<Incoming>, PeerError> {
        let request = self.request(Method::POST, path, Some(body))?;
        self.watched(self.send(request)).await
    }

    /// Sends JSON, and returns the connection, which then has another protocol.
    pub(crate) async fn upgrade(
        &self,
        path: &str,
        to: &'static str,
        body: &impl Serialize,
    ) -> Result<hyper::upgrade::Upgraded, PeerError> {
        let mut request = self.request(Method::POST, path, Some(body))?;
        let headers = request.headers_mut();
        headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(UPGRADE, HeaderValue::from_static(to));
        let work = async {
            let response = self.send(request).await?;
            let upgraded = hyper::upgrade::on(response).await;
            upgraded.map_err(|error| self.unexpected(error.to_string()))
        };
        self.watched(work).await
    }

    fn request(
        &self,
        method: Method,
        path: &str,
        body: Option<&impl Serialize>,
    ) -> Result<Request<Full<Bytes>>, PeerError> {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("https://{}{path}", self.address))
            .header(PROTOCOL_HEADER, PROTOCOL)
            .header(USER_AGENT, concat!("decnet/", env!("CARGO_PKG_VERSION")));
        if let Some(fence) = self.fence {
            request = request
                .header(STORE, fence.store.to_string())
                .header(TOPOLOGY, fence.topology.to_string())
                .header(GENERATION, fence.generation);
        }
        let bytes = match body {
            None => Vec::new(),
            Some(body) => {
                request = request.header(CONTENT_TYPE, "application/json");
                serde_json::to_vec(body).map_err(|error| self.unexpected(error.to_string()))?
            }
        };
        let request = request.body(Full::new(bytes.into()));
        request.map_err(|error| self.unexpected(error.to_string()))
    }

    /// Sends a request and checks the head of the answer.
    ///
    /// A server refuses a connection whose certificate has expired since the handshake, and does nothing. Then another connection with
    /// the current certificate is tried.
    async fn send(&self, request: Request<Full<Bytes>>) -> Result<Response<Incoming>, PeerError> {
        let refused = match self.send_once(request.clone()).await {
            Err(refused @ PeerError::Refused { .. }) if refused.code() == CERTIFICATE_REFUSED => refused,
            done => return done,
        };
        for _ in 0..RETRIES {
            match self.send_once(request.clone()).await {
                Err(again @ PeerError::Refused { .. }) if again.code() == CERTIFICATE_REFUSED => {}
                Err(PeerError::Untrusted { .. }) => break,
                done => return done,
            }
        }
        Err(refused)
    }

    async fn send_once(&self, request: Request<Full<Bytes>>) -> Result<Response<Incoming>, PeerError> {
        let response = self.client.request(request).await;
        let response = response.map_err(|error| faults::of(&self.address, &error))?;
        let theirs = response.headers().get(PROTOCOL_HEADER);
        let theirs = theirs.and_then(|version| version.to_str().ok()).unwrap_or("none");
        if theirs != PROTOCOL.to_string() {
            return Err(PeerError::OtherVersion {
                address: self.address.clone(),
                theirs: theirs.chars().take(20).collect(),
            });
        }
        if response.status().is_success() || response.status().is_informational() {
            return Ok(response);
        }
        Err(self.refusal(response).await)
    }

    /// Reads a problem document.
    async fn refusal(&self, response: Response<Incoming>) -> PeerError {
        let status = response.status();
        let body = match self.body(response.into_body()).await {
            Ok(body) => body,
            Err(error) => return error,
        };
        let Ok(members) = serde_json::from_slice::<Map<String, Value>>(&body) else {
            return self.unexpected(format!("status {status}"));
        };
        let text = |name: &str| members.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        PeerError::Refused {
            address: self.address.clone(),
            problem: text("code"),
            reason: text("detail"),
            members,
        }
    }

    async fn body(&self, body: Incoming) -> Result<Bytes, PeerError> {
        match Limited::new(body, LONGEST).collect().await {
            Ok(body) => Ok(body.to_bytes()),
            Err(error) => Err(match error.downcast::<http_body_util::LengthLimitError>() {
                Ok(_) => self.unexpected(format!("it has more than {} MiB", LONGEST >> 20)),
                Err(error) => faults::of(&self.address, &*error),
            }),
        }
    }

    pub(crate) fn unexpected(&self, reason: impl Into<String>) -> PeerError {
        PeerError::Unexpected {
            address: self.address.clone(),
            reason: reason.into(),
        }
    }

    /// Does something that may take long, as long as the server shows signs of life.
    async fn watched<T>(&self, work: impl Future<Output = Result<T, PeerError>>) -> Result<T, PeerError> {
        tokio::pin!(work);
        loop {
            tokio::select! {
                result = &mut work => return result,
                () = time::sleep(self.timeout) => {}
            }
            tokio::select! {
                result = &mut work => return result,
                alive = self.sign_of_life() => alive?,
            }
        }
    }

    async fn sign_of_life(&self) -> Result<(), PeerError> {
        let request = self.request(Method::GET, "/ping", None::<&()>)?;
        match time::timeout(self.timeout, self.send(request)).await {
            Ok(answer) => answer.map(drop),
            Err(_) => Err(PeerError::Unreachable {
                address: self.address.clone(),
                reason: format!("no answer within {:?}", 2 * self.timeout),
            }),
        }
    }
}
