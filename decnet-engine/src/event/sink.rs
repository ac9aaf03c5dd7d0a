//! A file or socket for the lines of a log.

mod file;

use std::{
    fs, io,
    os::unix::{fs::FileTypeExt as _, net::UnixDatagram},
    path::{Path, PathBuf},
};

use rustix::io::Errno;

use self::file::LogFile;
pub use self::file::LogRotation;

/// The number of bytes that are sent of a line that is too long for a datagram.
const CUT: usize = 8 << 10;

/// A file to append to, or the socket of a log daemon that accepts one datagram per line.
///
/// A file that was moved or removed, for instance by logrotate, is created again at the next line. A file that has a
/// [rotation](LogSink::rotating) is replaced before it becomes too large. A line is never split over two files, and a line that
/// does not fit on the disk is removed again and is an error. Several processes may write to the same file.
#[derive(Debug)]
pub struct LogSink {
    path: PathBuf,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    File(LogFile),
    Socket(UnixDatagram),
}

impl LogSink {
    /// Opens a socket or a file, which is created if it does not exist.
    pub fn open(path: &Path) -> io::Result<Self> {
        let is_socket = fs::metadata(path).is_ok_and(|found| found.file_type().is_socket());
        let opened = if is_socket {
            connect(path).map(Kind::Socket)
        } else {
            LogFile::open(path).map(Kind::File)
        };
        let kind = opened?;
        Ok(Self {
            path: path.into(),
            kind,
        })
    }

    /// Sets the rotation of a file. A socket, a device or a pipe has none.
    #[must_use]
    pub fn rotating(mut self, rotation: impl Into<Option<LogRotation>>) -> Self {
        if let Kind::File(file) = &mut self.kind {
            file.rotation = rotation.into();
        }
        self
    }

    /// Writes one line.
    pub fn put(&mut self, line: &str) -> io::Result<()> {
        match &mut self.kind {
            Kind::File(file) => file.put(line),
            Kind::Socket(socket) => match send(socket, line) {
                // The daemon was restarted and has another socket.
                Err(_) => connect(&self.path).and_then(|socket_now| {
                    send(&socket_now, line)?;
                    *socket = socket_now;
                    Ok(())
                }),
                Ok(()) => Ok(()),
            },
        }
    }
}

/// Sends a line, or its start if it is too long for a datagram.
fn send(socket: &UnixDatagram, line: &str) -> io::Result<()> {
    match socket.send(line.as_bytes()) {
        Err(error) if error.raw_os_error() == Some(Errno::MSGSIZE.raw_os_error()) => {
            socket.send(&line.as_bytes()[..line.floor_char_boundary(CUT)])?;
        }
        sent => {
            sent?;
        }
    }
    Ok(())
}

fn connect(path: &Path) -> io::Result<UnixDatagram> {
    let socket = UnixDatagram::unbound()?;
    socket.connect(path)?;
    Ok(socket)
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
            LogSink::open(&path).unwrap().put(line).unwrap();
        }
        assert_eq!(fs::read_to_string(&path).unwrap(), "one\ntwo\n");
    }

    #[test]
    fn a_line_that_is_too_long_for_a_datagram_is_cut() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let daemon = UnixDatagram::bind(&path).unwrap();
        let mut sink = LogSink::open(&path).unwrap();
        sink.put(&"ü".repeat(1 << 20)).unwrap();
        let mut line = vec![0; 1 << 20];
        assert_eq!(daemon.recv(&mut line).unwrap(), CUT);
        sink.put("next").unwrap();
        assert_eq!(heard(&daemon), "next");
    }

    #[test]
    fn a_log_daemon_gets_one_datagram_per_line_even_after_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let first = UnixDatagram::bind(&path).unwrap();
        let mut sink = LogSink::open(&path).unwrap();
        sink.put("one").unwrap();
        assert_eq!(heard(&first), "one");
        drop(first);
        sink.put("lost").unwrap_err();
        fs::remove_file(&path).unwrap();
        let second = UnixDatagram::bind(&path).unwrap();
        sink.put("two").unwrap();
        assert_eq!(heard(&second), "two");
    }
}
