//! What an export is: the marker's text. Specified in `docs/format/export.md`.

use kenning_engine::ContentHash;
use kenning_record::{Json, check_table_name, check_tenant_name, format_instant};
use kenning_store::{Error, Result};
use serde_json::json;

use super::{ENDING, LINKS, LOG, TABLES};

/// The format that this program writes, and the only one that it reads.
const FORMAT: u64 = 1;

/// What is in an export.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holds {
    /// What one view knew.
    State,
    /// Everything that ever was.
    History,
}

impl Holds {
    fn name(self) -> &'static str {
        match self {
            Holds::State => "state",
            Holds::History => "history",
        }
    }
}

/// What the marker says.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Marker {
    pub(crate) holds: Holds,
    /// The version of the view.
    pub(crate) version: u64,
    /// Its instant, if it is that of the present.
    pub(crate) instant: Option<i64>,
    /// Of a history: views of the past reach back to this version.
    pub(crate) history_from: u64,
    pub(crate) content: ContentHash,
    pub(crate) history: Option<ContentHash>,
    pub(crate) tenants: Vec<String>,
    /// In the order in which they are imported.
    pub(crate) files: Vec<FileSaid>,
}

/// What the marker says about a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FileSaid {
    /// Behind the folder, with `/`.
    pub(crate) path: String,
    pub(crate) bytes: u64,
    pub(crate) lines: u64,
    pub(crate) hash: ContentHash,
}

/// What a file is, by its path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FileOf<'a> {
    Log,
    Tables(&'a str),
    Table(&'a str, &'a str),
}

impl FileSaid {
    /// What it is; no path leads out of the folder.
    pub(crate) fn of(&self) -> Result<FileOf<'_>> {
        let strange = || malformed(format!("no file of an export is named '{}'", self.path));
        if self.path == LOG {
            return Ok(FileOf::Log);
        }
        let (tenant, file) = self.path.split_once('/').ok_or_else(strange)?;
        let table = file.strip_suffix(ENDING).ok_or_else(strange)?;
        check_tenant_name(tenant).and_then(|()| check_table_name(table)).map_err(|_| strange())?;
        match table {
            TABLES => Ok(FileOf::Tables(tenant)),
            table => Ok(FileOf::Table(tenant, table)),
        }
    }
}

impl Marker {
    pub(crate) fn encode(&self) -> String {
        let file = |file: &FileSaid| {
            json!({
                "path": file.path,
                "bytes": file.bytes,
                "lines": file.lines,
                "blake3": file.hash.to_string(),
            })
        };
        let said = json!({
            "format": FORMAT,
            "holds": self.holds.name(),
            "version": self.version,
            "instant": self.instant.map(format_instant),
            "history_from": self.history_from,
            "content": self.content.to_string(),
            "history": self.history.map(|hash| hash.to_string()),
            "tenants": self.tenants,
            "files": self.files.iter().map(file).collect::<Vec<_>>(),
        });
        format!("{said:#}\n")
    }

    pub(crate) fn decode(text: &str) -> Result<Self> {
        let said = crate::jsonl::object(text).map_err(|error| malformed(error.message()))?;
        let number = |json: &Json, name: &str| {
            json[name].as_u64().ok_or_else(|| malformed(format!("it has no number '{name}'")))
        };
        let format = number(&said, "format")?;
        if format > FORMAT {
            let message = format!(
                "the export has format {format}, this program reads up to {FORMAT}: use a newer one"
            );
            return Err(Error::invalid("EXPORT_NEWER", message));
        }
        let holds = match said["holds"].as_str() {
            Some("state") => Holds::State,
            Some("history") => Holds::History,
            _ => return Err(malformed("it does not say what it holds")),
        };
        let history = Some(&said["history"]).filter(|hash| !hash.is_null());
        let history = history.map(self::hash).transpose()?;
        if history.is_some() != (holds == Holds::History) {
            return Err(malformed("the hash of a history goes with a history"));
        }
        let instant = said["instant"].as_str().map(kenning_record::parse_instant).transpose()?;
        let list = |name: &str| said[name].as_array().ok_or_else(|| malformed("it has no files"));
        let text = |json: &Json| json.as_str().map(str::to_owned);
        let file = |json: &Json| -> Result<FileSaid> {
            Ok(FileSaid {
                path: text(&json["path"]).ok_or_else(|| malformed("a file has no path"))?,
                bytes: number(json, "bytes")?,
                lines: number(json, "lines")?,
                hash: hash(&json["blake3"])?,
            })
        };
        let tenants = list("tenants")?.iter().map(text).collect::<Option<_>>();
        let marker = Marker {
            holds,
            version: number(&said, "version")?,
            instant,
            history_from: number(&said, "history_from")?,
            content: hash(&said["content"])?,
            history,
            tenants: tenants.ok_or_else(|| malformed("a tenant has no name"))?,
            files: list("files")?.iter().map(file).collect::<Result<_>>()?,
        };
        marker.check()?;
        Ok(marker)
    }

