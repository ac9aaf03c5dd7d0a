//! Typical mistakes. Each gives one message, which says what is wrong, where, and what to do.

use std::{fs, process::Command};

use decnet_topology::Status;

use crate::{
    command::{CORP, Ran, Sandbox},
    mutate::becomes,
};

/// The files of the mistakes.
fn with_files() -> Sandbox {
    let sandbox = Sandbox::new();
    let files = [
        ("corp.yaml", CORP.to_owned()),
        ("field.yaml", CORP.replace("services: [http]", "servces: [http]")),
        ("service.yaml", CORP.replace("[http]", "[htpp]")),
        (
            "archetype.yaml",
            CORP.replace("services: [http]", "services: [http]\n    archetype: web-sever"),
        ),
        ("branch.yaml", CORP.replace("name: corp", "name: branch")),
        (
            "indent.yaml",
            CORP.replace("    services: [ssh]", "      services: [ssh]"),
        ),
        ("tab.yaml", CORP.replace("  - name: door", "\t- name: door")),
        (
            "comma.json",
            "{\"format\": \"decnet.topology/1\",\n \"name\": \"corp\",\n}\n".into(),
        ),
        ("two.yaml", format!("{CORP}---\n{CORP}")),
        ("config.yaml", "name: lab\ndepth: 2\nbranching_factor: 2\n".into()),
        ("depth.yaml", "name: lab\ndepth: deep\nbranching_factr: 2\n".into()),
        (
            "own.toml",
            "[services.gopher]\nports = [\"70/tcp\"]\nimmage = \"gopher\"\n".into(),
        ),
    ];
    for (name, text) in files {
        sandbox.write(name, &text);
    }
    fs::create_dir(sandbox.path("mazes")).expect("made");
    sandbox.run(&["apply", "-f", "corp.yaml", "--quiet"]).exits(0);
    sandbox
}

/// The mistake, the command line, and the exit status.
const MISTAKES: &[(&str, &str, i32)] = &[
    ("a command with a typing error", "deplow corp", 2),
    ("a flag with a typing error", "deploy corp --dryrun", 2),
    ("no maze", "deploy", 2),
    ("a maze with a typing error", "deploy corpp", 1),
    ("a maze that does not exist", "teardown lab", 1),
    (
        "a decky with a typing error",
        "mutate corp remove_decky --decky web-1",
        3,
    ),
    ("a service with a typing error", "services htpp", 1),
    ("a LAN with a typing error", "next-ip corp ofice", 1),
    (
        "an operation with a typing error",
        "mutate corp add_deky --name web-02",
        2,
    ),
    (
        "a key that the operation does not have",
        "mutate corp remove_decky --name web-01",
        2,
    ),
    ("a name that is not valid", "mutate corp add_lan --name web_lab", 2),
    ("a name that is in use", "create corp", 4),
    ("a file without -f, to deploy", "deploy corp.yaml", 2),
    ("a file without -f, to store", "apply corp.yaml", 2),
    ("a file with -f that needs no flag", "validate -f corp.yaml", 2),
    ("a file instead of a command", "corp.yaml", 2),
    ("a file instead of a maze", "show corp.yaml", 2),
    ("a file that does not exist", "deploy -f crp.yaml", 1),
    ("a folder instead of a file", "deploy -f mazes", 2),
    ("a folder without maze files", "validate mazes", 2),
    ("a field with a typing error", "deploy -f field.yaml", 3),
    ("a service in a file with a typing error", "apply -f service.yaml", 3),
    ("an archetype that does not exist", "validate archetype.yaml", 0),
    ("wrong indentation", "apply -f indent.yaml", 3),
    ("a tab in YAML", "apply -f tab.yaml", 3),
    ("a trailing comma in JSON", "apply -f comma.json", 3),
    ("two mazes in one file", "apply -f two.yaml", 3),
    ("a config instead of a maze file", "deploy -f config.yaml", 3),
    ("a maze file instead of a config", "generate -c corp.yaml", 2),
    ("a wrong value in a config", "generate -c depth.yaml", 3),
    ("a text instead of a number", "generate --name lab --depth deep", 2),
    (
        "a number out of range",
        "generate --name lab --depth 99 --branching-factor 2",
        3,
    ),
    (
        "a key in a catalogue with a typing error",
        "services --catalog own.toml",
        3,
    ),
    ("subnets of another maze", "apply -f branch.yaml", 3),
    ("hosts with a comma too many", "deploy corp --hosts east,", 2),
    ("a pin without a label", "deploy corp --pin dmz", 2),
    ("one LAN that is apart from no other", "deploy corp --apart dmz", 2),
    ("a rule without a host port", "deploy corp --publish ssh", 2),
    ("no Docker daemon", "deploy corp", 5),
    ("a time that cannot be read", "show corp --at yesterday", 2),
    ("a time in the future", "logs corp --since 2h", 2),
    ("a time before the maze existed", "show corp --at -2h", 1),
    ("a duration with a wrong unit", "list --timeout 5x", 2),
    ("a status that does not exist", "list --status activ", 2),
    ("a file that is not a database", "list --db corp.yaml", 1),
    (
        "a database in a folder that does not exist",
        "list --db mazes/new/decnet.db",
        1,
    ),
];

