use super::{MutationFilter, MutationQueue, MutationRow, RepoError, SubnetClaim, TopologyFilter, TopologyStore};
use crate::{id::TopologyId, model::TopologyRow, name::TopologyName, spelling, status::Status};

/// The reason why a text does not identify one topology.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FindError {
    /// No topology has that name or an id that starts with the text.
    #[error("no maze named `{text}`, and no id starts with `{text}`{}", .suggestion.as_ref().map(|name| format!(" (did you mean `{name}`?)")).unwrap_or_default())]
    NotFound {
        /// The text.
        text: String,
        /// The most similar stored name, if there is one.
        suggestion: Option<String>,
    },
    /// The ids of several topologies start with the text.
    #[error("`{text}` is ambiguous: it matches {}", listed(.candidates))]
    Ambiguous {
        /// The text.
        text: String,
        /// The topologies, in order of creation.
        candidates: Vec<TopologyRow>,
    },
    /// The store failed.
    #[error(transparent)]
    Repo(#[from] RepoError),
}

impl FindError {
    /// Returns a stable code for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotFound { .. } => "not_found",
            Self::Ambiguous { .. } => "ambiguous",
            Self::Repo(error) => error.code(),
        }
    }
}

fn listed(rows: &[TopologyRow]) -> String {
    let rows = rows
        .iter()
        .map(|row| format!("{} ({}, {})", row.id, row.name, row.status));
    rows.collect::<Vec<_>>().join(", ")
}

/// Finds a topology by its id, its name, or the start of its id.
///
/// A complete id wins over a name, so that nobody can hide a topology by naming another one like its id. A name wins over the
/// start of an id. A torn-down topology is found by name only if no other topology has the name; if there are several, the newest
/// wins.
///
/// ```
/// use decnet_topology::{MemoryRepo, NewTopology, Topology, TopologyStore, find_topology};
/// use jiff::Timestamp;
///
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// let repo = MemoryRepo::new();
/// let topology = Topology::builder().dmz("dmz", "172.20.0.0/24").build()?;
/// let row = repo.create(NewTopology::new("corp".parse()?, topology), Timestamp::now()).await?.row;
/// assert_eq!(find_topology(&repo, "CORP").await?.id, row.id);
/// assert_eq!(find_topology(&repo, &row.id.to_string()[..8]).await?.id, row.id);
/// let message = find_topology(&repo, "korp").await.unwrap_err().to_string();
/// assert_eq!(message, "no maze named `korp`, and no id starts with `korp` (did you mean `corp`?)");
/// # Ok::<(), Box<dyn std::error::Error>>(()) })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub async fn find_topology(store: &dyn TopologyStore, text: &str) -> Result<TopologyRow, FindError> {
    if let Ok(id) = text.parse::<TopologyId>() {
        match store.get(id).await {
            Err(RepoError::NotFound { .. }) => {}
            found => return Ok(found?),
        }
    }
    choose(store.list(&TopologyFilter::default()).await?.rows, text)
}

/// Finds the topology with a name that is not torn down, if there is one.
pub async fn find_live_topology(
    store: &dyn TopologyStore,
    name: &TopologyName,
) -> Result<Option<TopologyRow>, RepoError> {
    let rows = store.list(&TopologyFilter::default()).await?.rows;
    let mut rows = rows.into_iter();
    Ok(rows.find(|row| row.status != Status::TornDown && row.name == *name))
}

/// Returns the subnets that are claimed, except those of the topology with a name: it may keep its own.
pub async fn claims_except(store: &dyn TopologyStore, name: &str) -> Result<Vec<SubnetClaim>, RepoError> {
    let own = match TopologyName::new(name) {
        Ok(name) => find_live_topology(store, &name).await?,
        Err(_) => None,
    };
    store.claims(own.map(|row| row.id)).await
}

/// Returns the last mutations of a topology, oldest first.
pub async fn last_mutations(
    queue: &dyn MutationQueue,
    topology: TopologyId,
    most: usize,
) -> Result<Vec<MutationRow>, RepoError> {
    let filter = MutationFilter::default().topology(topology).limit(0);
    let total = queue.mutations(&filter).await?.total;
    let last = filter.limit(most).offset(total.saturating_sub(most));
    Ok(queue.mutations(&last).await?.rows)
}

