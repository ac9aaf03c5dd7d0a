//! What a startup packet names.

/// What the visitor said in its startup packet.
#[derive(Debug, Default)]
pub(super) struct Login {
    pub(super) user: Vec<u8>,
    pub(super) database: Vec<u8>,
    pub(super) application: Vec<u8>,
}