/// Writes the mistake and what the person sees.
fn seen(sandbox: &Sandbox, mistake: &str, ran: &Ran) -> String {
    let errors = ran.stderr.lines().filter(|line| line.starts_with("error: "));
    assert_eq!(errors.count(), usize::from(ran.code != Some(0)), "{mistake}: {ran:#?}");
    assert!(ran.code == Some(0) || ran.stdout.is_empty(), "{mistake}: {ran:#?}");
    // The names of the sandbox's folder and its files are longer than a line of the snapshot.
    let seen = ran.seen(sandbox);
    format!("# {mistake}\n{}", seen.replace("--- stderr\n", ""))
}

#[test]
fn typical_mistakes_give_one_message_with_what_where_and_what_to_do() {
    let sandbox = with_files();
    let mut all: Vec<String> = MISTAKES
        .iter()
        .map(|(mistake, line, exit)| {
            let arguments: Vec<&str> = line.split(' ').collect();
            seen(&sandbox, mistake, &sandbox.run(&arguments).exits(*exit))
        })
        .collect();
    let with = |variable: &str, value: &str| {
        let mut command = sandbox.command(&["list"]);
        command.env(variable, value);
        Ran::new(&["list"], &command.output().expect("the program runs"))
    };
    for (mistake, variable, value, exit) in [
        ("DECNET_DB is empty", "DECNET_DB", "", 2),
        ("DECNET_TIMEOUT has a wrong unit", "DECNET_TIMEOUT", "5x", 2),
    ] {
        all.push(seen(&sandbox, mistake, &with(variable, value).exits(exit)));
    }
    // Root can write everywhere, but cannot create a folder below a file.
    let mut command = sandbox.command(&["list"]);
    command.env_remove("DECNET_DB").env("HOME", sandbox.path("corp.yaml"));
    let ran = Ran::new(&["list"], &command.output().expect("the program runs"));
    all.push(seen(&sandbox, "HOME is not writable", &ran.exits(1)));
    becomes(&sandbox, &[Status::Deploying, Status::Active]);
    for (mistake, line, exit) in [
        ("delete while the maze runs", "delete corp", 4),
        ("remove the database while a maze runs", "db reset --yes", 4),
    ] {
        let arguments: Vec<&str> = line.split(' ').collect();
        all.push(seen(&sandbox, mistake, &sandbox.run(&arguments).exits(exit)));
    }
    becomes(&sandbox, &[Status::TearingDown, Status::TornDown]);
    let ran = sandbox.run(&["mutate", "corp", "add_lan", "--name", "vault"]);
    all.push(seen(&sandbox, "change a maze that is torn down", &ran.exits(4)));
    insta::assert_snapshot!(all.join("\n"));
}

#[test]
fn a_reader_that_ends_early_is_not_a_mistake() {
    let sandbox = with_files();
    let prepared = sandbox.command(&[]);
    let mut shell = Command::new("bash");
    shell.args([
        "-c",
        "set -o pipefail; \"$0\" services | head -n 1",
        env!("CARGO_BIN_EXE_decnet"),
    ]);
    for (key, value) in prepared.get_envs() {
        match value {
            Some(value) => shell.env(key, value),
            None => shell.env_remove(key),
        };
    }
    let ran = Ran::new(&[], &shell.output().expect("bash"));
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""), "{ran:#?}");
    assert_eq!(ran.stdout.lines().count(), 1);
}

/// The socket of a daemon belongs to root and a group. The test needs root to become another user; without root, the own socket is
/// closed to its owner.
#[test]
fn a_socket_without_permission_is_named_with_the_group() {
    use std::os::unix::{fs::PermissionsExt as _, net::UnixListener, process::CommandExt as _};

    const NOBODY: u32 = 65534;
    let sandbox = with_files();
    let socket = sandbox.path("docker.sock");
    let _listener = UnixListener::bind(&socket).expect("bound");
    fs::set_permissions(&socket, fs::Permissions::from_mode(0o000)).expect("set");
    let host = format!("unix://{}", socket.display());
    let arguments = ["plan", "corp", "--host", &host];
    let mut command = sandbox.command(&arguments);
    let is_root = fs::metadata("/proc/self").is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0);
    if is_root {
        // The other user may neither enter the folder of the program nor that of the sandbox.
        let folder = tempfile::tempdir().expect("a folder");
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).expect("set");
        fs::set_permissions(sandbox.path(""), fs::Permissions::from_mode(0o777)).expect("set");
        for file in ["decnet.db", "decnet.db-wal", "decnet.db-shm"] {
            let _ = fs::set_permissions(sandbox.path(file), fs::Permissions::from_mode(0o666));
        }
        let program = folder.path().join("decnet");
        fs::copy(command.get_program(), &program).expect("copied");
        let mut other = Command::new(&program);
        other
            .args(arguments)
            .current_dir(sandbox.path(""))
            .uid(NOBODY)
            .gid(NOBODY);
        for (key, value) in command.get_envs() {
            match value {
                Some(value) => other.env(key, value),
                None => other.env_remove(key),
            };
        }
        let ran = Ran::new(&arguments, &other.output().expect("the program runs"));
        insta::assert_snapshot!(
            "no_permission_on_the_socket",
            seen(&sandbox, "no permission on the socket", &ran.exits(5))
        );
    } else {
        let ran = Ran::new(&arguments, &command.output().expect("the program runs"));
        insta::assert_snapshot!(
            "no_permission_on_the_socket",
            seen(&sandbox, "no permission on the socket", &ran.exits(5))
        );
    }
}
