use super::RepoError;
use crate::{model::TopologyRow, name::TopologyName, spelling, status::Status};

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

/// Chooses one of the rows, which are in order of creation.
pub(super) fn choose(rows: Vec<TopologyRow>, text: &str) -> Result<TopologyRow, FindError> {
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
    use crate::{catalog::CatalogExcerpt, model::DeploySettings, status::Mode, version::Version};

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
            placement: None,
            shuffled_until: Timestamp::UNIX_EPOCH,
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
}
