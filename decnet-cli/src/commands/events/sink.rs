//! Where lines go that are not printed.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    os::unix::{fs::FileTypeExt as _, net::UnixDatagram},
    path::{Path, PathBuf},
};

use crate::command_error::CommandError;

/// A file that lines are appended to, or the socket of a log daemon that takes a datagram a line.
#[derive(Debug)]
pub(super) struct Sink {
    path: PathBuf,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    File(File),
    Socket(UnixDatagram),
}

impl Sink {
    /// Opens what is there; a file is made if nothing is.
    pub(super) fn open(path: &Path) -> Result<Self, CommandError> {
        let is_socket = fs::metadata(path).is_ok_and(|found| found.file_type().is_socket());
        let opened = if is_socket {
            connect(path).map(Kind::Socket)
        } else {
            let file = OpenOptions::new().create(true).append(true).open(path);
            file.map(Kind::File)
        };
        let kind = opened.map_err(|source| failed(path, source))?;
        Ok(Self {
            path: path.into(),
            kind,
        })
    }

    /// Puts a line.
    pub(super) fn put(&mut self, line: &str) -> Result<(), CommandError> {
        let put = match &mut self.kind {
            // One write a line: who else appends does not come in between.
            Kind::File(file) => file.write_all(format!("{line}\n").as_bytes()),
            Kind::Socket(socket) => match socket.send(line.as_bytes()) {
                // The daemon was started anew, and its socket is another.
                Err(_) => connect(&self.path).and_then(|anew| {
                    anew.send(line.as_bytes())?;
                    *socket = anew;
                    Ok(())
                }),
                Ok(_) => Ok(()),
            },
        };
        put.map_err(|source| failed(&self.path, source))
    }
}

fn connect(path: &Path) -> io::Result<UnixDatagram> {
    let socket = UnixDatagram::unbound()?;
    socket.connect(path)?;
    Ok(socket)
}

fn failed(path: &Path, source: io::Error) -> CommandError {
    CommandError::Write {
        path: path.into(),
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(socket: &UnixDatagram) -> String {
        let mut line = [0; 64];
        let length = socket.recv(&mut line).unwrap();
        String::from_utf8_lossy(&line[..length]).into_owned()
    }

    #[test]
    fn a_file_is_appended_to() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("decnet.log");
        for line in ["one", "two"] {
            Sink::open(&path).unwrap().put(line).unwrap();
        }
        assert_eq!(fs::read_to_string(&path).unwrap(), "one\ntwo\n");
    }

    #[test]
    fn a_log_daemon_gets_a_datagram_a_line_also_after_it_was_started_anew() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let first = UnixDatagram::bind(&path).unwrap();
        let mut sink = Sink::open(&path).unwrap();
        sink.put("one").unwrap();
        assert_eq!(heard(&first), "one");
        drop(first);
        let away = sink.put("lost").unwrap_err();
        assert!(matches!(away, CommandError::Write { .. }), "{away:?}");
        fs::remove_file(&path).unwrap();
        let second = UnixDatagram::bind(&path).unwrap();
        sink.put("two").unwrap();
        assert_eq!(heard(&second), "two");
    }

    #[test]
    fn what_cannot_be_opened_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let refused = Sink::open(folder.path()).unwrap_err();
        assert!(
            refused.to_string().contains(folder.path().to_str().unwrap()),
            "{refused}"
        );
    }
}
