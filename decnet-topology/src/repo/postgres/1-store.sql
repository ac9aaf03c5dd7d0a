-- Addresses are whole numbers, times RFC 3339 with nanoseconds, sets and maps JSON. Texts sort by their bytes.
CREATE TABLE meta (
    instance   text NOT NULL,
    secret     text NOT NULL, -- 64 hex digits, drawn when the store is created
    generation bigint NOT NULL DEFAULT 0 -- of the lease that was acquired last
);

CREATE TABLE topologies (
    key          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id           text COLLATE "C" NOT NULL UNIQUE,
    name         text COLLATE "C" NOT NULL,
    name_key     text COLLATE "C" NOT NULL, -- the name in Unicode lower case, whatever the database's locale
    mode         text COLLATE "C" NOT NULL,
    host         text COLLATE "C",
    status       text COLLATE "C" NOT NULL,
    intent       text COLLATE "C",
    version      bigint NOT NULL,
    created_at   text COLLATE "C" NOT NULL,
    changed_at   text COLLATE "C" NOT NULL,
    needs_resync boolean NOT NULL,
    config       text,
    settings     text NOT NULL,
    catalog      text, -- what the maze uses of a user's catalogue; none if nothing
    placement    text, -- the members of a fleet that have the LANs and deckies; none if the maze runs on one host
    shuffled_until text COLLATE "C" NOT NULL -- until when shuffles are done
);
CREATE UNIQUE INDEX topologies_by_short_id ON topologies (substr(id, 1, 8));
CREATE UNIQUE INDEX topologies_by_name ON topologies (name_key) WHERE status <> 'torn_down';
CREATE INDEX topologies_by_creation ON topologies (created_at, id);

CREATE TABLE lans (
    topology      bigint NOT NULL REFERENCES topologies (key) ON DELETE CASCADE,
    id            bigint NOT NULL,
    name          text COLLATE "C" NOT NULL,
    first_address bigint NOT NULL,
    last_address  bigint NOT NULL,
    is_dmz        boolean NOT NULL,
    x             double precision,
    y             double precision,
    is_claimed    boolean NOT NULL DEFAULT true, -- until the topology is torn down
    PRIMARY KEY (topology, id),
    CHECK (0 <= first_address AND first_address <= last_address AND last_address <= 4294967295)
);
CREATE UNIQUE INDEX lans_by_name ON lans (topology, lower(name));
CREATE INDEX lans_by_range ON lans (first_address, last_address);

CREATE FUNCTION give_up_claims() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE lans SET is_claimed = false WHERE topology = NEW.key;
    RETURN NULL;
END
$$;
CREATE TRIGGER torn_down AFTER UPDATE OF status ON topologies FOR EACH ROW
    WHEN (NEW.status = 'torn_down' AND OLD.status <> 'torn_down') EXECUTE FUNCTION give_up_claims();

CREATE TABLE deckies (
    topology       bigint NOT NULL REFERENCES topologies (key) ON DELETE CASCADE,
    id             bigint NOT NULL,
    name           text COLLATE "C" NOT NULL,
    services       text NOT NULL,
    service_config text NOT NULL,
    archetype      text,
    persona        text, -- the pinned persona; none if nothing is pinned
    forwards_l3    boolean NOT NULL,
    x              double precision,
    y              double precision,
    PRIMARY KEY (topology, id)
);
CREATE UNIQUE INDEX deckies_by_name ON deckies (topology, lower(name));

CREATE TABLE attachments (
    topology bigint NOT NULL,
    decky    bigint NOT NULL,
    place    bigint NOT NULL, -- 0 is the home
    lan      bigint NOT NULL,
    address  bigint NOT NULL,
    PRIMARY KEY (topology, decky, place),
    UNIQUE (topology, lan, decky),
    FOREIGN KEY (topology, decky) REFERENCES deckies (topology, id) ON DELETE CASCADE,
    FOREIGN KEY (topology, lan) REFERENCES lans (topology, id) ON DELETE CASCADE,
    CHECK (address BETWEEN 0 AND 4294967295)
);

CREATE TABLE status_events (
    key         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    topology    bigint NOT NULL REFERENCES topologies (key) ON DELETE CASCADE,
    from_status text,
    to_status   text NOT NULL,
    at          text COLLATE "C" NOT NULL,
    reason      text
);
CREATE INDEX status_events_by_topology ON status_events (topology, key);

CREATE TABLE leases (
    topology   bigint PRIMARY KEY REFERENCES topologies (key) ON DELETE CASCADE,
    token      text NOT NULL,
    boot_id    text NOT NULL,
    pid        bigint NOT NULL,
    started    bigint NOT NULL, -- the bits of an unsigned number
    label      text NOT NULL,
    until      text COLLATE "C" NOT NULL, -- by the clock of the server
    length     bigint NOT NULL, -- in milliseconds
    generation bigint NOT NULL
);

