//! OverGraph: people as nodes with a label and a key.

use std::collections::BTreeMap;
use std::path::Path;

use overgraph::{DatabaseEngine, DbOptions, NodeInput, NodeView, PropValue, WalSyncMode};

use crate::Result;
use crate::people::{Person, hash};

/// The name in every measure.
pub(crate) const GRAPH: &str = "OverGraph";

const LABEL: &str = "Person";

/// A new database, which is at most 10 ms behind.
pub(crate) fn create(folder: &Path) -> Result<DatabaseEngine> {
    let given = WalSyncMode::default();
    let wal_sync_mode = match given {
        WalSyncMode::GroupCommit { soft_trigger_bytes, hard_cap_bytes, .. } => {
            WalSyncMode::GroupCommit { interval_ms: 10, soft_trigger_bytes, hard_cap_bytes }
        }
        WalSyncMode::Immediate => WalSyncMode::Immediate,
    };
    let options = DbOptions { wal_sync_mode, ..DbOptions::default() };
    Ok(DatabaseEngine::open(&folder.join("graph"), &options)?)
}

/// A person as OverGraph takes it. Its key is an index that cannot be left out.
pub(crate) fn node(person: &Person) -> NodeInput {
    let text = |text: &str| PropValue::String(text.to_owned());
    let props = BTreeMap::from([
        ("name".to_owned(), text(&person.name)),
        ("team".to_owned(), text(&person.team)),
        ("score".to_owned(), PropValue::Int(person.score)),
        ("city".to_owned(), text(&person.city)),
        ("about".to_owned(), text(&person.about)),
    ]);
    NodeInput {
        labels: vec![LABEL.to_owned()],
        key: person.name.clone(),
        props,
        weight: 1.0,
        dense_vector: None,
        sparse_vector: None,
    }
}

/// What a node says.
pub(crate) fn hash_node(node: &NodeView) -> u64 {
    let value = |name: &str| node.props.get(name);
    let text = |name: &str| match value(name) {
        Some(PropValue::String(text)) => text.as_str(),
        Some(_) | None => "",
    };
    let score = match value("score") {
        Some(PropValue::Int(score)) => *score,
        Some(_) | None => -1,
    };
    hash(text("name"), text("team"), score, text("about"))
}

/// Hash of the nodes with these ids.
pub(crate) fn contents(database: &DatabaseEngine, ids: &[u64]) -> Result<u64> {
    let mut sum = 0_u64;
    for chunk in ids.chunks(1_000) {
        for node in database.get_nodes(chunk)? {
            let node = node.ok_or("OverGraph lost a node")?;
            sum = sum.wrapping_add(hash_node(&node));
        }
    }
    Ok(sum)
}
