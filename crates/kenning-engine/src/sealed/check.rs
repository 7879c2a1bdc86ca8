//! Sealed indexes against what the records say.
//!
//! Rebuilt is maintained: every record must have the rows that it would have if its index were made
//! now, with the same places and the same vectors, and nothing else may be there. Of words, what
//! the pieces know of their rows must be, byte for byte, what an index over the texts of those rows
//! would be. Only rows of the version that is looked at count; what a model has not read yet is not
//! looked at. Parts are read to their last byte first.

use std::collections::HashSet;
use std::sync::Arc;

use kenning_index::{Bitmap, WordRow};
use kenning_record::{Id, RecordRef, TableNo, Version, keys};
use kenning_store::{ErrorKind, Finding, Range, Result};

use super::collect::{self, Changed, Collect, texts};
use super::follow::{embedded, read};
use super::piece::{Body, Piece, PieceDraft};
use super::roster::Change;
use super::spec::Spec;
use super::state::State;
use super::{Finders, Index};
use crate::database::Handle;
use crate::tenant::Tenant;
use crate::view::View;

/// Findings after which looking for more is of no use.
const FINDINGS_MAX: usize = 20;
/// How often it is tried again where somebody merges what is looked at.
const TRIES: usize = 3;
/// Rows, and bytes of their texts, that are compared at a time.
const STEP_ROWS: usize = 100_000;
const STEP_BYTES: usize = 64 << 20;
/// Records that are looked up at a time.
const RECORDS: usize = 500;
/// Changes of the log that are read at a time.
const LOG_ROWS: usize = 5_000;

/// What is wrong with the sealed indexes of a tenant.
pub(crate) async fn check(
    handle: &Handle,
    tenant: &Arc<Tenant>,
    finders: &Finders,
) -> Result<Vec<Finding>> {
    let mut checking = Checking { handle, tenant, finders, findings: Vec::new() };
    checking.parts().await?;
    for (table, name) in checking.indexes().await? {
        match checking.index(table, &name).await {
            // Records that can't be read are told by who looks at records.
            Err(error) if error.kind() == ErrorKind::Corrupt => {
                checking.add(error.code(), format!("{name} of table {table}: {error}"));
            }
            done => done?,
        }
    }
    Ok(checking.findings)
}

struct Checking<'a> {
    handle: &'a Handle,
    tenant: &'a Arc<Tenant>,
    finders: &'a Finders,
    findings: Vec<Finding>,
}

/// An index at a version.
struct Looked<'a> {
    view: &'a View,
    index: &'a Index,
    at: Version,
    /// Records that changed since that version: the view does not show what they were.
    changed: HashSet<Id>,
    /// The rows of each piece that are there.
    there: Vec<Bitmap>,
}

