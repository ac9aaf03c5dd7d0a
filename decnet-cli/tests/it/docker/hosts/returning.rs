//! A host that is off while its maze moves, and returns.

use super::Stage;

/// Waits until a host has the state, as `decnet host list` shows it.
fn until(stage: &Stage, host: &str, wanted: &str) {
    stage.on_master(&format!(
        "timeout 60 sh -c 'until decnet host show {host} | grep -q \"^state *{wanted}\"; do sleep 0.5; done'"
    ));
}

#[test]
#[ignore = "needs Docker"]
fn a_host_that_returns_after_its_maze_moved_is_emptied() {
    let stage = Stage::start();
    stage.in_background("decnet host serve", "hosts.log");
    for host in ["east", "west"] {
        stage.join(host);
        until(&stage, host, "ready");
    }
    stage.on_master("decnet deploy -f examples/mazes/first.yaml --spread");
    assert!(stage.must(&["left", "west"]).contains("container"));
    stage.on_master("ssh west poweroff");

    // The deckies are raised on the other host. What is on this one is not known.
    let moved = stage.on_master("decnet host drain west --move 2>&1 || echo exit status $?");
    assert!(moved.contains("host west is unseen"), "{moved}");
    let placed = stage.on_master("decnet show first");
    let is_on_east = |line: &&str| line.contains(" east ") && line.ends_with(" running");
    assert_eq!(placed.lines().filter(is_on_east).count(), 3, "{placed}");
    assert!(placed.contains("first  degraded"), "{placed}");
    assert!(placed.contains("parts of the maze may still be on: west"), "{placed}");

    stage.on_master("boot west");
    assert!(stage.must(&["left", "west"]).contains("container"));
    let emptied = stage.on_master("decnet reconcile first 2>&1");
    assert!(emptied.contains("first is active"), "{emptied}");
    let verified = stage.on_master("decnet verify first 2>&1");
    assert!(verified.contains("everything matches the maze"), "{verified}");
    assert_eq!(stage.must(&["left", "west"]), "");
    stage.on_master("decnet teardown first --yes");
    assert_eq!(stage.must(&["left", "east"]), "");
}
