use std::{env, process::Command};

use decnet_topology::{Syntax, document};

/// Runs an example, which cargo built together with this test, and returns its output.
fn run(example: &str, arguments: &[&str]) -> String {
    let own = env::current_exe().unwrap();
    let path = own.ancestors().nth(2).unwrap().join("examples").join(example);
    let output = Command::new(&path).args(arguments).output();
    let output = output.unwrap_or_else(|error| panic!("{}: {error}: cargo build --examples", path.display()));
    assert!(
        output.status.success(),
        "{example}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn generate_prints_a_maze_file_and_the_same_one_for_the_same_seed() {
    let maze = run("generate", &["7"]);
    let draft = document::parse(&maze, Syntax::Yaml).unwrap();
    assert!(draft.findings.is_empty(), "{:?}", draft.findings);
    assert_eq!(maze, run("generate", &["7"]));
    assert_ne!(maze, run("generate", &["8"]));
}

#[test]
fn plan_without_docker_prints_a_step_for_each_lan_base_and_service() {
    let plan = run("plan_without_docker", &[]);
    let count = |what: &str| plan.lines().filter(|line| line.contains(what)).count();
    assert_eq!(
        (count("create network"), count("create base"), count("create service")),
        (3, 7, 14)
    );
}

#[test]
fn own_repo_records_the_changes() {
    let lines = run("own_repo", &[]);
    let said: Vec<_> = lines
        .lines()
        .filter_map(|line| line.split_once(' '))
        .map(|(_, said)| said)
        .collect();
    assert_eq!(said, ["created corp", "edited corp to version 2"]);
}

#[test]
fn mutate_while_it_runs_applies_valid_mutations_and_reports_the_others() {
    let lines = run("mutate_while_it_runs", &[]);
    let said = |words: &str| lines.lines().any(|line| line.trim_end() == words);
    for words in [
        "#1 add_decky applied",
        "remove_lan refused: LAN `dmz` is the home of decky `web`; remove the decky first",
        "#2 update_decky applied",
        "db: mysql redis",
    ] {
        assert!(said(words), "{words}: {lines}");
    }
}

mod docker {
    #[test]
    #[ignore = "needs Docker"]
    fn deploy_and_watch_deploys_a_maze_and_tears_it_down() {
        let lines = super::run("deploy_and_watch", &[]);
        let last = lines.lines().last().unwrap_or_default();
        assert!(last.contains("TornDown"), "{lines}");
    }
}