impl Checking<'_> {
    fn add(&mut self, code: &'static str, message: String) {
        if self.findings.len() < FINDINGS_MAX {
            self.findings.push(Finding { code, message });
        }
    }

    /// Every part that a list names is there and whole.
    async fn parts(&mut self) -> Result<()> {
        let view = View::now(self.handle, self.tenant)?;
        let store = self.handle.shared().store()?;
        for row in view.rows(Range::prefix(keys::sealed_of(self.tenant.number))).await? {
            let (_, table, name) = keys::sealed_split(&row.key)?;
            let whose = format!("{name} of table {table}");
            let state = match State::decode(&row.value) {
                Ok(state) => state,
                Err(error) => {
                    self.add(error.code(), format!("{whose}: {error}"));
                    continue;
                }
            };
            for part in &state.parts {
                let mapped = store.map_part(*part).await;
                let opened = match mapped {
                    Ok(None) if self.is_named(&row.key, *part).await? => {
                        self.add("PART_MISSING", format!("{whose} has no part {part}"));
                        continue;
                    }
                    Ok(None) => continue,
                    Ok(Some(bytes)) => Piece::open(self.finders, &state.spec, Some(*part), &bytes),
                    Err(error) => Err(error),
                };
                let checked = opened.and_then(|piece| piece.verify());
                if let Err(error) = checked {
                    self.add(error.code(), format!("{whose}, part {part}: {error}"));
                }
            }
        }
        Ok(())
    }

    /// Whether a part is still named: somebody may have merged it meanwhile.
    async fn is_named(&self, key: &[u8], part: kenning_store::PartId) -> Result<bool> {
        let view = View::now(self.handle, self.tenant)?;
        let stored = view.source.get(key).await?;
        let state = stored.and_then(|bytes| State::decode(&bytes).ok());
        Ok(state.is_some_and(|state| state.parts.contains(&part)))
    }

    async fn indexes(&self) -> Result<Vec<(TableNo, String)>> {
        let view = View::now(self.handle, self.tenant)?;
        let sight = self.tenant.library.follow(&view, self.finders).await?;
        Ok(sight.indexes.iter().map(|index| (index.table, index.spec.name())).collect())
    }

    /// The rows of an index are those that its records say.
    async fn index(&mut self, table: TableNo, name: &str) -> Result<()> {
        let library = &self.tenant.library;
        for _ in 0..TRIES {
            let view = View::now(self.handle, self.tenant)?;
            let sight = library.follow(&view, self.finders).await?;
            let Some(index) = sight.index(table, name) else { return Ok(()) };
            // A long look at a mapped part: its disk may have lost something since it was opened.
            library.distrust(self.handle.shared(), index).await;
            let at = index.position.min(view.version);
            let is_begun = match index.spec.model() {
                None => true,
                Some(_) => embedded(&view, table, &index.spec).await?.is_some_and(|it| at <= it),
            };
            // One that is being made, or of a model that is not there, is answered from records.
            if !index.is_ready || !is_begun {
                return Ok(());
            }
            // What ended since may be merged away by now.
            if !index.serves(at) {
                continue;
            }
            let Some(changed) = changed_since(&view, table, at).await? else { return Ok(()) };
            let there = index.pieces.iter().map(|piece| there(piece, at, &changed)).collect();
            let looked = Looked { view: &view, index, at, changed, there };
            self.rows(&looked).await?;
            if matches!(*index.spec, Spec::Words { .. }) {
                self.words(&looked).await?;
            }
            return Ok(());
        }
        Ok(())
    }

    /// Each record has its rows, and nobody else has any.
    async fn rows(&mut self, looked: &Looked<'_>) -> Result<()> {
        let Looked { view, index, at, .. } = looked;
        let whose = format!("{} of table {}", index.spec.name(), index.table);
        let (tenant, source) = (view.tenant.number, &view.source);
        let collect = Collect { finders: self.finders, spec: &index.spec, tenant, source };
        let mut found: Vec<Bitmap> =
            looked.there.iter().map(|there| Bitmap::none(there.rows())).collect();
        let mut next = Some(collect::records(tenant, index.table).rows(RECORDS));
        while next.is_some() {
            let mut records = collect::page(&**source, &mut next).await?;
            records
                .retain(|it| it.change.version <= *at && !looked.changed.contains(&it.change.id));
            let mut draft = PieceDraft::default();
            collect.take(&records, &mut draft).await?;
            self.vectors(looked, &records, &draft)?;
            let mut row = 0;
            while row < draft.rows() {
                let change = draft.roster.rows[row].0;
                let same = draft.roster.rows[row..].iter().take_while(|it| it.0 == change).count();
                if let Err(what) = looked.has(&draft, row..row + same, &mut found) {
                    let Change { id, version } = change;
                    let message = format!("{whose}: {what} of record {id} of version {version}");
                    self.add("SEALED_DIFFERS", message);
                }
                row += same;
            }
        }
        for ((piece, there), found) in index.pieces.iter().zip(&looked.there).zip(&found) {
            for row in there.iter().filter(|row| !found.has(*row)).take(FINDINGS_MAX) {
                let (id, version) = (piece.roster.id(row), piece.roster.from(row));
                let message = format!("{whose}: a row of record {id} of version {version}");
                self.add("SEALED_STRAY", message);
            }
        }
        Ok(())
    }

    /// What was said to be computed is there.
    fn vectors(
        &mut self,
        looked: &Looked<'_>,
        records: &[Changed],
        draft: &PieceDraft,
    ) -> Result<()> {
        let Spec::Embedded { paths, .. } = &*looked.index.spec else { return Ok(()) };
        let Some(embedder) = looked.index.spec.embedder(self.finders).transpose()? else {
            return Ok(());
        };
        let has: HashSet<Id> = draft.roster.rows.iter().map(|(change, _)| change.id).collect();
        for record in records.iter().filter(|it| !has.contains(&it.change.id)) {
            if !texts(record, paths, &*embedder)?.is_empty() {
                let (table, name) = (looked.index.table, looked.index.spec.name());
                let Change { id, version } = record.change;
                let message = format!("{name} of table {table}: record {id} of version {version}");
                self.add("VECTOR_MISSING", message);
            }
        }
        Ok(())
    }

    /// What the pieces know of the words of their rows is what these rows say.
    async fn words(&mut self, looked: &Looked<'_>) -> Result<()> {
        for (piece, there) in looked.index.pieces.iter().zip(&looked.there) {
            let rows: Vec<u32> = there.iter().collect();
            let mut from = 0;
            while from < rows.len() {
                let until = (from + STEP_ROWS).min(rows.len());
                from += self.some_words(looked, piece, &rows[from..until]).await?;
            }
        }
        Ok(())
    }

    /// The same for some rows of a piece; for how many of them.
    async fn some_words(
        &mut self,
        looked: &Looked<'_>,
        piece: &Arc<Piece>,
        rows: &[u32],
    ) -> Result<usize> {
        let Body::Words(part) = &piece.body else { return Ok(rows.len()) };
        let (mut said, mut bytes): (Vec<WordRow>, _) = (Vec::new(), 0);
        for some in rows.chunks(RECORDS) {
            for row in looked.texts(piece, some).await? {
                bytes += row.title.len() + row.body.len();
                said.push(row);
            }
            if bytes >= STEP_BYTES {
                break;
            }
        }
        let compared = said.len();
        let kept: HashSet<u32> = rows[..compared].iter().copied().collect();
        let kept = Bitmap::from_fn(piece.rows(), |row| kept.contains(&row));
        let words = &self.finders.words;
        let has = words.merge(&[(Arc::clone(part), &kept)])?;
        let language = looked.index.spec.language();
        if has != words.build(language, &mut said.into_iter().map(Ok))? {
            let part = piece.part.map_or_else(|| "in memory".to_owned(), |part| part.to_string());
            let message = format!("words of table {}: those of part {part}", looked.index.table);
            self.add("SEALED_DIFFERS", message);
        }
        Ok(compared)
    }
}

