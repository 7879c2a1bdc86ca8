//! What a folder of backups says about itself, in lines of text that end with their own sum.
//!
//! The last line is the sum whatever the format, so damage is told from a newer format. The bytes
//! are specified in `docs/format/backup.md`.

use std::fmt;
use std::path::{Component, Path};

use crate::{Error, FORMAT_VERSION, Result};

/// The version of all that a folder of backups says about itself.
const BACKUP_FORMAT: u32 = 1;
const SUM: &str = "sum ";
const MARKER: &str = "kenning backups ";
const MANIFEST: &str = "kenning backup ";

/// Which database it is, for life: through every copy, backup and restore.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity(pub [u8; 16]);

/// The BLAKE3 hash of a file.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Hash(pub(super) [u8; 32]);

/// Everything that one backup consists of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Manifest {
    pub(super) number: u64,
    pub(super) database: Identity,
    pub(super) engine: String,
    pub(super) label: String,
    /// The folders, each behind the one that it is in.
    pub(super) folders: Vec<String>,
    pub(super) files: Vec<Entry>,
}

/// One file of a backup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    /// Below the database folder, with `/` between the parts.
    pub(super) path: String,
    pub(super) bytes: u64,
    pub(super) hash: Hash,
    pub(super) origin: Option<Origin>,
}

/// Which file of the database it was, so that the same one is not read again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Origin {
    pub(super) inode: u64,
    pub(super) modified_ns: i128,
}

/// The marker of a folder with backups of `database`.
pub(super) fn marker(database: Identity) -> Vec<u8> {
    seal(format!("{MARKER}{BACKUP_FORMAT}\ndatabase {database}\n"))
}

/// Whose backups a folder with this marker has.
pub(super) fn read_marker(bytes: &[u8], name: &Path) -> Result<Identity> {
    let text = unseal(bytes, MARKER, name)?;
    let mut lines = Lines { text, name };
    let database = lines.identity()?;
    lines.end().map(|()| database)
}

impl Manifest {
    pub(super) fn encode(&self) -> Vec<u8> {
        let Manifest { number, database, engine, label, folders, files } = self;
        let mut text = format!(
            "{MANIFEST}{BACKUP_FORMAT}\ndatabase {database}\nnumber {number}\n\
             format {FORMAT_VERSION}\nengine {engine}\nlabel {label}\n"
        );
        for folder in folders {
            text += &format!("folder {folder}\n");
        }
        for Entry { path, bytes, hash, origin } in files {
            let origin = match origin {
                Some(Origin { inode, modified_ns }) => format!("{inode}:{modified_ns}"),
                None => "-".to_owned(),
            };
            text += &format!("file {hash} {bytes} {origin} {path}\n");
        }
        seal(text)
    }

    /// Reads what `encode` wrote. `name` is the file, for messages.
    pub(super) fn decode(bytes: &[u8], name: &Path) -> Result<Manifest> {
        let text = unseal(bytes, MANIFEST, name)?;
        let mut lines = Lines { text, name };
        let database = lines.identity()?;
        let number = lines.number("number ")?;
        let format = lines.number("format ")?;
        if format != u64::from(FORMAT_VERSION) {
            return Err(too_new(name, "a database of format", format, FORMAT_VERSION));
        }
        let engine = lines.value("engine ")?.to_owned();
        let label = lines.value("label ")?.to_owned();
        let (mut folders, mut files) = (Vec::new(), Vec::new());
        while let Some(folder) = lines.next_if("folder ") {
            folders.push(lines.path(folder)?);
        }
        while let Some(entry) = lines.next_if("file ") {
            files.push(lines.entry(entry)?);
        }
        lines.end()?;
        Ok(Manifest { number, database, engine, label, folders, files })
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Hash {
    /// The hash in the one way of writing it.
    pub(super) fn parse(text: &str) -> Option<Hash> {
        let mut hash = Hash([0; 32]);
        if text.len() != 2 * hash.0.len() || !text.is_ascii() {
            return None;
        }
        for (idx, byte) in hash.0.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&text[2 * idx..][..2], 16).ok()?;
        }
        (hash.to_string() == text).then_some(hash)
    }
}

