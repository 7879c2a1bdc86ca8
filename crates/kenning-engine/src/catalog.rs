//! The verbs that change tables.
//!
//! A table is a record of `_tables`, so each of these is a change of a record. What follows from it
//! for the table's own records may be much work, and is left, as a note in the same batch, to a
//! thread: dropped records to the sweeper, new and dropped indexes to the builder.

use kenning_record::{Id, IndexSpec, Json, RecordRef, Schema, entry, keys, normalize};
use kenning_store::{Error, Range, Result};

use crate::build::Work;
use crate::committer::frame;
use crate::staging::PENDING;
use crate::table::{Field, Progress, Table, check_new_name, number};
use crate::tenant::TABLES;
use crate::transaction::Transaction;
use crate::view::{TABLE_COUNTER, table_id};

impl Transaction {
    /// Makes a table.
    pub async fn create_table(&mut self, name: &str, schema: Json) -> Result<()> {
        check_new_name(name)?;
        let schema = Schema::parse(&schema)?;
        self.check_language(&schema)?;
        let id = table_id(&self.tenant.name, name)?;
        if self.record_bytes(number::TABLES, id).await?.is_some() {
            let message = format!("a table named '{name}' is there already");
            return Err(Error::invalid("TABLE_EXISTS", message));
        }
        let number = self.next_table_number().await?;
        let specs = schema.indexes.iter().cloned();
        // Of a table without records an index is complete from the start.
        let complete = |(number, spec)| Field::new(number, spec, Progress::Ready(PENDING));
        let fields: Vec<Field> = (1..).zip(specs).map(complete).collect();
        let next_index = fields.len() as u32 + 1;
        let properties = Table::properties(number, &schema, &fields, next_index);
        self.put_record(TABLES, id, Some(name.into()), properties).await
    }

    /// Gives a table another schema. Records that it has stay as they are and stay readable. New
    /// indexes of a table with records are built in the background, and dropped ones cleared away.
    pub async fn alter_table(&mut self, name: &str, schema: Json) -> Result<()> {
        let schema = Schema::parse(&schema)?;
        self.check_language(&schema)?;
        let table = self.table_named(name).await?;
        if schema.key != table.schema.key {
            let message = format!("the key property of table '{name}' can't be changed");
            return Err(Error::invalid("KEY_IS_IDENTITY", message));
        }
        let is_kept = |field: &Field| match field.progress {
            Progress::Ready(_) | Progress::Building => schema.indexes.contains(&field.index.spec),
            // Asking for it again is another try.
            Progress::Failed(_) => false,
        };
        self.change_indexes(&table, &schema, is_kept, false).await
    }

    /// Makes every index of a table anew. Each one serves until the new one is complete.
    pub async fn reindex(&mut self, name: &str) -> Result<()> {
        let table = self.table_named(name).await?;
        let is_kept = |field: &Field| matches!(field.progress, Progress::Ready(_));
        self.change_indexes(&table, &table.schema, is_kept, true).await
    }
}

impl Transaction {
    /// Refuses a language whose endings nobody here knows.
    fn check_language(&self, schema: &Schema) -> Result<()> {
        let Some(language) = &schema.language else { return Ok(()) };
        let Some(finders) = &self.handle.shared().settings.finders else { return Ok(()) };
        let known = finders.words.languages();
        if known.contains(&language.as_str()) {
            return Ok(());
        }
        let message = format!("there is no language '{language}'; there are {}", known.join(", "));
        Err(Error::invalid("LANGUAGE_UNKNOWN", message))
    }

