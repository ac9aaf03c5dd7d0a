-- One row for each transaction that was committed lately, so that a client that lost the connection in the commit can ask.
CREATE TABLE commits (
    token        uuid PRIMARY KEY,
    is_committed boolean NOT NULL DEFAULT true, -- false: its client claimed the token, so it cannot be committed any more
    at           timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX commits_by_age ON commits (at);
