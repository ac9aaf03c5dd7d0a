-- Addresses are whole numbers, times RFC 3339 with nanoseconds, sets and maps JSON.
PRAGMA application_id = 0x44434e54;

CREATE TABLE meta (
    instance TEXT NOT NULL
) STRICT;

CREATE TABLE topologies (
    key          INTEGER PRIMARY KEY,
    id           TEXT NOT NULL UNIQUE,
    name         TEXT NOT NULL,
    name_key     TEXT NOT NULL, -- the name in Unicode lower case, which SQLite cannot make itself
    mode         TEXT NOT NULL,
    host         TEXT,
    status       TEXT NOT NULL,
    intent       TEXT,
    version      INTEGER NOT NULL,
    created_at   TEXT NOT NULL,
    changed_at   TEXT NOT NULL,
    needs_resync INTEGER NOT NULL,
    config       TEXT,
    settings     TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX topologies_by_short_id ON topologies (substr(id, 1, 8));
CREATE UNIQUE INDEX topologies_by_name ON topologies (name_key) WHERE status <> 'torn_down';
CREATE INDEX topologies_by_creation ON topologies (created_at, id);

CREATE TABLE lans (
    topology      INTEGER NOT NULL REFERENCES topologies (key) ON DELETE CASCADE,
    id            INTEGER NOT NULL,
    name          TEXT NOT NULL COLLATE NOCASE,
    first_address INTEGER NOT NULL,
    last_address  INTEGER NOT NULL,
    is_dmz        INTEGER NOT NULL,
    x             REAL,
    y             REAL,
    PRIMARY KEY (topology, id),
    UNIQUE (topology, name),
    CHECK (0 <= first_address AND first_address <= last_address AND last_address <= 0xffffffff)
) STRICT, WITHOUT ROWID;
CREATE INDEX lans_by_range ON lans (first_address, last_address);

CREATE TABLE deckies (
    topology       INTEGER NOT NULL REFERENCES topologies (key) ON DELETE CASCADE,
    id             INTEGER NOT NULL,
    name           TEXT NOT NULL COLLATE NOCASE,
    services       TEXT NOT NULL,
    service_config TEXT NOT NULL,
    archetype      TEXT,
    forwards_l3    INTEGER NOT NULL,
    x              REAL,
    y              REAL,
    PRIMARY KEY (topology, id),
    UNIQUE (topology, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE attachments (
    topology INTEGER NOT NULL,
    decky    INTEGER NOT NULL,
    place    INTEGER NOT NULL, -- 0 is the home
    lan      INTEGER NOT NULL,
    address  INTEGER NOT NULL,
    PRIMARY KEY (topology, decky, place),
    UNIQUE (topology, lan, decky),
    FOREIGN KEY (topology, decky) REFERENCES deckies (topology, id) ON DELETE CASCADE,
    FOREIGN KEY (topology, lan) REFERENCES lans (topology, id) ON DELETE CASCADE,
    CHECK (address BETWEEN 0 AND 0xffffffff)
) STRICT, WITHOUT ROWID;

CREATE TABLE status_events (
    key         INTEGER PRIMARY KEY,
    topology    INTEGER NOT NULL REFERENCES topologies (key) ON DELETE CASCADE,
    from_status TEXT,
    to_status   TEXT NOT NULL,
    at          TEXT NOT NULL,
    reason      TEXT
) STRICT;
CREATE INDEX status_events_by_topology ON status_events (topology, key);

CREATE TABLE leases (
    topology INTEGER PRIMARY KEY REFERENCES topologies (key) ON DELETE CASCADE,
    token    TEXT NOT NULL,
    boot_id  TEXT NOT NULL,
    pid      INTEGER NOT NULL,
    started  INTEGER NOT NULL, -- the bits of an unsigned number
    label    TEXT NOT NULL,
    until    TEXT NOT NULL
) STRICT;
