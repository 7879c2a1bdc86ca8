//! What one view knew, as new transactions.
//!
//! Ids, keys, births and times of records stay; versions are new, and so are the numbers of tables.
//! Nothing is checked against a schema: records that are older than the schema of their table need
//! not keep its rules. What an index demands is checked, because the index could not be kept.

use kenning_record::{Body, Draft, Id, IndexSpec, Json, Record, Schema, check_tenant_name};
use kenning_record::{encode_record, keys, normalize};
use kenning_store::{Durability, Error, Result};

use super::{Refused, Replay, write_note};
use crate::change::{Link, check_link};
use crate::content::{Known, KnownLink};
use crate::staging::PENDING;
use crate::table::{Field, IndexState, Progress, Table, check_new_name, number};
use crate::tenant::TABLES;
use crate::transaction::Transaction;
use crate::view::{TABLE_COUNTER, table_id};

/// Something that a table knew.
pub type Said = Known<Record>;

/// A table that there was.
#[derive(Clone, Debug, PartialEq)]
pub struct SaidTable {
    /// Its name.
    pub name: String,
    /// Its schema.
    pub schema: Json,
    /// Its indexes over property values.
    pub indexes: Vec<IndexState>,
}

impl Replay {
    /// Makes a tenant with its tables. Indexes that were being built are left out until
    /// [`build`](Replay::build). `how_far` is noted with it.
    pub async fn learn_tables(
        &mut self,
        tenant: &str,
        tables: &[SaidTable],
        how_far: &[u8],
    ) -> Result<(), Refused> {
        self.learn_tenant(tenant).await.map_err(|error| Refused { at: 0, error })?;
        let mut transaction = self.learning(tenant).await.map_err(whole)?;
        for (at, table) in tables.iter().enumerate() {
            let learned = transaction.learn_table(table).await;
            learned.map_err(|error| Refused { at, error })?;
        }
        if tables.is_empty() {
            // Without anything in its log the tenant would look as if it had just been made.
            let counted = serde_json::json!({"next": number::FIRST});
            let count = transaction.put_record(TABLES, TABLE_COUNTER, None, counted).await;
            count.map_err(whole)?;
        }
        write_note(&self.source, how_far, &mut transaction.beside);
        transaction.commit().await.map(|_| ()).map_err(whole)
    }

    /// Stores what a table knew, in one transaction. `how_far` is noted with it.
    pub async fn learn(
        &mut self,
        tenant: &str,
        table: &str,
        said: &[Said],
        how_far: &[u8],
    ) -> Result<(), Refused> {
        let mut transaction = self.learning(tenant).await.map_err(whole)?;
        let table = transaction.table_named(table).await.map_err(whole)?;
        for (at, said) in said.iter().enumerate() {
            let learned = transaction.learn(&table, said).await;
            learned.map_err(|error| Refused { at, error })?;
        }
        write_note(&self.source, how_far, &mut transaction.beside);
        transaction.commit().await.map(|_| ()).map_err(whole)
    }

    /// Asks for the indexes that were being built, where they are not asked for already.
    pub async fn build(&mut self, tenant: &str, tables: &[SaidTable]) -> Result<()> {
        let mut transaction = self.learning(tenant).await?;
        for said in tables {
            let is_building = |index: &&IndexState| index.progress == Progress::Building;
            let building = said.indexes.iter().filter(is_building).map(spec);
            let building = building.collect::<Result<Vec<_>>>()?;
            if !building.is_empty() {
                let table = transaction.table_named(&said.name).await?;
                transaction.build(&table, building).await?;
            }
        }
        transaction.commit().await.map(|_| ())
    }

    async fn learn_tenant(&mut self, name: &str) -> Result<()> {
        check_tenant_name(name)?;
        if crate::tenants::find(&self.root.handle, name).await?.is_some() {
            return Ok(());
        }
        let mut transaction = self.root.begin()?;
        transaction.put_tenant(name).await?;
        transaction.commit().await.map(|_| ())
    }

    async fn learning(&mut self, tenant: &str) -> Result<Transaction> {
        let tenant = self.tenant(Some(tenant)).await?;
        let mut transaction = Transaction::begin(&self.root.handle, &tenant, None)?;
        transaction.set_durability(Durability::Relaxed);
        Ok(transaction)
    }
}

fn whole(error: Error) -> Refused {
    Refused { at: 0, error }
}

fn spec(index: &IndexState) -> Result<IndexSpec> {
    let paths = index.paths.iter().map(|path| path.parse()).collect::<Result<_>>()?;
    Ok(IndexSpec { paths, unique: index.unique })
}

