//! The body of a part: a head, and sections that follow from what it says.
//!
//! `docs/format/vectors.md` is the specification. Nothing in a body says where something is: the
//! head says how many there are of what, and the rest is arithmetic, so that a damaged head can
//! only be refused. Each section has a checksum in the head, over itself and the zeros behind it.
//! To open a body is to check the head and its length.

use std::ops::Range;

use kenning_record::{Metric, VectorSpec};
use kenning_store::{Error, Result};

use crate::code::{Facts, code_bytes};
use crate::raw::ALIGNED_BYTES;

/// The first bytes of every body.
const MAGIC: [u8; 8] = *b"kvectors";
/// The version of the format.
const VERSION: u32 = 1;

const AT_MAGIC: usize = 0;
const AT_VERSION: usize = 8;
const AT_DIMENSIONS: usize = 12;
const AT_METRIC: usize = 16;
const AT_ROWS: usize = 20;
const AT_LINKED: usize = 24;
const AT_LEVELS: usize = 28;
const AT_SUMS: usize = AT_LEVELS + LEVELS_MAX * size_of::<u32>();
const AT_HEAD_SUM: usize = HEAD_BYTES - size_of::<u32>();
pub(crate) const HEAD_BYTES: usize = 128;
const _: () = assert!(AT_SUMS + SECTIONS * size_of::<u32>() <= AT_HEAD_SUM);
const _: () = assert!(HEAD_BYTES.is_multiple_of(ALIGNED_BYTES));
const _: () = assert!(size_of::<Facts>() == 16);

/// Neighbours of a row, and of a row in an upper level.
pub(crate) const LINKS: usize = 32;
pub(crate) const UPPER_LINKS: usize = 16;
/// Upper levels of a graph.
pub(crate) const LEVELS_MAX: usize = 12;
/// Where there is no row.
pub(crate) const NO_ROW: u32 = u32::MAX;
/// Numbers in a vector. What a kernel sums up of codes then fits.
pub(crate) const DIMENSIONS_MAX: usize = 16_384;
/// Rows of a part.
pub(crate) const ROWS_MAX: usize = 1 << 30;

const SECTIONS: usize = 7;

/// The sections, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Section {
    /// Where L2 is measured from: a vector.
    Origin,
    /// The vectors.
    Full,
    /// Their codes.
    Codes,
    /// What is known of each.
    Facts,
    /// The next row with the same code, for each row.
    Twins,
    /// The neighbours of each row.
    Links,
    /// The upper levels: for each the rows in it, then the neighbours of each, by their places.
    Upper,
}

impl Section {
    pub(crate) const ALL: [Section; SECTIONS] = [
        Section::Origin,
        Section::Full,
        Section::Codes,
        Section::Facts,
        Section::Twins,
        Section::Links,
        Section::Upper,
    ];
}

/// What a head says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) spec: VectorSpec,
    pub(crate) rows: u32,
    /// Whether there is a graph.
    pub(crate) linked: bool,
    /// Rows in each upper level of it, from below; none from the first level that has none.
    pub(crate) levels: [u32; LEVELS_MAX],
    /// The checksum of each section.
    pub(crate) sums: [u32; SECTIONS],
}

impl Head {
    /// Writes it over the first bytes of a body.
    pub(crate) fn write(&self, body: &mut [u8]) {
        let head = &mut body[..HEAD_BYTES];
        head.fill(0);
        head[AT_MAGIC..][..MAGIC.len()].copy_from_slice(&MAGIC);
        let dimensions = u32::try_from(self.spec.dimensions).expect("dimensions have a limit");
        put(head, AT_VERSION, VERSION);
        put(head, AT_DIMENSIONS, dimensions);
        put(head, AT_METRIC, metric_number(self.spec.metric));
        put(head, AT_ROWS, self.rows);
        put(head, AT_LINKED, u32::from(self.linked));
        let levels = self.levels.iter().enumerate();
        levels.for_each(|(idx, rows)| put(head, AT_LEVELS + idx * size_of::<u32>(), *rows));
        let sums = self.sums.iter().enumerate();
        sums.for_each(|(idx, sum)| put(head, AT_SUMS + idx * size_of::<u32>(), *sum));
        put(head, AT_HEAD_SUM, crc32fast::hash(&head[..AT_HEAD_SUM]));
    }

