//! The map, in a real browser. `scripts/browser-up` installs it.

mod browser;
mod editing;
mod files;
mod interrupting;
mod showing;

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::{command::Sandbox, serving::Server};
pub(crate) use browser::Browser;

/// The size of the window.
pub(crate) const WINDOW: (u32, u32) = (1400, 900);

const CORP: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/mazes/corp.yaml");

/// A server without authentication, and a browser that shows its page.
struct Lab {
    browser: Browser,
    server: Server,
    sandbox: Sandbox,
}

impl Lab {
    fn new(sandbox: Sandbox) -> Option<Self> {
        let browser = Browser::start(WINDOW, false)?;
        let server = Server::start(&sandbox, &["--no-auth"]);
        browser.open(&format!("http://{}/", server.address));
        Some(Self {
            browser,
            server,
            sandbox,
        })
    }

    /// Checks that nothing was refused by the policy of the page, and no script failed.
    fn ends(self) {
        assert_eq!(self.browser.faults(), Vec::<String>::new());
        drop(self.browser);
        assert_eq!(self.server.interrupt(), 0);
    }

    /// Fills the form of the editor, applies it, and waits for the next version.
    #[track_caller]
    fn edit(&self, operation: &str, fields: &[(&str, &str)]) {
        let version = self.version();
        self.browser.choose("#operation", operation);
        for (name, value) in fields {
            let css = format!("#fields [name={name}]");
            match *value {
                "✓" => self.browser.click(&css),
                value
                    if self
                        .browser
                        .run(&format!("return document.querySelector({}).tagName", json!(css)))
                        == "SELECT" =>
                {
                    self.browser.choose(&css, value);
                }
                value => self.browser.write(&css, value),
            }
        }
        self.browser.click("#edit button[type=submit]");
        // A refusal is shown for half a minute only, so the wait ends with it too.
        self.browser.wait(&format!(
            "(document.getElementById('status').textContent.includes('version {}') && !document.getElementById('operation').disabled)
             || !document.getElementById('notice').hidden",
            version + 1
        ));
        let notice = self.browser.run("return document.getElementById('notice').textContent");
        assert_eq!(self.version(), version + 1, "{operation} {fields:?}: {notice}");
    }

    fn version(&self) -> u64 {
        let text = self.browser.run("return document.getElementById('status').textContent");
        let version = text.as_str().and_then(|text| text.rsplit(' ').next()?.parse().ok());
        version.unwrap_or_else(|| panic!("{text}"))
    }
}

/// A maze of LANs in a row of rows, with three deckies each.
fn large(name: &str, lans: usize) -> Value {
    let lan = |at: usize| {
        let subnet = format!("10.{}.{}.0/24", lans % 200 + at / 250, at % 250);
        json!({ "name": format!("lan-{at:03}"), "subnet": subnet, "dmz": at == 0 })
    };
    let decky = |at: usize| {
        let (lan, kind) = (at / 3, at % 3);
        let mut attachments = vec![json!({ "lan": format!("lan-{lan:03}") })];
        if kind == 0 && lan > 0 {
            attachments.insert(0, json!({ "lan": format!("lan-{:03}", (lan - 1) / 4) }));
        }
        let services = [["ssh", "http"], ["smb", "rdp"], ["mysql", "ftp"]][kind];
        json!({ "name": format!("decky-{at:04}"), "services": services, "attachments": attachments, "forwards_l3": kind == 0 && lan % 5 == 1 })
    };
    json!({
        "format": "decnet.topology/1",
        "name": name,
        "lans": (0..lans).map(lan).collect::<Vec<_>>(),
        "deckies": (0..lans * 3).map(decky).collect::<Vec<_>>(),
    })
}

/// Counts things for an assertion that shows them.
fn listed(texts: impl IntoIterator<Item = String>) -> String {
    texts.into_iter().fold(String::new(), |mut all, text| {
        let _ = writeln!(all, "{text}");
        all
    })
}
