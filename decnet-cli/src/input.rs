//! Input: maze files and configs, from files, folders and stdin.

use std::{
    fs::{self, File},
    io::{self, Read},
    path::{Path, PathBuf},
};

use decnet_engine::EngineError;
use decnet_topology::{
    Catalog, DocumentError, Draft, Finding, Report, ResolveError, SubnetPool, Syntax, Topology, document,
    document::MAX_BYTES,
};

use crate::command_error::CommandError;

/// The source of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Source {
    /// Stdin, written `-`.
    Stdin,
    /// A file.
    File(PathBuf),
}

impl Source {
    /// Takes a path, or `-`.
    pub(crate) fn new(path: &Path) -> Self {
        if path == Path::new("-") {
            Self::Stdin
        } else {
            Self::File(path.into())
        }
    }

    /// Returns its name for people.
    pub(crate) fn name(&self) -> String {
        match self {
            Self::Stdin => "stdin".into(),
            Self::File(path) => path.display().to_string(),
        }
    }

    /// Reads it, up to the size of the longest document.
    pub(crate) fn read(&self) -> Result<Vec<u8>, CommandError> {
        let limit = MAX_BYTES as u64 + 1;
        let mut text = Vec::new();
        let result = match self {
            Self::Stdin => io::stdin().lock().take(limit).read_to_end(&mut text),
            Self::File(path) => File::open(path).and_then(|file| file.take(limit).read_to_end(&mut text)),
        };
        match (result, self) {
            (Ok(_), _) => Ok(text),
            (Err(_), Self::File(path)) if path.is_dir() => Err(CommandError::IsFolder { path: path.clone() }),
            (Err(error), Self::File(path)) if error.kind() == io::ErrorKind::NotFound => Err(CommandError::NoFile {
                path: path.clone(),
                suggestion: similar_file(path),
            }),
            (Err(error), _) => Err(CommandError::reading(self.name())(error)),
        }
    }

    /// Returns the syntax by the extension of the file.
    pub(crate) fn syntax(&self) -> Syntax {
        match self {
            Self::Stdin => Syntax::Auto,
            Self::File(path) => Syntax::of_file(path),
        }
    }

    /// Reads a maze file. Unreadable parts are in the draft's findings.
    pub(crate) fn maze_file(&self) -> Result<MazeFile, CommandError> {
        let (origin, syntax, text) = (self.name(), self.syntax(), self.read()?);
        match document::parse(&text, syntax) {
            Ok(draft) => Ok(MazeFile {
                draft,
                origin,
                text,
                syntax,
            }),
            Err(DocumentError { mut findings }) => {
                document::locate(&mut findings, &text, syntax);
                Err(CommandError::Document { origin, findings })
            }
        }
    }

    /// Reads a maze file and completes it as if the store were empty.
    pub(crate) fn topology(&self, catalog: &Catalog) -> Result<(MazeFile, Topology), CommandError> {
        let file = self.maze_file()?;
        let topology = file.topology(catalog)?;
        Ok((file, topology))
    }
}

/// A maze file that was read.
pub(crate) struct MazeFile {
    /// The maze, with the findings of the parser.
    pub(crate) draft: Draft,
    origin: String,
    text: Vec<u8>,
    syntax: Syntax,
}

impl MazeFile {
    /// Returns the name of the file for people.
    pub(crate) fn origin(&self) -> &str {
        &self.origin
    }

    /// Completes the maze as if the store were empty.
    pub(crate) fn topology(&self, catalog: &Catalog) -> Result<Topology, CommandError> {
        let resolved = self.draft.resolve(catalog, &SubnetPool::default());
        resolved.map_err(|error| match error {
            ResolveError::Unsound { report } => self.refused(report),
            error => EngineError::Resolve(error).into(),
        })
    }

    /// Returns findings with their places, in the order of the file.
    pub(crate) fn located(&self, report: Report) -> Vec<Finding> {
        let mut findings = report.into_findings();
        document::locate(&mut findings, &self.text, self.syntax);
        findings.sort_by_key(|finding| (finding.place.is_none(), finding.place));
        findings
    }

