//! The commands of the public images send logs to stdout, and keep none in memory. A stand-in takes the place of each program.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use decnet_topology::Service;

use crate::mazes::public_services;

/// Longer than any step takes.
const LONG: Duration = Duration::from_secs(30);

/// Returns the script of a service that runs in a folder of this machine.
fn script(service: &Service, folder: &Path) -> String {
    let [shell, option, script] = service.command.as_slice() else {
        panic!("{}: {:?}", service.name, service.command);
    };
    assert_eq!((shell.as_str(), option.as_str()), ("sh", "-c"), "{}", service.name);
    let folder = folder.to_str().unwrap();
    let mut script = script.clone();
    for path in [
        "/opt/dionaea/var/log",
        "/var/log/heralding",
        "/tmp/heralding",
        "/var/log/",
    ] {
        script = script.replace(path, &format!("{folder}/log"));
    }
    script
}

fn shell(service: &Service, script: &str, folder: &Path) -> Command {
    let mut command = Command::new("sh");
    command
        .args(["-c", script])
        .current_dir(folder)
        .envs(&service.environment);
    command.env("CONPOT_JSON_LOG", folder.join("log/conpot.json"));
    command
}

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for name in ["log", "logmedpot", "logdicompot"] {
        fs::create_dir(folder.path().join(name)).unwrap();
    }
    folder
}

#[test]
fn a_log_file_is_a_link_before_the_program_starts() {
    for service in public_services() {
        let name = service.name.as_str();
        // It prints its log, or renames the file: see the catalogue.
        if ["redishoneypot", "dicompot"].contains(&name) {
            continue;
        }
        let folder = folder();
        let script = script(&service, folder.path());
        let (before, _) = script.split_once("exec ").unwrap_or_else(|| panic!("{name}: {script}"));
        let stand_in = "for link in $(find $ROOT -type l); do echo $link >> $link; done";
        let mut command = shell(&service, &format!("{before}\n{stand_in}"), folder.path());
        let ran = command.env("ROOT", folder.path()).output().unwrap();
        assert!(ran.status.success() && ran.stderr.is_empty(), "{name}: {ran:?}");
        let printed = String::from_utf8(ran.stdout).unwrap();
        let expected = usize::from(name != "medpot");
        assert_eq!(printed.lines().count(), expected, "{name}: {printed}");
        let files = Command::new("find")
            .arg(folder.path())
            .args(["-type", "f"])
            .output()
            .unwrap();
        assert_eq!(String::from_utf8(files.stdout).unwrap(), "", "{name}");
    }
}

#[test]
fn a_program_that_must_read_its_log_file_ends_when_the_reader_ends() {
    let services = public_services();
    let service = services
        .iter()
        .find(|service| service.name.as_str() == "dicompot")
        .unwrap();
    let folder = folder();
    let path = folder.path();
    let script = script(service, path);
    // A server that logs a line, and a reader that ends when the test says so.
    for (name, text) in [
        (
            "server",
            "#!/bin/sh\necho '{\"line\": 1}' >> logdicompot/dicompot.log\nexec sleep 1000\n",
        ),
        (
            "tail",
            "#!/bin/sh\ncat \"$4\"\ntouch started\nwhile [ ! -e end ]; do sleep 0.01; done\n",
        ),
    ] {
        fs::write(path.join(name), text).unwrap();
        let made = Command::new("chmod").arg("+x").arg(path.join(name)).status().unwrap();
        assert!(made.success());
    }
    let paths = std::env::var("PATH").unwrap();
    let mut command = shell(service, &script, path);
    command.env("PATH", format!("{}:{paths}", path.display()));
    let mut running = command.stdout(Stdio::null()).spawn().unwrap();
    let start = Instant::now();
    while !path.join("started").exists() {
        assert!(start.elapsed() < LONG, "the reader starts");
        thread::sleep(Duration::from_millis(5));
    }
    assert!(running.try_wait().unwrap().is_none(), "both run");
    fs::write(path.join("end"), "").unwrap();
    let ended = loop {
        match running.try_wait().unwrap() {
            Some(status) => break status,
            None => assert!(start.elapsed() < LONG, "the container ends"),
        }
        thread::sleep(Duration::from_millis(5));
    };
    assert!(!ended.success(), "{ended}");
}