/// The lines of a text that are still to be read.
struct Lines<'a> {
    text: &'a str,
    name: &'a Path,
}

impl<'a> Lines<'a> {
    /// The rest of the next line, if it begins so.
    fn next_if(&mut self, start: &str) -> Option<&'a str> {
        let (line, rest) = self.text.split_once('\n')?;
        let value = line.strip_prefix(start)?;
        self.text = rest;
        Some(value)
    }

    fn value(&mut self, start: &str) -> Result<&'a str> {
        let name = self.name;
        self.next_if(start).ok_or_else(|| damaged(name, "a line is missing"))
    }

    fn number(&mut self, start: &str) -> Result<u64> {
        let text = self.value(start)?;
        text.parse().map_err(|_| damaged(self.name, "it has a number that is none"))
    }

    fn identity(&mut self) -> Result<Identity> {
        let text = self.value("database ")?;
        let number = u128::from_str_radix(text, 16);
        let identity = number.map(|number| Identity(number.to_be_bytes())).ok();
        let is_right = |identity: &Identity| identity.to_string() == text;
        identity.filter(is_right).ok_or_else(|| damaged(self.name, "it does not say whose it is"))
    }

    fn entry(&self, line: &str) -> Result<Entry> {
        let wrong = || damaged(self.name, "it does not describe a file");
        let mut words = line.splitn(4, ' ');
        let mut word = || words.next().ok_or_else(wrong);
        let hash = Hash::parse(word()?).ok_or_else(wrong)?;
        let bytes = word()?.parse().map_err(|_| wrong())?;
        let origin = match word()? {
            "-" => None,
            origin => Some(parse_origin(origin).ok_or_else(wrong)?),
        };
        Ok(Entry { path: self.path(word()?)?, bytes, hash, origin })
    }

    /// A path that stays below the folder that it is joined to.
    fn path(&self, path: &str) -> Result<String> {
        let is_normal = |part| matches!(part, Component::Normal(_));
        if path.is_empty() || !Path::new(path).components().all(is_normal) {
            return Err(damaged(self.name, "it names a file elsewhere"));
        }
        Ok(path.to_owned())
    }

    fn end(&self) -> Result<()> {
        match self.text.is_empty() {
            true => Ok(()),
            false => Err(damaged(self.name, "a line does not belong there")),
        }
    }
}

fn parse_origin(text: &str) -> Option<Origin> {
    let (inode, modified_ns) = text.split_once(':')?;
    Some(Origin { inode: inode.parse().ok()?, modified_ns: modified_ns.parse().ok()? })
}

/// Adds the sum of all lines as the last one.
fn seal(mut text: String) -> Vec<u8> {
    let sum = Hash(*blake3::hash(text.as_bytes()).as_bytes());
    text += &format!("{SUM}{sum}\n");
    text.into_bytes()
}

/// The lines between the first one, which says the format, and the sum, which fits.
fn unseal<'a>(bytes: &'a [u8], start: &str, name: &Path) -> Result<&'a str> {
    let text = str::from_utf8(bytes).map_err(|_| damaged(name, "it is not text"))?;
    let line_at = text.trim_end_matches('\n').rfind('\n').map_or(0, |at| at + 1);
    let (text, last) = text.split_at(line_at);
    let sum = Hash(*blake3::hash(text.as_bytes()).as_bytes());
    if last != format!("{SUM}{sum}\n") {
        return Err(damaged(name, "its checksum does not fit"));
    }
    let unknown = || damaged(name, "it does not say its format");
    let (first, rest) = text.split_once('\n').ok_or_else(unknown)?;
    let format = first.strip_prefix(start).and_then(|format| format.parse::<u32>().ok());
    match format.ok_or_else(unknown)? {
        BACKUP_FORMAT => Ok(rest),
        format => Err(too_new(name, "format", u64::from(format), BACKUP_FORMAT)),
    }
}

