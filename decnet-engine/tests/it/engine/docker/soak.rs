//! Hundreds of random mutations, applied by the loop: the maze follows each of them, and nothing is left over.
//!
//! `DECNET_SOAK` sets the number (default 30); `DECNET_SOAK_SEED` repeats a run.

mod draw;
mod figures;

use std::time::{Duration, Instant};

use decnet_engine::{EngineError, WatchOptions, watch};
use decnet_topology::{
    DeploySettings, Mutation, MutationContext, MutationFilter, MutationRow, MutationState, NewMutation, RandomStream,
    SqliteRepo, TopologyConfig, apply, rng,
};

use super::*;
use crate::engine::twelve_on;
use draw::{draw, shape, way_back};
use figures::Figures;

/// The maximum number of mutations that are submitted before their results are checked.
const BURST: u64 = 4;
/// The plan is checked after this many mutations.
const LOOK: usize = 50;
/// How much more memory the process may use at the end: caches, and free memory of the allocator.
const MEMORY_MIB: u64 = 64;
/// Connections to the daemon and to the store vary.
const FILES: usize = 16;

fn from_env(name: &str) -> Option<u64> {
    let value = std::env::var(name).ok()?;
    Some(
        value
            .parse()
            .unwrap_or_else(|_| panic!("{name}={value} is not a number")),
    )
}

/// A maze that the loop watches, and its expected state.
struct Soak<'a> {
    lab: &'a Lab,
    id: TopologyId,
    catalog: Catalog,
    model: Topology,
    expected: Vec<MutationState>,
}

impl Soak<'_> {
    /// Submits a mutation. The engine must accept exactly those that the expected maze accepts.
    async fn submit(&mut self, mutation: Mutation) {
        let row = self.lab.repo.get(self.id).await.expect("a row");
        let claims = self.lab.repo.claims(Some(self.id)).await.expect("claims");
        let context = MutationContext::of(&row, &self.catalog, &claims);
        let after = apply(&self.model, &mutation, &context);
        let submitted = self
            .lab
            .engine
            .submit(self.id, NewMutation::new(mutation.clone()), None)
            .await;
        match (after, submitted) {
            (Ok(after), Ok(_)) => {
                self.model = after.into_topology();
                self.expected.push(MutationState::Applied);
            }
            (Err(_), Err(EngineError::Mutation(_) | EngineError::RefusedAfterQueue { .. })) => {}
            (after, submitted) => panic!("{mutation:?}: {after:?}, but {submitted:?}"),
        }
    }

    async fn rows(&self) -> Vec<MutationRow> {
        let all = MutationFilter::default();
        self.lab.repo.mutations(&all).await.expect("listed").rows
    }

    /// Counts the applied mutations of each kind, without the first ones.
    async fn tally(&self, first: usize) -> String {
        let mut tally: BTreeMap<&str, usize> = BTreeMap::new();
        for row in self.rows().await.iter().skip(first) {
            *tally.entry(row.mutation.op()).or_default() += usize::from(row.state == MutationState::Applied);
        }
        let said = tally.iter().map(|(op, applied)| format!("{op} {applied}"));
        said.collect::<Vec<_>>().join(", ")
    }

    /// Waits until the queue is empty, and compares each result with the expected one.
    async fn settle(&self) {
        let unfinished = MutationFilter::default()
            .states([MutationState::Pending, MutationState::Applying])
            .limit(1);
        while self.lab.repo.mutations(&unfinished).await.expect("listed").total > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let rows = self.rows().await;
        let finished: Vec<_> = rows.iter().map(|row| row.state).collect();
        if finished != self.expected {
            let odd = rows
                .iter()
                .zip(&self.expected)
                .find(|(row, expected)| row.state != **expected);
            panic!("not as expected: {odd:#?}");
        }
    }

    /// Compares the running maze with the expected one.
    async fn check(&self) {
        let stored = self.lab.repo.load(self.id).await.expect("loaded");
        assert_eq!(stored.row.status, Status::Active);
        assert_eq!(stored.topology, self.model);
        let plan = crate::planned(&self.lab.engine, self.id, None).await.expect("planned");
        assert!(plan.is_empty(), "{plan:#?}");
        let observed = self.lab.observe(self.id).await;
        let services: usize = self.model.deckies().iter().map(|decky| decky.services().len()).sum();
        assert_eq!(observed.containers.len(), self.model.deckies().len() + services);
        assert_eq!(observed.networks.len(), self.model.lans().len());
    }

    async fn verify(&self) {
        let report = self.lab.engine.verify(self.id, &CancellationToken::new()).await;
        let report = report.expect("verified");
        assert!(report.is_clean(), "{:#?}", report.deviations);
    }

    /// Submits random mutations in bursts, so that some wait behind others in the queue.
    async fn mutate(&mut self, seed: u64, count: usize) {
        let mut stream = RandomStream::new(seed, "soak", 0);
        let mut looked = 0;
        while self.expected.len() < count {
            let left = count - self.expected.len();
            let burst = usize::try_from(1 + stream.below(BURST)).expect("small");
            for _ in 0..burst.min(left) {
                let mutation = draw(&mut stream, &self.model);
                self.submit(mutation).await;
            }
            self.settle().await;
            if self.expected.len() / LOOK > looked {
                looked = self.expected.len() / LOOK;
                self.check().await;
            }
        }
        self.check().await;
    }

    /// Returns to the first maze, mutation by mutation.
    async fn go_back(&mut self, first: &Topology) {
        for mutation in way_back(&self.model, first) {
            self.submit(mutation.clone()).await;
            assert_eq!(self.expected.last(), Some(&MutationState::Applied), "{mutation:?}");
        }
        self.settle().await;
        assert_eq!(shape(&self.model), shape(first));
        self.check().await;
    }
}

