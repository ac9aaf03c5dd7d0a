-- Until when shuffles are done. Mazes of older layouts have none.
ALTER TABLE topologies ADD COLUMN shuffled_until TEXT NOT NULL DEFAULT '1970-01-01T00:00:00.000000000Z';
-- Who asked for a mutation: operator or scheduled.
ALTER TABLE mutations ADD COLUMN cause TEXT NOT NULL DEFAULT 'operator';
