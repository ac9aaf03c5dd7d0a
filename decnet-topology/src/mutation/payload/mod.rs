mod decky;
mod fields;
mod lan;

pub use decky::{AddDecky, AttachDecky, DeckyPatch, DetachDecky, RemoveDecky, UpdateDecky};
pub use fields::DoubledField;
pub use lan::{AddLan, LanPatch, RemoveLan, UpdateLan};

use crate::mutation::Mutation;

macro_rules! payloads {
    ($($op:ident),*) => {$(
        impl From<$op> for Mutation {
            fn from(payload: $op) -> Self {
                Self::$op(payload)
            }
        }
    )*};
}

payloads!(
    AddLan,
    RemoveLan,
    AddDecky,
    AttachDecky,
    DetachDecky,
    RemoveDecky,
    UpdateDecky,
    UpdateLan
);
