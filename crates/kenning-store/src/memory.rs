//! The engine that forgets: an ordered map in memory.
//!
//! A key has its newest value and, while a snapshot may ask for them, older ones. Each value knows
//! the commits [from, until) in which it is current. An overwritten value is dropped at once if no
//! live snapshot falls into that interval; otherwise it is charged to the *latest* snapshot that
//! does. When that one ends, the value moves to the next earlier snapshot that needs it, or goes.
//! So memory is bounded by what live snapshots can see, and a snapshot costs a number.
//!
//! Locks are taken in one order: the map, then the live snapshots.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Write as _};
use std::ops::Bound;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, RwLock, RwLockReadGuard, RwLockWriteGuard};

use crate::batch::Write;
use crate::folder::{Create, Folder, io_error};
use crate::limits::{KEY_BYTES_MAX, VALUE_BYTES_MAX};
use crate::{Batch, BoxFuture, Bytes, Direction, Durability, Error, Finding, Found, Page, PartId};
use crate::{Range, Result, Row, Scan, Snapshot, Store};

/// The engine's name in a database folder.
const ENGINE: &str = "memory";
/// The one file of a checkpoint.
const FILE: &str = "entries";
const MAGIC: &[u8; 8] = b"KENNMEM1";
/// The length of a key that ends the entries: no key is as long.
const END: u32 = u32::MAX;

/// An ordered map in memory. Dropping it forgets everything.
///
/// ```
/// use kenning_store::{Batch, Durability, Memory, Store, block_on};
/// let store = Memory::new();
/// let mut batch = Batch::new();
/// batch.put(b"key", b"value");
/// block_on(store.commit(batch, Durability::Strict))?;
/// let snapshot = block_on(store.snapshot())?;
/// assert_eq!(block_on(snapshot.get(b"key"))?.as_deref(), Some(&b"value"[..]));
/// # Ok::<(), kenning_store::Error>(())
/// ```
#[derive(Default)]
pub struct Memory {
    shared: Arc<Shared>,
    parts: RwLock<BTreeMap<PartId, Bytes>>,
}

#[derive(Default)]
struct Shared {
    map: RwLock<Map>,
    live: Mutex<Live>,
}

#[derive(Default)]
struct Map {
    /// How many commits there were.
    version: u64,
    entries: BTreeMap<Bytes, Entry>,
}

#[derive(Default)]
struct Entry {
    /// The value that is current since a commit; `None` if the key is deleted.
    newest: Option<(u64, Bytes)>,
    /// What snapshots still need, oldest first.
    older: Vec<Older>,
}

struct Older {
    from: u64,
    until: u64,
    value: Bytes,
}

/// The snapshots that exist, by the commit they show.
type Live = BTreeMap<u64, Holder>;

#[derive(Default)]
struct Holder {
    snapshots: usize,
    /// Older values that this snapshot is the latest to need: the key and when they began.
    held: Vec<(Bytes, u64)>,
}

struct MemorySnapshot {
    shared: Arc<Shared>,
    version: u64,
}

impl Memory {
    /// An empty store.
    pub fn new() -> Self {
        Memory::default()
    }

    /// Reads what `checkpoint` has written into the folder `path`. Later commits do not reach it.
    pub fn open(path: &Path) -> Result<Self> {
        let folder = Folder::open(path, ENGINE, Create::Never)?;
        let memory = Memory::new();
        memory.shared.write_map().entries = read_file(&folder.store().join(FILE))?;
        let mut parts = memory.parts.write().expect(NO_PANIC);
        for part in folder.parts()? {
            let bytes = folder.read_part(part, 0..u64::MAX)?;
            parts.insert(part, bytes.expect("a held folder loses no part"));
        }
        drop(parts);
        Ok(memory)
    }

    /// How many older values are kept for live snapshots.
    pub fn older_values(&self) -> usize {
        self.shared.read_map().entries.values().map(|entry| entry.older.len()).sum()
    }

