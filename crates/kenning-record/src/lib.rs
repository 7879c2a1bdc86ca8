//! What is known, and its bytes.
//!
//! A record is a JSON document in a table, under an id. This crate says what ids, keys, values,
//! records, schemas and log entries are, and how each becomes bytes and comes back. Everything here
//! is a plain function over bytes: equal input gives equal output, on every machine. What this
//! crate does not know: a runtime, a clock, chance, an engine, and which transaction is going on.
//!
//! The bytes are specified in `docs/format/`; this crate follows those pages, not the reverse.

mod id; // what a record is called for life
mod instant; // RFC 3339
mod log; // one transaction in the log
mod name; // what a record is called by people
mod order; // index keys
mod path; // where in a document
mod record; // what is in a record
mod schema; // what may be in a record
mod value; // compact JSON
mod varint; // numbers that are mostly small

pub mod entry; // the frame of a live entry
pub mod keys; // every key of the store

pub use id::{End, Id, TableNo, TenantNo, Version};
pub use instant::{INSTANT_MAX, INSTANT_MIN, format_instant, parse_instant};
pub use log::{LogBody, LogChange, LogEntry, LogHead};
pub use name::{KEY_BYTES_MAX, check_table_name, check_tenant_name, normalize, suggest};
pub use order::{
    INDEXED_BYTES_MAX, order_compared, order_json, order_value, skip_ordered, unorder,
};
pub use path::Path;
pub use record::{Body, Draft, RECORD_BYTES_MAX, Record, RecordRef, encode_record};
pub use schema::VectorSpec;
pub use schema::{Category, Embedding, GivenVectors, INDEX_PATHS_MAX, IndexSpec, Metric, Schema};
pub use serde_json::Value as Json;
pub use value::{DEPTH_MAX, Entries, Items, Kind, ValueRef, encode};
