//! `lineage-hub status`: what runs, what is wrong, and what to do about it.
//!
//! Everything is asked of whoever is looked at: the broker for topics, groups and
//! lag, a socket for backends and collector. No process of the hub needs to run.

use clap::{Args, ValueEnum};
use serde::Serialize;

use super::{
    CliError,
    context::Context,
    output::{self, grouped},
    reach, topics,
};
use crate::{
    broker::{Admin, Broker, BrokerError, groups::GroupOffset},
    forward::{self, Backend},
    pipeline::{ProjectPlan, StagePlan},
    record::Topic,
    stage::group_of,
    telemetry::visible_lines,
};

#[derive(Debug, Args)]
pub(super) struct StatusArgs {
    /// Look at these parts alone
    #[arg(value_enum)]
    parts: Vec<Part>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
enum Part {
    Broker,
    Topics,
    Stages,
    Forwarder,
    Backends,
    Collector,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum State {
    Ok,
    Wrong,
}

/// One thing that was looked at.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Look {
    part: Part,
    name: String,
    state: State,
    what: String,
    /// What to do, where something is wrong.
    remedy: Option<String>,
    /// Records not yet taken, where a group reads a topic.
    lag: Option<i64>,
    /// Members of the group.
    members: Option<usize>,
}

impl Look {
    fn ok(part: Part, name: impl Into<String>, what: impl Into<String>) -> Self {
        let (name, what) = (name.into(), what.into());
        Self { part, name, state: State::Ok, what, remedy: None, lag: None, members: None }
    }

