//! The files that an FTP visitor finds. They exist only in the memory of one conversation.

use std::collections::BTreeMap;

use jiff::{Timestamp, tz::TimeZone};

use crate::service::{context::Context, linux::passwd};

/// A tree of folders and files.
pub(super) struct Files {
    nodes: BTreeMap<String, Node>,
    /// The folder in which the visitor may write.
    writable: String,
    /// The bytes of files that the visitor sent.
    kept: usize,
}

struct Node {
    /// None for a folder.
    content: Option<Content>,
    modified: Timestamp,
    is_own: bool,
}

/// The content of a file. Of a large upload, only the start is kept.
#[derive(Default)]
struct Content {
    bytes: Vec<u8>,
    size: usize,
}

/// The maximum lengths of a path and of a name in it.
const LONGEST_PATH: usize = 512;
const LONGEST_NAME: usize = 255;

/// The maximum number of files and folders that a visitor adds, and of their bytes. All 256 connections of a service together then keep
/// half of the memory of its container.
const MOST_NODES: usize = 256;
const MOST_BYTES: usize = 128 * 1024;

impl Files {
    /// Creates the tree that a user finds: the whole system, or what is public.
    pub(super) fn new(context: &Context, home: &str, is_anonymous: bool) -> Self {
        let mut files = Self {
            nodes: BTreeMap::new(),
            writable: if is_anonymous { "/pub".into() } else { home.into() },
            kept: 0,
        };
        files.place(context, "/", None);
        if is_anonymous {
            files.place(context, "/pub", None);
            return files;
        }
        for folder in [
            "boot",
            "dev",
            "etc",
            "home",
            "lost+found",
            "media",
            "mnt",
            "opt",
            "proc",
            "root",
            "run",
            "srv",
            "sys",
            "tmp",
            "usr",
            "var",
            "var/log",
            "var/www",
            "var/backups",
        ] {
            files.place(context, &format!("/{folder}"), None);
        }
        let persona = context.persona();
        let user = home.rsplit('/').next().unwrap_or_default();
        files.place(context, "/etc/passwd", Some(passwd(user)));
        files.place(context, "/etc/hostname", Some(format!("{}\n", persona.hostname)));
        files.place(
            context,
            "/etc/hosts",
            Some(format!(
                "127.0.0.1\tlocalhost\n127.0.1.1\t{}\t{}\n",
                persona.fqdn(),
                persona.hostname
            )),
        );
        files.place(context, home, None);
        let folder = context.pick("ftp folder", &["backup", "docs", "export", "reports", "www"]);
        files.place(context, &format!("{home}/{folder}"), None);
        let (name, text) = match context.pick("ftp file", &["todo", "hosts", "crontab"]) {
            "todo" => (
                "todo.txt",
                format!(
                    "- renew the certificate of {}\n- ask for a new disk\n",
                    persona.hostname
                ),
            ),
            "hosts" => (
                "hosts.txt",
                format!("{}.{}\ngw.{1}\n", persona.hostname, persona.domain),
            ),
            _ => (
                "crontab.txt",
                format!("15 2 * * * tar czf /home/{user}/{folder}/daily.tgz /var/www\n"),
            ),
        };
        files.place(context, &format!("{home}/{name}"), Some(text));
        files
    }

    /// Adds a part of the system, whose time differs between deckies.
    fn place(&mut self, context: &Context, path: &str, text: Option<String>) {
        let random = u32::from_le_bytes(context.stable(&format!("modified {path}")));
        // In the nine months after March 2024.
        let second = 1_709_251_200 + i64::from(random % 23_000_000);
        let node = Node {
            modified: Timestamp::from_second(second).unwrap_or_default(),
            content: text.map(|text| Content {
                size: text.len(),
                bytes: text.into_bytes(),
            }),
            is_own: path.starts_with(&self.writable),
        };
        self.nodes.insert(path.into(), node);
    }

    pub(super) fn is_folder(&self, path: &str) -> bool {
        self.nodes.get(path).is_some_and(|node| node.content.is_none()) && path != "/root"
    }

    pub(super) fn exists(&self, path: &str) -> bool {
        self.nodes.contains_key(path)
    }

    /// Returns the size and time of a file.
    pub(super) fn file(&self, path: &str) -> Option<(usize, Timestamp)> {
        let node = self.nodes.get(path)?;
        Some((node.content.as_ref()?.size, node.modified))
    }

    /// Returns the content of a file.
    pub(super) fn read(&self, path: &str) -> Option<&[u8]> {
        Some(&self.nodes.get(path)?.content.as_ref()?.bytes)
    }

    /// Returns whether the visitor may create or replace something at the path.
    pub(super) fn admits(&self, path: &str) -> bool {
        let (folder, name) = path.rsplit_once('/').unwrap_or_default();
        let is_writable = ["/tmp", &self.writable]
            .iter()
            .any(|writable| folder == *writable || folder.starts_with(&format!("{writable}/")));
        is_writable
            && !name.is_empty()
            && name.len() <= LONGEST_NAME
            && path.len() <= LONGEST_PATH
            && self.is_folder(folder)
            && !self.is_folder(path)
            && self.nodes.len() < MOST_NODES
    }

    /// Creates a file, or keeps the first `start` bytes of an existing one.
    pub(super) fn open(&mut self, path: &str, start: usize, now: Timestamp) {
        let mut content = self.take(path).and_then(|node| node.content).unwrap_or_default();
        content.bytes.truncate(start);
        content.size = content.size.min(start);
        self.kept = self.kept.saturating_add(content.bytes.len());
        self.nodes.insert(
            path.into(),
            Node {
                content: Some(content),
                modified: now,
                is_own: true,
            },
        );
    }

