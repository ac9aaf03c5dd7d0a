//! A maze deployed and torn down by Docker Compose, with the file that `decnet compose` prints, and by the engine, alternately.
//!
//! It uses the installed Compose, `docker compose` before `docker-compose`. Without Compose or a daemon, it prints a message and
//! exits.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Instant,
};

use decnet_benches::{
    Table, median,
    running::{Result, Running, Services, maze_for_docker, nanoseconds, wanted},
};
use decnet_engine::{Desired, DesiredContext, Runtime as _, compose};
use decnet_topology::{Catalog, DeploySettings, RuleSet, Topology, TopologyId, rng};

/// How many LANs the maze has; each LAN has three deckies.
const LANS: u8 = 10;
/// What is measured.
const SUBJECT: &str = "against Docker Compose";
/// How often each of them deploys the maze and tears it down, for each way of Compose.
const ROUNDS: usize = 3;
/// The project name for Compose.
const PROJECT: &str = "decnet-bench";
/// How Compose tears a maze down: by default, or without waiting for containers to stop by themselves.
const DOWNS: [&[&str]; 2] = [&["down"], &["down", "-t", "0"]];

fn main() -> Result<()> {
    if !wanted(SUBJECT) {
        return Ok(());
    }
    let Some(program) = Compose::program() else {
        println!("nothing is measured: neither docker compose nor docker-compose is installed");
        return Ok(());
    };
    tokio::runtime::Runtime::new()?.block_on(async {
        let Some(running) = Running::reach(env!("CARGO_TARGET_TMPDIR")).await? else {
            return Ok(());
        };
        let measured = measure(&running, program).await;
        running.finish(measured).await
    })
}

async fn measure(running: &Running, program: Vec<String>) -> Result<()> {
    running.keep_image().await?;
    // The same maze with other subnets, because the twin's are claimed while it is stored.
    let maze = maze_for_docker(0, LANS, Services::One)?;
    let twin = maze_for_docker(100, LANS, Services::One)?;
    // Compose's resources also belong to a stored maze, so that nothing can be left behind.
    let id = running.store("compose", twin.clone()).await?;
    let desired = desired(running, id, &twin).await?;
    let containers = desired.bases.len() + desired.services.len();
    let folder = tempfile::tempdir()?;
    let compose = Compose::new(program, folder.path(), &compose::print(&desired))?;
    println!("{}", compose.version()?);
    let mut up: [Vec<f64>; 2] = Default::default();
    let mut downs: [[Vec<f64>; 2]; 2] = Default::default();
    for round in 0..ROUNDS {
        for (turn, (way, down)) in DOWNS.iter().zip(&mut downs).enumerate() {
            let engine_first = (round + turn) % 2 == 0;
            for engine in [engine_first, !engine_first] {
                if engine {
                    let id = running.store("engine", maze.clone()).await?;
                    up[0].push(running.deploy(id).await?);
                    down[0].push(running.teardown(id).await?);
                } else {
                    up[1].push(compose.run(&["up", "-d", "--no-build"])?);
                    running.require_running(id, containers).await?;
                    down[1].push(compose.run(way)?);
                }
            }
        }
    }
    let floor = "the same with Docker Compose, from the file that is printed for it";
    let mut table = Table::new(SUBJECT, floor);
    let [down, kill] = downs;
    let size = format!("{} LANs, {containers} containers", maze.lans().len());
    for (what, found) in [("up", up), ("down", down), ("down, Compose with -t 0", kill)] {
        let [measured, floor] = found.map(median);
        table.push(format!("{what}, {size}"), containers, measured, Some(floor));
    }
    Ok(table.finish()?)
}

/// Computes the desired resources of a maze on the daemon.
async fn desired(running: &Running, id: TopologyId, maze: &Topology) -> Result<Desired> {
    let (catalog, settings) = (Catalog::builtin(), DeploySettings::default());
    let context = DesiredContext {
        instance: running.instance,
        secret: &rng::installation_secret(),
        topology: id,
        catalog: &catalog,
        decoy: &running.image,
        api: running.docker.info().await?.api,
        settings: &settings,
        host_addresses: &[],
        fleet: None,
    };
    let valid = maze.clone().validate(&catalog, RuleSet::deploy())?;
    Ok(Desired::new(&valid, &context)?)
}

/// Docker Compose with a file.
struct Compose {
    program: Vec<String>,
    file: PathBuf,
}

impl Compose {
    /// Finds the command of the installed Compose.
    fn program() -> Option<Vec<String>> {
        let answers = |program: &Vec<String>| {
            let mut command = Command::new(&program[0]);
            command.args(&program[1..]).arg("version");
            let answer = command.stdout(Stdio::null()).stderr(Stdio::null()).status();
            answer.is_ok_and(|status| status.success())
        };
        let known = [&["docker", "compose"][..], &["docker-compose"]];
        let mut known = known
            .iter()
            .map(|words| words.iter().map(ToString::to_string).collect());
        known.find(answers)
    }

    fn new(program: Vec<String>, folder: &Path, text: &str) -> Result<Self> {
        let file = folder.join("compose.yaml");
        fs::write(&file, text)?;
        Ok(Self { program, file })
    }

    fn version(&self) -> Result<String> {
        let mut command = Command::new(&self.program[0]);
        let output = command.args(&self.program[1..]).args(["version", "--short"]).output()?;
        let version = String::from_utf8_lossy(&output.stdout);
        Ok(format!("{} {}", self.program.join(" "), version.trim()))
    }

    /// Runs a Compose command and returns its duration in nanoseconds.
    fn run(&self, arguments: &[&str]) -> Result<f64> {
        let mut command = Command::new(&self.program[0]);
        command
            .args(&self.program[1..])
            .args(["-p", PROJECT, "-f"])
            .arg(&self.file);
        // On a busy machine a minute may be too short for one answer.
        command.args(arguments).env("COMPOSE_HTTP_TIMEOUT", "600");
        let since = Instant::now();
        let output = command.output()?;
        let took = nanoseconds(since);
        if output.status.success() {
            return Ok(took);
        }
        let said = String::from_utf8_lossy(&output.stderr);
        Err(format!("Compose failed at {}: {}", arguments.join(" "), said.trim()).into())
    }
}
