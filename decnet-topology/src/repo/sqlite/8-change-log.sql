-- What happened to topologies, in order. A row outlives its topology; the oldest rows are removed.
CREATE TABLE change_log (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT, -- a number is never given twice
    at       TEXT NOT NULL,
    topology TEXT NOT NULL, -- the id
    name     TEXT NOT NULL,
    version  INTEGER NOT NULL,
    change   TEXT NOT NULL
) STRICT;
CREATE INDEX change_log_by_topology ON change_log (topology, sequence);
