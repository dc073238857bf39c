//! The store's file, and what lies around it.

pub(in crate::store) mod backup;
pub(in crate::store) mod checksums;
pub(in crate::store) mod database;
pub(in crate::store) mod files;
pub(in crate::store) mod folder;
pub(in crate::store) mod migrations;
pub(in crate::store) mod sealed;
