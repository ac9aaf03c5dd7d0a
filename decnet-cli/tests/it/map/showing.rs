use std::time::Instant;

use fantoccini::key::Key;
use serde_json::json;

use super::{Browser, CORP, Lab, WINDOW, large, listed};
use crate::{command::Sandbox, serving::Server};

/// How many deckies of the picture match.
fn count(browser: &Browser, css: &str) -> u64 {
    let found = browser.run(&format!("return document.querySelectorAll({}).length", json!(css)));
    found.as_u64().expect("a number")
}

#[test]
#[ignore = "needs Chromium"]
fn the_page_shows_a_maze_and_finds_its_parts_with_the_keyboard() {
    let sandbox = Sandbox::new();
    sandbox.run(&["apply", "-f", CORP]).exits(0);
    let Some(lab) = Lab::new(sandbox) else { return };
    let browser = &lab.browser;
    browser.wait("document.querySelectorAll('#picture [data-decky]').length === 7");
    assert_eq!(count(browser, "#picture [data-lan]"), 3);
    browser.connects();
    // The search: `/`, words, Enter.
    browser.press(Key::Escape);
    browser.type_text("/");
    browser.type_text("mysql");
    browser.shows("1 found");
    browser.press(Key::Enter);
    browser.shows("Decky db-01");
    for text in ["172.16.0.4", "host", "redis", "database-server", "Compromises"] {
        browser.shows(text);
    }
    assert_eq!(count(browser, "#picture .chosen[data-decky=db-01]"), 1);
    // Pan, zoom and fit.
    let view = || browser.run("return document.querySelector('#picture svg').getAttribute('viewBox')");
    browser.run("document.getElementById('picture').focus()");
    browser.type_text("0");
    let whole = view();
    browser.type_text("+");
    let nearer = view();
    browser.press(Key::Right);
    assert!(whole != nearer && nearer != view());
    browser.type_text("0");
    assert_eq!(view(), whole);
    // Enter on a part that has the focus.
    browser.run("document.querySelector('[data-lan=office]').focus()");
    browser.press(Key::Enter);
    browser.shows("LAN office");
    // The same as a table.
    browser.press(Key::Escape);
    browser.click("#show-table");
    browser.write("#search", "gateway");
    browser.wait("document.querySelectorAll('#table tbody tr').length === 1");
    browser.write("#search", " ");
    browser.wait("document.querySelectorAll('#table tbody tr').length === 10");
    browser.picture("table");
    browser.click("#table tr:last-child .link");
    lab.ends();
}

#[test]
#[ignore = "needs Chromium"]
fn a_change_by_the_command_appears_and_the_slider_shows_the_past() {
    let sandbox = Sandbox::new();
    sandbox.run(&["apply", "-f", CORP]).exits(0);
    let Some(lab) = Lab::new(sandbox) else { return };
    let browser = &lab.browser;
    browser.connects();
    browser.wait("document.querySelectorAll('#picture [data-decky]').length === 7");
    let payload = r#"{"name": "safe", "lan": "servers", "services": ["ftp"]}"#;
    lab.sandbox.run(&["mutate", "corp", "add_decky", payload]).exits(0);
    let took = browser.wait("document.querySelector('[data-decky=safe]')");
    eprintln!("without a bus, the change appeared after {took:?}");
    lab.sandbox
        .run(&[
            "mutate",
            "corp",
            "update_decky",
            r#"{"decky": "safe", "services": ["redis"]}"#,
        ])
        .exits(0);
    browser.wait("document.querySelector('[data-decky=safe]')?.textContent.includes('redis')");
    // Back to the time before the last change, to the time before the decky, and to now.
    browser.click("#earlier");
    browser.wait("document.querySelector('[data-decky=safe]')?.textContent.includes('redis') && !document.getElementById('now').disabled");
    browser.click("#earlier");
    browser.wait("document.querySelector('[data-decky=safe]')?.textContent.includes('ftp')");
    browser.click("#earlier");
    browser.wait("!document.querySelector('[data-decky=safe]')");
    browser.shows("pending then");
    assert_eq!(
        browser.run("return document.querySelector('[data-work=deploy]').disabled"),
        true
    );
    browser.picture("past");
    browser.click("#now");
    browser.wait("document.querySelector('[data-decky=safe]')?.textContent.includes('redis')");
    let begun = Instant::now();
    lab.sandbox.run(&["delete", "corp"]).exits(0);
    browser.shows("There is no maze yet");
    eprintln!("the deletion appeared after {:?}", begun.elapsed());
    lab.ends();
}

#[test]
#[ignore = "needs Chromium"]
fn a_server_with_tokens_asks_for_one_and_follows_with_tickets() {
    let sandbox = Sandbox::new();
    sandbox.run(&["apply", "-f", CORP]).exits(0);
    let token = sandbox.run(&["token", "create", "me", "--scope", "read"]).exits(0);
    let Some(browser) = Browser::start(WINDOW, false) else {
        return;
    };
    let server = Server::start(&sandbox, &[]);
    browser.open(&format!("http://{}/#corp", server.address));
    browser.shows("A token is needed");
    browser.write("#token-text", token.stdout.trim());
    browser.click("#dialog-yes");
    browser.wait("document.querySelectorAll('#picture [data-decky]').length === 7");
    browser.connects();
    assert_eq!(
        browser.run("return localStorage.length + sessionStorage.length + document.cookie.length"),
        0
    );
    // The scope is too narrow for a change.
    browser.choose("#operation", "remove_decky");
    browser.click("#edit button[type=submit]");
    browser.shows("needs the scope write");
    assert_eq!(browser.faults(), Vec::<String>::new());
    drop(browser);
    assert_eq!(server.interrupt(), 0);
}

/// With `DECNET_PICTURES`, the pictures can be looked at.
#[test]
#[ignore = "needs Chromium"]
fn mazes_of_7_60_and_400_lans_are_shown_light_and_dark() {
    let sandbox = Sandbox::new();
    for lans in [7, 60, 400] {
        let file = sandbox.write("maze.json", &large(&format!("maze-{lans}"), lans).to_string());
        let applied = sandbox.run(&["apply", "-f", file.to_str().expect("UTF-8")]);
        applied.exits(0);
    }
    let server = Server::start(&sandbox, &["--no-auth"]);
    for (is_dark, colours) in [(false, "light"), (true, "dark")] {
        let Some(browser) = Browser::start(WINDOW, is_dark) else {
            return;
        };
        for lans in [7, 60, 400] {
            browser.open(&format!("http://{}/?{colours}-{lans}#maze-{lans}", server.address));
            browser.wait(&format!(
                "document.querySelectorAll('#picture [data-lan]').length === {lans}"
            ));
            browser.run("document.querySelector('[data-lan=lan-001]').dispatchEvent(new KeyboardEvent('keydown', {key: 'Enter', bubbles: true}))");
            browser.shows("LAN lan-001");
            browser.picture(&format!("maze-{lans}-{colours}"));
            // A decky of a LAN that shows only a number is found too.
            browser.write("#search", "decky-0015");
            browser.press(Key::Enter);
            browser.shows("Decky decky-0015");
            assert!(count(&browser, "#picture .hit") >= 1);
            browser.picture(&format!("maze-{lans}-{colours}-found"));
        }
        assert_eq!(listed(browser.faults()), "");
    }
    assert_eq!(server.interrupt(), 0);
}
