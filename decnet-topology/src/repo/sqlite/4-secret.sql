-- 64 hex digits, drawn when the store is created or migrated.
ALTER TABLE meta ADD COLUMN secret TEXT NOT NULL DEFAULT '';
