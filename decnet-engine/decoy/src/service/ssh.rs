//! SSH (RFC 4251 to 4254).
