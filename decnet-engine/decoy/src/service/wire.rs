//! Formats that several protocols share.

pub(super) mod ber;
pub(super) mod bson;
pub(super) mod client_hello;
pub(super) mod cursor;
pub(super) mod digest;
pub(super) mod dns;
pub(super) mod dovecot;
pub(super) mod http;
pub(super) mod line;
pub(super) mod mailbox;
pub(super) mod ntlm;
pub(super) mod sasl;
pub(super) mod spnego;
