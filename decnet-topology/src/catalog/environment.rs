//! Limits on command and environment: Linux limits each text, and all texts together.

use std::io;

use serde_json::Value;

use crate::catalog::{ImageSource, Service};

/// The longest environment variable or argument, in bytes. Linux allows 128 KiB with the name and the NUL (`MAX_ARG_STRLEN`), and
/// does not start a program with a longer one.
pub(crate) const TEXT_BYTES: usize = 127 * 1024;

/// The largest total length, in bytes. Linux allows a quarter of the stack, which is 8 MiB by default (execve(2)); the
/// rest is for the variables of images.
pub(crate) const TOTAL_BYTES: usize = 1024 * 1024;

/// The largest number of ports of a service: each one is a part of one variable, and a socket.
pub(crate) const PORTS: usize = 512;

/// The largest part of a variable for one port: `{"port":65535,"protocol":"tcp"},`.
const PORT_BYTES: usize = 34;

impl Service {
    /// Returns the length in bytes of the longest variable that a container of the service gets with these fields.
    pub(crate) fn environment_bytes<'v>(&'v self, set: impl Fn(&str) -> Option<&'v Value>) -> usize {
        let mut config = 0;
        for field in &self.fields {
            if let Some(value) = set(&field.key).or(field.default.as_ref()) {
                // The quotes, the colon and the comma.
                config += field.key.len() + 4 + json_bytes(value);
            }
        }
        if self.image != ImageSource::Builtin {
            return config;
        }
        let banner = set("banner").and_then(Value::as_str).or(self.banner.as_deref());
        config.max(banner.map_or(0, json_bytes) + self.ports.len() * PORT_BYTES)
    }
}

fn json_bytes(value: &(impl serde::Serialize + ?Sized)) -> usize {
    struct Count(usize);

    impl io::Write for Count {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0 += bytes.len();
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    let mut count = Count(0);
    // Only the writer can fail, and this one cannot.
    let _ = serde_json::to_writer(&mut count, value);
    count.0
}
