-- What the maze uses of a user's catalogue as JSON; none if nothing.
ALTER TABLE topologies ADD COLUMN catalog TEXT;
