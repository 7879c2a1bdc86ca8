//! The first byte of every key. Engines may keep each space apart (RocksDB: a column family).

/// A region of the key space with one purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Space {
    /// The head, the settings of the database, and counters.
    Meta = 0x01,
    /// Instant to version.
    Clock = 0x02,
    /// Transaction id to version, for a day.
    Outcomes = 0x03,
    /// How far each follower of the log has come.
    Watermarks = 0x04,
    /// How far work that comes in pieces has come.
    Marks = 0x05,
    /// Which parts the sealed indexes have.
    Sealed = 0x06,
    /// Records by id.
    Records = 0x10,
    /// How often an id has been born.
    Births = 0x11,
    /// Keys and aliases to ids.
    Names = 0x12,
    /// Property values to ids.
    Fields = 0x13,
    /// Links by source and by target.
    Links = 0x14,
    /// What exact entries were, until which version.
    History = 0x20,
    /// The numbered list of changes.
    Log = 0x30,
    /// What models said of texts.
    Vectors = 0x40,
}

impl Space {
    /// Every space, in order of its byte.
    pub const ALL: [Space; 14] = [
        Space::Meta,
        Space::Clock,
        Space::Outcomes,
        Space::Watermarks,
        Space::Marks,
        Space::Sealed,
        Space::Records,
        Space::Births,
        Space::Names,
        Space::Fields,
        Space::Links,
        Space::History,
        Space::Log,
        Space::Vectors,
    ];

    /// The byte.
    pub const fn byte(self) -> u8 {
        self as u8
    }

    /// A name for people and for folders.
    pub const fn name(self) -> &'static str {
        match self {
            Space::Meta => "meta",
            Space::Clock => "clock",
            Space::Outcomes => "outcomes",
            Space::Watermarks => "watermarks",
            Space::Marks => "marks",
            Space::Sealed => "sealed",
            Space::Records => "records",
            Space::Births => "births",
            Space::Names => "names",
            Space::Fields => "fields",
            Space::Links => "links",
            Space::History => "history",
            Space::Log => "log",
            Space::Vectors => "vectors",
        }
    }

    /// Whether its live entries begin with the version they are from, and move to `History` when
    /// they are overwritten or deleted.
    pub const fn is_exact(self) -> bool {
        match self {
            Space::Records | Space::Births | Space::Names | Space::Fields | Space::Links => true,
            Space::Meta
            | Space::Clock
            | Space::Outcomes
            | Space::Watermarks
            | Space::Marks
            | Space::Sealed
            | Space::History
            | Space::Log
            | Space::Vectors => false,
        }
    }
}
