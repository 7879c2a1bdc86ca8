//! Which parts an index has, and up to which version they are complete.
//!
//! Specified in `docs/format/sealed.md`.

use std::sync::Arc;

use kenning_record::{Json, ValueRef, Version, encode, entry};
use kenning_store::{Error, PartId, Result};
use serde_json::json;

use super::piece::Piece;
use super::spec::Spec;
use crate::committer::frame;
use crate::view::View;

/// What is stored of an index.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct State {
    pub(crate) spec: Spec,
    /// What was written up to this version is in the parts.
    pub(crate) position: Version,
    pub(crate) ready_from: Version,
    pub(crate) parts: Vec<PartId>,
}

impl State {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let said = json!({
            "spec": self.spec.to_json(),
            "position": self.position,
            "ready_from": self.ready_from,
            "parts": self.parts.iter().map(ToString::to_string).collect::<Vec<_>>(),
        });
        let mut payload = Vec::new();
        encode(&said, &mut payload).expect("it is no document of a user, and small");
        frame(0, &payload)
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self> {
        let said = ValueRef::new(entry::check(bytes)?.1).decode()?;
        let part = |part: &Json| u128::from_str_radix(part.as_str()?, 16).ok().map(PartId);
        let read = || {
            Some(State {
                spec: Spec::read(&said["spec"])?,
                position: said["position"].as_u64()?,
                ready_from: said["ready_from"].as_u64()?,
                parts: said["parts"].as_array()?.iter().map(part).collect::<Option<_>>()?,
            })
        };
        let damaged = || Error::corrupt("SEALED_DAMAGED", "the list of parts is damaged");
        read().ok_or_else(damaged)
    }
}

/// What was found to be damaged of the indexes of a tenant, as it is told.
pub(crate) async fn damage_told(view: &View) -> Result<Vec<Json>> {
    let damage = view.handle.shared().damaged.of(view.tenant.number);
    let mut told = Vec::with_capacity(damage.len());
    for one in damage {
        let table = view.find_numbered(one.table).await?;
        let name = table.map_or_else(|| one.table.to_string(), |table| table.name.clone());
        told.push(one.to_json(&name));
    }
    Ok(told)
}

/// The indexes of a tenant, as they are told.
pub(crate) async fn told(view: &View) -> Result<Vec<Json>> {
    let sight = view.tenant.library.sight();
    let mut told = Vec::new();
    for table in view.all_tables().await? {
        for index in sight.indexes.iter().filter(|index| index.table == table.number) {
            let rows = |pieces: &mut dyn Iterator<Item = &Arc<Piece>>| -> u64 {
                pieces.map(|piece| u64::from(piece.rows())).sum()
            };
            told.push(json!({
                "table": table.name,
                "index": index.spec.name(),
                "model": index.spec.model(),
                "parts": index.parts().count(),
                "rows": rows(&mut index.parts()),
                "rows_in_memory": rows(&mut index.tail()),
                "position": index.position,
                "is_ready": index.is_ready,
            }));
        }
    }
    Ok(told)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_stored_is_read_back() {
        let spec = Spec::Words { key: None, paths: None, language: "en".into() };
        let parts = vec![PartId(7), PartId(u128::MAX)];
        let state = State { spec, position: 9, ready_from: 3, parts };
        assert_eq!(State::decode(&state.encode()).unwrap(), state);
        assert!(State::decode(&frame(0, b"x")).is_err());
    }
}