    /// Stores the table with `schema`. Indexes that are not kept are cleared away; those that the
    /// schema names are built: all of them `anew`, or those that there are not.
    async fn change_indexes(
        &mut self,
        table: &Table,
        schema: &Schema,
        is_kept: impl Fn(&Field) -> bool,
        anew: bool,
    ) -> Result<()> {
        table.check_writable()?;
        let records = Range::prefix(keys::records(self.tenant.number, table.number));
        let is_empty = self.source.page(&records.forward().rows(1)).await?.rows.is_empty();
        let is_kept = |field: &&Field| is_kept(field) && !(anew && is_empty);
        let (kept, dropped): (Vec<&Field>, Vec<&Field>) = table.fields.iter().partition(is_kept);
        let was_half_done = std::mem::replace(&mut self.half_done, true);
        for field in dropped {
            self.note_work(table, field, &Work::clear(field));
        }
        let mut fields: Vec<Field> = kept.into_iter().map(Field::copy).collect();
        let there: Vec<IndexSpec> = fields.iter().map(|field| field.index.spec.clone()).collect();
        let mut next_index = table.next_index;
        for spec in schema.indexes.iter().filter(|spec| anew || !there.contains(spec)) {
            let state = if is_empty { Progress::Ready(PENDING) } else { Progress::Building };
            let field = Field::new(next_index, spec.clone(), state);
            if !is_empty {
                self.note_work(table, &field, &Work::fill());
            }
            fields.push(field);
            next_index += 1;
        }
        self.put_table(table, schema, &fields, next_index).await?;
        self.half_done = was_half_done;
        Ok(())
    }

    /// Stores the record of a table that is there.
    pub(crate) async fn put_table(
        &mut self,
        table: &Table,
        schema: &Schema,
        fields: &[Field],
        next_index: u32,
    ) -> Result<()> {
        let properties = Table::properties(table.number, schema, fields, next_index);
        self.put_record(TABLES, table.id, Some(table.name.clone()), properties).await
    }

    /// Leaves work on an index to the builder.
    pub(crate) fn note_work(&mut self, table: &Table, field: &Field, work: &Work) {
        let key = keys::index_work(self.tenant.number, table.number, field.index.number);
        self.beside.put(&key, &work.encode());
    }

    /// Drops a table. Its records are out of sight at once and cleared up in the background.
    pub async fn drop_table(&mut self, name: &str) -> Result<()> {
        let table = self.table_named(name).await?;
        table.check_writable()?;
        let before = self.record_bytes(number::TABLES, table.id).await?;
        let tables = self.table_named(TABLES).await?;
        self.staging.stand_on(&keys::record(self.tenant.number, number::TABLES, &table.id));
        self.stage(&tables, table.id, before.as_ref(), None).await?;
        let work = keys::sweep(self.tenant.number, table.number, None);
        // Whoever clears up must know the indexes that the table had.
        let bytes = before.expect("a table that was found has a record");
        self.beside.put(&work, &frame(0, &[table.id.as_bytes(), &bytes[..]].concat()));
        Ok(())
    }

    /// Stores a record of a table of the system, under a key.
    pub(crate) async fn put_system(
        &mut self,
        table: &str,
        key: &str,
        properties: Json,
    ) -> Result<()> {
        let id = Id::derived(&self.tenant.name, table, &normalize(key)?);
        self.put_record(table, id, Some(key.into()), properties).await
    }

    /// Numbers of tables are never used twice, not even those of dropped ones.
    pub(crate) async fn next_table_number(&mut self) -> Result<u32> {
        let bytes = self.record_bytes(number::TABLES, TABLE_COUNTER).await?;
        let next = match &bytes {
            None => Some(number::FIRST),
            Some(bytes) => {
                let record = RecordRef::new(entry::split(bytes)?.1)?;
                let next = record.properties()?.get("next")?;
                let next = next.map(|next| next.as_u64()).transpose()?.flatten();
                next.and_then(|next| u32::try_from(next).ok())
            }
        };
        let damaged = || Error::corrupt("TABLE_DAMAGED", "the count of tables is damaged");
        let next = next.ok_or_else(damaged)?;
        let counted = serde_json::json!({"next": next + 1});
        self.put_record(TABLES, TABLE_COUNTER, None, counted).await?;
        Ok(next)
    }
}
