//! Hostile archives.

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};

use tar::{Builder, Header};

use super::*;

const LIMITS: CopyLimits = CopyLimits {
    bytes: 1_000,
    entries: 20,
    force: false,
};

/// Adds an entry, with a path that the builder would refuse too.
fn add(builder: &mut Builder<Vec<u8>>, path: &str, kind: EntryType, link: &str, content: &[u8]) {
    let mut header = Header::new_gnu();
    header.as_mut_bytes()[..path.len()].copy_from_slice(path.as_bytes());
    header.as_mut_bytes()[157..157 + link.len()].copy_from_slice(link.as_bytes());
    header.set_entry_type(kind);
    header.set_size(content.len() as u64);
    header.set_mode(0o6777);
    header.set_cksum();
    builder.append(&header, content).expect("in memory");
}

fn archive(entries: &[(&str, EntryType, &str, &[u8])]) -> Vec<u8> {
    let mut builder = Builder::new(Vec::new());
    for (path, kind, link, content) in entries {
        add(&mut builder, path, *kind, link, content);
    }
    builder.into_inner().expect("in memory")
}

/// Lists what is in a folder, with the content of files and the targets of links.
fn listed(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(one) = folders.pop() {
        for entry in fs::read_dir(&one).expect("a folder") {
            let path = entry.expect("an entry").path();
            let name = path.strip_prefix(folder).expect("inside").display().to_string();
            let metadata = path.symlink_metadata().expect("it exists");
            if metadata.is_symlink() {
                found.push(format!("{name} -> {}", fs::read_link(&path).expect("a link").display()));
            } else if metadata.is_dir() {
                folders.push(path);
            } else {
                assert_eq!(metadata.permissions().mode() & 0o7111, 0, "{name} is not executable");
                found.push(format!("{name}={}", fs::read_to_string(&path).expect("text")));
            }
        }
    }
    found.sort();
    found
}

const FILE: EntryType = EntryType::Regular;
const FOLDER: EntryType = EntryType::Directory;
const LINK: EntryType = EntryType::Symlink;

#[test]
fn a_file_and_a_folder_are_unpacked_under_the_wanted_name() {
    let folder = tempfile::tempdir().expect("a folder");
    let target = folder.path().join("mine");
    let entries = archive(&[
        ("pot/", FOLDER, "", b""),
        ("pot/a", FILE, "", b"one"),
        ("pot/sub/b", FILE, "", b"two"),
        ("pot/sub/up", LINK, "../a", b""),
        ("pot/c", EntryType::Link, "pot/a", b""),
    ]);
    let report = unpack(&entries[..], &target, LIMITS).expect("unpacked");
    assert_eq!(
        (report.files, report.folders, report.links, report.bytes, report.skipped),
        (3, 1, 1, 6, 0)
    );
    assert_eq!(listed(&target), ["a=one", "c=one", "sub/b=two", "sub/up -> ../a"]);
    assert_eq!(
        target.join("a").metadata().expect("a file").ino(),
        target.join("c").metadata().expect("a file").ino()
    );
    let single = archive(&[("a", FILE, "", b"one")]);
    unpack(&single[..], &folder.path().join("b"), LIMITS).expect("unpacked");
    assert_eq!(fs::read(folder.path().join("b")).expect("a file"), b"one");
}

#[test]
fn nothing_is_written_outside_of_the_destination() {
    let folder = tempfile::tempdir().expect("a folder");
    for (path, content) in [
        ("pot/../../x", "x"),
        ("../x", "x"),
        ("/x", "x"),
        ("other/x", "x"),
        (".", "x"),
    ] {
        let target = folder.path().join("in/to");
        fs::create_dir_all(folder.path().join("in")).expect("created");
        let entries = archive(&[("pot/", FOLDER, "", b""), (path, FILE, "", content.as_bytes())]);
        let error = unpack(&entries[..], &target, LIMITS).expect_err(path);
        assert_eq!(error.code(), "invalid_archive", "{path}");
        assert_eq!(listed(folder.path()), Vec::<String>::new(), "{path}");
    }
}

