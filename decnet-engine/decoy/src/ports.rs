//! Passes sockets from a base to its services.
//!
//! A built-in service has no network. PID 1 of its base binds the service's ports in the base's namespace and sends the sockets
//! over a Unix socket in a volume that both mount. The service then accepts, reads and answers by itself. The connection stays
//! open: when it ends, the base has ended and the sockets are useless.

mod obtain;
mod server;
mod wire;

pub(crate) use self::{
    obtain::{Obtained, Supplier},
    server::SocketServer,
};

#[cfg(test)]
pub(crate) mod tests;