    /// Reads it from a body of `spec`. The body is as long as it says.
    pub(crate) fn read(spec: VectorSpec, body: &[u8]) -> Result<Self> {
        let head = body.get(..HEAD_BYTES).ok_or_else(|| damaged("it is shorter than a head"))?;
        if head[..MAGIC.len()] != MAGIC {
            return Err(damaged("it does not begin like one"));
        }
        if get(head, AT_HEAD_SUM) != crc32fast::hash(&head[..AT_HEAD_SUM]) {
            return Err(damaged("the checksum of its head is wrong"));
        }
        if get(head, AT_VERSION) != VERSION {
            return Err(damaged("its version is not known"));
        }
        let said = (get(head, AT_DIMENSIONS) as usize, get(head, AT_METRIC));
        if said != (spec.dimensions, metric_number(spec.metric)) {
            return Err(damaged("it is of other vectors"));
        }
        let number = |at: usize, idx: usize| get(head, at + idx * size_of::<u32>());
        let read = Head {
            spec,
            rows: get(head, AT_ROWS),
            linked: get(head, AT_LINKED) == 1,
            levels: std::array::from_fn(|idx| number(AT_LEVELS, idx)),
            sums: std::array::from_fn(|idx| number(AT_SUMS, idx)),
        };
        let mut again = [0; HEAD_BYTES];
        read.write(&mut again);
        if again != head {
            return Err(damaged("its head says what no head says"));
        }
        read.check(body.len() as u64)?;
        Ok(read)
    }

    fn check(&self, size: u64) -> Result<()> {
        // A level has fewer rows than the one below it; behind the last one there is none.
        let below = std::iter::once(&self.rows).chain(&self.levels);
        let mut levels = below.zip(&self.levels);
        if !levels.all(|(below, level)| level <= below) {
            return Err(damaged("a level has more rows than the one below"));
        }
        if self.rows as usize > ROWS_MAX || self.body_bytes() != size {
            return Err(damaged("it has another length than its head says"));
        }
        Ok(())
    }

    /// Upper levels that have rows.
    pub(crate) fn levels(&self) -> usize {
        self.levels.iter().take_while(|rows| **rows > 0).count()
    }

    /// Bytes of the whole body.
    pub(crate) fn body_bytes(&self) -> u64 {
        self.until(Section::Upper)
    }

    /// Where a section is.
    pub(crate) fn range(&self, section: Section) -> Range<usize> {
        let from = self.from(section);
        let range = from..from + self.bytes(section);
        // The body is as long as all sections together, and it is in memory or mapped.
        let place = |at| usize::try_from(at).expect("the body is there, and so are its sections");
        place(range.start)..place(range.end)
    }

    /// Where a section and the zeros behind it are.
    pub(crate) fn summed(&self, section: Section) -> Range<usize> {
        let until = usize::try_from(self.until(section)).expect("the body is there");
        self.range(section).start..until
    }

    fn from(&self, section: Section) -> u64 {
        let before = Section::ALL.iter().take_while(|other| **other != section);
        let bytes = before.map(|other| padded(self.bytes(*other)));
        HEAD_BYTES as u64 + bytes.sum::<u64>()
    }

    fn until(&self, section: Section) -> u64 {
        self.from(section) + padded(self.bytes(section))
    }

    /// Bytes of a section. Rows and dimensions have limits far below what would overflow.
    fn bytes(&self, section: Section) -> u64 {
        const NUMBER: u64 = size_of::<u32>() as u64;
        let dimensions = self.spec.dimensions as u64;
        let rows = u64::from(self.rows);
        let of_graph = u64::from(self.linked) * NUMBER;
        let upper = self.levels.iter().map(|rows| u64::from(*rows) * (1 + UPPER_LINKS as u64));
        match section {
            Section::Origin if self.spec.metric == Metric::L2 => dimensions * NUMBER,
            Section::Origin => 0,
            Section::Full => rows * dimensions * NUMBER,
            Section::Codes => rows * code_bytes(self.spec.dimensions) as u64,
            Section::Facts => rows * size_of::<Facts>() as u64,
            Section::Twins => rows * of_graph,
            Section::Links => rows * LINKS as u64 * of_graph,
            Section::Upper => upper.sum::<u64>() * of_graph,
        }
    }
}

fn padded(bytes: u64) -> u64 {
    bytes.next_multiple_of(ALIGNED_BYTES as u64)
}

fn metric_number(metric: Metric) -> u32 {
    match metric {
        Metric::Cosine => 0,
        Metric::InnerProduct => 1,
        Metric::L2 => 2,
    }
}

fn put(bytes: &mut [u8], at: usize, number: u32) {
    bytes[at..][..size_of::<u32>()].copy_from_slice(&number.to_le_bytes());
}

fn get(bytes: &[u8], at: usize) -> u32 {
    let bytes = bytes[at..][..size_of::<u32>()].try_into().expect("four bytes were taken");
    u32::from_le_bytes(bytes)
}

/// A part of vectors that breaks a promise of the format.
pub(crate) fn damaged(fact: &str) -> Error {
    Error::corrupt("PART_DAMAGED", format!("a part of vectors is damaged: {fact}"))
}