#[test]
fn links_out_of_the_copy_devices_and_pipes_are_left_out() {
    let folder = tempfile::tempdir().expect("a folder");
    let target = folder.path().join("to");
    let entries = archive(&[
        ("pot/", FOLDER, "", b""),
        ("pot/abs", LINK, "/etc/shadow", b""),
        ("pot/up", LINK, "../secret", b""),
        ("pot/d/dot", LINK, "..", b""),
        ("pot/d/trick", LINK, "dot/../../x", b""),
        ("pot/hard", EntryType::Link, "etc/passwd", b""),
        ("pot/hard2", EntryType::Link, "pot/nothing", b""),
        ("pot/null", EntryType::Char, "", b""),
        ("pot/disk", EntryType::Block, "", b""),
        ("pot/pipe", EntryType::Fifo, "", b""),
    ]);
    let report = unpack(&entries[..], &target, LIMITS).expect("unpacked");
    assert_eq!(listed(&target), ["d/dot -> .."]);
    assert_eq!((report.skipped, report.links), (8, 1));
    assert!(
        report.skipped_entries[0].ends_with("hard: a link to a file that is not in the copy"),
        "{report:?}"
    );
    assert!(
        report
            .skipped_entries
            .iter()
            .any(|one| one.ends_with("abs: a link to /etc/shadow, out of the copy"))
    );
}

#[test]
fn an_entry_is_not_written_through_a_link() {
    let folder = tempfile::tempdir().expect("a folder");
    let (outside, target) = (folder.path().join("outside"), folder.path().join("to"));
    fs::create_dir(&outside).expect("created");
    // The link and the entry below it contradict each other: the folder is written, and the link is in the way.
    let entries = archive(&[
        ("pot/", FOLDER, "", b""),
        ("pot/l", LINK, "d", b""),
        ("pot/l/x", FILE, "", b"x"),
    ]);
    unpack(&entries[..], &target, LIMITS).expect_err("it has `l` twice");
    assert!(!target.exists(), "a part of a copy is not kept");

    // A link that a person has in the destination is not followed either.
    fs::create_dir(&target).expect("created");
    symlink(&outside, target.join("sub")).expect("linked");
    let entries = archive(&[("pot/", FOLDER, "", b""), ("pot/sub/x", FILE, "", b"x")]);
    let force = CopyLimits { force: true, ..LIMITS };
    assert_eq!(
        unpack(&entries[..], &target, force).expect_err("a link").code(),
        "write"
    );
    assert_eq!(listed(&outside), Vec::<String>::new());
}

#[test]
fn what_exists_is_replaced_only_with_force() {
    let folder = tempfile::tempdir().expect("a folder");
    let (target, other) = (folder.path().join("to"), folder.path().join("other"));
    fs::write(&other, "other").expect("written");
    symlink(&other, &target).expect("linked");
    let entries = archive(&[("a", FILE, "", b"new")]);
    let error = unpack(&entries[..], &target, LIMITS).expect_err("it exists");
    assert_eq!(error.code(), "destination_exists");
    let force = CopyLimits { force: true, ..LIMITS };
    unpack(&entries[..], &target, force).expect("replaced");
    assert_eq!(
        listed(folder.path()),
        ["other=other", "to=new"],
        "the link was replaced, not its target"
    );
}

#[test]
fn too_many_bytes_or_files_end_the_copy_and_leave_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let target = folder.path().join("to");
    let large = archive(&[
        ("pot/", FOLDER, "", b""),
        ("pot/a", FILE, "", &[b'x'; 600]),
        ("pot/b", FILE, "", &[b'x'; 401]),
    ]);
    let error = unpack(&large[..], &target, LIMITS).expect_err("too large");
    assert_eq!(error.to_string(), "the copy has more than 1000 bytes");
    let mut many = Builder::new(Vec::new());
    for number in 0..21 {
        add(&mut many, &format!("pot/{number}"), FILE, "", b"");
    }
    let many = many.into_inner().expect("in memory");
    let error = unpack(&many[..], &target, LIMITS).expect_err("too many");
    assert_eq!(error.to_string(), "the copy has more than 20 files");
    let cut = &large[..700];
    assert_eq!(
        unpack(cut, &target, LIMITS).expect_err("cut off").code(),
        "invalid_archive"
    );
    assert_eq!(
        unpack(&[][..], &target, LIMITS).expect_err("empty").code(),
        "invalid_archive"
    );
    assert_eq!(listed(folder.path()), Vec::<String>::new());
}
