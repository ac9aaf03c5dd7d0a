//! What the options of the engine's networks let through, measured from inside on whatever engine is there.
