//! What others do meanwhile: revoked tokens, deleted mazes, a server that is gone.

use super::{Browser, CORP, Lab, WINDOW};
use crate::{command::Sandbox, serving::Server};

const SELECT: &str = "document.querySelector('[data-decky=db-01]').dispatchEvent(new KeyboardEvent('keydown', {key: 'Enter', bubbles: true}))";

#[test]
#[ignore = "needs Chromium"]
fn a_token_that_is_asked_for_answers_no_other_question() {
    let sandbox = Sandbox::new();
    sandbox.run(&["apply", "-f", CORP]).exits(0);
    let token = |name: &str| {
        let made = sandbox.run(&["token", "create", name, "--scope", "write"]).exits(0);
        made.stdout.trim().to_owned()
    };
    let (first, second) = (token("first"), token("second"));
    let Some(browser) = Browser::start(WINDOW, false) else {
        return;
    };
    let server = Server::start(&sandbox, &[]);
    browser.open(&format!("http://{}/#corp", server.address));
    // Who does not give a token is not asked again until something needs it.
    browser.shows("A token is needed");
    browser.click("#dialog-no");
    browser.wait("document.getElementById('connection').textContent === 'no token'");
    browser.click("#token");
    browser.write("#token-text", "wrong");
    browser.click("#dialog-yes");
    browser.shows("The server refuses the token");
    browser.write("#token-text", &first);
    browser.click("#dialog-yes");
    browser.connects();
    browser.wait("document.querySelector('[data-decky=db-01]') && document.getElementById('notice').hidden");
    browser.run(SELECT);
    browser.run(
        "[...document.querySelectorAll('#details button')].find((button) => button.textContent === 'Remove this decky').click()",
    );
    browser.shows("Remove the decky db-01?");
    let listed = sandbox.run(&["token", "list"]).exits(0).stdout;
    let id = listed.lines().find(|line| line.contains(" first ")).expect("listed");
    let id = id.split(' ').next().expect("an id");
    sandbox.run(&["token", "revoke", id]).exits(0);
    browser.wait("document.getElementById('connection').dataset.open === 'false'");
    // The page connects again after a second, and needs a token for that. The question stays.
    browser.run("globalThis.since = Date.now()");
    browser.wait("Date.now() - globalThis.since > 2500");
    browser.shows("Remove the decky db-01?");
    browser.click("#dialog-no");
    browser.shows("The server refuses the token");
    browser.write("#token-text", &second);
    browser.click("#dialog-yes");
    browser.connects();
    browser.wait("!document.getElementById('dialog').open");
    assert!(sandbox.run(&["show", "corp"]).exits(0).stdout.contains("db-01"));
    assert_eq!(browser.faults(), Vec::<String>::new());
    drop(browser);
    assert_eq!(server.interrupt(), 0);
}

#[test]
#[ignore = "needs Chromium"]
fn an_error_and_the_focus_stay_while_others_change_the_maze() {
    let sandbox = Sandbox::new();
    sandbox.run(&["apply", "-f", CORP]).exits(0);
    let Some(lab) = Lab::new(sandbox) else { return };
    let browser = &lab.browser;
    browser.connects();
    browser.wait("document.querySelectorAll('#picture [data-decky]').length === 7");
    browser.run(SELECT);
    browser.choose("#operation", "add_lan");
    browser.write("#fields [name=name]", "dmz");
    browser.click("#edit button[type=submit]");
    browser.wait("document.getElementById('notice').textContent.includes('dmz')");
    browser.run("document.querySelector('#details .link').focus()");
    let payload = r#"{"name": "safe", "lan": "servers", "services": ["ftp"]}"#;
    lab.sandbox.run(&["mutate", "corp", "add_decky", payload]).exits(0);
    browser.wait("document.querySelector('[data-decky=safe]')");
    assert_eq!(
        browser.run("return [document.getElementById('notice').hidden, document.activeElement.textContent]"),
        serde_json::json!([false, "servers"])
    );
    lab.ends();
}

#[test]
#[ignore = "needs Chromium"]
fn a_deleted_maze_leaves_nothing_and_no_other_maze_takes_its_place() {
    let sandbox = Sandbox::new();
    sandbox.run(&["create", "other"]).exits(0);
    sandbox.run(&["apply", "-f", CORP]).exits(0);
    let Some(lab) = Lab::new(sandbox) else { return };
    let browser = &lab.browser;
    browser.connects();
    browser.run("location.hash = 'corp'");
    browser.wait("document.querySelectorAll('#picture [data-decky]').length === 7");
    browser.shows("7 deckies");
    browser.run(SELECT);
    browser.shows("Decky db-01");
    browser.click("#show-table");
    browser.wait("document.querySelectorAll('#table tbody tr').length === 10");
    lab.sandbox.run(&["delete", "corp"]).exits(0);
    browser.wait("document.getElementById('picture').textContent.includes('The maze corp was deleted')");
    let rest = "return [document.querySelectorAll('#table tbody tr').length, document.getElementById('details').textContent, \
                document.getElementById('mazes').value, document.querySelector('#edit button').disabled]";
    assert_eq!(
        browser.run(rest),
        serde_json::json!([0, "Select a LAN or a decky.", "", true])
    );
    browser.run("location.hash = 'nothing'");
    browser.wait("document.getElementById('picture').textContent.includes('There is no maze named nothing')");
    // This encoding is not valid.
    browser.run("location.hash = '%zz'");
    browser.wait("document.getElementById('picture').textContent.includes('There is no maze named %zz')");
    lab.ends();
}

#[test]
#[ignore = "needs Chromium"]
fn a_server_that_is_gone_is_named_as_the_cause() {
    let sandbox = Sandbox::new();
    sandbox.run(&["apply", "-f", CORP]).exits(0);
    let Some(lab) = Lab::new(sandbox) else { return };
    lab.browser.connects();
    assert_eq!(lab.server.interrupt(), 0);
    lab.browser.click("[data-work=deploy]");
    lab.browser.shows("The server cannot be reached.");
    lab.browser.shows("connecting again");
}
