//! What both sides must agree on.

use std::time::Duration;

use hyper::header::HeaderName;

/// The version of the protocol. Each change of a message that the other side does not understand increases it.
pub(crate) const PROTOCOL: u32 = 4;

/// The header with the version of the protocol, in requests and answers.
pub(crate) const PROTOCOL_HEADER: HeaderName = HeaderName::from_static("decnet-protocol");

/// The header with the store of the lease that a master holds.
pub(crate) const STORE: HeaderName = HeaderName::from_static("decnet-store");

/// The header with the topology of that lease.
pub(crate) const TOPOLOGY: HeaderName = HeaderName::from_static("decnet-topology");

/// The header with the generation of that lease.
pub(crate) const GENERATION: HeaderName = HeaderName::from_static("decnet-generation");

/// The media type of a stream of frames.
pub(crate) const FRAMES: &str = "application/vnd.decnet.frames";

/// The code of a refusal because the certificate of the connection has expired or was revoked since the handshake.
pub(crate) const CERTIFICATE_REFUSED: &str = "certificate_refused";

/// The longest body of a request or an answer, in bytes.
pub(crate) const LONGEST: usize = 64 << 20;

/// How often a stream that has nothing to send shows that it is alive.
pub(crate) const ALIVE: Duration = Duration::from_secs(10);

/// How long nothing may come on a stream.
pub(crate) const SILENCE: Duration = Duration::from_secs(30);
