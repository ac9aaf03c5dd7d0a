//! The TLS client hello (RFC 8446), and its JA4 fingerprint.
/// T
pub(crate) fn is_whole(_bytes: &[u8]) -> Option<bool> {
    None
}
pub(crate) struct ClientHello;
#[expect(clippy::unused_self, reason = "it is not written yet")]
impl ClientHello {
    pub(crate) fn parse(_bytes: &[u8]) -> Option<Self> {
        None
    }
    pub(crate) fn ja4(&self) -> String {
        String::new()
    }
    pub(crate) fn server_name(&self) -> Option<&str> {
        None
    }
}
