//! completions: the words of this program, for a shell.

use clap::CommandFactory;
use clap_complete::{Shell, generate};
use kenning::Result;

use crate::args::Arguments;
use crate::exit::Outcome;
use crate::output::Output;

pub(super) fn completions(shell: Shell, output: &mut Output<'_>) -> Result<Outcome> {
    let mut script = Vec::new();
    generate(shell, &mut Arguments::command(), "kenning", &mut script);
    output.text(&String::from_utf8_lossy(&script))?;
    output.flush()?;
    Ok(Outcome::Done)
}