/// Chooses one of the rows, which are in order of creation.
fn choose(rows: Vec<TopologyRow>, text: &str) -> Result<TopologyRow, FindError> {
    let name = TopologyName::new(text).ok();
    let named = |row: &&TopologyRow| name.as_ref() == Some(&row.name);
    let is_live = |row: &&TopologyRow| row.status != Status::TornDown;
    let mut by_name = rows.iter().filter(named);
    if let Some(row) = by_name.clone().find(is_live).or_else(|| by_name.next_back()) {
        return Ok(row.clone());
    }
    let suggestion = spelling::nearest(text, rows.iter().map(|row| row.name.as_str())).map(ToOwned::to_owned);
    let digits = text.to_lowercase().replace('-', "");
    let is_prefix = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    let starts = |row: &TopologyRow| is_prefix && row.id.to_string().replace('-', "").starts_with(&digits);
    let mut found: Vec<TopologyRow> = rows.into_iter().filter(starts).collect();
    let text = text.to_owned();
    match (found.len(), found.pop()) {
        (1, Some(row)) => Ok(row),
        (_, None) => Err(FindError::NotFound { text, suggestion }),
        (_, Some(last)) => {
            found.push(last);
            Err(FindError::Ambiguous {
                text,
                candidates: found,
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::{
        Topology,
        catalog::CatalogExcerpt,
        model::DeploySettings,
        repo::{MemoryRepo, NewTopology},
        status::Mode,
        version::Version,
    };

    fn row(name: &str, id: &str, status: Status) -> TopologyRow {
        TopologyRow {
            id: id.parse().expect("an id"),
            name: name.parse().expect("a name"),
            mode: Mode::Unihost,
            host: None,
            status,
            intent: None,
            version: Version::FIRST,
            created_at: Timestamp::UNIX_EPOCH,
            changed_at: Timestamp::UNIX_EPOCH,
            needs_resync: false,
            config: None,
            settings: DeploySettings::default(),
            catalog: CatalogExcerpt::default(),
        }
    }

    fn rows() -> Vec<TopologyRow> {
        vec![
            row("corp", "aaaaaaaa-0000-4000-8000-000000000000", Status::TornDown),
            row("corp", "aaab0000-0000-4000-8000-000000000000", Status::TornDown),
            row("Corp", "bbbb0000-0000-4000-8000-000000000000", Status::Active),
            row("old", "cccc0000-0000-4000-8000-000000000000", Status::TornDown),
            row("old", "cccd0000-0000-4000-8000-000000000000", Status::TornDown),
            row("aaaa", "dddd0000-0000-4000-8000-000000000000", Status::Pending),
        ]
    }

    #[track_caller]
    fn check(text: &str, id_start: &str) {
        let row = choose(rows(), text).expect("found");
        assert!(row.id.to_string().starts_with(id_start), "{text} is {}", row.id);
    }

    #[test]
    fn a_name_finds_the_live_topology_in_any_case() {
        check("corp", "bbbb");
        check("CORP", "bbbb");
    }

    #[test]
    fn a_name_without_a_live_topology_finds_the_newest_torn_down_one() {
        check("old", "cccd");
    }

    #[test]
    fn a_name_wins_over_the_start_of_an_id() {
        check("aaaa", "dddd");
    }

    #[test]
    fn the_start_of_an_id_finds_torn_down_topologies_too() {
        check("aaab", "aaab");
        check("aaab0000-0000", "aaab");
        check("CCCC", "cccc");
    }

    #[test]
    fn a_start_that_several_ids_share_lists_them() {
        let error = choose(rows(), "ccc").expect_err("two ids start with it");
        let said = error.to_string();
        assert!(
            said.contains("cccc0000") && said.contains("cccd0000") && said.contains("(old, torn_down)"),
            "{said}"
        );
    }

    #[test]
    fn a_text_that_matches_no_name_or_id_finds_nothing() {
        for text in ["corpo", "", "-", "eeee"] {
            assert!(
                matches!(choose(rows(), text), Err(FindError::NotFound { .. })),
                "{text}"
            );
        }
    }

    #[tokio::test]
    async fn a_complete_id_wins_over_a_name() {
        let repo = MemoryRepo::new();
        let store = async |name: &str, subnet: &str| {
            let topology = Topology::builder().dmz("dmz", subnet).build().expect("a topology");
            let new = NewTopology::new(name.parse().expect("a name"), topology);
            repo.create(new, Timestamp::UNIX_EPOCH).await.expect("stored").row
        };
        let first = store("corp", "10.0.0.0/24").await;
        store(&first.id.to_string(), "10.0.1.0/24").await;
        let found = find_topology(&repo, &first.id.to_string()).await.expect("found");
        assert_eq!(found.id, first.id);
        let live = find_live_topology(&repo, &"CORP".parse().expect("a name"))
            .await
            .expect("asked");
        assert_eq!(live.map(|row| row.id), Some(first.id));
        let others = claims_except(&repo, "corp").await.expect("asked");
        assert!(
            others.len() == 1 && others[0].subnet.to_string() == "10.0.1.0/24",
            "{others:?}"
        );
        assert_eq!(claims_except(&repo, "not a name").await.expect("asked").len(), 2);
    }
}
