//! A file of log lines that is rotated.

use std::{
    fs::{self, File, Metadata, OpenOptions},
    io::{self, Write},
    num::NonZeroU32,
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

/// When a log file is replaced by a new one, and how many old ones are kept.
///
/// The file `visits.log` becomes `visits.log.1`, that becomes `visits.log.2`, and so on. All are renamed, so a reader sees each
/// file as a whole. The oldest is removed.
///
/// ```
/// use std::num::NonZeroU32;
///
/// use decnet_engine::LogRotation;
///
/// let rotation = LogRotation::new(100_000_000, NonZeroU32::MIN);
/// assert_eq!((rotation.size, rotation.keep.get()), (100_000_000, 1));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct LogRotation {
    /// The largest size of a file in bytes. A line that is larger gets a file of its own.
    pub size: u64,
    /// The number of old files that are kept.
    pub keep: NonZeroU32,
}

impl LogRotation {
    /// Creates a rotation.
    pub const fn new(size: u64, keep: NonZeroU32) -> Self {
        Self { size, keep }
    }
}

#[derive(Debug)]
pub(super) struct LogFile {
    path: PathBuf,
    file: File,
    pub(super) rotation: Option<LogRotation>,
}

impl LogFile {
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let file = append(path)?;
        Ok(Self {
            // Old files are next to the file itself, not next to a link to it.
            path: fs::canonicalize(path)?,
            file,
            rotation: None,
        })
    }

    pub(super) fn put(&mut self, line: &str) -> io::Result<()> {
        let line = format!("{line}\n");
        let mut found = self.file.metadata()?;
        if !found.is_file() {
            return self.file.write_all(line.as_bytes());
        }
        if !is_at(&self.path, &found) {
            self.file = append(&self.path)?;
            found = self.file.metadata()?;
        }
        if let Some(LogRotation { size, keep }) = self.rotation
            && found.len() > 0
            && found.len().saturating_add(line.len() as u64) > size
        {
            self.rotate(keep.get(), &found)?;
            found = self.file.metadata()?;
        }
        write_whole(&mut self.file, line.as_bytes(), found.len())
    }

    /// Renames the file and creates a new one.
    fn rotate(&mut self, keep: u32, found: &Metadata) -> io::Result<()> {
        match self.file.lock() {
            // A file system without locks.
            Err(error) if error.kind() == io::ErrorKind::Unsupported => {}
            locked => locked?,
        }
        // Another process may have rotated it meanwhile.
        if is_at(&self.path, found) {
            let old = |number: u32| {
                let mut path = self.path.clone().into_os_string();
                path.push(format!(".{number}"));
                PathBuf::from(path)
            };
            // After an interrupted rotation a number is free; files after it stay.
            let free = (1..keep).find(|number| !old(*number).exists()).unwrap_or(keep);
            for number in (1..free).rev() {
                fs::rename(old(number), old(number + 1))?;
            }
            fs::rename(&self.path, old(1))?;
        }
        // This also ends the lock.
        self.file = append(&self.path)?;
        if self.file.metadata()?.len() == 0 {
            // Another user may have created it.
            let _ = self.file.set_permissions(found.permissions());
        }
        Ok(())
    }
}

/// Opens a file, or creates one that only its owner can read: logs have passwords.
fn append(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).mode(0o600).open(path)
}

/// Returns whether a path is still that of an open file.
fn is_at(path: &Path, file: &Metadata) -> bool {
    fs::metadata(path).is_ok_and(|found| (found.dev(), found.ino()) == (file.dev(), file.ino()))
}

