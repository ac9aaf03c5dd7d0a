-- Lines of the logs of deckies, which are kept after their containers are removed.
CREATE TABLE visits (
    key      INTEGER PRIMARY KEY,
    topology INTEGER NOT NULL REFERENCES topologies (key) ON DELETE CASCADE,
    id       TEXT NOT NULL,
    at       TEXT NOT NULL,
    decky    TEXT NOT NULL COLLATE NOCASE,
    service  TEXT,
    source   INTEGER,
    entry    TEXT NOT NULL,
    UNIQUE (topology, id),
    CHECK (source BETWEEN 0 AND 0xffffffff)
) STRICT;
CREATE INDEX visits_by_topology ON visits (topology, at, id);
CREATE INDEX visits_by_time ON visits (at, id);
