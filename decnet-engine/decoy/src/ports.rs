//! Passes sockets from a base to its services.
//!
//! A built-in service has no network. PID 1 of its base binds the service's ports in the base's namespace and sends the sockets
//! over a Unix socket in a volume that both mount. The service then accepts, reads and answers by itself. The connection stays
//! open: over it, the base reports its interfaces; when it ends, the base has ended and the sockets are useless.

#[cfg(feature = "services")]
mod obtain;
mod server;
mod wire;

#[cfg(feature = "services")]
pub(crate) use self::obtain::{Obtained, Supplier, read_interfaces};
pub(crate) use self::{server::SocketServer, wire::Interfaces};

#[cfg(test)]
#[cfg(feature = "services")]
pub(crate) mod tests;
