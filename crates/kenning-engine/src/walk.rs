//! Walking along links.
//!
//! A link is followed only while both of its ends live in the births that it was made for, so a
//! deleted hub takes all of its links with it at once, and a later record under the same key does
//! not inherit them.

use std::collections::{HashMap, HashSet, VecDeque};

use kenning_index::{LinkEntry, direction};
use kenning_record::{End, Id, RecordRef, entry, keys};
use kenning_store::{Bytes, Error, Range, Result};

use crate::view::View;

/// The deepest walk.
const DEPTH_MAX: u32 = 10;
/// Records that a walk without a limit may reach.
const STEPS_MAX: usize = 100_000;

/// Which way links are followed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WalkDirection {
    /// From source to target.
    Out,
    /// From target to source.
    In,
    /// Either way.
    #[default]
    Both,
}

/// How to walk.
#[derive(Clone, Debug)]
pub struct Walk {
    /// Which way.
    pub direction: WalkDirection,
    /// Only along links of these types; all if empty.
    pub kinds: Vec<String>,
    /// How many links away, 1 to 10.
    pub depth: u32,
    /// At most so many steps.
    pub limit: Option<usize>,
    /// Only links that are valid at this instant, in milliseconds since the epoch.
    pub valid_at: Option<i64>,
}

impl Default for Walk {
    fn default() -> Self {
        let direction = WalkDirection::Both;
        Walk { direction, kinds: Vec::new(), depth: 1, limit: None, valid_at: None }
    }
}

/// A record that was reached, and along which link.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// Its id.
    pub id: Id,
    /// Its table.
    pub table: String,
    /// Its key.
    pub key: Option<String>,
    /// The type of the link.
    pub kind: String,
    /// Whether the link was followed to its target or to its source.
    pub direction: WalkDirection,
    /// How many links away from the start.
    pub depth: u32,
    /// The weight of the link.
    pub weight: f64,
}

impl View {
    /// What is one link away, by direction, type and id.
    pub async fn neighbors(&self, reference: &str, walk: Walk) -> Result<Vec<Step>> {
        let start = self.start(reference).await?;
        let mut steps = Vec::new();
        for (step, _) in self.expand(start, &walk, 1).await? {
            if walk.limit.is_some_and(|limit| steps.len() >= limit) {
                break;
            }
            steps.push(step);
        }
        Ok(steps)
    }

    /// What is within some links, nearest first, each record once.
    pub async fn traverse(&self, reference: &str, walk: Walk) -> Result<Vec<Step>> {
        if !(1..=DEPTH_MAX).contains(&walk.depth) {
            let message = format!("a depth of {} is not within 1 to {DEPTH_MAX}", walk.depth);
            return Err(Error::invalid("DEPTH_OUT_OF_RANGE", message));
        }
        let start = self.start(reference).await?;
        let mut seen = HashSet::from([start]);
        let mut front = VecDeque::from([(start, 0)]);
        let mut steps = Vec::new();
        while let Some((end, depth)) = front.pop_front() {
            if depth == walk.depth {
                break;
            }
            for (step, far) in self.expand(end, &walk, depth + 1).await? {
                if walk.limit.is_some_and(|limit| steps.len() >= limit) {
                    return Ok(steps);
                }
                if steps.len() >= STEPS_MAX {
                    let message = format!("the walk reaches over {STEPS_MAX} records; set a limit");
                    return Err(Error::exhausted("WALK_TOO_LARGE", message));
                }
                if seen.insert(far) {
                    front.push_back((far, depth + 1));
                    steps.push(step);
                }
            }
        }
        Ok(steps)
    }

    /// Where a walk begins: something that is there.
    async fn start(&self, reference: &str) -> Result<End> {
        let missing = || {
            let message = format!("nothing is named '{reference}'");
            Error::invalid("RECORD_NOT_FOUND", message)
        };
        let end = self.referent(reference).await?.ok_or_else(missing)?;
        self.record_bytes(end.table, end.id).await?.map(|_| end).ok_or_else(missing)
    }

    /// One step from `near` along every link that is there.
    async fn expand(&self, near: End, walk: &Walk, depth: u32) -> Result<Vec<(Step, End)>> {
        let Some(here) = self.record_bytes(near.table, near.id).await? else {
            return Ok(Vec::new());
        };
        let birth = birth_of(&here)?;
        let mut links = self.links_of(near, walk).await?;
        links.retain(|link| link.near_birth == birth);
        let far = self.far_ends(&links).await?;
        let mut names = HashMap::new();
        let mut steps = Vec::new();
        for (link, bytes) in links.into_iter().zip(far) {
            let Some(bytes) = bytes else { continue };
            if birth_of(&bytes)? != link.far_birth {
                continue;
            }
            let Some(table) = self.name_once(&mut names, link.far.table).await? else { continue };
            let key = RecordRef::new(entry::split(&bytes)?.1)?.key()?.map(str::to_owned);
            let direction = match link.direction {
                direction::OUT => WalkDirection::Out,
                _ => WalkDirection::In,
            };
            let LinkEntry { kind, far, weight, .. } = link;
            steps.push((Step { id: far.id, table, key, kind, direction, depth, weight }, far));
        }
        Ok(steps)
    }

    pub(crate) async fn links_of(&self, near: End, walk: &Walk) -> Result<Vec<LinkEntry>> {
        let sides: &[u8] = match walk.direction {
            WalkDirection::Out => &[direction::OUT],
            WalkDirection::In => &[direction::IN],
            WalkDirection::Both => &[direction::OUT, direction::IN],
        };
        let tenant = self.tenant.number;
        let mut links = Vec::new();
        for side in sides {
            let ranges = match walk.kinds.is_empty() {
                true => vec![keys::links_of(tenant, *side, near)],
                false => {
                    let of_kind = |kind: &String| keys::links_of_kind(tenant, *side, near, kind);
                    walk.kinds.iter().map(of_kind).collect()
                }
            };
            for range in ranges {
                for row in self.rows(Range::prefix(range)).await? {
                    let (version, payload) = entry::check(&row.value)?;
                    let link = LinkEntry::read(tenant, &row.key, version, payload)?;
                    if walk.valid_at.is_none_or(|instant| link.is_valid_at(instant)) {
                        links.push(link);
                    }
                }
            }
        }
        Ok(links)
    }

    async fn far_ends(&self, links: &[LinkEntry]) -> Result<Vec<Option<Bytes>>> {
        let tenant = self.tenant.number;
        let ends: Vec<keys::RecordKey> =
            links.iter().map(|link| keys::record(tenant, link.far.table, &link.far.id)).collect();
        let asked: Vec<&[u8]> = ends.iter().map(<[u8; _]>::as_slice).collect();
        self.source.get_many(&asked).await
    }

    /// The name of a table; `None` if it was dropped and its records are not cleared up yet.
    async fn name_once(
        &self,
        names: &mut HashMap<u32, Option<String>>,
        number: u32,
    ) -> Result<Option<String>> {
        if let Some(name) = names.get(&number) {
            return Ok(name.clone());
        }
        let name = self.find_numbered(number).await?.map(|table| table.name.clone());
        names.insert(number, name.clone());
        Ok(name)
    }
}

fn birth_of(bytes: &[u8]) -> Result<u32> {
    RecordRef::new(entry::split(bytes)?.1)?.birth()
}