    fn wrong(
        part: Part,
        name: impl Into<String>,
        what: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        let remedy = Some(remedy.into());
        Self { state: State::Wrong, remedy, ..Self::ok(part, name, what) }
    }
}

pub(super) async fn run(args: &StatusArgs, context: &Context) -> Result<(), CliError> {
    let wants = |part: Part| args.parts.is_empty() || args.parts.contains(&part);
    let mut looks = Vec::new();
    let of_broker = [Part::Broker, Part::Topics, Part::Stages, Part::Forwarder];
    if of_broker.into_iter().any(wants) {
        match context.broker() {
            Ok(broker) => {
                looks.push(Look::ok(Part::Broker, broker.bootstrap(), "answers"));
                looks.extend(on_broker(&wants, context, &broker).await);
            }
            Err(error) => looks.push(away(&error)),
        }
    }
    if wants(Part::Backends) {
        looks.extend(backends(context));
    }
    if wants(Part::Collector) {
        looks.extend(collector(context));
    }
    looks.retain(|look| wants(look.part) || look.state == State::Wrong);
    show(context, &looks)
}

fn show(context: &Context, looks: &[Look]) -> Result<(), CliError> {
    output::rows(context.is_json(), &["PART", "NAME", "STATE", "WHAT"], looks, |look| {
        let part = look.part.to_possible_value();
        let state = if look.state == State::Ok { "ok" } else { "WRONG" };
        vec![
            part.map_or_else(String::new, |part| part.get_name().to_owned()),
            look.name.clone(),
            state.to_owned(),
            look.what.clone(),
        ]
    })?;
    let wrong = looks.iter().filter(|look| look.state == State::Wrong);
    for look in wrong.clone() {
        if let Some(remedy) = look.remedy.as_ref().filter(|_| !context.is_json()) {
            let hint = format!("hint: {}: {remedy}", look.name);
            anstream::eprintln!("{}", visible_lines(&hint));
        }
    }
    match wrong.count() {
        0 => Ok(()),
        wrong => Err(CliError::Failed(format!("{wrong} of {} are wrong", looks.len()))),
    }
}

/// What is wrong and what to do stand apart here; the errors say both in one.
fn away(error: &CliError) -> Look {
    let (what, remedy) = match error {
        CliError::NoBroker => (
            "none is named, and none runs for this project".to_owned(),
            "start one with `lineage-hub up`, or name one with --bootstrap",
        ),
        CliError::Broker(BrokerError::Unreachable { bootstrap, .. }) => (
            format!("does not answer at {bootstrap}"),
            "start it, or look at `kafka.bootstrap` in `lineage-hub config show`",
        ),
        _ => (error.to_string(), "look at `kafka` in `lineage-hub config show`"),
    };
    Look::wrong(Part::Broker, "broker", what, remedy)
}

/// What the broker knows of topics and groups. What cannot be looked at is wrong,
/// and the rest is looked at all the same.
async fn on_broker(wants: &impl Fn(Part) -> bool, context: &Context, broker: &Broker) -> Vec<Look> {
    let admin = match Admin::connect(broker) {
        Ok(admin) => admin,
        Err(error) => return vec![away(&error.into())],
    };
    let mut looks = Vec::new();
    if wants(Part::Topics) || wants(Part::Stages) {
        match context.plan() {
            Ok(plan) => looks.extend(of_project(wants, context, &plan, &admin).await),
            Err(error) => looks.push(unplanned(&error)),
        }
    }
    if wants(Part::Forwarder) {
        looks.extend(tokio::task::block_in_place(|| forwarders(context, &admin)));
    }
    looks
}

/// Without the project's files nobody knows which topics and stages there should be.
fn unplanned(error: &CliError) -> Look {
    let text = error.to_string();
    let what = text.lines().next().unwrap_or_default();
    Look::wrong(Part::Topics, "project", what, "`lineage-hub check` says all that is wrong")
}

async fn of_project(
    wants: &impl Fn(Part) -> bool,
    context: &Context,
    plan: &ProjectPlan,
    admin: &Admin,
) -> Vec<Look> {
    let mut looks = Vec::new();
    if wants(Part::Topics) {
        match tokio::task::block_in_place(|| offline(admin)) {
            Ok(offline) => looks.extend(offline),
            Err(error) => looks.push(unseen(Part::Topics, "partitions", &error)),
        }
        match declared(context, plan, admin).await {
            Ok(topics) => looks.extend(topics),
            Err(error) => looks.push(unseen(Part::Topics, "topics", &error)),
        }
    }
    if wants(Part::Stages) {
        tokio::task::block_in_place(|| {
            looks.extend(plan.stages().map(|stage| of_stage(admin, stage)));
        });
    }
    looks
}

/// The broker did not say.
fn unseen(part: Part, name: impl Into<String>, error: &dyn std::error::Error) -> Look {
    let cause = error.source().map(|cause| format!(": {cause}")).unwrap_or_default();
    Look::wrong(part, name, format!("{error}{cause}"), "look again; then at the broker's log")
}

/// Partitions that cannot be written; nothing where all can.
fn offline(admin: &Admin) -> Result<Option<Look>, BrokerError> {
    let offline = admin.offline_partitions()?;
    let Some((topic, partition, reason)) = offline.first() else { return Ok(None) };
    let others = match offline.len() - 1 {
        0 => String::new(),
        count => format!(", and {count} more partitions are"),
    };
    let what = format!("{topic}/{partition} is offline: {reason}{others}");
    let remedy = "make room on the disk of the broker, or look at its log; clients retry";
    Ok(Some(Look::wrong(Part::Topics, "partitions", what, remedy)))
}

async fn declared(
    context: &Context,
    plan: &ProjectPlan,
    admin: &Admin,
) -> Result<Vec<Look>, CliError> {
    let wanted = context.topics(plan);
    let changes = topics::changes(admin, &wanted).await?;
    if changes.is_empty() {
        let what = format!("{} are as declared", wanted.len());
        return Ok(vec![Look::ok(Part::Topics, "topics", what)]);
    }
    let look = |change: &crate::broker::topics::TopicChange| {
        let remedy = if change.is_possible() {
            "`lineage-hub topics apply`"
        } else {
            "it cannot be changed in place: declare what is there, or another topic"
        };
        Look::wrong(Part::Topics, "topics", change.to_string(), remedy)
    };
    Ok(changes.iter().map(look).collect())
}

fn of_stage(admin: &Admin, stage: &StagePlan) -> Look {
    let topic: Topic = stage.from.name.as_str().into();
    let start = format!("`lineage-hub stage {}`, or `lineage-hub up`", stage.id());
    group(admin, Part::Stages, stage.id(), &group_of(stage), &topic, &start)
        .unwrap_or_else(|error| unseen(Part::Stages, stage.id(), &error))
}

/// A group and the topic that it reads: wrong where nobody is in it.
fn group(
    admin: &Admin,
    part: Part,
    name: String,
    group: &str,
    topic: &Topic,
    start: &str,
) -> Result<Look, BrokerError> {
    if !admin.topics()?.contains_key(topic) {
        let what = format!("its topic {topic} is missing");
        return Ok(Look::wrong(part, name, what, "`lineage-hub topics apply`"));
    }
    let members = admin.members(group)?;
    let lag: i64 = admin.offsets(group, topic)?.iter().map(GroupOffset::lag).sum();
    let waiting = grouped(lag.unsigned_abs());
    let look = if members == 0 {
        let what = format!("nobody is in the group {group}; {waiting} records wait in {topic}");
        Look::wrong(part, name, what, start)
    } else {
        let what = format!("{members} in the group {group}, {waiting} records behind in {topic}");
        Look::ok(part, name, what)
    };
    Ok(Look { lag: Some(lag), members: Some(members), ..look })
}

fn forwarders(context: &Context, admin: &Admin) -> Vec<Look> {
    if !context.config.lineage.enabled {
        return vec![Look::ok(Part::Forwarder, "forwarder", "lineage is turned off")];
    }
    let topic: Topic = context.config.lineage.topic.as_str().into();
    let backends = context.config.forward.backends_or_file(&context.data_dir());
    let start = "`lineage-hub forward`, or `lineage-hub up`";
    let look = |name: String| {
        let of = forward::group(&name);
        group(admin, Part::Forwarder, name.clone(), &of, &topic, start)
            .unwrap_or_else(|error| unseen(Part::Forwarder, name, &error))
    };
    backends.into_keys().map(look).collect()
}

/// Whether somebody listens where lineage goes.
fn backends(context: &Context) -> Vec<Look> {
    let backends = context.config.forward.backends_or_file(&context.data_dir());
    let look = |(name, backend): (String, Backend)| match backend {
        Backend::Http(http) => {
            let remedy = "start it, or look at MARQUEZ_URL; until then its events wait in Kafka";
            reached(Part::Backends, name, &http.url, remedy)
        }
        Backend::File(file) => {
            Look::ok(Part::Backends, name, format!("the file {}", file.path.display()))
        }
        Backend::Console => Look::ok(Part::Backends, name, "standard output"),
    };
    backends.into_iter().map(look).collect()
}

fn collector(context: &Context) -> Vec<Look> {
    let otel = &context.otel;
    let endpoints =
        [("traces", &otel.traces), ("metrics", &otel.metrics), ("logs", &otel.logs)].into_iter();
    let mut looks: Vec<Look> = endpoints
        .filter_map(|(signal, endpoint)| {
            let remedy = "start it, or look at OTEL_EXPORTER_OTLP_ENDPOINT; nothing waits for it";
            Some(reached(Part::Collector, signal.to_owned(), &endpoint.as_ref()?.url, remedy))
        })
        .collect();
    if looks.is_empty() {
        looks.push(Look::ok(Part::Collector, "telemetry", "exported nowhere"));
    }
    let look =
        |problem: &String| Look::wrong(Part::Collector, "variable", problem, "mend the variable");
    looks.extend(otel.problems.iter().map(look));
    looks
}

fn reached(part: Part, name: String, url: &str, remedy: &str) -> Look {
    let Some(place) = reach::place(url) else {
        return Look::wrong(part, name, "its URL names no host", "mend the URL");
    };
    match reach::connect(&place) {
        Ok(()) => Look::ok(part, name, format!("{place} is reached")),
        Err(error) => Look::wrong(part, name, format!("{place}: {error}"), remedy),
    }
}
