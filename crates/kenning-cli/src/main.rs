//! The program: what a person or a script says on the command line, said to the facade.
//!
//! This is a door. It translates words into verbs and answers into text, and decides nothing about
//! what they mean: no `if` here knows what a key, a version or a conflict is. Results go to
//! standard output, everything else to standard error, and the exit code says which kind of end it
//! was.

mod args; // what can be typed
mod demo; // the story for a newcomer
mod examples; // one for each verb, shown by `help`
mod exit; // how it ends
mod input; // JSON from arguments and standard input
mod output; // tables, JSON, CSV
mod raw; // how wide the terminal is
mod verbs; // one function a verb

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    match args::Arguments::read(std::env::args_os()) {
        Ok(arguments) => exit::of(arguments.globals.format, verbs::run(&arguments)),
        Err(usage) => exit::usage(&usage),
    }
}
