//! Typical mistakes with running mazes. Each gives one message, which says what is wrong, where, and what to do.

use std::net::TcpListener;

use super::lab::{Lab, Running};

const ONE: &str = "\
format: decnet.topology/1
name: lab
lans:
  - {name: dmz, subnet: 10.204.19.0/28, dmz: true}
deckies:
  - {name: web-01, services: [http], forwards_l3: true, attachments: [{lan: dmz}]}
";

#[test]
#[ignore = "needs Docker"]
fn typical_mistakes_with_a_running_maze_give_one_message() {
    let lab = Lab::apply(ONE);
    // A port that nobody else uses, which then is in use.
    let listener = TcpListener::bind("127.0.0.1:0").expect("bound");
    let taken = listener.local_addr().expect("an address").port();
    let mapped = format!("http=127.0.0.1:{taken}");
    let mut seen = Vec::new();
    let mut see = |mistake: &str, arguments: &[&str], exit: i32| {
        let ran = lab.run(arguments).exits(exit);
        let errors = ran.stderr.lines().filter(|line| line.starts_with("error: "));
        assert_eq!(errors.count(), usize::from(exit != 0), "{ran:#?}");
        let text = ran.seen(&lab.sandbox).replace(&taken.to_string(), "[port]");
        let text: String = text
            .lines()
            .filter(|line| !line.contains("done: "))
            .flat_map(|line| [line, "\n"])
            .collect();
        seen.push(format!("# {mistake}\n{text}"));
    };
    see("a port that is in use", &["deploy", "lab", "--publish", &mapped], 3);
    lab.sandbox.write("one.yaml", ONE);
    see(
        "a port that is in use, for a maze of a file",
        &["deploy", "-f", "one.yaml", "--publish", &mapped],
        3,
    );
    drop(listener);
    lab.run(&["deploy", "lab", "--publish", &mapped, "--quiet"]).exits(0);
    see("a maze that is deployed already", &["deploy", "lab"], 0);
    see("delete while it runs", &["delete", "lab"], 4);
    see("remove the database while it runs", &["db", "reset", "--yes"], 4);
    lab.run(&["teardown", "lab", "--quiet"]).exits(0);
    see(
        "a change of a maze that is torn down",
        &["mutate", "lab", "add_lan", "--name", "x"],
        4,
    );
    see("verify a maze that does not run", &["verify", "lab"], 4);
    lab.assert_nothing_left();
    insta::assert_snapshot!(seen.join("\n"));
}

#[test]
#[ignore = "needs Docker"]
fn ctrl_c_gives_one_message_and_leaves_nothing() {
    let lab = Lab::apply(&ONE.replace("10.204.19.", "10.204.20."));
    let running = Running::start(&lab.sandbox, &["deploy", "lab", "-v"], "begin: ");
    running.signal("INT");
    let (status, said) = running.end();
    assert_eq!(status.code(), Some(130), "{said}");
    let errors: Vec<_> = said.lines().filter(|line| line.starts_with("error: ")).collect();
    assert_eq!(errors, ["error: the operation was interrupted"], "{said}");
    assert!(
        said.ends_with("hint: nothing of this run is left; run the command again\n"),
        "{said}"
    );
    lab.assert_nothing_left();
}