impl Transaction {
    async fn learn_table(&mut self, said: &SaidTable) -> Result<()> {
        check_new_name(&said.name)?;
        let schema = Schema::parse(&said.schema)?;
        let id = table_id(&self.tenant.name, &said.name)?;
        if self.record_bytes(number::TABLES, id).await?.is_some() {
            let message = format!("a table named '{}' is there already", said.name);
            return Err(Error::invalid("TABLE_EXISTS", message));
        }
        let mut fields = Vec::new();
        for index in &said.indexes {
            let progress = match &index.progress {
                Progress::Ready(_) => Progress::Ready(PENDING),
                Progress::Failed(violations) => Progress::Failed(violations.clone()),
                Progress::Building => continue,
            };
            fields.push(Field::new(fields.len() as u32 + 1, spec(index)?, progress));
        }
        let number = self.next_table_number().await?;
        let next_index = fields.len() as u32 + 1;
        let properties = Table::properties(number, &schema, &fields, next_index);
        self.put_record(TABLES, id, Some(said.name.clone()), properties).await
    }

    async fn learn(&mut self, table: &Table, said: &Said) -> Result<()> {
        match said {
            Known::Record(record) => self.learn_record(table, record).await,
            Known::Gone { id, births } => self.learn_gone(table, *id, *births).await,
            Known::Link(link) => self.learn_link(table, link).await,
        }
    }

    async fn learn_record(&mut self, table: &Table, record: &Record) -> Result<()> {
        table.check_writable()?;
        if let Some(key) = &record.key
            && record.id != Id::derived(&self.tenant.name, &table.name, &normalize(key)?)
        {
            let message = format!("id {} is not the one that key '{key}' leads to", record.id);
            return Err(Error::invalid("ID_NOT_OF_KEY", message));
        }
        let payload = encoded(record, &record.properties)?;
        self.learn_new(table, record.id).await?;
        self.stage(table, record.id, None, Some(&payload)).await?;
        self.count_births(table.number, record.id, &payload).await
    }

    async fn learn_gone(&mut self, table: &Table, id: Id, births: u32) -> Result<()> {
        table.check_writable()?;
        check_birth(births)?;
        self.learn_new(table, id).await?;
        self.log_births(table, id, births)?;
        let key = keys::birth(self.tenant.number, table.number, &id);
        self.staging.put(&key, &births.to_le_bytes(), None);
        self.check_size()
    }

    async fn learn_link(&mut self, table: &Table, link: &KnownLink) -> Result<()> {
        let said = Link {
            weight: link.weight,
            properties: link.record.properties.clone(),
            valid_from: link.record.valid_from,
            valid_until: link.record.valid_until,
        };
        check_link(&link.kind, &said)?;
        let id = link.record.id;
        let (source, target) = (&link.source, &link.target);
        let ends = ((source.table.as_str(), source.id), (target.table.as_str(), target.id));
        if id != Id::of_link(ends.0, &link.kind, ends.1) {
            let message = format!("id {id} is not the one that the ends of the link lead to");
            return Err(Error::invalid("ID_NOT_OF_LINK", message));
        }
        let (from, to) =
            (self.table_named(&source.table).await?, self.table_named(&target.table).await?);
        for end in [&from, &to] {
            end.check_writable()?;
        }
        let properties = link.properties(from.number.into(), to.number.into());
        let payload = encoded(&link.record, &properties)?;
        self.learn_new(table, id).await?;
        self.stage(table, id, None, Some(&payload)).await
    }

    /// Refuses an id that something was learned of already.
    async fn learn_new(&mut self, table: &Table, id: Id) -> Result<()> {
        self.staging.stand_on(&keys::record(self.tenant.number, table.number, &id));
        let birth = keys::birth(self.tenant.number, table.number, &id);
        let there = self.record_bytes(table.number, id).await?.is_some()
            || self.source.get(&birth).await?.is_some();
        if there {
            let message = format!("id {id} comes twice in table '{}'", table.name);
            return Err(Error::invalid("ID_TWICE", message));
        }
        Ok(())
    }

    async fn build(&mut self, table: &Table, building: Vec<IndexSpec>) -> Result<()> {
        let mut fields: Vec<Field> = table.fields.iter().map(Field::copy).collect();
        let mut next_index = table.next_index;
        for spec in building {
            let is_there =
                |field: &&Field| field.index.spec == spec && field.progress == Progress::Building;
            if table.fields.iter().any(|field| is_there(&field)) {
                continue;
            }
            let field = Field::new(next_index, spec, Progress::Building);
            self.note_work(table, &field, &crate::build::Work::fill());
            fields.push(field);
            next_index += 1;
        }
        if next_index == table.next_index {
            return Ok(());
        }
        self.put_table(table, &table.schema, &fields, next_index).await
    }
}

/// The payload of a record that somebody says there was.
fn encoded(record: &Record, properties: &Json) -> Result<Vec<u8>> {
    let (valid_from, valid_until) = (record.valid_from, record.valid_until);
    Draft { valid_from, valid_until, ..Draft::default() }.check()?;
    check_birth(record.birth)?;
    let mut payload = Vec::with_capacity(256);
    encode_record(&Body { properties, ..record.body() }, &mut payload)?;
    Ok(payload)
}

fn check_birth(birth: u32) -> Result<()> {
    if birth == 0 {
        return Err(Error::invalid("BIRTH", "a record is born at least once"));
    }
    Ok(())
}
