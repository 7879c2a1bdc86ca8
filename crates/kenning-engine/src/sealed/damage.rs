//! Parts that are damaged, or gone.
//!
//! A part follows from records, so one that can't be read is no loss: its index is answered from
//! records until the sealer has made it anew, and its other parts go with it. But a disk that loses
//! bytes is worth knowing of. So what was found is noted, for as long as the database is open, and
//! `stats` tells it.

use std::sync::{Arc, Mutex};

use kenning_record::{Json, TableNo, TenantNo, keys};
use kenning_store::{Batch, Error, ErrorKind, PartId, Range, Result, Space};
use serde_json::json;

use super::piece::{Body, Piece};
use super::state::State;
use super::{Index, Library, Sight};
use crate::database::Handle;
use crate::log::{Beside, write_beside};
use crate::shared::Shared;
use crate::sweep::living;
use crate::view::View;

/// Notes of damage that are kept. Those that come first say most.
const NOTES_MAX: usize = 100;

/// Damage that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Damage {
    pub(crate) table: TableNo,
    pub(crate) index: String,
    /// The part; none if it is the list of them.
    pub(crate) part: Option<PartId>,
    pub(crate) why: String,
}

impl Damage {
    /// As it is told.
    pub(crate) fn to_json(&self, table: &str) -> Json {
        let part = self.part.map(|part| part.to_string());
        json!({"table": table, "index": self.index, "part": part, "why": self.why})
    }
}

/// What was found since the database was opened, of every tenant.
#[derive(Default)]
pub(crate) struct Damaged {
    notes: Mutex<Vec<(TenantNo, Damage)>>,
}

impl Damaged {
    /// What was found of one tenant.
    pub(crate) fn of(&self, tenant: TenantNo) -> Vec<Damage> {
        let notes = self.notes.lock().expect("no holder of this lock panics");
        notes.iter().filter(|(of, _)| *of == tenant).map(|(_, damage)| damage.clone()).collect()
    }

    pub(crate) fn note(&self, tenant: TenantNo, damage: Damage) {
        let mut notes = self.notes.lock().expect("no holder of this lock panics");
        let note = (tenant, damage);
        if notes.len() < NOTES_MAX && !notes.contains(&note) {
            notes.push(note);
        }
    }
}

impl Library {
    /// Looks at every byte of the parts of an index; whether any is damaged. Then the index is
    /// answered from records until it is made anew.
    pub(crate) async fn distrust(&self, shared: &Arc<Shared>, index: &Index) -> bool {
        let mut is_damaged = false;
        for piece in index.parts() {
            if let Err(error) = piece.verify() {
                is_damaged = true;
                let (table, name) = (index.table, index.spec.name());
                let why = error.to_string();
                let damage = Damage { table, index: name, part: piece.part, why };
                shared.damaged.note(self.tenant, damage);
            }
        }
        if is_damaged {
            self.lose(shared, index.table, &index.spec.name()).await;
        }
        is_damaged
    }

    /// Forgets the pieces of an index, which is made anew.
    async fn lose(&self, shared: &Arc<Shared>, table: TableNo, name: &str) {
        let _turn = self.turn(shared).await;
        let sight = self.sight();
        if let Some(known) = sight.index(table, name) {
            let lost = Index { is_ready: false, pieces: Vec::new(), ..(**known).clone() };
            self.show(Sight::with(&sight, lost));
        }
    }
}

impl Piece {
    /// Checks every byte that an index is asked for.
    pub(crate) fn verify(&self) -> Result<()> {
        match &self.body {
            Body::Words(words) => words.verify(),
            Body::Vectors(vectors) => vectors.verify(),
        }
    }
}

/// Removes what is damaged of the parts of every tenant, with the indexes that have it: nobody is
/// to copy it. They are made anew in the background.
pub(crate) async fn weed(handle: &Handle) -> Result<()> {
    let shared = handle.shared();
    let store = shared.store()?;
    let mut damaged: Vec<(PartId, Error)> = Vec::new();
    for part in store.parts().await? {
        match store.map_part(part).await {
            Err(error) if error.kind() == ErrorKind::Corrupt => damaged.push((part, error)),
            other => drop(other?),
        }
    }
    if damaged.is_empty() {
        return Ok(());
    }
    let view = View::now(handle, shared.tenants.root())?;
    let tenants = crate::tenants::all(&view).await?;
    for row in view.rows(Range::prefix([Space::Sealed.byte()])).await? {
        let (tenant, table, name) = keys::sealed_split(&row.key)?;
        let Ok(state) = State::decode(&row.value) else { continue };
        let is_of_it = |(part, _): &&(PartId, Error)| state.parts.contains(part);
        let mut of_it = damaged.iter().filter(is_of_it).peekable();
        if of_it.peek().is_none() {
            continue;
        }
        for (part, why) in of_it {
            let (index, why) = (name.clone(), why.to_string());
            shared.damaged.note(tenant, Damage { table, index, part: Some(*part), why });
        }
        if let Some(tenant) = living(handle, &tenants, tenant).await? {
            tenant.library.lose(shared, table, &name).await;
        }
        let mut batch = Batch::new();
        batch.delete(&row.key);
        write_beside(&view, Beside { batch, ..Beside::default() }).await?;
        for part in state.parts {
            store.drop_part(part).await?;
        }
        shared.unsealed.ask(tenant);
        shared.seal.ring();
    }
    for (part, _) in damaged {
        store.drop_part(part).await?;
    }
    Ok(())
}
