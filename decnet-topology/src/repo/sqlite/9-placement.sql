-- The members of a fleet that have the LANs and deckies as JSON; none if the maze runs on one host.
ALTER TABLE topologies ADD COLUMN placement TEXT;
