use serde_json::json;

use super::{Browser, CORP, Lab, WINDOW};
use crate::{command::Sandbox, log_targets::put_lines};

/// A name that a careless page would run, and characters that a careless page would hide.
const HOSTILE: &str = r#"{"format": "decnet.topology/1", "name": "corp",
    "lans": [{"name": "dmz", "subnet": "10.0.0.0/24", "dmz": true}],
    "deckies": [{"name": "web", "archetype": "</script><script>window.hacked=1</script>",
        "services": ["<img/src=x/onerror=window.hacked=1>", "\u001b[31m\u202eevil"], "attachments": [{"lan": "dmz", "ip": "10.0.0.2"}]}]}"#;

#[test]
#[ignore = "needs Chromium"]
fn a_page_in_one_file_opens_without_a_server() {
    let sandbox = Sandbox::new();
    let written = sandbox
        .run(&["graph", CORP, "--format", "html", "-o", "corp.html"])
        .exits(0);
    assert_eq!(written.stdout, "");
    let Some(browser) = Browser::start(WINDOW, false) else {
        return;
    };
    browser.open(&format!("file://{}", sandbox.path("corp.html").display()));
    browser.wait("document.querySelectorAll('#picture [data-decky]').length === 7");
    browser.write("#search", "172.16.0.3");
    browser.type_text("\u{e007}");
    browser.shows("Decky dc-01");
    browser.click("#show-table");
    browser.wait("document.querySelectorAll('#table tbody tr').length === 1");
    assert_eq!(browser.run("return document.querySelectorAll('.online').length"), 0);
    browser.picture("file");
    assert_eq!(browser.faults(), Vec::<String>::new());
}

#[test]
#[ignore = "needs Chromium"]
fn markup_and_control_characters_of_a_maze_are_shown_as_text() {
    let sandbox = Sandbox::new();
    sandbox.write("hostile.json", HOSTILE);
    sandbox
        .run(&["graph", "hostile.json", "--format", "html", "-o", "hostile.html"])
        .exits(0);
    let Some(browser) = Browser::start(WINDOW, false) else {
        return;
    };
    browser.open(&format!("file://{}", sandbox.path("hostile.html").display()));
    browser.wait("document.querySelector('[data-decky=web]')");
    browser.run("document.querySelector('[data-decky=web]').dispatchEvent(new KeyboardEvent('keydown', {key: 'Enter', bubbles: true}))");
    browser.shows("<img/src=x/onerror=window.hacked=1>");
    browser.shows("</script><script>window.hacked=1</script>");
    browser.shows("\\u{1b}[31m\\u{202e}evil");
    browser.click("#show-table");
    browser.shows("\\u{202e}evil");
    assert_eq!(browser.run("return window.hacked ?? null"), serde_json::Value::Null);
    assert_eq!(
        browser.run("return document.querySelectorAll('img, #picture script').length"),
        0
    );
    assert_eq!(browser.faults(), Vec::<String>::new());
}

/// What visitors send and people type reaches the page through the store.
#[test]
#[ignore = "needs Chromium"]
fn markup_of_visitors_and_actors_is_shown_as_text() {
    let sandbox = Sandbox::new();
    let maze = HOSTILE
        .replace("\"corp\"", "\"lab\"")
        .replace("</script><script>window.hacked=1</script>", "web-server");
    let maze = maze
        .replace("<img/src=x/onerror=window.hacked=1>", "http")
        .replace("\\u001b[31m\\u202eevil", "ssh");
    let file = sandbox.write("lab.json", &maze);
    sandbox.run(&["apply", "-f", file.to_str().expect("UTF-8")]).exits(0);
    let hostile = "<img src=x onerror=window.hacked=1>\u{202e}";
    let said = json!({ "text": { "is_error": false, "message": format!("visitor {hostile}") } });
    put_lines(&sandbox, vec![("1".into(), said)]);
    let Some(lab) = Lab::new(sandbox) else { return };
    let browser = &lab.browser;
    browser.connects();
    let payload = r#"{"decky": "web", "services": ["ftp"]}"#;
    lab.sandbox
        .run(&[
            "mutate",
            "lab",
            "update_decky",
            payload,
            "--actor",
            &format!("actor {hostile}"),
        ])
        .exits(0);
    browser.wait("document.querySelector('[data-decky=web]')?.textContent.includes('ftp')");
    browser.run("document.querySelector('[data-decky=web]').dispatchEvent(new KeyboardEvent('keydown', {key: 'Enter', bubbles: true}))");
    for text in ["visitor", "actor"] {
        browser.shows(&format!("{text} <img src=x onerror=window.hacked=1>\\u{{202e}}"));
    }
    browser.picture("hostile");
    assert_eq!(browser.run("return window.hacked ?? null"), serde_json::Value::Null);
    assert_eq!(browser.run("return document.querySelectorAll('img').length"), 0);
    lab.ends();
}
