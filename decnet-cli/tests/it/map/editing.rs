use std::fs;

use serde_json::json;

use super::{CORP, Lab};
use crate::command::Sandbox;

const PICTURE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/corp.svg");

#[test]
#[ignore = "needs Chromium"]
fn the_editor_builds_the_maze_of_the_readme_from_nothing() {
    let Some(lab) = Lab::new(Sandbox::new()) else { return };
    let browser = &lab.browser;
    browser.shows("There is no maze yet");
    browser.click("#new-maze");
    browser.write("#new-name", "corp");
    browser.write("#new-subnet", "172.20.0.0/24");
    browser.click("#dialog-yes");
    browser.shows("version 1");
    lab.edit("add_lan", &[("name", "office"), ("subnet", "172.20.1.0/24")]);
    lab.edit("add_lan", &[("name", "servers"), ("subnet", "172.16.0.0/24")]);
    let web = [
        ("name", "web-01"),
        ("lan", "dmz"),
        ("archetype", "web-server"),
        ("services", "http ssh"),
        ("ip", "172.20.0.10"),
        ("forwards_l3", "✓"),
    ];
    lab.edit("add_decky", &web);
    lab.edit(
        "attach_decky",
        &[("decky", "web-01"), ("lan", "office"), ("ip", "172.20.1.10")],
    );
    let others = [
        ("mail-01", "dmz", "mail-server", "smtp imap"),
        ("desk-01", "office", "windows-workstation", "smb rdp"),
        ("desk-02", "office", "windows-workstation", "smb rdp"),
        ("jump-01", "office", "jump-host", "ssh"),
        ("dc-01", "servers", "domain-controller", "ldap smb rdp"),
        ("db-01", "servers", "database-server", "mysql redis"),
    ];
    for (name, lan, archetype, services) in others {
        let fields = [
            ("name", name),
            ("lan", lan),
            ("archetype", archetype),
            ("services", services),
        ];
        lab.edit("add_decky", &fields);
        if name == "jump-01" {
            lab.edit("attach_decky", &[("decky", name), ("lan", "servers")]);
        }
    }
    browser.picture("editor");
    let picture = fs::read_to_string(PICTURE).expect("the picture");
    let built = lab.sandbox.run(&["graph", "corp", "--format", "svg"]).exits(0);
    assert_eq!(built.stdout, picture);
    lab.ends();
}

#[test]
#[ignore = "needs Chromium"]
fn findings_are_shown_while_typing_and_refusals_change_nothing() {
    let sandbox = Sandbox::new();
    sandbox.run(&["apply", "-f", CORP]).exits(0);
    let Some(lab) = Lab::new(sandbox) else { return };
    let browser = &lab.browser;
    browser.shows("version 1");
    browser.choose("#operation", "add_lan");
    browser.write("#fields [name=name]", "vault");
    let place = "return document.querySelector('#edit button[type=submit]').getBoundingClientRect().y";
    let before = browser.run(place);
    browser.write("#fields [name=subnet]", "172.20.1.128/25");
    browser.wait("document.getElementById('findings').textContent.includes('SUBNET_OVERLAP')");
    browser.picture("findings");
    assert_eq!(
        browser.run(place),
        before,
        "the button moves while someone is about to press it"
    );
    browser.click("#edit button[type=submit]");
    browser.wait("!document.getElementById('notice').hidden");
    assert_eq!(lab.version(), 1);
    browser.write("#fields [name=subnet]", "172.20.9.0/24");
    browser.wait("!document.getElementById('findings').textContent.includes('error')");
    lab.edit("add_lan", &[("name", "vault"), ("subnet", "172.20.9.0/24")]);
    lab.edit("attach_decky", &[("decky", "db-01"), ("lan", "vault")]);
    lab.edit("update_decky", &[("decky", "db-01"), ("services", "postgres")]);
    lab.edit("detach_decky", &[("decky", "db-01"), ("lan", "vault")]);
    lab.edit("remove_lan", &[("name", "vault")]);
    lab.edit("remove_decky", &[("decky", "mail-01")]);
    browser.wait("document.querySelectorAll('#picture [data-decky]').length === 6");
    let shown = lab.sandbox.run(&["show", "corp"]).exits(0).stdout;
    assert!(
        shown.contains("postgres") && !shown.contains("mail-01") && !shown.contains("vault"),
        "{shown}"
    );
    lab.ends();
}

