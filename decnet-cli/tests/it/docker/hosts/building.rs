//! An image that is built from a folder, on hosts that have the folder and on one that does not.

use std::fs;

use super::Stage;

const MAZE: &str = "
format: decnet.topology/1
name: own
lans: [{name: dmz, subnet: 10.8.0.0/24, dmz: true}]
deckies: [{name: web, services: [pot], attachments: [{lan: dmz}]}]
";

impl Stage {
    /// Runs a line on the master that fails, and returns its messages.
    #[track_caller]
    fn fails_on_master(&self, line: &str) -> String {
        let output = self.shell(line).output().expect("a shell");
        assert!(!output.status.success(), "{line}: {output:?}");
        String::from_utf8_lossy(&output.stderr).into_owned()
    }
}

#[test]
#[ignore = "needs Docker"]
fn a_deploy_names_the_host_that_has_no_build_folder_and_what_to_do() {
    let stage = Stage::start();
    let folder = stage.sandbox.path("own/pot");
    fs::create_dir_all(&folder).expect("a folder");
    stage
        .sandbox
        .write("own/pot/Dockerfile", "FROM scratch\nCOPY Dockerfile /\n");
    let catalog = "[services.pot]\nports = [\"9000/tcp\"]\nimage = { build = \"pot\" }\n";
    stage.sandbox.write("own/pots.toml", catalog);
    stage.sandbox.write("own/maze.yaml", MAZE);
    stage.in_background("decnet host serve", "hosts.log");
    stage.join("east");
    // The hosts share their files, except this folder.
    stage.on_master("(umask 077; decnet host enroll west >west.token)");
    let agent = "ssh west 'unshare --mount sh -c \"mount -t tmpfs none $STAGE/own && \
                 exec decnet agent --join - --name west --master 192.0.2.1:7379\"' <west.token";
    stage.in_background(agent, "west.log");

    let deploy = "decnet deploy -f own/maze.yaml --catalog own/pots.toml";
    let copy = format!(
        "copy the folder to `{}` on west, or build the image once",
        folder.display()
    );
    for place in ["--hosts west", "--agent west"] {
        let said = stage.fails_on_master(&format!("{deploy} {place}"));
        assert!(said.contains("IMAGE_UNAVAILABLE"), "{said}");
        assert!(said.contains("is not available on west: "), "{said}");
        assert!(said.contains(&copy), "{said}");
        // A new maze may be stored already, as pending.
        stage.on_master("decnet delete own || true");
    }
    assert_eq!(stage.must(&["left", "west"]), "");
    for place in ["--hosts east", "--agent east"] {
        let planned = stage.on_master(&format!("{deploy} {place} --dry-run"));
        assert!(planned.contains("ensure image decnet-built:pot-"), "{planned}");
    }
}
