//! Records to rows.
//!
//! The same record gives the same rows, whether it comes from a table, from the log, or from what a
//! transaction has staged.

use std::sync::Arc;

use kenning_index::{Embedder, Place, text_of, vector_of};
use kenning_record::{Path, RecordRef, TableNo, TenantNo, entry, keys};
use kenning_store::{Batch, Bytes, Range, Result, Row, Scan, Snapshot};

use super::Finders;
use super::piece::PieceDraft;
use super::roster::Change;
use super::spec::Spec;
use crate::committer::frame;

/// What a record is since a change; nothing if it was deleted.
pub(crate) struct Changed {
    pub(crate) change: Change,
    pub(crate) payload: Option<Bytes>,
}

impl Changed {
    /// A row of the space of records.
    pub(crate) fn stored(row: &Row) -> Result<Self> {
        let (_, _, id) = keys::record_split(&row.key)?;
        let (version, payload) = entry::check(&row.value)?;
        let payload = Some(row.value.slice_ref(payload));
        Ok(Changed { change: Change { id, version }, payload })
    }
}

/// Turns changes of one table into rows of one index.
pub(crate) struct Collect<'a> {
    pub(crate) finders: &'a Finders,
    pub(crate) spec: &'a Spec,
    pub(crate) tenant: TenantNo,
    /// Where the vectors of texts are.
    pub(crate) source: &'a Arc<dyn Snapshot>,
}

impl Collect<'_> {
    /// Appends the rows of these changes.
    pub(crate) async fn take(&self, changes: &[Changed], draft: &mut PieceDraft) -> Result<()> {
        match self.spec {
            Spec::Words { .. } => changes.iter().try_for_each(|it| self.words(it, draft)),
            Spec::Given { path, vectors } => changes.iter().try_for_each(|it| {
                let record = it.payload.as_deref().map(RecordRef::new).transpose()?;
                let vector = record.map(|record| vector_of(record, path, vectors.dimensions));
                match vector.transpose()?.flatten() {
                    Some(vector) => draft.vector(it.change, &vector),
                    None => draft.gone(it.change),
                }
                Ok(())
            }),
            Spec::Embedded { paths, .. } => match self.spec.embedder(self.finders) {
                Some(Ok(embedder)) => self.embedded(changes, paths, &*embedder, draft).await,
                Some(Err(error)) => Err(error),
                None => Ok(()),
            },
        }
    }

    fn words(&self, changed: &Changed, draft: &mut PieceDraft) -> Result<()> {
        if let Some(payload) = &changed.payload {
            let record = RecordRef::new(payload)?;
            if let Some(row) = self.spec.words(record)? {
                draft.words(changed.change, Place::of(record)?, row);
                return Ok(());
            }
        }
        draft.gone(changed.change);
        Ok(())
    }

    /// Rows of vectors that were computed. A record some of whose text was not yet is passed over.
    async fn embedded(
        &self,
        changes: &[Changed],
        paths: &[Path],
        embedder: &dyn Embedder,
        draft: &mut PieceDraft,
    ) -> Result<()> {
        let mut wanted = Vec::new();
        let mut counts = Vec::with_capacity(changes.len());
        for changed in changes {
            let before = wanted.len();
            for text in texts(changed, paths, embedder)? {
                wanted.push(keys::vector(self.tenant, embedder.model_id(), &text));
            }
            counts.push(wanted.len() - before);
        }
        let asked: Vec<&[u8]> = wanted.iter().map(Vec::as_slice).collect();
        let mut found = self.source.get_many(&asked).await?.into_iter();
        for (changed, count) in changes.iter().zip(counts) {
            let vectors: Vec<Option<Bytes>> = found.by_ref().take(count).collect();
            if count == 0 || vectors.iter().any(Option::is_none) {
                draft.gone(changed.change);
                continue;
            }
            for bytes in vectors.into_iter().flatten() {
                draft.vector(changed.change, &read_vector(&bytes)?);
            }
        }
        Ok(())
    }
}

/// The texts of a record, each as long as the model reads.
pub(crate) fn texts(
    changed: &Changed,
    paths: &[Path],
    embedder: &dyn Embedder,
) -> Result<Vec<String>> {
    let Some(payload) = &changed.payload else { return Ok(Vec::new()) };
    let Some(text) = text_of(RecordRef::new(payload)?, paths)? else { return Ok(Vec::new()) };
    let windows = embedder.windows(&text)?;
    Ok(windows.into_iter().map(|window| text[window].to_owned()).collect())
}

/// Puts what a model says of a text.
pub(crate) fn put_vector(batch: &mut Batch, key: &[u8], vector: &[f32]) {
    let bytes: Vec<u8> = vector.iter().flat_map(|number| number.to_le_bytes()).collect();
    batch.put(key, &frame(0, &bytes));
}

/// Reads what `put_vector` wrote.
fn read_vector(bytes: &[u8]) -> Result<Vec<f32>> {
    let (numbers, _) = entry::check(bytes)?.1.as_chunks();
    Ok(numbers.iter().map(|number| f32::from_le_bytes(*number)).collect())
}

/// The records of one page, and where to go on.
pub(crate) async fn page(source: &dyn Snapshot, next: &mut Option<Scan>) -> Result<Vec<Changed>> {
    let Some(scan) = next.take() else { return Ok(Vec::new()) };
    let page = source.page(&scan).await?;
    *next = page.rest;
    page.rows.iter().map(Changed::stored).collect()
}

/// Every record of a table.
pub(crate) fn records(tenant: TenantNo, table: TableNo) -> Scan {
    Range::prefix(keys::records(tenant, table)).forward()
}
