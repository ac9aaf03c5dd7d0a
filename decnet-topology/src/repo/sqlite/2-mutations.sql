-- A mutation without a claim has none of the claim's columns.
CREATE TABLE mutations (
    id            INTEGER PRIMARY KEY AUTOINCREMENT, -- a number is never given twice
    topology      INTEGER NOT NULL REFERENCES topologies (key) ON DELETE CASCADE,
    mutation      TEXT NOT NULL,
    actor         TEXT,
    state         TEXT NOT NULL,
    version       INTEGER NOT NULL,
    attempts      INTEGER NOT NULL,
    enqueued_at   TEXT NOT NULL,
    begun_at      TEXT,
    stored_at     TEXT,
    finished_at   TEXT,
    reason        TEXT,
    claim_token   TEXT,
    claim_until   TEXT,
    claim_boot_id TEXT,
    claim_pid     INTEGER,
    claim_started INTEGER, -- the bits of an unsigned number
    claim_label   TEXT,
    CHECK ((finished_at IS NULL) = (state IN ('pending', 'applying'))),
    CHECK ((claim_token IS NOT NULL) = (state = 'applying'))
) STRICT;
CREATE INDEX mutations_by_topology ON mutations (topology, id);
-- What is left to do, however much was done.
CREATE INDEX mutations_unfinished ON mutations (topology, id) WHERE finished_at IS NULL;

CREATE TABLE decky_changes (
    key      INTEGER PRIMARY KEY,
    topology INTEGER NOT NULL REFERENCES topologies (key) ON DELETE CASCADE,
    mutation INTEGER REFERENCES mutations (id) ON DELETE CASCADE,
    at       TEXT NOT NULL,
    change   TEXT NOT NULL
) STRICT;
CREATE INDEX decky_changes_by_topology ON decky_changes (topology, key);
CREATE INDEX decky_changes_by_mutation ON decky_changes (mutation);
