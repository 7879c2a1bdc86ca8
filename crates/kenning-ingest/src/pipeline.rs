//! The threads that read and stage.
//!
//! One thread cuts the file into chunks of rows, a few turn chunks into staged transactions, and
//! whoever asked for the import commits them in the order of the file. So staging, which is most of
//! the work, is done side by side, and what lands is what one thread alone would have stored:
//! where a chunk stands on what an earlier one wrote, its commit is a conflict and it is staged
//! again. How much is on its way is bounded by chunks and by bytes.

use std::collections::VecDeque;
use std::io::Read;
use std::sync::{Arc, Condvar, Mutex};

use futures_channel::oneshot;
use kenning_engine::{Database, Transaction};
use kenning_record::Draft;
use kenning_store::{Error, Result, block_on};

use crate::draft::Reading;
use crate::rows::{Chunk, Place, RawRow, Rows};

/// Chunks on their way, for each loader.
const CHUNKS_PER_LOADER: usize = 2;
/// Bytes of chunks on their way, unless a single one has more.
const BYTES_MAX: usize = 16 << 20;

/// A row on its way into the table.
pub(crate) struct Item {
    pub(crate) place: Place,
    pub(crate) draft: Result<Draft>,
}

/// Rows that the table refused, by their position.
pub(crate) type Refused = Vec<(usize, Error)>;

/// A chunk that was read, and staged as far as it could be.
pub(crate) struct Loaded {
    pub(crate) items: Vec<Item>,
    pub(crate) staged: Result<(Transaction, Refused)>,
    pub(crate) end: Place,
    pub(crate) last: bool,
}

/// What comes next in the order of the file.
pub(crate) enum Next {
    Chunk { loaded: oneshot::Receiver<Loaded>, bytes: usize, then: oneshot::Receiver<Next> },
    Failed(Error),
}

/// Stages rows. An error is about all of them.
pub(crate) async fn stage(
    database: &Database,
    table: &str,
    items: &mut [Item],
) -> Result<(Transaction, Refused)> {
    let mut transaction = database.begin()?;
    let good = |(idx, item): (usize, &Item)| item.draft.is_ok().then_some(idx);
    let places: Vec<usize> = items.iter().enumerate().filter_map(good).collect();
    let drafts = items.iter_mut().filter_map(|item| item.draft.as_mut().ok());
    let answers = transaction.put_each(table, drafts).await?;
    let refused = places.into_iter().zip(answers);
    let refused = refused.filter_map(|(idx, answer)| answer.err().map(|error| (idx, error)));
    Ok((transaction, refused.collect()))
}

/// What is read, and by how many.
pub(crate) struct Plan<R> {
    pub(crate) rows: Rows<R>,
    /// Rows that were read already.
    pub(crate) first: VecDeque<Chunk>,
    pub(crate) reading: Reading,
    pub(crate) rows_max: usize,
    pub(crate) bytes_max: usize,
    pub(crate) loaders: usize,
}

/// The running threads. Dropped, it makes them end.
pub(crate) struct Pipeline {
    gate: Arc<Gate>,
    loaders: Vec<oneshot::Receiver<()>>,
}

impl Pipeline {
    /// Starts the threads. The second is the first chunk.
    pub(crate) fn start<R: Read + Send + 'static>(
        database: &Database,
        table: &str,
        plan: Plan<R>,
    ) -> (Self, oneshot::Receiver<Next>) {
        let world = database.world();
        let Plan { rows, first, reading, rows_max, bytes_max, loaders } = plan;
        let n_loaders = loaders.max(1);
        let chunks_max = n_loaders * CHUNKS_PER_LOADER;
        let gate = Arc::new(Gate { state: Mutex::default(), bell: Condvar::new(), chunks_max });
        let (next, begin) = oneshot::channel();
        let reader = Reader { rows, first, rows_max, bytes_max, gate: Arc::clone(&gate) };
        world.spawn("kenning-import-reader", Box::new(move || reader.run(next)));
        let reading = Arc::new(reading);
        let mut ended = Vec::new();
        for _ in 0..n_loaders {
            let (end, is_ended) = oneshot::channel::<()>();
            ended.push(is_ended);
            let (gate, reading) = (Arc::clone(&gate), Arc::clone(&reading));
            let (database, table) = (database.clone(), table.to_owned());
            let load = move || {
                load(&database, &table, &reading, &gate);
                // The handle first: whoever waits for this may close the database.
                drop(database);
                drop(end);
            };
            world.spawn("kenning-import-loader", Box::new(load));
        }
        (Pipeline { gate, loaders: ended }, begin)
    }

    /// Makes room for what comes, once a chunk of so many bytes is dealt with. The loaders let go
    /// of its rows: that takes a while, and who commits is waited for.
    pub(crate) fn dealt_with(&self, bytes: usize, items: Vec<Item>) {
        self.gate.leave(bytes, items);
    }

    /// Makes the threads end, and waits for those that use the database.
    pub(crate) async fn end(mut self) {
        self.gate.close();
        for loader in self.loaders.drain(..) {
            // It says nothing: it ends, and its side of the channel with it.
            let _ = loader.await;
        }
    }
}

