-- The pinned persona of a decky as JSON; none if nothing is pinned.
ALTER TABLE deckies ADD COLUMN persona TEXT;
