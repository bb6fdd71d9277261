"""The subcommands. Each has `run(options)`, which returns whether something was wrong."""