impl Drop for Pipeline {
    fn drop(&mut self) {
        self.gate.close();
    }
}

struct Job {
    chunk: Chunk,
    reply: oneshot::Sender<Loaded>,
}

/// Cuts the file into chunks.
struct Reader<R> {
    rows: Rows<R>,
    first: VecDeque<Chunk>,
    rows_max: usize,
    bytes_max: usize,
    gate: Arc<Gate>,
}

impl<R: Read> Reader<R> {
    fn run(mut self, mut next: oneshot::Sender<Next>) {
        loop {
            let chunk = match self.first.pop_front() {
                Some(chunk) => Ok(chunk),
                None => self.rows.chunk(self.rows_max, self.bytes_max),
            };
            let chunk = match chunk {
                Ok(chunk) => chunk,
                Err(error) => {
                    // Who no longer asks needs no answer.
                    let _ = next.send(Next::Failed(error));
                    return;
                }
            };
            let (last, bytes) = (chunk.last, chunk.bytes.len());
            if !self.gate.enter(bytes) {
                return;
            }
            let (reply, loaded) = oneshot::channel();
            let (after, then) = oneshot::channel();
            if next.send(Next::Chunk { loaded, bytes, then }).is_err() {
                return;
            }
            self.gate.hand_over(Job { chunk, reply });
            if last {
                return;
            }
            next = after;
        }
    }
}

impl<R> Drop for Reader<R> {
    fn drop(&mut self) {
        self.gate.end();
    }
}

/// Stages chunks until none comes.
fn load(database: &Database, table: &str, reading: &Reading, gate: &Gate) {
    while let Some(Job { chunk, reply }) = gate.take() {
        drop(gate.landed());
        // Nobody waits for it any more.
        if reply.is_canceled() {
            continue;
        }
        let Chunk { bytes, rows, end, last } = chunk;
        let mut items: Vec<Item> = rows.into_iter().map(|row| item(reading, &bytes, row)).collect();
        drop(bytes);
        let staged = block_on(stage(database, table, &mut items));
        let _ = reply.send(Loaded { items, staged, end, last });
    }
}

fn item(reading: &Reading, bytes: &[u8], row: RawRow) -> Item {
    let draft = match row.fault {
        Some(fault) => Err(fault),
        None => reading.draft(&bytes[row.bytes]),
    };
    Item { place: row.place, draft }
}

/// Hands chunks from the reader to the loaders, and bounds what is on its way.
struct Gate {
    state: Mutex<Inside>,
    bell: Condvar,
    chunks_max: usize,
}

#[derive(Default)]
struct Inside {
    chunks: usize,
    bytes: usize,
    /// Chunks that no loader has taken yet.
    jobs: VecDeque<Job>,
    /// Whether nobody needs anything any more.
    closed: bool,
    /// Whether the reader has handed over its last chunk.
    ended: bool,
    /// Rows of chunks that have left.
    landed: Vec<Vec<Item>>,
}

impl Gate {
    /// Waits for room. `false` once it is closed.
    fn enter(&self, bytes: usize) -> bool {
        let mut inside = self.state.lock().expect("no holder of this lock panics");
        let full = |inside: &Inside| {
            inside.chunks >= self.chunks_max
                || inside.chunks > 0 && inside.bytes + bytes > BYTES_MAX
        };
        while !inside.closed && full(&inside) {
            inside = self.bell.wait(inside).expect("no holder of this lock panics");
        }
        inside.chunks += 1;
        inside.bytes += bytes;
        !inside.closed
    }

    fn hand_over(&self, job: Job) {
        self.state.lock().expect("no holder of this lock panics").jobs.push_back(job);
        self.bell.notify_all();
    }

    /// The next chunk; `None` if none comes any more. It does not wait for a reader that waits for
    /// a pipe once the gate is closed.
    fn take(&self) -> Option<Job> {
        let mut inside = self.state.lock().expect("no holder of this lock panics");
        while !inside.closed {
            if let Some(job) = inside.jobs.pop_front() {
                return Some(job);
            }
            if inside.ended {
                return None;
            }
            inside = self.bell.wait(inside).expect("no holder of this lock panics");
        }
        None
    }

    fn leave(&self, bytes: usize, items: Vec<Item>) {
        let mut inside = self.state.lock().expect("no holder of this lock panics");
        inside.landed.push(items);
        inside.chunks -= 1;
        inside.bytes -= bytes;
        self.bell.notify_all();
    }

    /// The rows that nobody needs any more.
    fn landed(&self) -> Vec<Vec<Item>> {
        std::mem::take(&mut self.state.lock().expect("no holder of this lock panics").landed)
    }

    fn end(&self) {
        self.state.lock().expect("no holder of this lock panics").ended = true;
        self.bell.notify_all();
    }

    fn close(&self) {
        self.state.lock().expect("no holder of this lock panics").closed = true;
        self.bell.notify_all();
    }
}