    fn check_target_and_copy(&self, target: &Path) -> Result<Arc<dyn Snapshot>> {
        // Nothing is dropped between the look at the entries and the look at the parts.
        let parts = self.parts.read().expect(NO_PANIC);
        let snapshot = self.shared.snapshot();
        let parts_then = parts.clone();
        drop(parts);
        Folder::build(target, ENGINE, |folder| {
            write_file(&folder.store().join(FILE), &snapshot)?;
            parts_then.iter().try_for_each(|(part, bytes)| folder.put_part(*part, bytes))
        })?;
        Ok(Arc::new(snapshot))
    }
}

const NO_PANIC: &str = "nobody panics while holding this lock";

impl Store for Memory {
    fn snapshot(&self) -> BoxFuture<'_, Result<Arc<dyn Snapshot>>> {
        Box::pin(async { Ok(Arc::new(self.shared.snapshot()) as Arc<dyn Snapshot>) })
    }

    fn commit(&self, batch: Batch, _durability: Durability) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move {
            batch.check()?;
            self.shared.apply(&batch);
            Ok(())
        })
    }

    fn checkpoint<'a>(&'a self, target: &'a Path) -> BoxFuture<'a, Result<Arc<dyn Snapshot>>> {
        Box::pin(async move { self.check_target_and_copy(target) })
    }

    fn folder(&self) -> Option<&Folder> {
        None
    }

    fn compact(&self) -> BoxFuture<'_, Result<()>> {
        // Nothing is kept that is not needed.
        Box::pin(async { Ok(()) })
    }

    fn erase(&self) -> BoxFuture<'_, Result<()>> {
        // Nor is anything kept of what is gone.
        Box::pin(async { Ok(()) })
    }

    fn verify(&self) -> BoxFuture<'_, Result<Vec<Finding>>> {
        Box::pin(async { Ok(self.shared.verify()) })
    }

    fn size_bytes<'a>(&'a self, range: &'a Range) -> BoxFuture<'a, Result<u64>> {
        Box::pin(async {
            let map = self.shared.read_map();
            let sizes = map.range(range).map(|(key, entry)| key.len() + entry.size_bytes());
            Ok(sizes.map(|size| size as u64).sum())
        })
    }

    fn put_part(&self, part: PartId, bytes: Bytes) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move {
            let mut parts = self.parts.write().expect(NO_PANIC);
            match parts.get(&part) {
                Some(there) if *there != bytes => {
                    let message = format!("part {part} exists with other bytes");
                    Err(Error::invalid("PART_EXISTS", message))
                }
                Some(_) => Ok(()),
                None => {
                    // A copy, so that no larger buffer behind it stays alive.
                    parts.insert(part, Bytes::copy_from_slice(&bytes));
                    Ok(())
                }
            }
        })
    }

    fn read_part(
        &self,
        part: PartId,
        bytes: std::ops::Range<u64>,
    ) -> BoxFuture<'_, Result<Option<Bytes>>> {
        Box::pin(async move {
            let parts = self.parts.read().expect(NO_PANIC);
            Ok(parts.get(&part).map(|part| {
                let until = bytes.end.min(part.len() as u64) as usize;
                part.slice(bytes.start.min(until as u64) as usize..until)
            }))
        })
    }

    fn map_part(&self, part: PartId) -> BoxFuture<'_, Result<Option<Bytes>>> {
        self.read_part(part, 0..u64::MAX)
    }

    fn drop_part(&self, part: PartId) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move {
            self.parts.write().expect(NO_PANIC).remove(&part);
            Ok(())
        })
    }

    fn parts(&self) -> BoxFuture<'_, Result<Vec<PartId>>> {
        Box::pin(async { Ok(self.parts.read().expect(NO_PANIC).keys().copied().collect()) })
    }
}