impl Looked<'_> {
    /// Whether a record has these rows of a draft, and no others; and marks them.
    fn has(
        &self,
        draft: &PieceDraft,
        rows: std::ops::Range<usize>,
        found: &mut [Bitmap],
    ) -> std::result::Result<(), &'static str> {
        let (change, place) = draft.roster.rows[rows.start];
        let mut left = rows;
        for (idx, piece) in self.index.pieces.iter().enumerate() {
            for row in piece.roster.rows_of(change.id).iter().copied() {
                if !self.there[idx].has(row) {
                    continue;
                }
                found[idx].insert(row);
                if piece.roster.from(row) != change.version || piece.roster.place(row) != place {
                    return Err("a row is of another version or place");
                }
                let Some(expected) = left.next() else { return Err("there is a row too many") };
                if let Body::Vectors(part) = &piece.body {
                    let is_same = draft.vector_of(expected) == Some(part.vector(row));
                    if !is_same {
                        return Err("a vector is another one");
                    }
                }
            }
        }
        if left.is_empty() { Ok(()) } else { Err("there is no row") }
    }

    /// What the records say whose rows these are. Those that are not there say nothing.
    async fn texts(&self, piece: &Piece, rows: &[u32]) -> Result<Vec<WordRow>> {
        let (tenant, table) = (self.view.tenant.number, self.index.table);
        let ids = rows.iter().map(|row| piece.roster.id(*row));
        let record_keys: Vec<_> = ids.map(|id| keys::record(tenant, table, &id)).collect();
        let asked: Vec<&[u8]> = record_keys.iter().map(<[u8; _]>::as_slice).collect();
        let mut texts = Vec::with_capacity(rows.len());
        for bytes in self.view.source.get_many(&asked).await? {
            let row = match bytes {
                Some(bytes) => {
                    let payload = kenning_record::entry::check(&bytes)?.1;
                    self.index.spec.words(RecordRef::new(payload)?)?
                }
                None => None,
            };
            texts.push(row.unwrap_or_default());
        }
        Ok(texts)
    }
}

/// The rows of a piece that are there at a version, but for those of these records.
fn there(piece: &Piece, at: Version, changed: &HashSet<Id>) -> Bitmap {
    let there = piece.mask(at, None).there(piece.rows());
    let is_known = |row: u32| there.has(row) && !changed.contains(&piece.roster.id(row));
    Bitmap::from_fn(piece.rows(), is_known)
}

/// The records of a table that changed behind a version; `None` if the log does not say.
async fn changed_since(view: &View, table: TableNo, after: Version) -> Result<Option<HashSet<Id>>> {
    let (mut changed, mut after) = (HashSet::new(), after);
    while after < view.version {
        let some = read(view, after, LOG_ROWS).await?;
        if some.is_cut {
            return Ok(None);
        }
        let of_table = some.by_table.get(&table).into_iter().flatten();
        changed.extend(of_table.map(|it: &Changed| it.change.id));
        after = some.until;
    }
    Ok(Some(changed))
}
