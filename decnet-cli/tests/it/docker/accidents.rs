//! Interruptions, crashes and races.

use super::lab::Lab;

const UNDER_WAY: &str = "done: create base";

#[test]
#[ignore = "needs Docker"]
fn one_of_two_concurrent_deploys_exits_with_4() {
    let lab = Lab::generate(20);
    let first = lab.start(&["deploy", "lab"], "status: deploying");
    // It pauses, so that it cannot end before the others begin.
    first.signal("STOP");
    lab.run(&["deploy", "lab"]).exits(4).says("is working on `lab`");
    lab.run(&["teardown", "lab"]).exits(4).says("hint:");
    first.signal("CONT");
    let (status, said) = first.end();
    assert_eq!(status.code(), Some(0), "{said}");
    assert_eq!(lab.status(), "active");
    lab.run(&["teardown", "lab", "--quiet"]).exits(0);
}

#[test]
#[ignore = "needs Docker"]
fn an_interrupted_deploy_leaves_nothing_and_exits_with_130() {
    let lab = Lab::generate(21);
    for signal in ["INT", "TERM"] {
        let deploy = lab.start(&["deploy", "lab"], UNDER_WAY);
        deploy.signal(signal);
        let (status, said) = deploy.end();
        assert_eq!(status.code(), Some(130), "{said}");
        assert!(said.contains("interrupted") && said.contains("undo: remove"), "{said}");
        lab.assert_nothing_left();
        assert_eq!(lab.status(), "failed");
    }
    lab.run(&["deploy", "lab", "--quiet"]).exits(0);
    lab.run(&["teardown", "lab", "--quiet"]).exits(0);
    lab.assert_nothing_left();
}

#[test]
#[ignore = "needs Docker"]
fn the_third_interruption_exits_immediately_and_teardown_cleans_up() {
    let lab = Lab::generate(22);
    let mut deploy = lab.start(&["deploy", "lab"], UNDER_WAY);
    deploy.signal("INT");
    deploy.until("interrupted:");
    deploy.signal("INT");
    deploy.until("exiting now may leave resources");
    deploy.signal("INT");
    let (status, said) = deploy.end();
    assert_eq!(status.code(), Some(130), "{said}");
    lab.run(&["teardown", "lab", "--quiet"]).exits(0);
    lab.assert_nothing_left();
    assert_eq!(lab.status(), "torn_down");
}

#[test]
#[ignore = "needs Docker"]
fn after_a_killed_deploy_the_next_one_continues() {
    let lab = Lab::generate(23);
    let deploy = lab.start(&["deploy", "lab"], UNDER_WAY);
    deploy.signal("KILL");
    let (status, _) = deploy.end();
    assert_eq!(status.code(), None);
    assert_eq!(lab.status(), "deploying");
    lab.run(&["deploy", "lab", "--quiet"]).exits(0);
    assert_eq!(lab.status(), "active");
    lab.run(&["teardown", "lab", "--quiet"]).exits(0);
    lab.assert_nothing_left();
}

#[test]
#[ignore = "needs Docker"]
fn after_a_killed_deploy_a_teardown_cleans_up() {
    let lab = Lab::generate(24);
    let deploy = lab.start(&["deploy", "lab"], UNDER_WAY);
    deploy.signal("KILL");
    deploy.end();
    lab.run(&["teardown", "lab", "--quiet"]).exits(0);
    lab.assert_nothing_left();
    assert_eq!(lab.status(), "torn_down");
}

#[test]
#[ignore = "needs Docker"]
fn after_a_killed_teardown_the_next_one_continues() {
    let lab = Lab::generate(25);
    kill_teardown(&lab);
    lab.run(&["teardown", "lab", "--quiet"]).exits(0);
    lab.assert_nothing_left();
}

#[test]
#[ignore = "needs Docker"]
fn after_a_killed_teardown_deploy_finishes_it_and_deploys_a_fresh_copy() {
    let lab = Lab::generate(26);
    kill_teardown(&lab);
    lab.run(&["deploy", "lab", "--quiet"]).exits(0);
    assert_eq!(lab.status(), "active");
    lab.run(&["teardown", "lab", "--quiet"]).exits(0);
    lab.assert_nothing_left();
}

/// Deploys a maze, and kills its teardown after the first removal.
fn kill_teardown(lab: &Lab) {
    lab.run(&["deploy", "lab", "--quiet"]).exits(0);
    let teardown = lab.start(&["teardown", "lab"], "done: remove container");
    teardown.signal("KILL");
    teardown.end();
    assert_eq!(lab.status(), "tearing_down");
}
