//! Writes the seeds into the corpus: `cargo run -p kenning-fuzz --example seeds`, after a format
//! has changed.

use std::fs;
use std::path::Path;

fn main() -> std::io::Result<()> {
    for seed in kenning_fuzz::seeds() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(seed.target);
        fs::create_dir_all(&folder)?;
        fs::write(folder.join(seed.name), seed.bytes)?;
    }
    Ok(())
}
