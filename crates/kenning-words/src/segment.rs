//! One segment of tantivy, in memory or in bytes that are mapped.
//!
//! Of what tantivy offers a part uses dictionary, postings and positions, and what reads and writes
//! them. Its own list of segments, its commits, its threads and its files are not used: a segment
//! is made of a folder that exists as long as it takes, and always has the same name, so equal rows
//! give equal bytes. Three more files belong to a segment that nobody asks here; they are those
//! of an empty one.

use std::collections::HashMap;
use std::error::Error as StdError;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use kenning_store::{Bytes, Error, Result};
use tantivy::columnar::ColumnarWriter;
use tantivy::directory::error::{DeleteError, LockError, OpenReadError, OpenWriteError};
use tantivy::directory::{
    AntiCallToken, CompositeWrite, Directory, DirectoryLock, FileHandle, Lock, OwnedBytes,
    TerminatingWrite, WatchCallback, WatchHandle, WritePtr,
};
use tantivy::index::{SegmentComponent, SegmentId};
use tantivy::postings::InvertedIndexSerializer;
use tantivy::schema::{Field, IndexRecordOption, Schema, TextFieldIndexing, TextOptions};
use tantivy::{Index, IndexSettings, InvertedIndexReader, Segment, SegmentReader};

use crate::format::damaged;
use crate::raw::Shared;

/// The files of a segment that a part has, in its order.
const OWN: [SegmentComponent; 3] =
    [SegmentComponent::Terms, SegmentComponent::Postings, SegmentComponent::Positions];

/// The files that nobody asks.
const UNASKED: [SegmentComponent; 3] =
    [SegmentComponent::FieldNorms, SegmentComponent::FastFields, SegmentComponent::Store];

/// The only name of a segment.
const NAME: &str = "00000000-0000-0000-0000-000000000001";

/// The only field: what a row says, title and body.
pub(crate) const FIELD: Field = Field::from_field_id(0);

/// Lets `write` write the postings of a segment and returns its files.
pub(crate) fn write(
    write: impl FnOnce(&mut InvertedIndexSerializer) -> Result<()>,
) -> Result<[Bytes; 3]> {
    let folder = Folder::default();
    let segment = segment(folder.clone(), 0).map_err(not_written)?;
    let mut serializer = InvertedIndexSerializer::open(&segment).map_err(not_written)?;
    write(&mut serializer)?;
    serializer.close().map_err(not_written)?;
    Ok(folder.take(&OWN))
}

/// What tantivy could not write, in memory: it has come to a limit of its own.
pub(crate) fn not_written(error: impl Into<Box<dyn StdError + Send + Sync>>) -> Error {
    Error::exhausted("WORDS_NOT_WRITTEN", "the words of a part can't be written").because(error)
}

/// Opens the postings of a segment with so many rows.
pub(crate) fn open(rows: u32, files: [Bytes; 3]) -> Result<Arc<InvertedIndexReader>> {
    let open = || -> tantivy::Result<Arc<InvertedIndexReader>> {
        let folder = Folder::default();
        folder.put(&OWN, &files);
        folder.put(&UNASKED, unasked()?);
        SegmentReader::open(&segment(folder, rows)?)?.inverted_index(FIELD)
    };
    open().map_err(|error| damaged("the words of a part can't be read").because(error))
}

fn segment(folder: Folder, rows: u32) -> tantivy::Result<Segment> {
    let settings =
        IndexSettings { docstore_compress_dedicated_thread: false, ..IndexSettings::default() };
    let index = Index::create(folder, schema().clone(), settings)?;
    let meta = index.new_segment_meta(id(), rows);
    Ok(index.segment(meta))
}

fn id() -> SegmentId {
    SegmentId::from_uuid_string(NAME).expect("the name is a UUID")
}

fn schema() -> &'static Schema {
    static SCHEMA: OnceLock<Schema> = OnceLock::new();
    SCHEMA.get_or_init(|| {
        // Texts are read before tantivy sees them, and lengths are kept beside it.
        let indexing = TextFieldIndexing::default()
            .set_tokenizer("raw")
            .set_fieldnorms(false)
            .set_index_option(IndexRecordOption::WithFreqsAndPositions);
        let mut builder = Schema::builder();
        let field =
            builder.add_text_field("text", TextOptions::default().set_indexing_options(indexing));
        assert_eq!(field, FIELD, "fields are numbered from 0");
        builder.build()
    })
}

