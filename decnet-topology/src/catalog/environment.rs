//! What a container can be given at its start: Linux bounds each text, and all of them together.

use std::io;

use serde_json::Value;

use crate::catalog::{ImageSource, Service};

/// How many bytes one variable of the environment, or one argument, may have: Linux takes 128 KiB with the name and the NUL
/// (`MAX_ARG_STRLEN`), and refuses to start what has more.
pub(crate) const TEXT_BYTES: usize = 127 * 1024;

/// How many bytes all of them may have together: a quarter of the stack, which is 8 MiB where nobody changed it (execve(2)), with
/// room for what images bring.
pub(crate) const TOTAL_BYTES: usize = 1024 * 1024;

/// How many ports a service may have: each is a part of one variable, and a socket.
pub(crate) const PORTS: usize = 512;

/// What one port takes of a variable at most: `{"port":65535,"protocol":"tcp"},`.
const PORT_BYTES: usize = 34;

impl Service {
    /// Returns how many bytes the longest variable has that a container of the service is given, with these fields set.
    pub(crate) fn environment_bytes<'v>(&'v self, set: impl Fn(&str) -> Option<&'v Value>) -> usize {
        let mut config = 0;
        for field in &self.fields {
            if let Some(value) = set(&field.key).or(field.default.as_ref()) {
                // Quotes, the colon and the comma.
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
    // Nothing fails but the writer, and this one cannot.
    let _ = serde_json::to_writer(&mut count, value);
    count.0
}
