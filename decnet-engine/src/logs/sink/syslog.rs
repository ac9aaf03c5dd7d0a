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
use syslog_fmt::Severity;
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
use crate::{
    host,
    logs::{LogFormat, LogItem},
    syslog::Message,
};

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
    host: String,
    process: String,
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
            host: host::name(),
            process: std::process::id().to_string(),
        })
    }

    /// Connects if there is no connection.
    pub(super) async fn connect(&mut self) -> Result<(), LogTargetError> {
        self.persist(None).await
    }

    /// Sends an item as a message of RFC 5424. Returns when the system has accepted all of it.
    pub(super) async fn send(&mut self, item: &LogItem, format: LogFormat) -> Result<(), LogTargetError> {
        let message = self.message(item, format);
        self.persist(Some(&message)).await
    }

    fn message(&self, item: &LogItem, format: LogFormat) -> String {
        let is_datagram = self.server.transport == Transport::Udp;
        if format == LogFormat::Rfc5424 {
            return if is_datagram {
                LogFormat::datagram(item, LONGEST_DATAGRAM)
            } else {
                format.line(item)
            };
        }
        let message = Message {
            severity: Severity::Notice,
            at: Timestamp::now(),
            host: &self.host,
            program: "decnet",
            process: Some(&self.process),
            kind: "visit",
            values: Vec::new(),
            text: &format.line(item),
        };
        if is_datagram {
            message.line_within(LONGEST_DATAGRAM)
        } else {
            message.line()
        }
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
            Self::Udp(socket) => match socket.send(line.as_bytes()).await {
                // The host has refused an earlier datagram. Datagrams can be lost, so lines do not wait for a server.
                Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                    let _ = socket.send(line.as_bytes()).await;
                    Ok(())
                }
                sent => sent.map(drop),
            },
            Self::Stream(stream) => {
                // RFC 6587, 3.4.1: octet counting.
                stream.write_all(format!("{} {line}", line.len()).as_bytes()).await?;
                stream.flush().await
            }
        }
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