/// The files that nobody asks, of an empty segment.
fn unasked() -> tantivy::Result<&'static [Bytes; 3]> {
    static UNASKED_FILES: OnceLock<[Bytes; 3]> = OnceLock::new();
    if let Some(files) = UNASKED_FILES.get() {
        return Ok(files);
    }
    let folder = Folder::default();
    let segment = segment(folder.clone(), 0)?;
    let [norms, columns, store] = UNASKED;
    CompositeWrite::wrap(segment.open_write(norms)?).close()?;
    let mut write = segment.open_write(columns)?;
    ColumnarWriter::default().serialize(0, None, &mut write)?;
    write.terminate()?;
    segment.open_write(store)?.terminate()?;
    Ok(UNASKED_FILES.get_or_init(|| folder.take(&UNASKED)))
}

/// A folder in memory. Clones are the same folder.
#[derive(Clone, Debug, Default)]
struct Folder(Arc<Mutex<HashMap<PathBuf, Bytes>>>);

impl Folder {
    fn files(&self) -> MutexGuard<'_, HashMap<PathBuf, Bytes>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn put(&self, components: &[SegmentComponent; 3], files: &[Bytes; 3]) {
        let named = components.iter().map(path).zip(files.iter().cloned());
        self.files().extend(named);
    }

    fn take(&self, components: &[SegmentComponent; 3]) -> [Bytes; 3] {
        components.each_ref().map(|component| {
            self.files().remove(&path(component)).expect("a file that was closed is there")
        })
    }
}

fn path(component: &SegmentComponent) -> PathBuf {
    PathBuf::from(format!("{}.{component}", id().uuid_string()))
}

impl Directory for Folder {
    fn get_file_handle(&self, path: &Path) -> Result<Arc<dyn FileHandle>, OpenReadError> {
        match self.files().get(path) {
            Some(bytes) => Ok(Arc::new(OwnedBytes::new(Shared(bytes.clone())))),
            None => Err(OpenReadError::FileDoesNotExist(path.to_owned())),
        }
    }

    fn delete(&self, path: &Path) -> Result<(), DeleteError> {
        match self.files().remove(path) {
            Some(_) => Ok(()),
            None => Err(DeleteError::FileDoesNotExist(path.to_owned())),
        }
    }

    fn exists(&self, path: &Path) -> Result<bool, OpenReadError> {
        Ok(self.files().contains_key(path))
    }

    fn open_write(&self, path: &Path) -> Result<WritePtr, OpenWriteError> {
        let file = File { folder: self.clone(), path: path.to_owned(), bytes: Vec::new() };
        Ok(io::BufWriter::new(Box::new(file)))
    }

    fn atomic_read(&self, path: &Path) -> Result<Vec<u8>, OpenReadError> {
        match self.files().get(path) {
            Some(bytes) => Ok(bytes.to_vec()),
            None => Err(OpenReadError::FileDoesNotExist(path.to_owned())),
        }
    }

    fn atomic_write(&self, path: &Path, data: &[u8]) -> io::Result<()> {
        self.files().insert(path.to_owned(), Bytes::copy_from_slice(data));
        Ok(())
    }

    fn sync_directory(&self) -> io::Result<()> {
        Ok(())
    }

    fn acquire_lock(&self, _lock: &Lock) -> Result<DirectoryLock, LockError> {
        // Nobody else knows this folder.
        Ok(DirectoryLock::from(Box::new(())))
    }

    fn watch(&self, _callback: WatchCallback) -> tantivy::Result<WatchHandle> {
        Ok(WatchHandle::empty())
    }
}

/// A file that is written and in its folder once it is closed.
struct File {
    folder: Folder,
    path: PathBuf,
    bytes: Vec<u8>,
}

impl Write for File {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl TerminatingWrite for File {
    fn terminate_ref(&mut self, _: AntiCallToken) -> io::Result<()> {
        let bytes = Bytes::from(std::mem::take(&mut self.bytes));
        self.folder.files().insert(std::mem::take(&mut self.path), bytes);
        Ok(())
    }
}
