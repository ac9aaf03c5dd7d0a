//! Services whose images are not of this project.

use std::{
    fs,
    io::{Read as _, Write as _},
    time::Duration,
};

use decnet_engine::{EngineError, LogContent, LogEntry, LogFormat, LogItem, LogOptions};
use decnet_topology::{Code, Name, ServiceName};

use super::{
    namespace::{connect, inside},
    stand_in::StandIn,
    verifying::verify,
    *,
};

fn maze(net: &str, service: &str) -> Topology {
    let at = |lan: u8, host: u8| format!("{net}{lan}.{host}");
    Topology::builder()
        .dmz("dmz", &format!("{net}0.0/24"))
        .lan("inner", &format!("{net}1.0/24"))
        .decky("web", |decky| decky.on("dmz", &at(0, 10)).on("inner", &at(1, 10)))
        .decky("lab", |decky| decky.on("inner", &at(1, 11)).services([service]))
        .build()
        .expect("a topology")
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Docker"]
async fn json_and_text_of_an_own_image_come_out_of_the_logs_wrapped() {
    let stand_in = StandIn::new();
    let catalog = stand_in.catalog("tmpfs = [\"/var/log/pot\", \"/opt/pot/dl\"]\nlimits = { memory_mib = 64 }");
    on_docker_with_catalog(catalog, async |lab| {
        let topology = maze("10.203.11", "pot");
        let id = lab.store("own", topology.clone()).await;
        lab.deploy(id).await;
        let decky = |name: &str| topology.decky_named(&name.parse().expect("a name")).expect("a decky");
        let pot = naming::service(id, decky("lab"), &ServiceName::new("pot"));

        let follow = LogOptions::default().topology(id).follow(true);
        let mut logs = lab.engine.logs(follow).await.expect("logs");
        inside(naming::base(id, decky("web")).as_str(), || {
            let mut stream = connect((Ipv4Addr::new(10, 203, 111, 11), 2222));
            let said = b"{\"eventid\":\"login\",\"src_ip\":\"10.203.111.10\",\"tries\":[1,2],\"password\":\"\\u001b[2J\"}\nplain \x1b[2J text\n";
            stream.write_all(said).expect("sent");
            // Closing with unread bytes would reset the connection, and discard what was sent.
            stream.read_exact(&mut [0; 6]).expect("its greeting");
        });
        let mut lines: Vec<LogEntry> = Vec::new();
        while lines.len() < 3 {
            let next = tokio::time::timeout(Duration::from_secs(30), logs.next()).await;
            match next.expect("a line in time").expect("the logs go on").expect("an item") {
                // A base may report a dropped packet.
                LogItem::Entry(entry) if matches!(entry.content, LogContent::Record(_)) => {}
                LogItem::Entry(entry) => lines.push(entry),
                item => panic!("{item:?}"),
            }
        }
        let find = |holds: fn(&LogContent) -> bool| {
            let found = lines.iter().find(|line| holds(&line.content));
            found.unwrap_or_else(|| panic!("{lines:#?}")).clone()
        };
        let event = find(|content| matches!(content, LogContent::Json { is_error: false, .. }));
        assert_eq!((event.decky.as_str(), event.from.as_ref().map(Name::as_str)), ("lab", Some("web")));
        let written = LogFormat::Json.line(&LogItem::Entry(event.clone()));
        let read: serde_json::Value = serde_json::from_str(&written).expect("one line of JSON");
        let object = &read["entry"]["json"]["message"];
        assert_eq!((&object["eventid"], &object["tries"][1]), (&"login".into(), &2.into()), "{written}");
        let shown = LogFormat::Text.line(&LogItem::Entry(event));
        assert!(shown.contains("login") && !shown.contains('\x1b'), "{shown}");
        let text = find(|content| matches!(content, LogContent::Text { is_error: false, message } if message.contains("plain")));
        assert!(!LogFormat::Text.line(&LogItem::Entry(text)).contains('\x1b'));
        find(|content| matches!(content, LogContent::Text { is_error: true, message } if message == "a visitor spoke"));

        let pot_only = LogOptions::default().topology(id).service(ServiceName::new("pot"));
        let paths = lab.engine.paths(pot_only).await.expect("paths").paths;
        let moves: Vec<String> = paths
            .iter()
            .flat_map(|path| &path.moves)
            .map(|one| format!("{} -> {}", one.from, one.to))
            .collect();
        assert_eq!(moves, ["web -> lab"], "a line of another program makes a move too");

        // The folders are in memory, and every user may write to them.
        let pid = docker(&["inspect", "--format", "{{.State.Pid}}", pot.as_str()]);
        let mounts = fs::read_to_string(format!("/proc/{pid}/mountinfo")).expect("this machine's daemon");
        for folder in ["/var/log/pot", "/opt/pot/dl"] {
            let line = mounts.lines().find(|line| line.split(' ').nth(4) == Some(folder));
            let line = line.unwrap_or_else(|| panic!("{folder} is not mounted: {mounts}"));
            assert!(line.contains(" - tmpfs ") && line.contains("size=32768k"), "{line}");
            assert!(["nosuid", "nodev", "noexec"].iter().all(|option| line.contains(option)), "{line}");
            let file = format!("{folder}/file");
            assert_eq!(docker(&["exec", pot.as_str(), "/intruder", "write", &file]), "0", "{folder}");
        }
        assert_eq!(docker(&["exec", pot.as_str(), "/intruder", "write", "/var/log/file"]), "30", "EROFS");
        assert_eq!(verify(lab, id).await.deviations, []);
        let plan = crate::planned(&lab.engine, id, None).await.expect("planned");
        assert!(plan.is_empty(), "{plan:#?}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Docker"]
async fn a_missing_image_is_found_before_anything_is_created() {
    let folder = tempfile::tempdir().expect("a folder");
    let text = format!(
        "[services.nowhere]\nports = [\"9000/tcp\"]\nimage = \"127.0.0.1:1/nothing/here:2\"\n\
         [services.empty]\nports = [\"9001/tcp\"]\nimage = {{ build = \"{}\" }}\n",
        folder.path().display()
    );
    let catalog = Catalog::builtin().extend_from_toml(text).expect("a catalogue");
    on_docker_with_catalog(catalog, async |lab| {
        for (net, service, part) in [
            ("10.203.12", "nowhere", "127.0.0.1:1/nothing/here:2"),
            ("10.203.13", "empty", "Dockerfile"),
        ] {
            let id = lab.store(service, maze(net, service)).await;
            let cancel = CancellationToken::new();
            let refused = lab.engine.deploy(id, DeployOptions::default(), &cancel).await;
            let Err(EngineError::Invalid(invalid)) = refused else {
                panic!("{service}: {refused:?}");
            };
            let finding = invalid.report.errors().next().expect("a finding");
            assert_eq!(finding.code, Code::ImageUnavailable, "{finding}");
            assert!(
                finding.message.contains(part) && finding.message.contains("correct the"),
                "{finding}"
            );
            assert!(lab.observe(id).await.is_empty(), "nothing was created");
            assert_eq!(lab.repo.get(id).await.expect("a row").status, Status::Pending);
        }
    })
    .await;
}