fn too_new(name: &Path, what: &str, format: u64, known: u32) -> Error {
    let name = name.display();
    let message = format!("{name} has {what} {format}, this program knows {known}");
    Error::invalid("FORMAT_TOO_NEW", message)
}

pub(super) fn damaged(name: &Path, why: &str) -> Error {
    Error::corrupt("BACKUP_DAMAGED", format!("{} is damaged: {why}", name.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest() -> Manifest {
        let origin = Some(Origin { inode: 7, modified_ns: -5 });
        let entry = |path: &str, origin| {
            let path = path.to_owned();
            Entry { path, bytes: 12, hash: Hash([0xab; 32]), origin }
        };
        Manifest {
            number: 3,
            database: Identity([1; 16]),
            engine: "rocksdb".into(),
            label: "version 9".into(),
            folders: vec!["store/a b".into()],
            files: vec![entry("store/1.sst", origin), entry("parts/a b.part", None)],
        }
    }

    fn decode(bytes: &[u8]) -> Result<Manifest> {
        Manifest::decode(bytes, Path::new("here"))
    }

    #[test]
    fn the_lines_are_what_the_page_says() {
        let bytes = manifest().encode();
        let text = String::from_utf8(bytes.clone()).unwrap();
        let hash = "ab".repeat(32);
        let expected = format!(
            "kenning backup 1\ndatabase {}\nnumber 3\nformat 1\nengine rocksdb\nlabel version 9\n\
             folder store/a b\nfile {hash} 12 7:-5 store/1.sst\nfile {hash} 12 - parts/a b.part\n",
            "01".repeat(16)
        );
        let sum = blake3::hash(expected.as_bytes()).to_hex();
        assert_eq!(text, format!("{expected}sum {sum}\n"));
        assert_eq!(decode(&bytes).unwrap(), manifest());
        let marker = marker(Identity([1; 16]));
        assert!(marker.starts_with(b"kenning backups 1\ndatabase 0101"));
        assert_eq!(read_marker(&marker, Path::new("here")).unwrap(), Identity([1; 16]));
        assert!(read_marker(&bytes, Path::new("here")).is_err());
    }

    #[test]
    fn every_flipped_bit_and_every_cut_is_noticed() {
        let bytes = manifest().encode();
        for bit in 0..bytes.len() * 8 {
            let mut bad = bytes.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(decode(&bad).unwrap_err().code(), "BACKUP_DAMAGED", "bit {bit}");
        }
        for until in 0..bytes.len() {
            assert_eq!(decode(&bytes[..until]).unwrap_err().code(), "BACKUP_DAMAGED", "{until}");
        }
    }

    #[test]
    fn what_is_summed_and_wrong_is_refused() {
        let good = manifest().encode();
        let text = str::from_utf8(&good).unwrap().split("sum ").next().unwrap().to_owned();
        for (from, until, code) in [
            ("backup 1", "backup 2", "FORMAT_TOO_NEW"),
            ("format 1", "format 2", "FORMAT_TOO_NEW"),
            ("backup 1", "backup x", "BACKUP_DAMAGED"),
            ("number 3", "number -3", "BACKUP_DAMAGED"),
            ("store/1.sst", "../1.sst", "BACKUP_DAMAGED"),
            ("store/1.sst", "/1.sst", "BACKUP_DAMAGED"),
            ("store/a b", "store/../..", "BACKUP_DAMAGED"),
            ("7:-5", "7", "BACKUP_DAMAGED"),
            ("file", "fill", "BACKUP_DAMAGED"),
            ("engine", "motor", "BACKUP_DAMAGED"),
        ] {
            let bad = text.replacen(from, until, 1);
            assert_ne!(bad, text, "{from}");
            assert_eq!(decode(&seal(bad)).unwrap_err().code(), code, "{until}");
        }
    }
}