impl Shared {
    fn read_map(&self) -> RwLockReadGuard<'_, Map> {
        self.map.read().expect(NO_PANIC)
    }

    fn write_map(&self) -> RwLockWriteGuard<'_, Map> {
        self.map.write().expect(NO_PANIC)
    }

    fn lock_live(&self) -> MutexGuard<'_, Live> {
        self.live.lock().expect(NO_PANIC)
    }

    fn snapshot(self: &Arc<Self>) -> MemorySnapshot {
        let map = self.read_map();
        self.lock_live().entry(map.version).or_default().snapshots += 1;
        MemorySnapshot { shared: Arc::clone(self), version: map.version }
    }

    fn apply(&self, batch: &Batch) {
        let mut map = self.write_map();
        let mut live = self.lock_live();
        let version = map.version + 1;
        map.version = version;
        for write in batch.writes() {
            match write {
                Write::Put(key, value) => {
                    let value = Bytes::copy_from_slice(value);
                    map.replace(key, Some((version, value)), version, &mut live);
                }
                Write::Delete(key) => map.replace(key, None, version, &mut live),
            }
        }
    }

    fn verify(&self) -> Vec<Finding> {
        let map = self.read_map();
        let mut findings = Vec::new();
        for (key, entry) in &map.entries {
            let newest_from = entry.newest.as_ref().map_or(u64::MAX, |(from, _)| *from);
            let ends = entry.older.iter().skip(1).map(|older| older.from).chain([newest_from]);
            let in_order = entry.older.iter().zip(ends).all(|(older, next)| {
                older.from < older.until && older.until <= next && older.until <= map.version
            });
            if !in_order || (entry.newest.is_none() && entry.older.is_empty()) {
                let message = format!("the values of key {key:x?} are out of order");
                findings.push(Finding { code: "STORE_DAMAGED", message });
            }
        }
        findings
    }
}

impl Map {
    /// Gives `key` its `newest` value. What it had until now is kept only if a snapshot needs it.
    fn replace(&mut self, key: &[u8], newest: Option<(u64, Bytes)>, version: u64, live: &mut Live) {
        let Some(entry) = self.entries.get_mut(key) else {
            if newest.is_some() {
                let entry = Entry { newest, older: Vec::new() };
                self.entries.insert(Bytes::copy_from_slice(key), entry);
            }
            return;
        };
        if let Some((from, value)) = std::mem::replace(&mut entry.newest, newest)
            && let Some((_, holder)) = live.range_mut(from..version).next_back()
        {
            entry.older.push(Older { from, until: version, value });
            let (key, _) = self.entries.get_key_value(key).expect("it was there a moment ago");
            holder.held.push((key.clone(), from));
        } else if entry.is_needless() {
            self.entries.remove(key);
        }
    }

    /// Drops the older value of `key` that began at `from`.
    fn forget(&mut self, key: &[u8], from: u64) {
        let entry = self.entries.get_mut(key).expect("a held value is there");
        let idx = entry.older.binary_search_by_key(&from, |older| older.from);
        entry.older.remove(idx.expect("a held value is there"));
        if entry.older.is_empty() {
            entry.older = Vec::new();
        }
        if entry.is_needless() {
            self.entries.remove(key);
        }
    }

    fn range(&self, range: &Range) -> impl DoubleEndedIterator<Item = (&Bytes, &Entry)> {
        let (from, until) = match &range.until {
            // The map refuses a range that ends before it begins.
            _ if range.is_empty() => (Bound::Included(&[][..]), Bound::Excluded(&[][..])),
            Some(until) => (Bound::Included(&range.from[..]), Bound::Excluded(&until[..])),
            None => (Bound::Included(&range.from[..]), Bound::Unbounded),
        };
        self.entries.range::<[u8], _>((from, until))
    }
}

