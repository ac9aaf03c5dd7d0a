-- The generation of the lease that was acquired last. A lease of an earlier layout has zero.
ALTER TABLE meta ADD COLUMN generation INTEGER NOT NULL DEFAULT 0;
ALTER TABLE leases ADD COLUMN generation INTEGER NOT NULL DEFAULT 0;
