//! Syslog servers.

use std::{
    fmt,
    future::Future,
    io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use jiff::Timestamp;
use rustls::pki_types::ServerName;
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, ReadBuf},
    net::{TcpStream, UdpSocket, lookup_host},
    time,
};
use tokio_rustls::TlsConnector;

use super::{
    LogTargetError, LogWriterOptions,
    retry::{Fault, Policy},
    target::{SyslogServer, Transport},
    tls,
};
use crate::{host, logs::LogFormat};

/// The longest datagram. RFC 5426 asks receivers to accept it.
const LONGEST_DATAGRAM: usize = 2048;

/// A connection to a syslog server that is made again when it is lost.
#[derive(Debug)]
pub(super) struct Syslog {
    server: SyslogServer,
    tls: Option<(Tls, ServerName<'static>)>,
    timeout: Duration,
    policy: Policy,
    link: Option<Link>,
    header: Header,
}

struct Tls(TlsConnector);

impl fmt::Debug for Tls {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str("Tls")
    }
}

#[derive(Debug)]
enum Link {
    Udp(UdpSocket),
    Stream(Box<dyn Duplex>),
}

trait Duplex: AsyncRead + AsyncWrite + Unpin + Send + Sync + fmt::Debug {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send + Sync + fmt::Debug> Duplex for T {}

impl Syslog {
    pub(super) fn new(
        server: SyslogServer,
        policy: Policy,
        options: &LogWriterOptions,
    ) -> Result<Self, LogTargetError> {
        let tls = match server.transport {
            Transport::Tls => {
                let name = ServerName::try_from(server.host.clone());
                let name = name.map_err(|_| LogTargetError::MalformedTarget {
                    reason: format!("`{}` is not a host", server.host),
                })?;
                let client = tls::client(options.ca.as_deref())?;
                Some((Tls(Arc::new(client).into()), name))
            }
            Transport::Udp | Transport::Tcp => None,
        };
        Ok(Self {
            server,
            tls,
            timeout: options.timeout,
            policy,
            link: None,
            header: Header::new(&host::name()),
        })
    }

    /// Connects if there is no connection.
    pub(super) async fn connect(&mut self) -> Result<(), LogTargetError> {
        self.persist(None).await
    }

    /// Sends a line as a message of RFC 5424, which it may be already. Returns when the system has accepted all of it.
    pub(super) async fn send(&mut self, line: &str, format: LogFormat) -> Result<(), LogTargetError> {
        if format == LogFormat::Rfc5424 {
            return self.persist(Some(line)).await;
        }
        let message = self.header.message(line, Timestamp::now());
        self.persist(Some(&message)).await
    }

    /// Ends the connection in the way that the protocol asks for.
    pub(super) async fn close(&mut self) {
        if let Some(Link::Stream(mut stream)) = self.link.take() {
            // All lines were sent before.
            let _ = time::timeout(self.timeout, stream.shutdown()).await;
        }
    }

    async fn persist(&mut self, line: Option<&str>) -> Result<(), LogTargetError> {
        let mut retry = self.policy.start();
        while let Err(fault) = self.attempt(line).await {
            retry.pause(&self.policy, fault).await?;
        }
        retry.succeeded(&self.policy);
        Ok(())
    }

    async fn attempt(&mut self, line: Option<&str>) -> Result<(), Fault> {
        // The connection is taken out, so that it is closed if only a part of a line was sent.
        let mut connection = match self.link.take().and_then(Link::if_open) {
            Some(open) => open,
            None => self.within(self.open()).await?,
        };
        if let Some(line) = line {
            let sent = async { connection.send(line).await.map_err(Fault::again) };
            self.within(sent).await?;
        }
        self.link = Some(connection);
        Ok(())
    }

    async fn within<T>(&self, work: impl Future<Output = Result<T, Fault>>) -> Result<T, Fault> {
        let done = time::timeout(self.timeout, work).await;
        done.unwrap_or_else(|_| Err(Fault::again(format!("no answer within {:?}", self.timeout))))
    }

