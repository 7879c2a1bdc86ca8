//! Records that were read, and until when they are true.
//!
//! A slot holds a value that begins with the version it is from, and the version until which it is
//! true. It serves a snapshot `s` when `from <= s < until`. The committer marks what it wrote with
//! version `v` *before* it publishes `v`; a reader inserts only if its snapshot is not older than
//! the last write of the shard. So between a reader's look at the store and its insertion no write
//! can slip by unnoticed: either the mark is there first and the insertion is refused, or the slot
//! is there first and is marked.
//!
//! A record is let in the second time that it is missed within a while. So reading a whole table
//! once costs no evictions and pushes nothing out.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use bytes::Bytes;
use foldhash::fast::FixedState;

use super::sync::RwLock;

/// The part of a record key behind its space byte: tenant, table, id.
pub(crate) type CacheKey = [u8; 24];

const SHARDS: usize = 64;
/// Bytes that a cache has at least: room for the records of tables, which every verb reads.
const BYTES_MIN: usize = 1 << 20;
/// Misses that are remembered.
const MISSES: usize = 1 << 16;
/// What a slot costs beyond its value: key, map slot, ring slot, value header.
const SLOT_BYTES: usize = 144;

pub(crate) struct Cache {
    shards: Box<[RwLock<Shard>]>,
    /// Recent misses: a part of the hash of the key, at the place that another part says.
    missed: Box<[AtomicU32]>,
    hasher: FixedState,
    shard_bytes_max: usize,
}

#[derive(Default)]
struct Shard {
    slots: HashMap<CacheKey, Slot, FixedState>,
    /// Second chance: the keys in the order they came, once each.
    ring: VecDeque<CacheKey>,
    bytes: usize,
    written: u64,
}

struct Slot {
    value: Bytes,
    from: u64,
    until: u64,
    used: AtomicBool,
}

impl Cache {
    /// A cache for a database whose last version is `written`: what came before may have replaced
    /// anything.
    pub(crate) fn new(bytes_max: usize, written: u64) -> Self {
        Cache {
            shards: (0..SHARDS)
                .map(|_| RwLock::new(Shard { written, ..Shard::default() }))
                .collect(),
            missed: (0..MISSES).map(|_| AtomicU32::new(0)).collect(),
            hasher: FixedState::default(),
            shard_bytes_max: bytes_max.max(BYTES_MIN) / SHARDS,
        }
    }

    /// The value that is true at `snapshot`, if it is here.
    pub(crate) fn get(&self, key: &CacheKey, snapshot: u64) -> Option<Bytes> {
        let shard = self.shard(key).read().expect("no holder of this lock panics");
        let slot = shard.slots.get(key)?;
        if snapshot < slot.from || slot.until <= snapshot {
            return None;
        }
        // A plain load first: most hits are on slots that are marked already, and a store would
        // take the cache line away from the other readers.
        if !slot.used.load(Ordering::Relaxed) {
            slot.used.store(true, Ordering::Relaxed);
        }
        Some(slot.value.clone())
    }

    /// Keeps `value`, which is from `from` and which a snapshot at `snapshot` showed.
    pub(crate) fn insert(&self, key: CacheKey, value: &Bytes, from: u64, snapshot: u64) {
        let size = value.len() + SLOT_BYTES;
        if size > self.shard_bytes_max || !self.was_missed(&key) {
            return;
        }
        let mut shard = self.shard(&key).write().expect("no holder of this lock panics");
        if snapshot < shard.written {
            return;
        }
        let value = value.clone();
        let slot = Slot { value, from, until: u64::MAX, used: AtomicBool::new(false) };
        shard.bytes += size;
        match shard.slots.insert(key, slot) {
            Some(old) => shard.bytes -= old.value.len() + SLOT_BYTES,
            None => shard.ring.push_back(key),
        }
        shard.shrink(self.shard_bytes_max);
    }

    /// Notes that `key` was written at `version`, which is not published yet.
    pub(crate) fn mark(&self, key: &CacheKey, version: u64) {
        let mut shard = self.shard(key).write().expect("no holder of this lock panics");
        shard.written = shard.written.max(version);
        if let Some(slot) = shard.slots.get_mut(key) {
            slot.until = slot.until.min(version);
        }
    }

    /// Lets go of the value of `key`, which readers of the past would still get.
    pub(crate) fn forget(&self, key: &CacheKey) {
        let mut shard = self.shard(key).write().expect("no holder of this lock panics");
        let Some(slot) = shard.slots.get_mut(key).filter(|slot| slot.until < u64::MAX) else {
            return;
        };
        slot.until = 0;
        let bytes = std::mem::take(&mut slot.value).len();
        shard.bytes -= bytes;
    }

    /// Bytes and slots in use.
    pub(crate) fn size(&self) -> (usize, usize) {
        self.shards.iter().fold((0, 0), |(bytes, slots), shard| {
            let shard = shard.read().expect("no holder of this lock panics");
            (bytes + shard.bytes, slots + shard.slots.len())
        })
    }

    /// Whether `key` was missed before, as far as that is remembered. Now it was.
    fn was_missed(&self, key: &CacheKey) -> bool {
        use std::hash::BuildHasher;
        let hash = self.hasher.hash_one(key);
        let tag = (hash >> 32) as u32;
        self.missed[hash as usize % MISSES].swap(tag, Ordering::Relaxed) == tag
    }

    fn shard(&self, key: &CacheKey) -> &RwLock<Shard> {
        use std::hash::BuildHasher;
        // Bits from the middle: the map inside uses the lowest and the highest of the same hash.
        let hash = self.hasher.hash_one(key);
        &self.shards[(hash >> 32) as usize % SHARDS]
    }
}

impl Shard {
    fn shrink(&mut self, bytes_max: usize) {
        while self.bytes > bytes_max {
            let key = self.ring.pop_front().expect("every slot is in the ring");
            let slot = self.slots.get(&key).expect("every key of the ring has a slot");
            if slot.used.swap(false, Ordering::Relaxed) && slot.until == u64::MAX {
                self.ring.push_back(key);
                continue;
            }
            let slot = self.slots.remove(&key).expect("it was there a line above");
            self.bytes -= slot.value.len() + SLOT_BYTES;
        }
    }
}

/// The cache key of a record key.
pub(crate) fn cache_key(record_key: &[u8]) -> CacheKey {
    record_key[1..].try_into().expect("a record key has 25 bytes")
}
