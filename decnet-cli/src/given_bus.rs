//! The flag --bus.

use std::{ffi::OsString, fmt, path::PathBuf};

/// The bus as the user gave it. It is not printed, because the URL of a server may have a password.
#[derive(Clone)]
pub(crate) struct GivenBus(pub(crate) PathBuf);

impl From<OsString> for GivenBus {
    fn from(text: OsString) -> Self {
        Self(text.into())
    }
}

impl fmt::Debug for GivenBus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("GivenBus")
    }
}