async fn store(lab: &Lab, topology: Topology) -> TopologyId {
    let config = TopologyConfig::builder("soak", 1, 1)
        .subnet_base_prefix("10.206.64.0/18")
        .build()
        .expect("a config");
    let new = NewTopology::new("soak".parse().expect("a name"), topology).config(config);
    let id = lab.repo.create(new, Timestamp::now()).await.expect("stored").row.id;
    // Above common ports on this machine, and below the kernel's ephemeral ports.
    let rules = [
        "ftp=28021",
        "ssh=28022",
        "dns=28053",
        "http=28080",
        "https=28443",
        "smb=28445",
    ];
    let publish = rules.iter().map(|rule| rule.parse().expect("a rule")).collect();
    // Most of these services arrive with a mutation, so a deploy would refuse the rules as unused.
    let settings = DeploySettings::default().publish(publish);
    let stored = lab.repo.set_settings(id, settings, None, Timestamp::now()).await;
    stored.expect("settings are stored");
    let cancel = CancellationToken::new();
    let outcome = lab.engine.deploy(id, DeployOptions::default(), &cancel).await;
    let outcome = outcome.unwrap_or_else(|error| panic!("{error}: {error:?}"));
    assert_eq!((outcome.row.status, outcome.reason), (Status::Active, None));
    id
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Docker"]
async fn random_mutations_leave_the_expected_maze_and_nothing_else() {
    let count = usize::try_from(from_env("DECNET_SOAK").unwrap_or(30)).expect("a count");
    let seed = from_env("DECNET_SOAK_SEED").unwrap_or_else(rng::os_seed);
    println!("DECNET_SOAK={count} DECNET_SOAK_SEED={seed}");
    let folder = tempfile::tempdir().expect("a folder");
    let repo = SqliteRepo::open(folder.path().join("decnet.db")).expect("a store");
    let lab = Lab::over(Arc::new(repo), None).await;
    let bare = Figures::take("decnet_t_none");
    on_lab(lab, async |lab| {
        let first = twelve_on("10.206");
        let id = store(lab, first.clone()).await;
        let stop = CancellationToken::new();
        let keeper = tokio::spawn({
            let (engine, stop) = (lab.engine.clone(), stop.clone());
            async move { watch(&engine, &WatchOptions::default(), &stop).await }
        });
        let mut soak = Soak {
            lab,
            id,
            catalog: Catalog::builtin(),
            model: first.clone(),
            expected: Vec::new(),
        };
        // One round first, so that one-time resources exist: connections, caches, threads.
        soak.mutate(seed ^ 1, 10).await;
        soak.go_back(&first).await;
        let prefix = format!("decnet_t_{}", decnet_topology::short_id(id));
        let before = Figures::take(&prefix);

        let began = Instant::now();
        let done = soak.expected.len();
        soak.mutate(seed, done + count).await;
        let took = began.elapsed();
        let tally = soak.tally(done).await;
        soak.verify().await;
        let (lans, deckies) = (soak.model.lans().len(), soak.model.deckies().len());
        soak.go_back(&first).await;
        soak.verify().await;
        let after = Figures::settled(&prefix, &before).await;
        println!("{count} mutations in {took:.1?}, {lans} LANs and {deckies} deckies at the end");
        println!("applied: {tally}");
        println!("before: {before}\nafter:  {after}");
        assert_eq!(after.docker, before.docker);
        assert!(after.files <= before.files + FILES, "{before} and {after}");
        assert!(
            after.memory_mib <= before.memory_mib + MEMORY_MIB,
            "{before} and {after}"
        );

        stop.cancel();
        keeper.await.expect("no panic").expect("watched");
        lab.clear().await;
        let after = Figures::settled(&prefix, &bare).await;
        println!("after:  {after}");
        assert_eq!(after.docker, bare.docker);
    })
    .await;
}
