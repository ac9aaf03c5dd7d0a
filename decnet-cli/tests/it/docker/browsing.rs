//! The map, with a maze that runs.

use std::{
    io::{BufRead as _, BufReader},
    process::Stdio,
    thread,
    time::{Duration, Instant},
};

use super::lab::Lab;
use crate::{
    events::serve,
    map::{Browser, WINDOW},
    serving::Server,
};

const MAZE: &str = "\
format: decnet.topology/1
name: lab
lans:
  - {name: dmz, subnet: 10.204.77.0/26, dmz: true}
  - {name: office, subnet: 10.204.77.64/26}
deckies:
  - {name: web-01, services: [http], attachments: [{lan: dmz}]}
  - {name: jump-01, services: [ssh], attachments: [{lan: dmz}, {lan: office}]}
";

#[test]
#[ignore = "needs Docker"]
fn a_maze_is_deployed_and_torn_down_on_the_page_and_a_change_appears_at_once() {
    let Some(browser) = Browser::start(WINDOW, false) else {
        return;
    };
    let lab = Lab::apply(MAZE);
    let _bus = serve(&lab.sandbox);
    let server = Server::start(&lab.sandbox, &["--no-auth"]);
    browser.open(&format!("http://{}/", server.address));
    browser.connects();
    browser.shows("pending");
    // The plan is shown first, and nothing happens without a yes.
    browser.click("[data-work=deploy]");
    browser.wait("document.querySelectorAll('#dialog .steps li').length > 5");
    browser.picture("plan");
    browser.click("#dialog-no");
    assert_eq!(lab.status(), "pending");
    browser.click("[data-work=deploy]");
    browser.wait("document.getElementById('dialog').open");
    browser.click("#dialog-yes");
    browser.shows("deploy: active");
    browser.wait("document.querySelectorAll('#picture .decky.running').length === 2");
    browser.shows("create network");
    browser.picture("running");

    // From the event `applied` to the picture.
    let mut events = lab.sandbox.spawn(&["events", "--json"], Stdio::null());
    let mut lines = BufReader::new(events.stdout.take().expect("piped")).lines();
    assert!(lines.next().expect("a line").expect("a line").contains("snapshot"));
    let payload = r#"{"name": "safe", "lan": "office", "services": ["ftp"]}"#;
    let mut mutate = lab
        .sandbox
        .spawn(&["mutate", "lab", "add_decky", payload, "--wait"], Stdio::null());
    lines
        .find(|line| line.as_ref().is_ok_and(|line| line.contains("mutation.applied")))
        .expect("the mutation is applied")
        .expect("a line");
    let applied = Instant::now();
    browser.wait("document.querySelector('[data-decky=safe].running')");
    eprintln!("{:?} after `applied`, the page shows the new decky", applied.elapsed());
    assert!(mutate.wait().expect("ended").success());
    events.kill().expect("killed");
    events.wait().expect("ended");

    // An intruder on one decky goes to another one. The first contacts may come before the logs are read.
    let mut watch = lab.sandbox.spawn(&["watch", "--quiet"], Stdio::null());
    let is_marked = "return !!document.querySelector('[data-decky=web-01].visited')";
    for _ in 0..20 {
        lab.run(&["exec", "lab", "jump-01", "--", "connect", "web-01", "80"]);
        thread::sleep(Duration::from_millis(500));
        if browser.run(is_marked) == true {
            break;
        }
    }
    // A test that fails must not leave it: it would repair what the lab removes.
    watch.kill().expect("killed");
    watch.wait().expect("ended");
    browser.wait("document.querySelectorAll('.visited[data-decky=web-01], .visited[data-decky=jump-01]').length === 2");
    browser.shows("intruder session started: jump-01 → web-01 (http)");
    browser.picture("intruder");

    browser.click("[data-work=teardown]");
    browser.wait("document.getElementById('dialog').open");
    browser.click("#dialog-yes");
    browser.shows("teardown: torn_down");
    lab.assert_nothing_left();
    assert_eq!(browser.faults(), Vec::<String>::new());
    drop(browser);
    assert_eq!(server.interrupt(), 0);
}
