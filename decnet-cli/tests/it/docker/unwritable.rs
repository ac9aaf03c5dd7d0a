//! Databases that cannot be written to, and outdated ones.

use std::{fs, process::Command};

use super::lab::Lab;

const ONE: &str = "\
format: decnet.topology/1
name: lab
lans:
  - {name: dmz, subnet: 10.204.17.0/28, dmz: true}
deckies:
  - {name: web-01, services: [http], attachments: [{lan: dmz}]}
";

/// Runs commands with a copy of the database on a small full file system, then frees space and continues.
const ON_A_FULL_DISK: &str = r#"
mkdir disk; mount -t tmpfs -o size=2m tmpfs disk
cp decnet.db disk/; export DECNET_DB=disk/decnet.db
dd if=/dev/zero of=disk/ballast bs=512 2>/dev/null || true
for command in list "show lab" "plan lab" "db check" "hash lab" "graph lab" "mutations lab" "next-subnet" "reap --dry-run" "reap"; do
    "$DECNET" $command >/dev/null || echo "refused: $command"
done
"$DECNET" teardown lab --json >out 2>err && echo "RECORDED"
echo "exit $?"; tail -n 1 err
rm disk/ballast
"$DECNET" teardown lab --json
"#;

#[test]
#[ignore = "needs Docker"]
fn on_a_full_disk_everything_can_be_inspected_and_torn_down() {
    let lab = Lab::apply(ONE);
    lab.run(&["deploy", "lab", "--quiet"]).exits(0);
    let prepared = lab.sandbox.command(&[]);
    let mut shell = Command::new("unshare");
    shell.args(["--mount", "sh", "-euc", ON_A_FULL_DISK]);
    shell.current_dir(prepared.get_current_dir().expect("a folder"));
    for (key, value) in prepared.get_envs() {
        match value {
            Some(value) => shell.env(key, value),
            None => shell.env_remove(key),
        };
    }
    let output = shell.env("DECNET", prepared.get_program()).output().expect("a shell");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{output:?}");
    assert!(!said.contains("refused") && !said.contains("RECORDED"), "{said}");
    assert!(said.contains("\"code\":\"teardown_unrecorded\""), "{said}");
    assert!(said.contains("\"torn_down\""), "there was space again: {said}");
    lab.assert_nothing_left();
}

#[test]
#[ignore = "needs Docker"]
fn an_older_copy_of_the_database_does_not_remove_running_mazes() {
    let lab = Lab::apply(&ONE.replace("10.204.17.", "10.204.18."));
    lab.run(&["delete", "lab"]).exits(0);
    let older = fs::read(lab.sandbox.database()).expect("a database");
    lab.run(&["apply", "-f", "lab.yaml"]).exits(0);
    lab.run(&["deploy", "lab", "--quiet"]).exits(0);
    let before = lab.on_docker();
    fs::write(lab.sandbox.database(), older).expect("restored");
    let looked = lab.run(&["reap", "--dry-run", "--json"]).exits(0).json();
    let prefix = looked["orphans"][0]["prefix"].as_str().expect("an id").to_owned();
    for arguments in [
        &["reap"] as &[_],
        &["reap", "--yes"],
        &["reap", "--yes=00000000"],
        &["reap", "--json"],
    ] {
        let refused = lab.run(arguments).exits(2);
        assert!(
            refused.stderr.contains("--yes=ID") && refused.stderr.contains(&prefix),
            "{refused:#?}"
        );
        assert_eq!(lab.on_docker(), before, "{arguments:?}");
    }
    lab.run(&["reap", &format!("--yes={prefix}")]).exits(0);
    lab.assert_nothing_left();
}
