//! Commits whose every state is known: after the n-th, the store is equal to the n-th map.

#![allow(clippy::unwrap_used, reason = "it is called from tests")]

use std::collections::BTreeMap;

use kenning_store::{Batch, Durability, Range, Result, Store, block_on};

type Map = BTreeMap<Vec<u8>, Vec<u8>>;

/// A deterministic sequence of commits.
pub struct Workload {
    seed: u64,
    /// The state after each commit that was tried; the first is empty.
    states: Vec<Map>,
    /// How many commits are known to be durable.
    durable: usize,
}

impl Workload {
    /// The sequence of `seed`.
    pub fn new(seed: u64) -> Self {
        Workload { seed: seed + 1, states: vec![Map::new()], durable: 0 }
    }

    /// How many commits were tried.
    pub fn tried(&self) -> usize {
        self.states.len() - 1
    }

    fn chance(&mut self, below: u64) -> u64 {
        self.seed ^= self.seed << 13;
        self.seed ^= self.seed >> 7;
        self.seed ^= self.seed << 17;
        self.seed % below
    }

    /// Tries one commit, and believes the answer.
    pub fn commit(&mut self, store: &dyn Store, durability: Durability) -> Result<()> {
        self.attempt(store, durability)?;
        if durability == Durability::Strict {
            self.believe();
        }
        Ok(())
    }

    /// Takes every commit so far for durable.
    pub fn believe(&mut self) {
        self.durable = self.tried();
    }

    /// Tries one commit that touches several column families.
    pub fn attempt(&mut self, store: &dyn Store, durability: Durability) -> Result<()> {
        let mut batch = Batch::new();
        let mut state = self.states.last().expect("there is the first").clone();
        let number = self.states.len() as u64;
        for first in [0x01, 0x10, 0x12, 0x20, 0x30] {
            let key = [&[first][..], &self.chance(40).to_be_bytes()].concat();
            if self.chance(5) == 0 {
                batch.delete(&key);
                state.remove(&key);
            } else {
                let size = 20 + self.chance(600) as usize;
                let fill = std::iter::repeat_with(|| self.chance(256) as u8).take(size);
                let value: Vec<u8> = number.to_be_bytes().into_iter().chain(fill).collect();
                batch.put(&key, &value);
                state.insert(key, value);
            }
        }
        // Before it is tried: whatever comes of it, it may be there afterwards.
        self.states.push(state);
        block_on(store.commit(batch, durability))
    }

    /// Makes every commit so far durable.
    pub fn sync(&mut self, store: &dyn Store) -> Result<()> {
        block_on(store.commit(Batch::new(), Durability::Strict))?;
        self.believe();
        Ok(())
    }

    /// Tries many commits, now and then a strict one, and expects them to be made.
    pub fn commit_many(&mut self, store: &dyn Store, commits: usize) {
        for number in 0..commits {
            let strict = number % 16 == 0;
            let durability = if strict { Durability::Strict } else { Durability::Relaxed };
            self.commit(store, durability).unwrap();
        }
    }

    /// Expects the state after some commit, no earlier than the last durable one, and goes on from
    /// there. Returns how many commits were lost.
    pub fn check(&mut self, store: &dyn Store, when: &str) -> usize {
        let found = everything(store);
        let candidates = self.durable..self.states.len();
        let Some(at) = candidates.clone().rev().find(|at| self.states[*at] == found) else {
            let earlier = self.states.iter().rposition(|state| *state == found);
            panic!("{when}: expected the state after one of {candidates:?}, found {earlier:?}");
        };
        let lost = self.tried() - at;
        self.states.truncate(at + 1);
        self.durable = at;
        lost
    }

    /// Expects the state after the last commit that was tried.
    pub fn check_all(&self, store: &dyn Store) {
        assert!(everything(store) == self.states[self.tried()], "a commit is not there");
    }
}

/// Every row of a store.
pub fn everything(store: &dyn Store) -> Map {
    let snapshot = block_on(store.snapshot()).unwrap();
    let mut map = Map::new();
    let mut rest = Some(Range::all().forward());
    while let Some(scan) = rest {
        let page = block_on(snapshot.page(&scan)).unwrap();
        map.extend(page.rows.into_iter().map(|row| (row.key.to_vec(), row.value.to_vec())));
        rest = page.rest;
    }
    map
}
