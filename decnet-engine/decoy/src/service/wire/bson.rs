//! BSON documents.
