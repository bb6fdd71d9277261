//! A file's records, sent as a bounded run.

use std::{io::Read, path::Path};

use uuid::Uuid;

use super::{
    CliError,
    context::Context,
    hub,
    rows::{self, CsvArgs, Row, Rows},
};
use crate::{
    broker::Broker, lineage::ids, pipeline::Route, record::Topic, runs::RunSender,
    runtime::Shutdown,
};

/// Sends the records of `input` as a bounded run; its id.
pub(super) fn send(
    input: &Path,
    csv: &CsvArgs,
    context: &Context,
    broker: &Broker,
    route: &Route,
    shutdown: &Shutdown,
) -> Result<Uuid, CliError> {
    let declared = route.stages.first().map(|stage| std::sync::Arc::clone(&stage.from));
    let (file, size) = rows::open(input)?;
    let bar = rows::progress(size.filter(|_| !context.is_json()));
    let mut rows = Rows::read(bar.wrap_read(file), input, false, csv, declared.as_deref())?;
    let plan = hub::run_plan(context, broker, route, ids::new_run())?;
    let lineage: Topic = context.config.lineage.topic.as_str().into();
    let mut sender = RunSender::connect(broker, &lineage, &plan, None)?;
    sender.start(&plan)?;
    let sent = send_rows(&mut sender, &mut rows, shutdown);
    bar.finish_and_clear();
    if let Some(warning) = rows.warning() {
        anstream::eprintln!("warning: {warning}");
    }
    match sent.and_then(|()| Ok(sender.finish()?)) {
        Ok(id) => Ok(id),
        Err(error) => {
            sender.abort(&error.to_string());
            Err(error)
        }
    }
}

fn send_rows<R: Read>(
    sender: &mut RunSender,
    rows: &mut Rows<R>,
    shutdown: &Shutdown,
) -> Result<(), CliError> {
    let mut row = Row::default();
    while rows.next(&mut row)? {
        if shutdown.is_cancelled() {
            return Err(CliError::Failed("interrupted".to_owned()));
        }
        sender.send_row(row.key.as_deref(), &row.value)?;
    }
    Ok(())
}