/// Writes a line with one call, so that lines of other writers are not mixed in. If only a part fits on the disk, the part is
/// removed again.
fn write_whole(file: &mut File, line: &[u8], before: u64) -> io::Result<()> {
    let mut written = 0;
    while written < line.len() {
        match file.write(&line[written..]) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(count) => written += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => {
                let is_last = |found: Metadata| found.len() == before + written as u64;
                if written > 0 && file.metadata().is_ok_and(is_last) {
                    let _ = file.set_len(before);
                }
                return Err(error);
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, os::unix::fs::PermissionsExt as _};

    use super::*;

    fn rotating(path: &Path, size: u64, keep: u32) -> LogFile {
        let mut file = LogFile::open(path).unwrap();
        file.rotation = NonZeroU32::new(keep).map(|keep| LogRotation::new(size, keep));
        file
    }

    fn names(folder: &Path) -> BTreeSet<String> {
        let files = fs::read_dir(folder).unwrap();
        files
            .map(|file| file.unwrap().file_name().into_string().unwrap())
            .collect()
    }

    #[test]
    fn a_full_file_is_renamed_and_the_oldest_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let mut file = rotating(&path, 12, 2);
        let read = |name: &str| fs::read_to_string(folder.path().join(name)).unwrap();
        for number in 0..9 {
            file.put(&format!("line{number}")).unwrap();
        }
        assert_eq!(names(folder.path()), ["log", "log.1", "log.2"].map(String::from).into());
        assert_eq!(read("log"), "line8\n");
        assert_eq!(read("log.1"), "line6\nline7\n", "12 bytes fit");
        assert_eq!(read("log.2"), "line4\nline5\n");
        file.put("a line that is longer than a file").unwrap();
        file.put("b").unwrap();
        assert_eq!(read("log.1"), "a line that is longer than a file\n");
        assert_eq!(read("log"), "b\n");
    }

    #[test]
    fn an_interrupted_rotation_loses_no_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        fs::write(folder.path().join("log.2"), "old\n").unwrap();
        let mut file = rotating(&path, 1, 2);
        file.put("one").unwrap();
        file.put("two").unwrap();
        let read = |name: &str| fs::read_to_string(folder.path().join(name)).unwrap();
        assert_eq!(
            (read("log"), read("log.1"), read("log.2")),
            ("two\n".into(), "one\n".into(), "old\n".into())
        );
    }

    #[test]
    fn a_file_that_was_moved_or_removed_is_created_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let mut file = LogFile::open(&path).unwrap();
        file.put("one").unwrap();
        fs::rename(&path, folder.path().join("log.old")).unwrap();
        file.put("two").unwrap();
        fs::remove_file(&path).unwrap();
        file.put("three").unwrap();
        assert_eq!(fs::read_to_string(folder.path().join("log.old")).unwrap(), "one\n");
        assert_eq!(fs::read_to_string(&path).unwrap(), "three\n");
        fs::remove_dir_all(folder.path()).unwrap();
        assert_eq!(file.put("four").unwrap_err().kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn a_new_file_has_the_permissions_of_the_old_one_and_a_link_stays_a_link() {
        let folder = tempfile::tempdir().unwrap();
        let (path, link) = (folder.path().join("log"), folder.path().join("link"));
        let mode = || fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        rotating(&path, 1, 3).put("old").unwrap();
        assert_eq!(mode(), 0o600, "only its owner can read a new file");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        std::os::unix::fs::symlink(&path, &link).unwrap();
        rotating(&link, 1, 3).put("new").unwrap();
        assert_eq!(mode(), 0o640);
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(names(folder.path()), ["link", "log", "log.1"].map(String::from).into());
    }

    #[test]
    fn two_writers_rotate_one_file_and_lose_no_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        std::thread::scope(|scope| {
            for writer in 0..4 {
                let mut file = rotating(&path, 1000, 1000);
                scope.spawn(move || {
                    for line in 0..500 {
                        file.put(&format!("writer {writer} line {line}")).unwrap();
                    }
                });
            }
        });
        let mut lines = Vec::new();
        for name in names(folder.path()) {
            let text = fs::read_to_string(folder.path().join(&name)).unwrap();
            assert!(text.ends_with('\n'), "{name}");
            lines.extend(text.lines().map(String::from));
        }
        lines.sort();
        let mut expected: Vec<String> = (0..4)
            .flat_map(|writer| (0..500).map(move |line| format!("writer {writer} line {line}")))
            .collect();
        expected.sort();
        assert_eq!(lines, expected);
    }

    #[test]
    fn a_full_disk_is_an_error() {
        let mut file = rotating(Path::new("/dev/full"), 1, 1);
        for _ in 0..2 {
            assert_eq!(file.put("line").unwrap_err().kind(), io::ErrorKind::StorageFull);
        }
    }
}
