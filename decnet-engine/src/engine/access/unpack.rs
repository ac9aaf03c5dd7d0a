//! Unpacks an archive whose content an intruder may control.
//!
//! Nothing is written outside of the destination, whatever the archive says: names have no `..`, no link is followed, links that lead
//! out of the destination are left out, and so are devices, sockets and pipes. Files get the usual modes, so none is executable.

use std::{
    collections::BTreeSet,
    ffi::OsString,
    fs::{self, File, OpenOptions},
    io::{self, Read},
    os::unix::fs::symlink,
    path::{Component, Path, PathBuf},
};

use tar::{Archive, Entry, EntryType};

use super::{AccessError, CopyReport};

/// How many skipped entries are listed.
const LISTED: usize = 100;

/// The most nested folders of a copy.
const DEPTH: usize = 128;

/// The limits of a copy.
#[derive(Debug, Clone, Copy)]
pub(super) struct CopyLimits {
    pub(super) bytes: u64,
    pub(super) entries: usize,
    /// Whether existing files are replaced.
    pub(super) force: bool,
}

/// Unpacks the archive of one file or folder as `target`, whatever its name in the archive is.
pub(super) fn unpack(archive: impl Read, target: &Path, limits: CopyLimits) -> Result<CopyReport, AccessError> {
    let exists = target.symlink_metadata().is_ok();
    if exists && !limits.force {
        return Err(AccessError::DestinationExists { path: target.into() });
    }
    let mut unpacker = Unpacker {
        target,
        limits,
        root: None,
        written: BTreeSet::new(),
        links: Vec::new(),
        entries: 0,
        report: CopyReport::new(target.into()),
    };
    let result = unpacker.run(archive);
    if result.is_err() && !exists {
        // A part of a copy is not kept. If it cannot be removed, the first error counts.
        let _ = match target.symlink_metadata() {
            Ok(found) if found.is_dir() => fs::remove_dir_all(target),
            Ok(_) => fs::remove_file(target),
            Err(_) => Ok(()),
        };
    }
    result.map(|()| unpacker.report)
}

/// Returns the name of a file that is not complete yet.
fn part_of(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".part");
    name.into()
}

/// The names of an entry below the root of the archive.
type Names = Vec<OsString>;

struct Unpacker<'a> {
    target: &'a Path,
    limits: CopyLimits,
    /// The name of the copied file or folder in the archive.
    root: Option<OsString>,
    /// The files that this run wrote.
    written: BTreeSet<Names>,
    /// Symbolic links and their targets. They are created last, so that no entry is written through one.
    links: Vec<(Names, PathBuf)>,
    entries: usize,
    report: CopyReport,
}

fn invalid(source: io::Error) -> AccessError {
    AccessError::InvalidArchive { source }
}

fn unwritten(path: &Path) -> impl FnOnce(io::Error) -> AccessError {
    move |source| AccessError::Write {
        path: path.into(),
        source,
    }
}

