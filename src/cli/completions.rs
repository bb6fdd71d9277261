//! `lineage-hub completions SHELL`: a script for the shell's completion.

use std::io;

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use super::{Cli, CliError};

#[derive(Debug, Args)]
pub(super) struct CompletionsArgs {
    /// Which shell's script to print
    shell: Shell,
}

pub(super) fn run(args: &CompletionsArgs) -> Result<(), CliError> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "lineage-hub", &mut script);
    io::Write::write_all(&mut io::stdout().lock(), &script).map_err(CliError::Output)
}