impl Entry {
    fn at(&self, version: u64) -> Option<&Bytes> {
        match &self.newest {
            Some((from, value)) if *from <= version => Some(value),
            _ => {
                let after = self.older.partition_point(|older| older.from <= version);
                let older = &self.older[after.checked_sub(1)?];
                (version < older.until).then_some(&older.value)
            }
        }
    }

    fn is_needless(&self) -> bool {
        self.newest.is_none() && self.older.is_empty()
    }

    fn size_bytes(&self) -> usize {
        let newest = self.newest.as_ref().map_or(0, |(_, value)| value.len());
        newest + self.older.iter().map(|older| older.value.len()).sum::<usize>()
    }
}

impl Drop for MemorySnapshot {
    fn drop(&mut self) {
        if !self.leave_alone() {
            self.leave_values();
        }
    }
}

impl MemorySnapshot {
    /// Ends this snapshot if no value goes with it.
    fn leave_alone(&self) -> bool {
        let mut live = self.shared.lock_live();
        let holder = live.get_mut(&self.version).expect("this snapshot is live");
        if holder.snapshots == 1 && !holder.held.is_empty() {
            return false;
        }
        holder.snapshots -= 1;
        if holder.snapshots == 0 {
            live.remove(&self.version);
        }
        true
    }

    /// Ends this snapshot and passes what it holds to the next earlier one that needs it.
    fn leave_values(&self) {
        let mut map = self.shared.write_map();
        let mut live = self.shared.lock_live();
        let holder = live.get_mut(&self.version).expect("this snapshot is live");
        holder.snapshots -= 1;
        if holder.snapshots > 0 {
            return;
        }
        let held = live.remove(&self.version).expect("it was there a moment ago").held;
        for (key, from) in held {
            match live.range_mut(from..self.version).next_back() {
                Some((_, earlier)) => earlier.held.push((key, from)),
                None => map.forget(&key, from),
            }
        }
    }

    fn read_page(&self, scan: &Scan) -> Page {
        let map = self.shared.read_map();
        let range = map.range(&scan.range);
        match scan.direction {
            Direction::Forward => self.fill(scan, range),
            Direction::Backward => self.fill(scan, range.rev()),
        }
    }

    fn fill<'a>(&self, scan: &Scan, entries: impl Iterator<Item = (&'a Bytes, &'a Entry)>) -> Page {
        let mut page = Page::default();
        let mut bytes = 0;
        for (key, entry) in entries {
            let Some(value) = entry.at(self.version) else { continue };
            if let Some(last) = page.rows.last()
                && scan.is_full(page.rows.len(), bytes)
            {
                page.rest = Some(scan.after(&last.key));
                break;
            }
            bytes += key.len() + value.len();
            page.rows.push(Row { key: key.clone(), value: value.clone() });
        }
        page
    }
}

impl Snapshot for MemorySnapshot {
    fn try_get(&self, key: &[u8]) -> Result<Found> {
        let map = self.shared.read_map();
        let value = map.entries.get(key).and_then(|entry| entry.at(self.version));
        Ok(value.map_or(Found::Absent, |value| Found::Here(value.clone())))
    }

    fn get_many<'a>(&'a self, keys: &'a [&'a [u8]]) -> BoxFuture<'a, Result<Vec<Option<Bytes>>>> {
        Box::pin(async {
            let map = self.shared.read_map();
            let entries = keys.iter().map(|key| map.entries.get(*key));
            Ok(entries.map(|entry| entry.and_then(|it| it.at(self.version)).cloned()).collect())
        })
    }

    fn page<'a>(&'a self, scan: &'a Scan) -> BoxFuture<'a, Result<Page>> {
        Box::pin(async { Ok(self.read_page(scan)) })
    }
}

