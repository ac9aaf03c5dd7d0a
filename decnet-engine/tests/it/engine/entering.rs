//! Commands in a decky, its answers, and copies of its files.

use std::{fs, time::Duration};

use decnet_engine::{
    AccessError, CaptureOptions, CollectOptions, Collected, CommandEnd, CommandOutput, ContainerName, CopyOptions,
    DeckyAnswer, DeckyVerb, EngineError, ExecOptions, RunningCommand,
};
use decnet_topology::{Catalog, DeckyPart, Topology, TopologyId};
use futures_util::StreamExt as _;
use tokio::io::AsyncWriteExt as _;
use tokio_util::sync::CancellationToken;

use super::Lab;

const OWN: &str = "[services.pot]\nports = [\"2222/tcp\"]\nimage = \"pot:1\"\n[services.jar]\nports = [\"2223/tcp\"]\nimage = \"jar:1\"\n";

/// `web` has one own image, `lab` has two, `files` has none.
async fn deployed() -> (Lab, TopologyId) {
    let lab = Lab::with_catalog(Catalog::builtin().extend_from_toml(OWN).expect("a catalogue"));
    let topology = Topology::builder()
        .dmz("dmz", "10.90.0.0/24")
        .lan("office", "10.90.1.0/24")
        .decky("web", |decky| {
            let decky = decky.on("dmz", "10.90.0.10").on("office", "10.90.1.10");
            decky.services(["pot", "ssh"]).forwards()
        })
        .decky("lab", |decky| decky.on("office", "10.90.1.11").services(["pot", "jar"]))
        .decky("files", |decky| decky.on("office", "10.90.1.12").services(["smb"]))
        .build()
        .expect("a topology");
    let id = lab.store("maze", topology).await;
    lab.deploy(id).await.expect("deployed");
    (lab, id)
}

fn part(text: &str) -> DeckyPart {
    text.parse().expect("a part")
}

/// Runs a command with input; returns its output, its errors and its exit code.
async fn exec(lab: &Lab, id: TopologyId, what: &str, command: &[&str]) -> Result<(String, String, i64), EngineError> {
    let options = ExecOptions::new(part(what), command.iter().copied()).input(true);
    let RunningCommand {
        mut input,
        mut output,
        control,
    } = lab.engine.exec(id, options).await?;
    // A program that does not read its input may have ended.
    let _ = input.write_all(b"typed").await;
    let _ = input.shutdown().await;
    let (mut out, mut err) = (Vec::new(), Vec::new());
    while let Some(piece) = output.next().await {
        match piece.expect("output") {
            CommandOutput::Stdout(bytes) => out.extend(bytes),
            CommandOutput::Stderr(bytes) => err.extend(bytes),
        }
    }
    let text = |bytes| String::from_utf8(bytes).expect("text");
    Ok((text(out), text(err), control.exit_code().await.expect("it ended")))
}

#[tokio::test]
async fn a_command_runs_in_the_service_that_is_named_or_the_only_one_with_an_own_image() {
    let (lab, id) = deployed().await;
    assert_eq!(
        exec(&lab, id, "web", &["cat"]).await.expect("ran"),
        ("typed".into(), String::new(), 0)
    );
    assert_eq!(exec(&lab, id, "lab.jar", &["exit", "7"]).await.expect("ran").2, 7);
    let (_, said, code) = exec(&lab, id, "web.pot", &["nothing"]).await.expect("ran");
    assert_eq!((said.as_str(), code), ("nothing: executable file not found\n", 127));
    for (what, code, text) in [
        (
            "web.ssh",
            "built_in",
            "web.ssh is a built-in service: its container has no programs and keeps no files",
        ),
        (
            "files",
            "no_own_image",
            "no service of files has an image of its own; its built-in services have no programs and keep no files",
        ),
        (
            "lab",
            "several_own_images",
            "several services of lab have images of their own: lab.jar, lab.pot",
        ),
        (
            "web.smb",
            "unknown_service",
            "decky `web` has no service named `smb`; it has pot, ssh",
        ),
    ] {
        let error = exec(&lab, id, what, &["cat"]).await.expect_err(what);
        assert_eq!((error.code(), error.to_string().as_str()), (code, text));
    }
    let misspelt = lab
        .engine
        .enter(id, ExecOptions::new(part("files"), ["pign", "web"]))
        .await;
    let error = misspelt.expect_err("not a verb");
    assert_eq!(
        (error.code(), error.to_string().as_str()),
        (
            "invalid_verb",
            "`pign` is not a verb (did you mean `ping`?); usage: ping ADDRESS|DECKY"
        )
    );
    let choices = lab.engine.exec_choices(id, &part("lab")).await.expect("choices");
    assert_eq!(choices.services, ["lab.jar", "lab.pot"]);
    assert!(choices.verbs.contains(&"routes"));

    let stopped = container(&lab, "_web.pot");
    assert!(lab.docker.stop(&stopped));
    let error = exec(&lab, id, "web", &["cat"]).await.expect_err("stopped");
    assert_eq!(
        (error.code(), error.to_string().as_str()),
        ("not_running", "web.pot exited")
    );
    lab.teardown(id).await.expect("torn down");
    let error = exec(&lab, id, "web", &["cat"]).await.expect_err("torn down");
    assert_eq!(error.to_string(), "`maze` is torn_down: it cannot be entered");
}