    /// Whether the files are those that there have to be.
    fn check(&self) -> Result<()> {
        let mut expected = self.tenants.iter().map(String::as_str);
        for file in &self.files {
            let fits = match (self.holds, file.of()?) {
                (Holds::History, FileOf::Log) => self.files.len() == 1,
                (Holds::State, FileOf::Tables(tenant)) => expected.next() == Some(tenant),
                (Holds::State, FileOf::Table(..)) => true,
                (Holds::History, FileOf::Tables(_) | FileOf::Table(..))
                | (Holds::State, FileOf::Log) => false,
            };
            if !fits {
                return Err(malformed(format!("the file '{}' does not belong there", file.path)));
            }
        }
        if self.tenants.is_empty() || self.files.is_empty() {
            return Err(malformed("it has no tenant"));
        }
        let last = expected.next().filter(|_| self.holds == Holds::State);
        last.map_or(Ok(()), |tenant| Err(malformed(format!("tenant '{tenant}' has no files"))))
    }
}

/// The name of the file of a table.
pub(crate) fn table_path(tenant: &str, table: &str) -> String {
    debug_assert!(table != TABLES && (table == LINKS || !table.is_empty()));
    format!("{tenant}/{table}{ENDING}")
}

fn hash(json: &Json) -> Result<ContentHash> {
    json.as_str().unwrap_or_default().parse().map_err(|_| malformed("a hash has 64 digits"))
}

fn malformed(what: impl std::fmt::Display) -> Error {
    Error::invalid("EXPORT_MALFORMED", format!("the marker of the export is malformed: {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marker(paths: &[&str]) -> Marker {
        let file = |path: &&str| FileSaid {
            path: (*path).into(),
            bytes: 1,
            lines: 2,
            hash: ContentHash([3; 32]),
        };
        Marker {
            holds: Holds::State,
            version: 4,
            instant: Some(0),
            history_from: 5,
            content: ContentHash([6; 32]),
            history: None,
            tenants: vec!["default".into()],
            files: paths.iter().map(file).collect(),
        }
    }

    #[test]
    fn a_marker_is_read_as_it_is_written() {
        let whole = marker(&["default/_tables.jsonl", "default/people.jsonl"]);
        assert_eq!(Marker::decode(&whole.encode()).unwrap(), whole);
        let newer = whole.encode().replace("\"format\": 1", "\"format\": 2");
        assert_eq!(Marker::decode(&newer).unwrap_err().code(), "EXPORT_NEWER");
    }

    #[test]
    fn a_marker_names_no_file_elsewhere() {
        for paths in [
            &["../people.jsonl"][..],
            &["/etc/passwd.jsonl"],
            &["default/../people.jsonl"],
            &["default/_tables.jsonl", "default/people.txt"],
            &["other/_tables.jsonl"],
            &["log.jsonl"],
            &["default/people.jsonl"],
            &[],
        ] {
            let error = Marker::decode(&marker(paths).encode()).unwrap_err();
            assert_eq!(error.code(), "EXPORT_MALFORMED", "{paths:?}");
        }
    }
}
