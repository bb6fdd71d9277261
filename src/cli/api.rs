//! `lineage-hub api`: the HTTP API in a process of its own; and how `up` starts it.

use std::sync::Arc;

use clap::Args;

use super::{CliError, context::Context, generate::orders::Orders, hub, signals, up};
use crate::{
    api::{Api, ApiParts, Samples},
    broker::Broker,
    forward,
    pipeline::{ProjectPlan, TopicPlan},
    runtime::Shutdown,
};

#[derive(Debug, Args)]
pub(super) struct ApiArgs {
    /// Where it listens, instead of `api.listen` of the configuration
    #[arg(long, value_name = "HOST:PORT")]
    listen: Option<String>,
}

pub(super) async fn run(args: &ApiArgs, context: &Context) -> Result<(), CliError> {
    let shutdown = Shutdown::new();
    signals::watch(&shutdown)?;
    let plan = context.plan()?;
    let broker = context.broker()?;
    let mut parts = parts(context, &plan, &broker)?;
    if let Some(listen) = &args.listen {
        parts.config.listen.clone_from(listen);
        check(&parts)?;
    }
    let tracker = up::track(context, &broker, &shutdown)?;
    let api = Api::start(parts, false, &shutdown)?;
    greet(&api);
    shutdown.cancelled().await;
    api.join().await;
    if let Some(tracker) = tracker {
        // It says itself what it could not do.
        let _ = tracker.await;
    }
    Ok(())
}

/// The address of a flag is held to the same rules as that of the configuration.
fn check(parts: &ApiParts) -> Result<(), CliError> {
    let mut problems = Vec::new();
    parts.config.check(&mut |setting, problem| problems.push(format!("{setting}: {problem}")));
    if problems.is_empty() { Ok(()) } else { Err(CliError::Usage(problems.join("; "))) }
}

/// As a part of `up`: where the default port is taken, a free one is used.
pub(super) fn start(
    context: &Context,
    plan: &ProjectPlan,
    broker: &Broker,
    shutdown: &Shutdown,
) -> Result<Api, CliError> {
    let parts = parts(context, plan, broker)?;
    let may_move = parts.config.listen == crate::api::ApiConfig::default().listen;
    let api = Api::start(parts, may_move, shutdown)?;
    if api.moved {
        anstream::eprintln!("port 8000 is taken; the API takes a free one");
    }
    greet(&api);
    Ok(api)
}

fn greet(api: &Api) {
    anstream::eprintln!("API on http://{0}, described at http://{0}/docs", api.address);
}

fn parts(context: &Context, plan: &ProjectPlan, broker: &Broker) -> Result<ApiParts, CliError> {
    let config = &context.config;
    let events = hub::event_options(context, broker.bootstrap())?;
    let backends = config.forward.backends_or_file(&context.data_dir());
    Ok(ApiParts {
        config: config.api.clone(),
        broker: broker.clone(),
        plan: Arc::new(plan.clone()),
        topics: context.topics(plan).into_iter().map(|topic| topic.name).collect(),
        lineage: config.lineage.topic.as_str().into(),
        lineage_enabled: config.lineage.enabled,
        forwarders: backends
            .into_keys()
            .map(|name| (name.clone(), forward::group(&name)))
            .collect(),
        run_plans: Arc::new(move |route, id| hub::plan_run(route, id, &events)),
        samples: samples(),
    })
}

/// Orders, for a topic that has their fields.
fn samples() -> Samples {
    const FIELDS: [&str; 8] =
        ["order_id", "customer_id", "ts", "country", "status", "currency", "email", "items"];
    Arc::new(|topic: &TopicPlan, count| {
        let has = |name: &&str| topic.schema.field_with_name(name).is_ok();
        if !FIELDS.iter().all(has) {
            return None;
        }
        let mut orders = Orders::new(fastrand::u64(..));
        let order = |_| {
            let mut value = Vec::new();
            orders.write_next(&mut value);
            value
        };
        Some((0..count).map(order).collect())
    })
}
