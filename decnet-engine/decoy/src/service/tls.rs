//! TLS handshakes as the server.

use std::{
    collections::BTreeMap,
    io::{self, Cursor},
    sync::{Arc, Mutex, PoisonError},
};

use rustls::{ServerConfig, crypto::ring};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, join, split};
use tokio_rustls::TlsAcceptor;

use super::{
    certificate::Certificate,
    context::Context,
    event::{Event, Fingerprint, Text},
    https,
    stream::Stream,
    wire::client_hello::{self, ClientHello},
};

/// The configurations of the services, which are created when they are needed first.
#[derive(Default)]
pub(super) struct Configurations(Mutex<BTreeMap<String, Arc<ServerConfig>>>);

/// The start of a connection that should be TLS.
pub(super) enum Opening {
    /// A hello of a TLS client, which is now in these bytes.
    Hello(Vec<u8>),
    /// These bytes, which are not TLS.
    Other(Vec<u8>),
}

impl Configurations {
    /// Returns the configuration of the service of a conversation. Fails if its certificate cannot be created.
    pub(super) fn of(&self, context: &Context) -> io::Result<Arc<ServerConfig>> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(config) = known.get(&context.service.name) {
            return Ok(Arc::clone(config));
        }
        let name = match context.service.name.as_str() {
            "https" => https::certificate_name(context),
            _ => context.persona().fqdn(),
        };
        let certificate = Certificate::new(&name, &context.service.secret).map_err(io::Error::other)?;
        let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .and_then(|builder| {
                builder
                    .with_no_client_auth()
                    .with_single_cert(vec![certificate.chain], certificate.key)
            })
            .map_err(io::Error::other)?;
        // Web servers name the protocol; the other servers do not know the extension.
        if matches!(context.service.name.as_str(), "https" | "k8s") {
            config.alpn_protocols = vec![b"http/1.1".to_vec()];
        }
        let config = Arc::new(config);
        known.insert(context.service.name.clone(), Arc::clone(&config));
        Ok(config)
    }

    /// Forgets the configuration of a service that was removed. A later one with its name may have other fields.
    pub(super) fn forget(&self, service: &str) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.remove(service);
    }
}

/// Completes the handshake of a client whose hello was read.
pub(super) async fn accept(
    config: Arc<ServerConfig>,
    stream: Box<dyn Stream>,
    hello: Vec<u8>,
) -> io::Result<Box<dyn Stream>> {
    let stream = TlsAcceptor::from(config).accept(after(hello, stream)).await?;
    Ok(Box::new(stream))
}

/// Reads until the hello of a TLS client is complete, or until it is clear that there is none. `read` are the bytes that were
/// read already.
pub(super) async fn opening(stream: &mut (impl AsyncRead + Unpin + ?Sized), mut read: Vec<u8>) -> io::Result<Opening> {
    loop {
        match client_hello::is_whole(&read) {
            Some(true) => return Ok(Opening::Hello(read)),
            None => return Ok(Opening::Other(read)),
            Some(false) => {
                let mut buffer = [0; 2048];
                let count = stream.read(&mut buffer).await?;
                if count == 0 {
                    return Ok(Opening::Other(read));
                }
                read.extend_from_slice(&buffer[..count]);
            }
        }
    }
}

/// Reports the fingerprint of a client.
pub(super) fn fingerprint(hello: &[u8]) -> Option<Event> {
    let hello = ClientHello::parse(hello)?;
    Some(Event::Fingerprint(Fingerprint {
        method: "ja4",
        value: hello.ja4().into(),
        server_name: hello.server_name().map(Text::from),
    }))
}

/// Returns a stream that first gives bytes that were read already.
fn after(read: Vec<u8>, stream: Box<dyn Stream>) -> impl AsyncRead + AsyncWrite + Unpin + Send {
    let (reader, writer) = split(stream);
    join(Cursor::new(read).chain(reader), writer)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{protocol::Protocol, service::testing::context};

    #[test]
    fn web_servers_name_their_protocol() {
        for (service, port, protocols) in [("https", 443, &[&b"http/1.1"[..]][..]), ("ldap", 636, &[])] {
            let context = context(service, port, Protocol::Tcp, json!({}));
            let config = Configurations::default().of(&context).unwrap();
            assert_eq!(config.alpn_protocols, protocols, "{service}");
        }
    }
}