/// Runs a command and waits for its end.
async fn wait(
    lab: &Lab,
    id: TopologyId,
    what: &str,
    command: &str,
    collect: CollectOptions,
) -> Result<Collected, EngineError> {
    let options = ExecOptions::new(part(what), command.split_terminator(' '));
    lab.engine
        .exec_and_wait(id, options, collect, &CancellationToken::new())
        .await
}

#[tokio::test]
async fn a_command_is_awaited_with_its_input_output_and_status() {
    let (lab, id) = deployed().await;
    let typed = || CollectOptions::default().input(vec![b'x'; 1 << 20]);
    let cat = wait(&lab, id, "web", "cat", typed()).await.expect("ran");
    assert_eq!(
        (cat.end, cat.stdout.len(), cat.started),
        (CommandEnd::Exited(0), 1 << 20, true)
    );
    let exit = wait(&lab, id, "web", "exit 3", typed()).await.expect("ran");
    assert_eq!(
        (exit.end, exit.stdout),
        (CommandEnd::Exited(3), vec![]),
        "it reads no input"
    );
    let cat = wait(&lab, id, "web", "cat", CollectOptions::default())
        .await
        .expect("ran");
    assert_eq!(
        (cat.end, cat.stdout),
        (CommandEnd::Exited(0), vec![]),
        "it has no input"
    );
    let missing = wait(&lab, id, "web", "nothing", CollectOptions::default())
        .await
        .expect("ran");
    assert_eq!(missing.end, CommandEnd::Exited(127));
    assert_eq!(missing.stderr, b"nothing: executable file not found\n");
    let long = wait(&lab, id, "web", "cat", typed().max_output(10)).await.expect("ran");
    assert_eq!((long.end, long.stdout), (CommandEnd::TooMuchOutput, vec![b'x'; 10]));
    let empty = wait(&lab, id, "web", "", CollectOptions::default()).await;
    assert_eq!(empty.expect_err("empty").code(), "no_command");
}

#[tokio::test(start_paused = true)]
async fn a_command_that_does_not_end_is_left_after_a_timeout_or_a_cancellation() {
    let (lab, id) = deployed().await;
    let limited = CollectOptions::default().timeout(Duration::from_secs(5));
    let late = wait(&lab, id, "web", "sleep 60", limited.clone()).await.expect("ran");
    assert_eq!((late.end, late.started), (CommandEnd::TimedOut, true));
    assert_eq!(
        wait(&lab, id, "web", "sleep 4", limited).await.expect("ran").end,
        CommandEnd::Exited(0)
    );
    let cancel = CancellationToken::new();
    let options = ExecOptions::new(part("web"), ["sleep", "60"]);
    let work = lab
        .engine
        .exec_and_wait(id, options.clone(), CollectOptions::default(), &cancel);
    let stop = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        cancel.cancel();
    };
    let (left, ()) = futures_util::future::join(work, stop).await;
    let left = left.expect("cancelled");
    assert_eq!((left.end, left.started), (CommandEnd::Cancelled, true));
    let never = lab
        .engine
        .exec_and_wait(id, options, CollectOptions::default(), &cancel)
        .await;
    let never = never.expect("cancelled");
    assert_eq!((never.end, never.started), (CommandEnd::Cancelled, false));
}

#[tokio::test]
async fn a_verb_is_a_command_of_every_decky_but_a_named_service_may_have_its_own() {
    let (lab, id) = deployed().await;
    for (what, command, status, output) in [
        ("files", "ping web", 0, "web (10.90.1.10): answered\n"),
        ("web.ssh", "resolve files", 0, "10.90.1.12 in LAN office\n"),
        ("web", "connect files 23", 1, "files (10.90.1.12) tcp/23: refused\n"),
    ] {
        let ran = wait(&lab, id, what, command, CollectOptions::default())
            .await
            .expect(what);
        assert_eq!((ran.end, ran.started), (CommandEnd::Exited(status), false), "{command}");
        assert_eq!(String::from_utf8_lossy(&ran.stdout), output);
        assert!(ran.answer.is_some() && ran.stderr.is_empty());
    }
    let own = wait(&lab, id, "web.pot", "ping web", CollectOptions::default())
        .await
        .expect("ran");
    assert_eq!((own.end, own.answer), (CommandEnd::Exited(127), None));
    for (what, command, code) in [
        ("files", "ping", "invalid_verb"),
        ("files", "ls", "no_own_image"),
        ("web.ssh", "ls", "built_in"),
        ("web.ssh", "ping", "invalid_verb"),
        ("nobody", "routes", "unknown_decky"),
    ] {
        let error = wait(&lab, id, what, command, CollectOptions::default()).await;
        assert_eq!(error.expect_err(command).code(), code);
    }
}

fn container(lab: &Lab, suffix: &str) -> ContainerName {
    let containers = lab.docker.world().containers;
    let mut found = containers.into_keys().filter(|name| name.as_str().ends_with(suffix));
    found.next().expect("a container")
}

