-- The hosts of a fleet, the tokens with which they join, and the authority that issues their certificates.
CREATE TABLE hosts (
    id          TEXT PRIMARY KEY,
    name        TEXT NOT NULL COLLATE NOCASE,
    address     TEXT NOT NULL, -- of the agent: `host:port`
    profile     TEXT NOT NULL,
    enrolled_at TEXT NOT NULL,
    drained_at  TEXT,
    revoked_at  TEXT,
    heard_at    TEXT, -- when the last report arrived
    report      TEXT
) STRICT;
CREATE UNIQUE INDEX hosts_by_name ON hosts (name) WHERE revoked_at IS NULL;

CREATE TABLE enrolments (
    id         TEXT PRIMARY KEY,
    host       TEXT NOT NULL,
    name       TEXT NOT NULL COLLATE NOCASE,
    profile    TEXT NOT NULL,
    digest     TEXT NOT NULL, -- of the secret
    expires_at TEXT NOT NULL,
    used_at    TEXT
) STRICT;

CREATE TABLE fleet (
    authority TEXT NOT NULL
) STRICT;