/// Writes every entry: the lengths of key and value (`u32`, little-endian), key, value; then `END`,
/// the number of entries (`u64`) and the CRC-32 of all before.
fn write_file(path: &Path, snapshot: &MemorySnapshot) -> Result<()> {
    let failed = |error| io_error("writing", path, error);
    let file = File::create(path).map_err(failed)?;
    let mut writer = Summing { inner: BufWriter::new(&file), sum: crc32fast::Hasher::new() };
    writer.write(MAGIC).map_err(failed)?;
    let mut entries = 0u64;
    let mut rest = Some(Range::all().forward());
    while let Some(scan) = rest {
        let page = snapshot.read_page(&scan);
        for row in &page.rows {
            writer.write_entry(row).map_err(failed)?;
        }
        entries += page.rows.len() as u64;
        rest = page.rest;
    }
    writer.write(&END.to_le_bytes()).map_err(failed)?;
    writer.write(&entries.to_le_bytes()).map_err(failed)?;
    let sum = writer.sum.clone().finalize();
    writer.write(&sum.to_le_bytes()).map_err(failed)?;
    writer.inner.flush().map_err(failed)?;
    file.sync_all().map_err(failed)?;
    // The name in its folder must survive too, before the marker says that all is there.
    let folder = path.parent().expect("the file is in a folder");
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed)
}

fn read_file(path: &Path) -> Result<BTreeMap<Bytes, Entry>> {
    let damaged = || Error::corrupt("STORE_DAMAGED", format!("{} is damaged", path.display()));
    let file = File::open(path).map_err(|error| io_error("opening", path, error))?;
    let mut reader = Summing { inner: BufReader::new(file), sum: crc32fast::Hasher::new() };
    if reader.read(MAGIC.len()).as_deref() != Some(MAGIC) {
        return Err(damaged());
    }
    let mut entries = BTreeMap::new();
    loop {
        let key_bytes = reader.read_u32().ok_or_else(damaged)?;
        if key_bytes == END {
            break;
        }
        let (key, value) = reader.read_entry(key_bytes).ok_or_else(damaged)?;
        entries.insert(key, Entry { newest: Some((0, value)), older: Vec::new() });
    }
    let count = reader.read(size_of::<u64>()).ok_or_else(damaged)?;
    let sum = reader.sum.clone().finalize();
    let whole = *count == (entries.len() as u64).to_le_bytes()
        && reader.read_u32() == Some(sum)
        && reader.read(1).is_none();
    if whole { Ok(entries) } else { Err(damaged()) }
}

/// A file on its way, and the checksum of what has passed.
struct Summing<T> {
    inner: T,
    sum: crc32fast::Hasher,
}

impl<T: std::io::Write> Summing<T> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.sum.update(bytes);
        self.inner.write_all(bytes)
    }

    fn write_entry(&mut self, row: &Row) -> std::io::Result<()> {
        for size in [row.key.len(), row.value.len()] {
            let size = u32::try_from(size).expect("the limits are below");
            self.write(&size.to_le_bytes())?;
        }
        self.write(&row.key)?;
        self.write(&row.value)
    }
}

impl<T: Read> Summing<T> {
    /// Reads exactly `size` bytes; `None` if they are not there.
    fn read(&mut self, size: usize) -> Option<Vec<u8>> {
        let mut bytes = vec![0; size];
        self.inner.read_exact(&mut bytes).ok()?;
        self.sum.update(&bytes);
        Some(bytes)
    }

    fn read_u32(&mut self) -> Option<u32> {
        let bytes = self.read(size_of::<u32>())?;
        Some(u32::from_le_bytes(bytes.try_into().expect("four bytes were asked for")))
    }

    /// Reads what follows the length of a key.
    fn read_entry(&mut self, key_bytes: u32) -> Option<(Bytes, Bytes)> {
        let value_bytes = self.read_u32()? as usize;
        let key_bytes = key_bytes as usize;
        if !(1..=KEY_BYTES_MAX).contains(&key_bytes) || value_bytes > VALUE_BYTES_MAX {
            return None;
        }
        Some((self.read(key_bytes)?.into(), self.read(value_bytes)?.into()))
    }
}