    async fn open(&self) -> Result<Link, Fault> {
        let place = (self.server.host.as_str(), self.server.port);
        if self.server.transport == Transport::Udp {
            return datagrams(place).await.map(Link::Udp).map_err(Fault::again);
        }
        let stream = TcpStream::connect(place).await.map_err(Fault::again)?;
        let Some((Tls(connector), name)) = &self.tls else {
            return Ok(Link::Stream(Box::new(stream)));
        };
        match connector.connect(name.clone(), stream).await {
            Ok(stream) => Ok(Link::Stream(Box::new(stream))),
            Err(error) if tls::is_distrust(&error) => Err(Fault::Final(LogTargetError::UntrustedCertificate {
                target: self.policy.target.clone(),
                source: error.into(),
            })),
            Err(error) => Err(Fault::again(error)),
        }
    }
}

impl Link {
    /// Returns the connection unless the server has closed it.
    fn if_open(mut self) -> Option<Self> {
        let is_closed = match &mut self {
            Self::Stream(stream) => is_closed(stream.as_mut()),
            // Nobody closes datagrams.
            Self::Udp(_) => false,
        };
        (!is_closed).then_some(self)
    }

    async fn send(&mut self, line: &str) -> io::Result<()> {
        match self {
            Self::Udp(socket) => {
                let end = line.floor_char_boundary(LONGEST_DATAGRAM);
                socket.send(&line.as_bytes()[..end]).await?;
                Ok(())
            }
            Self::Stream(stream) => {
                // RFC 6587, 3.4.1: octet counting.
                stream.write_all(format!("{} {line}", line.len()).as_bytes()).await?;
                stream.flush().await
            }
        }
    }
}

/// The header of messages of RFC 5424, with the facility `local0` and the severity notice.
#[derive(Debug)]
struct Header {
    host: String,
    process: u32,
}

impl Header {
    fn new(host: &str) -> Self {
        let host: String = host.chars().filter(char::is_ascii_graphic).take(255).collect();
        Self {
            host: if host.is_empty() { "-".into() } else { host },
            process: std::process::id(),
        }
    }

    fn message(&self, text: &str, at: Timestamp) -> String {
        format!("<133>1 {at:.6} {} decnet {} visit - {text}", self.host, self.process)
    }
}

/// Returns whether the other side has closed a stream. What it sent is ignored.
fn is_closed(stream: &mut dyn Duplex) -> bool {
    let mut space = [0; 256];
    loop {
        let mut read = ReadBuf::new(&mut space);
        match Pin::new(&mut *stream).poll_read(&mut Context::from_waker(Waker::noop()), &mut read) {
            Poll::Pending => return false,
            Poll::Ready(Ok(())) if !read.filled().is_empty() => {}
            Poll::Ready(_) => return true,
        }
    }
}

/// Returns a socket for datagrams to a server.
async fn datagrams(place: (&str, u16)) -> io::Result<UdpSocket> {
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for address in lookup_host(place).await? {
        let own: SocketAddr = match address {
            SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
            SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
        };
        let opened = async {
            let socket = UdpSocket::bind(own).await?;
            socket.connect(address).await?;
            Ok(socket)
        };
        match opened.await {
            Ok(socket) => return Ok(socket),
            Err(error) => last = error,
        }
    }
    Err(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_has_the_header_of_rfc_5424() {
        let at = Timestamp::from_second(1_900_000_000).unwrap();
        for (host, expected) in [("trap-1", "trap-1"), ("", "-"), ("a b", "ab")] {
            let line = Header::new(host).message("{\"a\": \"[b\"}", at);
            let parsed = syslog_loose::parse_message(&line, syslog_loose::Variant::RFC5424);
            assert_eq!(parsed.hostname, (expected != "-").then_some(expected), "{line}");
            assert_eq!((parsed.appname, parsed.msg), (Some("decnet"), "{\"a\": \"[b\"}"));
            assert_eq!(parsed.timestamp.unwrap().timestamp(), 1_900_000_000);
        }
    }
}