-- A mutation without a claim has none of the claim's columns.
CREATE TABLE mutations (
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, -- a number is never given twice
    topology      bigint NOT NULL REFERENCES topologies (key) ON DELETE CASCADE,
    mutation      text NOT NULL,
    actor         text,
    cause         text COLLATE "C" NOT NULL, -- who asked for it: operator or scheduled
    state         text COLLATE "C" NOT NULL,
    version       bigint NOT NULL,
    attempts      bigint NOT NULL,
    enqueued_at   text COLLATE "C" NOT NULL,
    begun_at      text COLLATE "C",
    stored_at     text COLLATE "C",
    finished_at   text COLLATE "C",
    reason        text,
    claim_token   text,
    claim_until   text COLLATE "C",
    claim_boot_id text,
    claim_pid     bigint,
    claim_started bigint, -- the bits of an unsigned number
    claim_label   text,
    CHECK ((finished_at IS NULL) = (state IN ('pending', 'applying'))),
    CHECK ((claim_token IS NOT NULL) = (state = 'applying'))
);
CREATE INDEX mutations_by_topology ON mutations (topology, id);
-- What is left to do, however much was done.
CREATE INDEX mutations_unfinished ON mutations (topology, id) WHERE finished_at IS NULL;

CREATE TABLE decky_changes (
    key      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    topology bigint NOT NULL REFERENCES topologies (key) ON DELETE CASCADE,
    mutation bigint REFERENCES mutations (id) ON DELETE CASCADE,
    at       text COLLATE "C" NOT NULL,
    change   text NOT NULL
);
CREATE INDEX decky_changes_by_topology ON decky_changes (topology, key);
CREATE INDEX decky_changes_by_mutation ON decky_changes (mutation);

-- Lines of the logs of deckies, which are kept after their containers are removed.
CREATE TABLE visits (
    key      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    topology bigint NOT NULL REFERENCES topologies (key) ON DELETE CASCADE,
    id       text COLLATE "C" NOT NULL,
    at       text COLLATE "C" NOT NULL,
    decky    text COLLATE "C" NOT NULL,
    service  text COLLATE "C",
    source   bigint,
    entry    text NOT NULL,
    UNIQUE (topology, id),
    CHECK (source BETWEEN 0 AND 4294967295)
);
CREATE INDEX visits_by_topology ON visits (topology, at, id);
CREATE INDEX visits_by_time ON visits (at, id);

-- The hosts of a fleet, the tokens with which they join, and the authority that issues their certificates.
CREATE TABLE hosts (
    id          text COLLATE "C" PRIMARY KEY,
    name        text COLLATE "C" NOT NULL,
    address     text NOT NULL, -- of the agent: `host:port`
    profile     text NOT NULL,
    enrolled_at text COLLATE "C" NOT NULL,
    drained_at  text COLLATE "C",
    revoked_at  text COLLATE "C",
    heard_at    text COLLATE "C", -- when the last report arrived
    report      text
);
CREATE UNIQUE INDEX hosts_by_name ON hosts (lower(name)) WHERE revoked_at IS NULL;

CREATE TABLE enrolments (
    id         text COLLATE "C" PRIMARY KEY,
    host       text COLLATE "C" NOT NULL,
    name       text COLLATE "C" NOT NULL,
    profile    text NOT NULL,
    digest     text NOT NULL, -- of the secret
    expires_at text COLLATE "C" NOT NULL,
    used_at    text COLLATE "C"
);

CREATE TABLE fleet (
    authority text NOT NULL
);

-- What happened to topologies, in order. A row outlives its topology; the oldest rows are removed. A sequence of PostgreSQL would
-- give numbers in another order than that of the commits, and a reader would miss changes. So the row with the latest number is
-- locked from when a transaction takes a number until its end.
CREATE TABLE latest_change (
    sequence bigint NOT NULL
);
INSERT INTO latest_change VALUES (0);

CREATE FUNCTION next_change() RETURNS bigint LANGUAGE sql AS
    'UPDATE latest_change SET sequence = sequence + 1 RETURNING sequence';

CREATE TABLE change_log (
    sequence bigint PRIMARY KEY DEFAULT next_change(),
    at       text COLLATE "C" NOT NULL,
    topology text COLLATE "C" NOT NULL, -- the id
    name     text COLLATE "C" NOT NULL,
    version  bigint NOT NULL,
    change   text NOT NULL
);
CREATE INDEX change_log_by_topology ON change_log (topology, sequence);

-- Two topologies never claim the same address. The extension is part of PostgreSQL, but an administrator may have to install it.
-- Without it, transactions that change mazes run one after the other.
DO $$
BEGIN
    CREATE EXTENSION IF NOT EXISTS btree_gist;
    ALTER TABLE lans ADD CONSTRAINT lans_apart EXCLUDE USING gist (
        topology WITH <>,
        int8range(first_address, last_address, '[]') WITH &&
    ) WHERE (is_claimed);
EXCEPTION
    WHEN insufficient_privilege OR undefined_file OR feature_not_supported OR undefined_object OR invalid_schema_name THEN NULL;
END
$$;