    /// Creates the error for a file that breaks rules, with all its findings.
    pub(crate) fn refused(&self, report: Report) -> CommandError {
        CommandError::Document {
            origin: self.origin.clone(),
            findings: self.located(report),
        }
    }
}

/// Returns a file in the same folder with a similar name.
fn similar_file(path: &Path) -> Option<String> {
    /// How many files of the folder are considered.
    const CONSIDERED: usize = 1000;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let entries = fs::read_dir(folder.unwrap_or(Path::new("."))).ok()?;
    let names = entries.take(CONSIDERED).filter_map(|entry| {
        let entry = entry.ok()?;
        let is_file = entry.file_type().is_ok_and(|kind| !kind.is_dir());
        entry.file_name().into_string().ok().filter(|_| is_file)
    });
    let names: Vec<_> = names.collect();
    let near = decnet_topology::nearest(path.file_name()?.to_str()?, names.iter().map(String::as_str))?;
    Some(folder.map_or_else(|| near.into(), |folder| folder.join(near).display().to_string()))
}

/// Returns whether a text is stdin or the path of a file that exists.
pub(crate) fn is_file(text: &str) -> bool {
    text == "-" || Path::new(text).is_file()
}

/// Returns whether a text looks like the path of a maze file.
pub(crate) fn looks_like_file(text: &str) -> bool {
    text.contains('/') || Syntax::of_file(Path::new(text)) != Syntax::Auto
}

/// Lists the maze files of a path in order: the path itself, or all files in a folder and its subfolders.
pub(crate) fn maze_files(path: &Path) -> Result<Vec<Source>, CommandError> {
    if path == Path::new("-") || !path.is_dir() {
        return Ok(vec![Source::new(path)]);
    }
    let mut files = Vec::new();
    walk(path, &mut files).map_err(CommandError::reading(path))?;
    files.sort();
    if files.is_empty() {
        return Err(CommandError::Usage(format!(
            "the folder {} contains no .yaml, .yml or .json file; give the folder of the maze files, or one file",
            path.display()
        )));
    }
    Ok(files.into_iter().map(Source::File).collect())
}

fn walk(folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let path = entry.path();
        // The type of the entry itself: links to folders are not followed, which prevents cycles.
        if entry.file_type()?.is_dir() {
            walk(&path, files)?;
        } else if Syntax::of_file(&path) != Syntax::Auto {
            files.push(path);
        }
    }
    Ok(())
}

/// Writes a text to a file, or to stdout for `-`. An existing file is replaced atomically; a path that is not a file, such as a
/// pipe, is written to directly.
pub(crate) fn write(path: &Path, text: &str, output: crate::output::Output) -> Result<(), CommandError> {
    if path == Path::new("-") {
        return output.data(text);
    }
    let written = match fs::metadata(path) {
        Ok(there) if there.is_file() => replace(path, text),
        _ => fs::write(path, text),
    };
    written.map_err(CommandError::writing(path))
}

/// Writes a temporary file and renames it, so that a full disk does not damage the file.
fn replace(path: &Path, text: &str) -> std::io::Result<()> {
    let path = fs::canonicalize(path)?;
    let mut temporary = path.clone().into_os_string();
    temporary.push(format!(".{}.tmp", std::process::id()));
    let done = fs::write(&temporary, text)
        .and_then(|()| fs::set_permissions(&temporary, fs::metadata(&path)?.permissions()))
        .and_then(|()| fs::rename(&temporary, &path));
    if done.is_err() {
        let _ = fs::remove_file(&temporary);
    }
    done
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_atomically_without_leftovers() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("maze.yaml");
        fs::write(&path, "before").expect("written");
        replace(&path, "after").expect("replaced");
        assert_eq!(fs::read_to_string(&path).expect("read"), "after");
        // A folder has the name of the temporary file, so it cannot be written.
        let temporary = folder.path().join(format!("maze.yaml.{}.tmp", std::process::id()));
        fs::create_dir(&temporary).expect("made");
        replace(&path, "later").expect_err("cannot be written");
        assert_eq!(fs::read_to_string(&path).expect("read"), "after");
    }
}