    /// Adds bytes at the end of a file.
    pub(super) fn append(&mut self, path: &str, bytes: &[u8]) {
        let Some(Node {
            content: Some(content), ..
        }) = self.nodes.get_mut(path)
        else {
            return;
        };
        if content.bytes.len() == content.size {
            let room = MOST_BYTES.saturating_sub(self.kept);
            let kept = bytes.get(..room).unwrap_or(bytes);
            content.bytes.extend_from_slice(kept);
            self.kept = self.kept.saturating_add(kept.len());
        }
        content.size = content.size.saturating_add(bytes.len());
    }

    /// Returns the first of `path.1`, `path.2` … that does not exist.
    pub(super) fn unused(&self, path: &str) -> String {
        let mut names = (1..).map(|number| format!("{path}.{number}"));
        names
            .find(|name| !self.nodes.contains_key(name))
            .unwrap_or_else(|| path.to_owned())
    }

    pub(super) fn create_folder(&mut self, path: &str, now: Timestamp) {
        self.nodes.insert(
            path.into(),
            Node {
                content: None,
                modified: now,
                is_own: true,
            },
        );
    }

    /// Removes a file or an empty folder of the visitor. Returns false if there is none.
    pub(super) fn remove(&mut self, path: &str, is_folder: bool) -> bool {
        let inside = format!("{path}/");
        let is_removable = self
            .nodes
            .get(path)
            .is_some_and(|node| node.is_own && node.content.is_none() == is_folder);
        is_removable
            && path != self.writable
            && !self.nodes.keys().any(|other| other.starts_with(&inside))
            && self.take(path).is_some()
    }

    /// Removes a file or a folder, and no longer counts its bytes.
    fn take(&mut self, path: &str) -> Option<Node> {
        let node = self.nodes.remove(path)?;
        let bytes = node.content.as_ref().map_or(0, |content| content.bytes.len());
        self.kept = self.kept.saturating_sub(bytes);
        Some(node)
    }

    /// Moves a file. Returns false if it cannot be moved.
    pub(super) fn rename(&mut self, from: &str, to: &str) -> bool {
        if !self.admits(to)
            || self
                .nodes
                .get(from)
                .is_none_or(|node| !node.is_own || node.content.is_none())
        {
            return false;
        }
        let Some(node) = self.nodes.remove(from) else {
            return false;
        };
        if from != to {
            self.take(to);
        }
        self.nodes.insert(to.into(), node);
        true
    }

    /// Returns the number of links to a folder in a listing: two, and one for each folder in it.
    fn links(&self, listed: &str, name: &str) -> usize {
        let path = match name {
            "." => listed.to_owned(),
            ".." => resolve(listed, ".."),
            name => resolve(listed, name),
        };
        let inside = if path == "/" { path } else { format!("{path}/") };
        let folders = self.nodes.iter().filter(|(child, node)| {
            let name = child.strip_prefix(&inside);
            node.content.is_none() && name.is_some_and(|name| !name.is_empty() && !name.contains('/'))
        });
        2 + folders.count()
    }

    /// Lists a folder or a file, as `ls -l` or only names.
    pub(super) fn list(&self, path: &str, is_long: bool, has_hidden: bool, now: Timestamp) -> String {
        let parent = if path == "/" {
            "/".to_owned()
        } else {
            format!("{path}/")
        };
        let children = self.nodes.iter().filter_map(|(child, node)| {
            let name = child.strip_prefix(&parent)?;
            (!name.is_empty() && !name.contains('/')).then_some((name, node))
        });
        let mut rows: Vec<(&str, &Node)> = Vec::new();
        match self.nodes.get(path) {
            Some(node) if node.content.is_some() => {
                rows.push((path.rsplit('/').next().unwrap_or_default(), node));
            }
            Some(node) if self.is_folder(path) => {
                if has_hidden {
                    rows.extend([(".", node), ("..", node)]);
                }
                rows.extend(children);
            }
            _ => {}
        }
        rows.iter()
            .map(|(name, node)| match (is_long, &node.content) {
                (false, _) => format!("{name}\r\n"),
                (true, content) => {
                    let (mode, links, size) = match content {
                        Some(content) => ("-rw-r--r--", 1, content.size),
                        None => ("drwxr-xr-x", self.links(path, name), 4096),
                    };
                    let owner = if node.is_own { 1000 } else { 0 };
                    let date = date(node.modified, now);
                    format!("{mode} {links:>4} {owner:<8} {owner:<8} {size:>8} {date} {name}\r\n")
                }
            })
            .collect()
    }
}

/// Returns the time of a file as `ls` shows it: with the time of day, or with the year after six months.
fn date(modified: Timestamp, now: Timestamp) -> String {
    let is_recent = now.duration_since(modified).as_hours() < 182 * 24;
    let format = if is_recent { "%b %d %H:%M" } else { "%b %d  %Y" };
    modified.to_zoned(TimeZone::UTC).strftime(format).to_string()
}

/// Returns the absolute path that a visitor in a folder means.
pub(super) fn resolve(folder: &str, path: &str) -> String {
    let from = if path.starts_with('/') { "" } else { folder };
    let mut parts: Vec<&str> = Vec::new();
    for part in from.split('/').chain(path.split('/')) {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    format!("/{}", parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::resolve;

    #[test]
    fn a_path_stays_below_the_root() {
        for (folder, path, resolved) in [
            ("/home/bob", "docs", "/home/bob/docs"),
            ("/home/bob", "../../../../etc//passwd", "/etc/passwd"),
            ("/home/bob", "/", "/"),
            ("/", "", "/"),
            ("/home/bob", "./a/", "/home/bob/a"),
        ] {
            assert_eq!(resolve(folder, path), resolved);
        }
    }
}
