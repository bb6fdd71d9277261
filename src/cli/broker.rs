//! `lineage-hub broker`: the embedded broker alone; and how other commands start it.

use clap::Args;

use super::{CliError, context::Context, signals};
use crate::{
    broker::embedded::{Embedded, EmbeddedOptions},
    pipeline::ProjectPlan,
    runtime::{Shutdown, parse_address},
};

/// Options of every command that may start the embedded broker.
#[derive(Debug, Clone, Default, Args)]
pub(super) struct EmbeddedArgs {
    /// Where the embedded broker listens: 127.0.0.1:9092, or a free port if that is taken
    #[arg(long, value_name = "HOST:PORT", value_parser = address)]
    listen: Option<String>,

    /// The embedded broker keeps nothing on disk
    #[arg(long)]
    ephemeral: bool,
}

/// `HOST:PORT` as it was written, if it is one.
fn address(text: &str) -> Result<String, String> {
    match parse_address(text) {
        Ok(_) => Ok(text.to_owned()),
        Err(error) => Err(format!("it {error}")),
    }
}

impl EmbeddedArgs {
    /// Refuses options that have no effect on a broker that is there already.
    pub(super) fn refuse_for(&self, bootstrap: &str) -> Result<(), CliError> {
        let option = match (&self.listen, self.ephemeral) {
            (Some(_), _) => "--listen",
            (None, true) => "--ephemeral",
            (None, false) => return Ok(()),
        };
        Err(CliError::Usage(format!(
            "{option} is for a broker that this command starts, and it would use the one at \
             {bootstrap}; leave the option out, or stop that broker first"
        )))
    }

    pub(super) async fn start(&self, context: &Context) -> Result<Embedded, CliError> {
        let options = EmbeddedOptions {
            listen: self.listen.clone(),
            data_dir: context.data_dir(),
            ephemeral: self.ephemeral,
        };
        let embedded = Embedded::start(&options).await?;
        if embedded.moved {
            anstream::eprintln!(
                "port 9092 is taken; the broker listens on {}",
                embedded.bootstrap()
            );
        }
        Ok(embedded)
    }
}

#[derive(Debug, Args)]
pub(super) struct BrokerArgs {
    #[command(flatten)]
    embedded: EmbeddedArgs,
}

pub(super) async fn run(args: &BrokerArgs, context: &Context) -> Result<(), CliError> {
    let shutdown = Shutdown::new();
    signals::watch(&shutdown)?;
    let embedded = args.embedded.start(context).await?;
    greet(&embedded, &context.plan().unwrap_or_default());
    shutdown.cancelled().await;
    embedded.shutdown().await;
    Ok(())
}

/// The address, and the console commands that work with it.
pub(super) fn greet(embedded: &Embedded, plan: &ProjectPlan) {
    let at = embedded.bootstrap();
    anstream::eprintln!("broker on {at}");
    let (Some(first), Some(last)) = (plan.stages().next(), plan.stages().last()) else { return };
    anstream::eprintln!(
        "  kafka-console-producer --bootstrap-server {at} --topic {}",
        first.from.name
    );
    anstream::eprintln!(
        "  kafka-console-consumer --bootstrap-server {at} --topic {} --from-beginning --isolation-level read_committed",
        last.to.name
    );
}
