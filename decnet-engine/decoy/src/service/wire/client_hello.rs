//! The TLS client hello (RFC 8446), and its JA4 fingerprint.