async fn ask(lab: &Lab, id: TopologyId, decky: &str, command: &str) -> Result<Vec<String>, EngineError> {
    let words: Vec<&str> = command.split(' ').collect();
    let verb = DeckyVerb::parse(&words)?.expect("a verb");
    let answer = lab.engine.ask(id, &decky.parse().expect("a name"), &verb).await?;
    let reached = match &answer {
        DeckyAnswer::Ping { reached, .. } | DeckyAnswer::Connect { reached, .. } => *reached,
        _ => true,
    };
    assert_eq!(answer.is_success(), reached);
    Ok(answer.describe())
}

#[tokio::test]
async fn a_decky_answers_verbs_with_names_of_the_maze() {
    let (lab, id) = deployed().await;
    for (decky, command, expected) in [
        ("files", "ping web", &["web (10.90.1.10): answered"][..]),
        ("web", "ping FILES", &["files (10.90.1.12): answered"]),
        ("files", "connect web 2222", &["web (10.90.1.10) tcp/2222: answered"]),
        ("files", "connect 10.90.0.10 99", &["10.90.0.10 tcp/99: refused"]),
        (
            "files",
            "resolve web",
            &["10.90.1.10 in LAN office", "10.90.0.10 in another LAN: dmz"],
        ),
        (
            "files",
            "routes",
            &[
                "10.90.1.0/24 in LAN office, address 10.90.1.12",
                "10.90.0.0/24 via 10.90.1.10",
                "forwarding off",
            ],
        ),
    ] {
        assert_eq!(
            ask(&lab, id, decky, command).await.expect(command),
            expected,
            "{decky}: {command}"
        );
    }
    let error = ask(&lab, id, "files", "ping weeb").await.expect_err("unknown");
    assert_eq!(
        error.to_string(),
        "the maze has no decky named `weeb` (did you mean `web`?)"
    );
    assert!(lab.docker.stop(&container(&lab, "_files")));
    let error = ask(&lab, id, "files", "ping web").await.expect_err("stopped");
    assert_eq!(error.code(), "not_running");
}

fn archive(content: &[u8]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(content.len() as u64);
    header.set_mode(0o755);
    builder.append_data(&mut header, "loot", content).expect("in memory");
    builder.into_inner().expect("in memory")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_copied_into_a_folder_or_under_a_name_and_its_limits_hold() {
    let (lab, id) = deployed().await;
    let folder = tempfile::tempdir().expect("a folder");
    lab.docker
        .put_archive(&container(&lab, "_web.pot"), "/tmp/loot", archive(&[b'x'; 5_000]));
    let never = CancellationToken::new();
    let options = CopyOptions::new(part("web"), "/tmp/loot");
    let report = lab
        .engine
        .copy_out(id, options.clone(), folder.path(), &never)
        .await
        .expect("copied");
    assert_eq!(
        (report.destination, report.files, report.bytes),
        (folder.path().join("loot"), 1, 5_000)
    );
    assert_eq!(fs::metadata(folder.path().join("loot")).expect("a file").len(), 5_000);
    let error = lab
        .engine
        .copy_out(id, options.clone(), folder.path(), &never)
        .await
        .expect_err("it exists");
    assert!(
        matches!(error, EngineError::Access(AccessError::DestinationExists { .. })),
        "{error}"
    );

    let other = folder.path().join("other");
    let small = options.clone().max_bytes(4_999);
    let error = lab
        .engine
        .copy_out(id, small.clone(), &other, &never)
        .await
        .expect_err("too large");
    assert_eq!(error.code(), "too_large");
    assert!(!other.exists());
    let mut pieces = lab.engine.archive(id, small).await.expect("opened");
    assert!(pieces.next().await.expect("an item").is_err());
    drop(pieces);
    let cancelled = CancellationToken::new();
    cancelled.cancel();
    let error = lab
        .engine
        .copy_out(id, options.clone(), &other, &cancelled)
        .await
        .expect_err("cancelled");
    assert_eq!(error.code(), "interrupted");
    assert!(!other.exists());

    for (what, path, code) in [
        ("web", "/tmp/nothing", "no_such_path"),
        ("web.ssh", "/tmp/loot", "built_in"),
        ("web", "/", "invalid_path"),
    ] {
        let options = CopyOptions::new(part(what), path);
        let error = lab.engine.copy_out(id, options, &other, &never).await.expect_err(path);
        assert_eq!(error.code(), code, "{what}:{path}");
    }
}

#[tokio::test]
async fn a_capture_names_unknown_places_and_what_cannot_be_captured() {
    let (lab, id) = deployed().await;
    for (point, code) in [
        ("office", "not_capturable"),
        ("web", "not_capturable"),
        ("web.office", "not_capturable"),
        ("offise", "unknown_place"),
        ("files.dmz", "unknown_interface"),
        ("weeb.dmz", "unknown_decky"),
    ] {
        let options = CaptureOptions::new(point.parse().expect("a point"));
        let error = lab.engine.capture(id, options).await.expect_err(point);
        assert_eq!(error.code(), code, "{point}");
    }
}
