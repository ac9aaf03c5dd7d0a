//! Versions of topologies as entity tags: `"v7"`.

use axum::http::{HeaderMap, HeaderValue, header};
use decnet_topology::{RepoError, TopologyRow, Version};

use super::problem::Problem;
use crate::engine::EngineError;

/// Returns the entity tag of a version.
pub(super) fn etag(version: Version) -> HeaderValue {
    HeaderValue::from_str(&format!("\"v{version}\"")).unwrap_or_else(|_| HeaderValue::from_static("\"\""))
}

/// The condition of a request: the versions that the topology may have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct IfMatch {
    /// None of any version.
    versions: Option<Vec<Option<Version>>>,
}

impl IfMatch {
    /// Reads the header `If-Match`, if there is one (RFC 9110, section 13.1.1).
    pub(super) fn read(headers: &HeaderMap) -> Result<Option<Self>, Problem> {
        let mut tags = Vec::new();
        for value in headers.get_all(header::IF_MATCH) {
            let text = value.to_str().map_err(|_| malformed("bytes that are not ASCII"))?;
            for tag in text.split(',').map(str::trim).filter(|tag| !tag.is_empty()) {
                tags.push(tag.to_owned());
            }
        }
        if tags.is_empty() {
            let is_given = headers.contains_key(header::IF_MATCH);
            return if is_given { Err(malformed("nothing")) } else { Ok(None) };
        }
        if tags == ["*"] {
            return Ok(Some(Self { versions: None }));
        }
        let versions = tags.iter().map(|tag| version_of(tag));
        Ok(Some(Self {
            versions: Some(versions.collect::<Result<_, _>>()?),
        }))
    }

    /// Returns the version that a change of a topology must expect; none if it may be any.
    pub(super) fn expected(&self, row: &TopologyRow) -> Result<Option<Version>, Problem> {
        let current = row.version;
        let Some(versions) = &self.versions else {
            return Ok(None);
        };
        if versions.contains(&Some(current)) {
            return Ok(Some(current));
        }
        match versions.iter().flatten().next() {
            Some(&expected) => Err(EngineError::Repo(RepoError::VersionConflict {
                name: row.name.clone(),
                expected,
                current,
            })
            .into()),
            // Weak and foreign tags match nothing.
            None => Err(
                Problem::new("version_conflict", format!("the maze is at version {current}"))
                    .member("current", current.get()),
            ),
        }
    }
}

/// Returns the version of a tag; none for a tag that is not one of ours, or a weak one.
fn version_of(tag: &str) -> Result<Option<Version>, Problem> {
    let opaque = tag.strip_prefix("W/").unwrap_or(tag);
    let inner = opaque.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    let inner = inner
        .filter(|inner| !inner.contains('"'))
        .ok_or_else(|| malformed(tag))?;
    let number = inner.strip_prefix('v').filter(|_| opaque == tag);
    Ok(number.and_then(|number| number.parse().ok()).map(Version::new))
}

fn malformed(what: &str) -> Problem {
    Problem::new(
        "invalid_header",
        format!("If-Match has {what}, which is not an entity tag"),
    )
    .hint("send the ETag of an answer, with its quotes: If-Match: \"v7\"")
}

#[cfg(test)]
mod tests {
    use decnet_topology::{NewTopology, Timestamp, Topology};

    use super::*;

    /// Returns the row of a topology at a version.
    fn row(version: u64) -> TopologyRow {
        let topology = Topology::builder().dmz("dmz", "10.0.0.0/24").build().expect("a maze");
        let new = NewTopology::new("corp".parse().expect("a name"), topology);
        TopologyRow {
            version: Version::new(version),
            ..new.as_stored(Timestamp::UNIX_EPOCH).row
        }
    }

    fn read(text: &str) -> Result<Option<IfMatch>, Problem> {
        let mut headers = HeaderMap::new();
        headers.insert(header::IF_MATCH, HeaderValue::from_str(text).expect("a header"));
        IfMatch::read(&headers)
    }

    #[track_caller]
    fn check(text: &str, current: u64, expected: Result<Option<u64>, &str>) {
        let given = read(text).expect("readable").expect("given");
        let found = given.expected(&row(current));
        let found = found.map(|version| version.map(Version::get));
        let found = found.map_err(|problem| problem.code);
        assert_eq!(found, expected.map_err(Into::into), "{text}");
    }

    #[test]
    fn a_condition_names_the_versions_that_may_be_changed() {
        assert_eq!(IfMatch::read(&HeaderMap::new()).expect("readable"), None);
        check("\"v7\"", 7, Ok(Some(7)));
        check("\"v7\"", 8, Err("version_conflict"));
        check("\"v6\", \"v7\"", 7, Ok(Some(7)));
        check("*", 7, Ok(None));
        check("W/\"v7\"", 7, Err("version_conflict"));
        check("\"abc\"", 7, Err("version_conflict"));
    }

    #[test]
    fn a_condition_that_is_not_a_tag_is_refused() {
        for text in ["v7", "7", "\"v7", "", " ", "\"v\"7\"", "*, \"v7\"", "\"v7\" \"v8\""] {
            assert_eq!(read(text).expect_err(text).status.as_u16(), 400, "{text}");
        }
    }
}
