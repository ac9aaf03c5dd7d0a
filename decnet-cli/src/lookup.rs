//! Which stored topology is meant.

use decnet_topology::{Repo, Status, Topology, TopologyId, TopologyRow, repo::ListFilter};

use crate::{command_error::CommandError, context::Context, input};

/// Finds the topology that is meant: by name, by id, or by the beginning of its id.
///
/// A name comes before an id. Torn-down topologies are found by name where no other has it; of several, the newest.
pub(crate) async fn find(repo: &dyn Repo, text: &str) -> Result<TopologyRow, CommandError> {
    if let Ok(id) = text.parse::<TopologyId>()
        && let Ok(row) = repo.get(id).await
    {
        return Ok(row);
    }
    let page = repo.list(&ListFilter::default()).await?;
    choose(page.rows, text)
}

/// Reads the maze that is meant: a file's, completed past nothing, or a stored one.
pub(crate) async fn maze(context: &Context, text: &str) -> Result<Topology, CommandError> {
    if let Some(source) = input::as_file(text) {
        return Ok(source.topology()?.1);
    }
    let repo = context.repo()?;
    let row = find(repo.as_ref(), text).await?;
    Ok(repo.load(row.id).await?.topology)
}

/// Finds the topology of that name that is not torn down, if there is one.
pub(crate) async fn live(repo: &dyn Repo, name: &str) -> Result<Option<TopologyRow>, CommandError> {
    let folded = name.to_lowercase();
    let page = repo.list(&ListFilter::default()).await?;
    let mut rows = page.rows.into_iter();
    Ok(rows.find(|row| row.status != Status::TornDown && row.name.as_str().to_lowercase() == folded))
}

/// Chooses among the rows, which stand in order of creation.
fn choose(rows: Vec<TopologyRow>, text: &str) -> Result<TopologyRow, CommandError> {
    let folded = text.to_lowercase();
    let named = |row: &&TopologyRow| row.name.as_str().to_lowercase() == folded;
    let live = |row: &&TopologyRow| row.status != Status::TornDown;
    let by_name = rows
        .iter()
        .filter(named)
        .find(live)
        .or_else(|| rows.iter().rfind(named));
    if let Some(row) = by_name {
        return Ok(row.clone());
    }
    let digits = folded.replace('-', "");
    let is_prefix = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    let begins = |row: &TopologyRow| row.id.to_string().replace('-', "").starts_with(&digits);
    let mut found: Vec<TopologyRow> = rows.into_iter().filter(|row| is_prefix && begins(row)).collect();
    match (found.len(), found.pop()) {
        (1, Some(row)) => Ok(row),
        (_, None) => Err(CommandError::NoTopology { text: text.into() }),
        (_, Some(last)) => {
            found.push(last);
            let candidates = found
                .iter()
                .map(|row| format!("{} ({}, {})", row.id, row.name, row.status));
            Err(CommandError::Ambiguous {
                text: text.into(),
                candidates: candidates.collect(),
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use decnet_topology::{DeploySettings, Mode, Version};
    use jiff::Timestamp;

    use super::*;

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
    fn check(text: &str, id_begins: &str) {
        let row = choose(rows(), text).expect("found");
        assert!(row.id.to_string().starts_with(id_begins), "{text} is {}", row.id);
    }

    #[test]
    fn a_name_finds_the_live_one_whatever_its_case() {
        check("corp", "bbbb");
        check("CORP", "bbbb");
    }

    #[test]
    fn a_name_that_no_live_one_has_finds_the_newest_that_is_torn_down() {
        check("old", "cccd");
    }

    #[test]
    fn a_name_wins_over_the_beginning_of_an_id() {
        check("aaaa", "dddd");
    }

    #[test]
    fn the_beginning_of_an_id_finds_even_what_is_torn_down() {
        check("aaab", "aaab");
        check("aaab0000-0000", "aaab");
        check("CCCC", "cccc");
    }

    #[test]
    fn a_beginning_that_several_ids_share_names_them() {
        let error = choose(rows(), "ccc").expect_err("two ids begin so");
        let said = error.to_string();
        assert!(
            said.contains("cccc0000") && said.contains("cccd0000") && said.contains("(old, torn_down)"),
            "{said}"
        );
    }

    #[test]
    fn nothing_is_found_by_what_is_neither_name_nor_id() {
        for text in ["corpo", "", "-", "eeee"] {
            assert!(
                matches!(choose(rows(), text), Err(CommandError::NoTopology { .. })),
                "{text}"
            );
        }
    }
}
