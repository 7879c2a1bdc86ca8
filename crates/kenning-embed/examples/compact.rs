//! Makes the compact form of all-MiniLM-L6-v2: `compact FOLDER FILE`, from the files of the model
//! in full in FOLDER. `make model` calls it.

use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let paths: Vec<String> = std::env::args().skip(1).collect();
    let [folder, file] = paths.as_slice() else {
        eprintln!("usage: compact FOLDER FILE");
        return ExitCode::from(2);
    };
    match kenning_embed::write_compact(Path::new(folder), Path::new(file)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
