//! One change to a maze, as data, and the pure function that makes it.

mod payload;

use serde::{Deserialize, Serialize};

pub use payload::{
    AddDecky, AddLan, AttachDecky, DeckyPatch, DetachDecky, LanPatch, RemoveDecky, RemoveLan, UpdateDecky, UpdateLan,
};

/// One change to a maze: on the wire `{"op": …, "payload": {…}}`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "op", content = "payload", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Mutation {
    /// Adds a LAN.
    AddLan(AddLan),
    /// Removes a LAN that is no decky's home, and the attachments to it.
    RemoveLan(RemoveLan),
    /// Adds a decky with its home.
    AddDecky(AddDecky),
    /// Attaches a decky to one more LAN.
    AttachDecky(AttachDecky),
    /// Ends a membership that is not the home.
    DetachDecky(DetachDecky),
    /// Removes a decky.
    RemoveDecky(RemoveDecky),
    /// Changes what a decky runs or is.
    UpdateDecky(UpdateDecky),
    /// Changes a LAN; of a live maze only its place on the canvas.
    UpdateLan(UpdateLan),
}

impl Mutation {
    /// Returns the word for what it does, as on the wire.
    pub const fn op(&self) -> &'static str {
        match self {
            Self::AddLan(_) => "add_lan",
            Self::RemoveLan(_) => "remove_lan",
            Self::AddDecky(_) => "add_decky",
            Self::AttachDecky(_) => "attach_decky",
            Self::DetachDecky(_) => "detach_decky",
            Self::RemoveDecky(_) => "remove_decky",
            Self::UpdateDecky(_) => "update_decky",
            Self::UpdateLan(_) => "update_lan",
        }
    }
}