#[test]
#[ignore = "needs Chromium"]
fn the_form_is_disabled_until_its_change_is_answered() {
    let sandbox = Sandbox::new();
    sandbox.run(&["apply", "-f", CORP]).exits(0);
    let Some(lab) = Lab::new(sandbox) else { return };
    let browser = &lab.browser;
    browser.shows("version 1");
    // The answers to changes are held back.
    browser.run(
        "const sent = globalThis.fetch;
        globalThis.fetch = async (url, options) => {
            const answer = await sent(url, options);
            if (options.method === 'POST' && url.endsWith('/mutations')) await new Promise((given) => { globalThis.answer = given; });
            return answer;
        };",
    );
    let form = "return [...document.querySelectorAll('#operation, #fields [name], #edit button')].filter((part) => !part.disabled).length";
    let state = "return [document.querySelector('#fields [name=name]').value, document.activeElement.name || document.activeElement.textContent]";
    browser.choose("#operation", "add_lan");
    let all = browser.run(form);
    for (name, subnet, after) in [
        ("vault", "172.20.9.0/24", ["", "name"]),
        ("other", "172.20.1.128/25", ["other", "Apply"]),
    ] {
        browser.write("#fields [name=name]", name);
        browser.write("#fields [name=subnet]", subnet);
        browser.click("#edit button[type=submit]");
        browser.wait("globalThis.answer");
        // The stream of events says that the change was applied, and the answer is still on its way.
        browser.shows("version 2");
        assert_eq!(browser.run(form), json!(0));
        browser.run("globalThis.answer(); globalThis.answer = null");
        browser.wait("!document.getElementById('operation').disabled");
        assert_eq!(browser.run(form), all);
        assert_eq!(browser.run(state), json!(after));
    }
    browser.shows("SUBNET_OVERLAP");
    lab.ends();
}

#[test]
#[ignore = "needs Chromium"]
fn a_lan_is_dragged_to_its_place_and_work_shows_its_plan_first() {
    let sandbox = Sandbox::new();
    sandbox.run(&["apply", "-f", CORP]).exits(0);
    let Some(lab) = Lab::new(sandbox) else { return };
    let browser = &lab.browser;
    browser.wait("document.querySelector('[data-lan=servers]')");
    browser.click("#place");
    let drag = "const box = document.querySelector('[data-lan=servers] .box').getBoundingClientRect();
        const at = (type, x, y) => document.querySelector('[data-lan=servers] .box').dispatchEvent(new PointerEvent(type, {
            bubbles: true, button: 0, pointerId: 1, clientX: box.x + 8 + x, clientY: box.y + 8 + y}));
        document.getElementById('picture').setPointerCapture = () => {};
        at('pointerdown', 0, 0); at('pointermove', 50, 5); at('pointermove', 210, 30); at('pointerup', 210, 30);";
    browser.run(drag);
    browser.shows("version 2");
    let shown = lab.sandbox.run(&["mutations", "corp", "--json"]).exits(0).json();
    let payload = &shown["mutations"][0]["mutation"]["payload"];
    assert!(
        payload["x"].as_f64().is_some_and(|x| x > 50.0) && payload["y"].is_number(),
        "{shown}"
    );
    browser.wait("Number(document.querySelector('[data-lan=servers] .box').getAttribute('x')) > 50");
    browser.picture("dragged");
    let select = "document.querySelector('[data-lan=servers]').dispatchEvent(new KeyboardEvent('keydown', {key: 'Enter', bubbles: true}))";
    browser.run(select);
    browser.run("[...document.querySelectorAll('#details button')].find((button) => button.textContent === 'Forget its place').click()");
    browser.wait("document.querySelector('[data-lan=servers] .box').getAttribute('x') === '0'");
    // Docker is not there: the plan cannot be made, and the page says why.
    browser.click("[data-work=deploy]");
    browser.shows("docker_unreachable");
    assert!(lab.sandbox.run(&["list"]).exits(0).stdout.contains("pending"));
    lab.ends();
}
