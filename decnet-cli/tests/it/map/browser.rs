//! Chromium without a window, driven by chromedriver. It has its own folder, and reaches only this machine.

use std::{
    io::{BufRead as _, BufReader},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use fantoccini::{Client, ClientBuilder, Locator, key::Key, wd::WebDriverCompatibleCommand};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::runtime::Runtime;

/// How long the page may take for anything. The machine may be busy.
const TIMEOUT: Duration = Duration::from_mins(1);

/// A browser with one page.
pub(crate) struct Browser {
    runtime: Runtime,
    client: Option<Client>,
    driver: Child,
    _folder: TempDir,
}

/// The messages of the console: faults of scripts, refused requests, violations of the policy.
#[derive(Debug)]
struct ConsoleLog;

impl WebDriverCompatibleCommand for ConsoleLog {
    fn endpoint(&self, base: &url::Url, session: Option<&str>) -> Result<url::Url, url::ParseError> {
        base.join(&format!("session/{}/se/log", session.unwrap_or_default()))
    }

    fn method_and_body(&self, _: &url::Url) -> (http::Method, Option<String>) {
        (http::Method::POST, Some(json!({ "type": "browser" }).to_string()))
    }
}

impl Browser {
    /// Starts a browser for a page of this size, in light or dark colours. Returns none if Chromium is not installed and
    /// `DECNET_SKIP_MISSING_CHROMIUM` is set.
    pub(crate) fn start((width, height): (u32, u32), is_dark: bool) -> Option<Self> {
        let driver = Command::new("chromedriver")
            .arg("--port=0")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn();
        let mut driver = match driver {
            Ok(driver) => driver,
            Err(error) if std::env::var_os("DECNET_SKIP_MISSING_CHROMIUM").is_some() => {
                eprintln!("skipped: chromedriver cannot be started ({error}); scripts/browser-up installs it");
                return None;
            }
            Err(error) => panic!("chromedriver: {error}; scripts/browser-up installs it"),
        };
        let mut lines = BufReader::new(driver.stdout.take().expect("piped")).lines();
        let port = lines
            .find_map(|line| {
                let line = line.expect("a line");
                let (_, port) = line.split_once("successfully on port ")?;
                Some(port.trim_end_matches('.').to_owned())
            })
            .expect("a port");
        let folder = tempfile::tempdir().expect("a folder");
        let scheme = u8::from(!is_dark);
        let mut arguments = vec![
            "--headless=new".to_owned(),
            format!("--user-data-dir={}", folder.path().display()),
            format!("--window-size={width},{height}"),
            format!("--blink-settings=preferredColorScheme={scheme}"),
            "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1".to_owned(),
            "--disable-dev-shm-usage".to_owned(),
            "--disable-gpu".to_owned(),
            "--hide-scrollbars".to_owned(),
        ];
        // Chromium's own sandbox refuses root.
        if rustix::process::geteuid().is_root() {
            arguments.push("--no-sandbox".into());
        }
        let capabilities = json!({
            "browserName": "chrome",
            "goog:chromeOptions": { "args": arguments },
            "goog:loggingPrefs": { "browser": "ALL" },
        });
        let Value::Object(capabilities) = capabilities else {
            unreachable!()
        };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        let client = runtime.block_on(async {
            ClientBuilder::new(HttpConnector::new())
                .capabilities(capabilities)
                .connect(&format!("http://127.0.0.1:{port}"))
                .await
        });
        Some(Self {
            client: Some(client.expect("a session")),
            runtime,
            driver,
            _folder: folder,
        })
    }

    fn client(&self) -> &Client {
        self.client.as_ref().expect("it is taken at the end")
    }

    pub(crate) fn open(&self, url: &str) {
        self.runtime.block_on(self.client().goto(url)).expect("opened");
    }

    /// Runs a script, and returns its value.
    #[track_caller]
    pub(crate) fn run(&self, script: &str) -> Value {
        let ran = self.runtime.block_on(self.client().execute(script, Vec::new()));
        ran.unwrap_or_else(|error| panic!("{script}: {error}"))
    }

    /// Waits until an expression is true, and returns how long it took.
    #[track_caller]
    pub(crate) fn wait(&self, expression: &str) -> Duration {
        let begun = Instant::now();
        while self.run(&format!("return Boolean({expression})")) != json!(true) {
            assert!(
                begun.elapsed() < TIMEOUT,
                "never true: {expression}\n{}\n{:#?}",
                self.run("return document.body.innerText"),
                self.faults()
            );
            self.runtime
                .block_on(async { tokio::time::sleep(Duration::from_millis(10)).await });
        }
        begun.elapsed()
    }

    /// Waits until the page follows the events.
    #[track_caller]
    pub(crate) fn connects(&self) {
        self.wait("document.getElementById('connection').dataset.open === 'true'");
    }

    /// Waits until the page contains a text.
    #[track_caller]
    pub(crate) fn shows(&self, text: &str) {
        self.wait(&format!("document.body.innerText.includes({})", json!(text)));
    }

    #[track_caller]
    pub(crate) fn click(&self, css: &str) {
        self.wait(&format!(
            "document.querySelector({})?.disabled === false || document.querySelector({0})?.disabled === undefined",
            json!(css)
        ));
        let clicked = self
            .runtime
            .block_on(async { self.client().find(Locator::Css(css)).await?.click().await });
        clicked.unwrap_or_else(|error| panic!("{css}: {error}"));
    }

    /// Replaces the text of a field by typing.
    #[track_caller]
    pub(crate) fn write(&self, css: &str, text: &str) {
        let typed = self.runtime.block_on(async {
            let field = self.client().find(Locator::Css(css)).await?;
            field.clear().await?;
            field.send_keys(text).await
        });
        typed.unwrap_or_else(|error| panic!("{css}: {error}"));
    }

    /// Presses a key where the focus is.
    pub(crate) fn press(&self, key: Key) {
        self.type_text(&char::from(key).to_string());
    }

    /// Types where the focus is.
    #[track_caller]
    pub(crate) fn type_text(&self, text: &str) {
        let pressed = self
            .runtime
            .block_on(async { self.client().active_element().await?.send_keys(text).await });
        pressed.unwrap_or_else(|error| panic!("{text:?}: {error}"));
    }

    /// Chooses an option by its value.
    #[track_caller]
    pub(crate) fn choose(&self, css: &str, value: &str) {
        let chosen = self.runtime.block_on(async {
            self.client()
                .find(Locator::Css(css))
                .await?
                .select_by_value(value)
                .await
        });
        chosen.unwrap_or_else(|error| panic!("{css}: {error}"));
    }

    /// Returns the messages of the console since the last call, except those that say what the server refused.
    pub(crate) fn faults(&self) -> Vec<String> {
        let log = self
            .runtime
            .block_on(self.client().issue_cmd(ConsoleLog))
            .expect("a log");
        let lines = log.as_array().into_iter().flatten();
        let lines = lines.filter_map(|line| Some(format!("{} {}", line["level"].as_str()?, line["message"].as_str()?)));
        lines.filter(|line| !line.contains("Failed to load resource")).collect()
    }

    /// Writes a picture of the page to the folder in `DECNET_PICTURES`, to look at it.
    pub(crate) fn picture(&self, name: &str) {
        let Some(folder) = std::env::var_os("DECNET_PICTURES") else {
            return;
        };
        let picture = self.runtime.block_on(self.client().screenshot()).expect("a picture");
        let path = std::path::Path::new(&folder).join(format!("{name}.png"));
        std::fs::write(path, picture).expect("written");
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        if let Some(client) = self.client.take() {
            let _ = self.runtime.block_on(client.close());
        }
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}
