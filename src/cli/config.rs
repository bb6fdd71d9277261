//! `lineage-hub config show|check`: the settings, and who set each.

use clap::{Args, Subcommand};
use serde::Serialize;

use super::{CliError, Globals, Hub, OutputFormat, check::Report, context, output};
use crate::config;

#[derive(Debug, Args)]
pub(super) struct ConfigArgs {
    #[command(subcommand)]
    command: ConfigCommand,
}

#[derive(Debug, Subcommand)]
enum ConfigCommand {
    /// Print every setting, its value and where that came from
    Show,
    /// Print all problems of the configuration, together with those of the project's files
    Check,
}

#[derive(Serialize)]
struct Row<'a> {
    key: &'a str,
    value: &'a str,
    origin: String,
}

pub(super) fn run(args: &ConfigArgs, globals: Globals, hub: Hub) -> Result<(), CliError> {
    let json = globals.output == OutputFormat::Json;
    match args.command {
        // Names must be unique over settings and files together.
        ConfigCommand::Check => match Report::read(globals, hub)?.error() {
            Some(error) => Err(error),
            None if json => Ok(()),
            None => output::line("ok"),
        },
        ConfigCommand::Show => {
            let loaded = config::load(&context::sources(&globals)?)?;
            let rows: Vec<Row<'_>> = loaded
                .provenance
                .iter()
                .map(|(key, entry)| Row {
                    key,
                    value: &entry.value,
                    origin: entry.origin.to_string(),
                })
                .collect();
            output::rows(json, &["SETTING", "VALUE", "FROM"], &rows, |row| {
                vec![row.key.to_owned(), row.value.to_owned(), row.origin.clone()]
            })
        }
    }
}
