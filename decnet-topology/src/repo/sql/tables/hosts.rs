//! The tables `hosts`, `enrolments` and `fleet`.

use jiff::Timestamp;

use crate::{
    id::{EnrolmentId, HostId},
    repo::{
        Enrolment, HostProfile, HostRow, RepoError,
        sql::{Columns, Sql, collect, corrupt},
    },
};

/// The columns of a host that [`row`] reads.
const COLUMNS: &str = "id, name, address, profile, enrolled_at, drained_at, revoked_at, heard_at, report";

fn row(row: &mut Columns<'_>) -> Result<HostRow, RepoError> {
    Ok(HostRow {
        id: row.word()?,
        name: row.word()?,
        address: row.string()?,
        profile: row.json()?,
        enrolled_at: row.word()?,
        drained_at: row.maybe_word()?,
        revoked_at: row.maybe_word()?,
        heard_at: row.maybe_word()?,
        report: row.maybe_string()?,
    })
}

fn json(profile: &HostProfile) -> Result<String, RepoError> {
    serde_json::to_string(profile).map_err(|error| corrupt(format!("the profile of a host: {error}")))
}

/// Returns the authority of the fleet.
pub(in crate::repo) fn authority(sql: &mut dyn Sql) -> Result<Option<String>, RepoError> {
    let found = collect(sql, "SELECT authority FROM fleet", &[], |row| {
        let authority: String = row.string()?;
        Ok(authority)
    })?;
    Ok(found.into_iter().next())
}

/// Replaces the authority of the fleet.
pub(in crate::repo) fn set_authority(sql: &mut dyn Sql, authority: &str) -> Result<(), RepoError> {
    sql.execute("DELETE FROM fleet", &[])?;
    sql.execute("INSERT INTO fleet (authority) VALUES (?1)", &[authority.into()])
        .map(drop)
}

/// Stores a token, or replaces it.
pub(in crate::repo) fn put_enrolment(sql: &mut dyn Sql, enrolment: &Enrolment) -> Result<(), RepoError> {
    let values = [
        enrolment.id.to_string().into(),
        enrolment.host.to_string().into(),
        enrolment.name.as_str().into(),
        json(&enrolment.profile)?.into(),
        (&enrolment.digest).into(),
        enrolment.expires_at.into(),
        enrolment.used_at.into(),
    ];
    let statement = "INSERT INTO enrolments (id, host, name, profile, digest, expires_at, used_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
         ON CONFLICT (id) DO UPDATE SET used_at = excluded.used_at";
    sql.execute(statement, &values).map(drop)
}

/// Removes the tokens that expired before a time.
pub(in crate::repo) fn delete_enrolments(sql: &mut dyn Sql, before: Timestamp) -> Result<(), RepoError> {
    let statement = "DELETE FROM enrolments WHERE expires_at < ?1";
    sql.execute(statement, &[before.into()]).map(drop)
}

/// Finds a token.
pub(in crate::repo) fn enrolment(sql: &mut dyn Sql, id: EnrolmentId) -> Result<Option<Enrolment>, RepoError> {
    let statement = "SELECT id, host, name, profile, digest, expires_at, used_at FROM enrolments WHERE id = ?1";
    let found = collect(sql, statement, &[id.to_string().into()], |row| {
        Ok(Enrolment {
            id: row.word()?,
            host: row.word()?,
            name: row.word()?,
            profile: row.json()?,
            digest: row.string()?,
            expires_at: row.word()?,
            used_at: row.maybe_word()?,
        })
    })?;
    Ok(found.into_iter().next())
}

/// Stores a host, or replaces the one with its id.
pub(in crate::repo) fn put_host(sql: &mut dyn Sql, host: &HostRow) -> Result<(), RepoError> {
    let values = [
        host.id.to_string().into(),
        host.name.as_str().into(),
        (&host.address).into(),
        json(&host.profile)?.into(),
        host.enrolled_at.into(),
        host.drained_at.into(),
        host.revoked_at.into(),
        host.heard_at.into(),
        host.report.as_deref().into(),
    ];
    let statement =
        "INSERT INTO hosts (id, name, address, profile, enrolled_at, drained_at, revoked_at, heard_at, report)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
         ON CONFLICT (id) DO UPDATE SET name = excluded.name, address = excluded.address, profile = excluded.profile,
             enrolled_at = excluded.enrolled_at, drained_at = excluded.drained_at, revoked_at = excluded.revoked_at,
             heard_at = excluded.heard_at, report = excluded.report";
    sql.execute(statement, &values).map(drop)
}

/// Returns a host.
pub(in crate::repo) fn host(sql: &mut dyn Sql, id: HostId) -> Result<HostRow, RepoError> {
    let statement = format!(
        "SELECT {COLUMNS} FROM hosts WHERE id = ?1{}",
        sql.dialect().of_topology()
    );
    let found = collect(sql, &statement, &[id.to_string().into()], row)?;
    found.into_iter().next().ok_or(RepoError::HostNotFound { id })
}

/// Returns all hosts, in order of joining and id.
pub(in crate::repo) fn list(sql: &mut dyn Sql) -> Result<Vec<HostRow>, RepoError> {
    let statement = format!("SELECT {COLUMNS} FROM hosts ORDER BY enrolled_at, id");
    collect(sql, &statement, &[], row)
}