impl Unpacker<'_> {
    fn run(&mut self, archive: impl Read) -> Result<(), AccessError> {
        let mut archive = Archive::new(archive);
        for entry in archive.entries().map_err(invalid)? {
            self.put(entry.map_err(invalid)?)?;
        }
        if self.root.is_none() {
            return Err(invalid(io::Error::other("it is empty")));
        }
        for (names, to) in std::mem::take(&mut self.links) {
            self.link(&names, &to)?;
        }
        Ok(())
    }

    fn put(&mut self, mut entry: Entry<'_, impl Read>) -> Result<(), AccessError> {
        self.entries += 1;
        if self.entries > self.limits.entries {
            return Err(AccessError::TooLarge {
                limit: format!("{} files", self.limits.entries),
            });
        }
        let kind = entry.header().entry_type();
        if kind.is_pax_global_extensions() {
            return Ok(());
        }
        let path = entry.path().map_err(invalid)?.into_owned();
        let names = self.names(&path)?;
        match kind {
            EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => self.write(names, &mut entry)?,
            EntryType::Directory => {
                let path = self.path(&names);
                self.make_parents(&names)?;
                make_folder(&path)?;
                self.report.folders += 1;
            }
            EntryType::Symlink => {
                let to = entry.link_name().map_err(invalid)?.unwrap_or_default().into_owned();
                self.links.push((names, to));
            }
            EntryType::Link => {
                let to = entry.link_name().map_err(invalid)?.unwrap_or_default().into_owned();
                self.link_file(names, &to)?;
            }
            EntryType::Char | EntryType::Block => self.skip(&path, "a device"),
            EntryType::Fifo => self.skip(&path, "a pipe"),
            _ => self.skip(&path, "neither a file nor a folder"),
        }
        Ok(())
    }

    /// Returns the names of an entry below the root.
    fn names(&mut self, path: &Path) -> Result<Names, AccessError> {
        let mut names = Names::new();
        for component in path.components() {
            match component {
                Component::Normal(name) => names.push(name.to_owned()),
                Component::CurDir => {}
                _ => return Err(invalid(io::Error::other(format!("it has the path {}", path.display())))),
            }
        }
        let is_root = !names.is_empty() && self.root.as_ref().is_none_or(|root| *root == names[0]);
        if !is_root {
            return Err(invalid(io::Error::other(format!("it has the path {}", path.display()))));
        }
        self.root = Some(names.remove(0));
        Ok(names)
    }

    fn path(&self, names: &[OsString]) -> PathBuf {
        // Joining nothing would add a slash.
        names.iter().fold(self.target.to_owned(), |path, name| path.join(name))
    }

    /// Creates the folders above an entry. None of them may be a link.
    fn make_parents(&self, names: &[OsString]) -> Result<(), AccessError> {
        if names.len() > DEPTH {
            return Err(AccessError::TooLarge {
                limit: format!("{DEPTH} nested folders"),
            });
        }
        for depth in 0..names.len() {
            make_folder(&self.path(&names[..depth]))?;
        }
        Ok(())
    }

    fn write(&mut self, names: Names, entry: &mut Entry<'_, impl Read>) -> Result<(), AccessError> {
        self.make_parents(&names)?;
        let target = self.path(&names);
        let copied = if target.symlink_metadata().is_ok() {
            if !self.limits.force {
                return Err(AccessError::DestinationExists { path: target });
            }
            // The old file stays until the new one is complete.
            let part = part_of(&target);
            let copied = self.write_new(&part, entry);
            let replaced = copied.and_then(|copied| {
                fs::rename(&part, &target).map_err(unwritten(&target))?;
                Ok(copied)
            });
            if replaced.is_err() {
                let _ = fs::remove_file(&part);
            }
            replaced?
        } else {
            self.write_new(&target, entry)?
        };
        self.report.bytes += copied;
        self.report.files += 1;
        self.written.insert(names);
        Ok(())
    }

    /// Writes a file that does not exist, and returns its size.
    fn write_new(&self, path: &Path, entry: &mut Entry<'_, impl Read>) -> Result<u64, AccessError> {
        let mut file = self.create(path)?;
        let left = self.limits.bytes - self.report.bytes;
        let size = entry.size();
        let copied = io::copy(&mut entry.take(left.saturating_add(1)), &mut file).map_err(unwritten(path))?;
        if copied > left {
            return Err(AccessError::TooLarge {
                limit: format!("{} bytes", self.limits.bytes),
            });
        }
        if copied < size {
            return Err(invalid(io::ErrorKind::UnexpectedEof.into()));
        }
        Ok(copied)
    }

    /// Creates a file that does not exist, so that no link is followed.
    fn create(&self, path: &Path) -> Result<File, AccessError> {
        let create = || OpenOptions::new().write(true).create_new(true).open(path);
        match create() {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                self.remove(path)?;
                create().map_err(unwritten(path))
            }
            created => created.map_err(unwritten(path)),
        }
    }

    /// Removes a file or a link that is in the way, if that is allowed.
    fn remove(&self, path: &Path) -> Result<(), AccessError> {
        if !self.limits.force {
            return Err(AccessError::DestinationExists { path: path.into() });
        }
        fs::remove_file(path).map_err(unwritten(path))
    }

    /// Creates another name of a file that this run wrote.
    fn link_file(&mut self, names: Names, to: &Path) -> Result<(), AccessError> {
        let existing = self.names(to).ok().filter(|existing| self.written.contains(existing));
        let path = self.path(&names);
        let Some(existing) = existing else {
            self.skip(&path, "a link to a file that is not in the copy");
            return Ok(());
        };
        self.make_parents(&names)?;
        if path.symlink_metadata().is_ok() {
            self.remove(&path)?;
        }
        fs::hard_link(self.path(&existing), &path).map_err(unwritten(&path))?;
        self.report.files += 1;
        self.written.insert(names);
        Ok(())
    }

    /// Creates a symbolic link if it stays within the copy.
    fn link(&mut self, names: &[OsString], to: &Path) -> Result<(), AccessError> {
        let path = self.path(names);
        if !stays_inside(names, to) {
            self.skip(&path, &format!("a link to {}, out of the copy", to.display()));
            return Ok(());
        }
        self.make_parents(names)?;
        if path.symlink_metadata().is_ok() {
            self.remove(&path)?;
        }
        symlink(to, &path).map_err(unwritten(&path))?;
        self.report.links += 1;
        Ok(())
    }

    fn skip(&mut self, path: &Path, why: &str) {
        self.report.skipped += 1;
        if self.report.skipped_entries.len() < LISTED {
            self.report.skipped_entries.push(format!("{}: {why}", path.display()));
        }
    }
}

/// Creates a folder unless it exists. A link to a folder is not one.
fn make_folder(path: &Path) -> Result<(), AccessError> {
    match fs::create_dir(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => match path.symlink_metadata() {
            Ok(found) if found.is_dir() => Ok(()),
            Ok(_) => Err(unwritten(path)(io::ErrorKind::NotADirectory.into())),
            Err(error) => Err(unwritten(path)(error)),
        },
        created => created.map_err(unwritten(path)),
    }
}

/// Returns whether a link at these names stays below the root: it goes up first, at most to the root, and then only down. The folders
/// above the link are no links; those that it goes down through stay inside too.
fn stays_inside(names: &[OsString], to: &Path) -> bool {
    let Some(depth) = names.len().checked_sub(1) else {
        return false;
    };
    let (mut ups, mut downs) = (0, 0);
    for component in to.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir if downs == 0 => ups += 1,
            Component::Normal(_) => downs += 1,
            _ => return false,
        }
    }
    ups <= depth && ups + downs > 0
}

#[cfg(test)]
mod tests;
