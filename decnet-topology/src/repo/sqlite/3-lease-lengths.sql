-- In milliseconds. A lease of an earlier layout, or of a program that still has it open, lasts 15 s.
ALTER TABLE leases ADD COLUMN length INTEGER NOT NULL DEFAULT 15000;
