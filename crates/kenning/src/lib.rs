//! **Kenning** is one embeddable engine for what is known: records, links and their history, in a
//! database that never loses an acknowledged write and shows any moment of its past.
//!
//! ```
//! # fn main() -> kenning::Result<()> {
//! use kenning::blocking::open;
//! use kenning::{At, Draft, Link, Walk, json};
//!
//! let db = open("memory:")?;
//! db.create_table("projects", json!({"x-kenning": {"key": "name", "indexed": ["status"]}}))?;
//! let before = db.put("projects", json!({"name": "Heron", "status": "idea"}))?;
//! db.put("entities", Draft { key: Some("Ada".into()), ..Draft::default() })?;
//! db.link("Ada", "leads", "projects/Heron", Link::default())?;
//! db.update("projects", "heron", json!({"status": "running"}))?;
//!
//! assert_eq!(db.neighbors("Ada", Walk::default())?[0].key.as_deref(), Some("Heron"));
//! let then = db.as_of(At::Version(before.version))?;
//! let heron = then.get("projects", "heron")?.expect("it was there");
//! assert_eq!(heron.properties["status"], "idea");
//! # Ok(())
//! # }
//! ```
//!
//! What is on disk is kept by an [`Engine`], RocksDB or fjall: the features `rocks` (on by default)
//! and `fjall` say which are built in.
//!
//! The facade opens a database by URL and hands in what is below; it has no logic of its own. Every
//! verb is async here and plain in [`blocking`]. A local engine answers at once, so both cost the
//! same, and no particular runtime is needed.

pub mod blocking;
mod models;
mod open;
mod restore;
mod whole;
mod world;

pub use kenning_embed::{Endpoint, Hashing, KNOWN_MODELS, KnownFile, KnownModel, known_model};
pub use kenning_engine::{Answer, Arm, Ask, Hit, Mode, SearchExplain, Why};
pub use kenning_engine::{At, IndexState, Isolation, Link, LogRow, Past};
pub use kenning_engine::{BackedUp, Backup, BackupOptions, KnownBackup, list_backups};
pub use kenning_engine::{Bug, Building, Change, Committed, Merged, Progress, Pruned, Purged};
pub use kenning_engine::{ContentHash, Database, Encoded, Explain, Follower, Stop, Tail};
pub use kenning_engine::{Fuzzy, Near};
pub use kenning_engine::{SealingLimits, Settings, Step};
pub use kenning_engine::{
    TableInfo, TenantSize, Transaction, TransactionId, View, Violation, Walk, WalkDirection,
};
#[cfg(feature = "fjall")]
pub use kenning_fjall::Settings as FjallSettings;
pub use kenning_index::{Embedder, Filter, Predicate};
pub use kenning_ingest as ingest;
pub use kenning_record::{Draft, Id, Json, Record, Version, format_instant, parse_instant};
#[cfg(feature = "rocks")]
pub use kenning_rocks::Settings as RocksSettings;
pub use kenning_store::backup::{Copying, Watch as CopyWatch};
pub use kenning_store::{Create, Durability, Error, ErrorKind, Finding, Result, World};
pub use models::{ModelPlace, Models, NamedModel};
pub use open::{Engine, Options, open, open_with};
pub use restore::restore;
pub use serde_json::json;
pub use whole::import_all;
pub use world::SystemWorld;

// What the guide shows of the library is compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/guide/install.md")]
#[doc = include_str!("../../../docs/guide/first-hour.md")]
struct Guide;
