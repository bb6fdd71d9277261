//! `lineage-hub status`: what runs, what is wrong, and what to do about it.
//!
//! Everything is asked of whoever is looked at: the broker for topics, groups and
//! lag, a socket for backends and collector. No process of the hub needs to run.

use std::{
    net::{TcpStream, ToSocketAddrs},
    time::Duration,
};

use clap::{Args, ValueEnum};
use serde::Serialize;

use super::{
    CliError,
    context::Context,
    output::{self, grouped},
    topics,
};
use crate::{
    broker::{Admin, Broker, BrokerError},
    forward::{self, Backend},
    pipeline::{ProjectPlan, StagePlan},
    record::Topic,
    stage::group_of,
};

/// Longest that a backend or a collector is waited for.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

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
                looks.extend(on_broker(&wants, context, &broker).await?);
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
            anstream::eprintln!("{}: {}; {remedy}", look.name, look.what);
        }
    }
    match wrong.count() {
        0 => Ok(()),
        wrong => Err(CliError::Failed(format!("{wrong} of {} are wrong", looks.len()))),
    }
}

fn away(error: &CliError) -> Look {
    let remedy = match error {
        CliError::NoBroker => "start one with `lineage-hub up`, or name one with --bootstrap",
        _ => "start it, or look at `kafka.bootstrap` in `lineage-hub config show`",
    };
    Look::wrong(Part::Broker, "broker", error.to_string(), remedy)
}

/// What the broker knows of topics and groups.
async fn on_broker(
    wants: &impl Fn(Part) -> bool,
    context: &Context,
    broker: &Broker,
) -> Result<Vec<Look>, CliError> {
    let plan = context.plan()?;
    let admin = Admin::connect(broker)?;
    let mut looks = Vec::new();
    if wants(Part::Topics) {
        looks.extend(declared(context, &plan, &admin).await?);
    }
    tokio::task::block_in_place(|| {
        if wants(Part::Stages) {
            for stage in plan.stages() {
                looks.push(of_stage(&admin, stage)?);
            }
        }
        if wants(Part::Forwarder) {
            looks.extend(forwarders(context, &admin)?);
        }
        Ok(looks)
    })
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

fn of_stage(admin: &Admin, stage: &StagePlan) -> Result<Look, BrokerError> {
    let topic: Topic = stage.from.name.as_str().into();
    let start = format!("`lineage-hub stage {}`, or `lineage-hub up`", stage.id());
    group(admin, Part::Stages, stage.id(), &group_of(stage), &topic, &start)
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
    let lag: i64 = admin.lag(group, topic)?.lag.values().sum();
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

fn forwarders(context: &Context, admin: &Admin) -> Result<Vec<Look>, BrokerError> {
    if !context.config.lineage.enabled {
        return Ok(vec![Look::ok(Part::Forwarder, "forwarder", "lineage is turned off")]);
    }
    let topic: Topic = context.config.lineage.topic.as_str().into();
    let backends = context.config.forward.backends_or_file(&context.data_dir());
    let start = "`lineage-hub forward`, or `lineage-hub up`";
    let looks = backends
        .into_keys()
        .map(|name| {
            let of = forward::group(&name);
            group(admin, Part::Forwarder, name, &of, &topic, start)
        })
        .collect::<Result<Vec<_>, _>>()?;
    Ok(looks)
}

/// Whether somebody listens where lineage goes.
fn backends(context: &Context) -> Vec<Look> {
    let backends = context.config.forward.backends_or_file(&context.data_dir());
    let look = |(name, backend): (String, Backend)| match backend {
        Backend::Http(http) => {
            let remedy = "start it, or look at MARQUEZ_URL; until then its events wait in Kafka";
            reach(Part::Backends, name, &http.url, remedy)
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
            Some(reach(Part::Collector, signal.to_owned(), &endpoint.as_ref()?.url, remedy))
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

/// Whether somebody listens at a URL; its path and secrets are not shown.
fn reach(part: Part, name: String, url: &str, remedy: &str) -> Look {
    let Some(place) = place(url) else {
        return Look::wrong(part, name, "its URL names no host", "mend the URL");
    };
    let connected = place.to_socket_addrs().and_then(|mut addresses| {
        let address = addresses.next().ok_or(std::io::ErrorKind::NotFound)?;
        TcpStream::connect_timeout(&address, CONNECT_TIMEOUT)
    });
    match connected {
        Ok(_) => Look::ok(part, name, format!("{place} is reached")),
        Err(error) => Look::wrong(part, name, format!("{place}: {error}"), remedy),
    }
}

/// `host:port` of a URL.
fn place(url: &str) -> Option<String> {
    let (scheme, rest) = url.split_once("://")?;
    let authority = rest.split(['/', '?', '#']).next()?;
    let host = authority.rsplit('@').next().filter(|host| !host.is_empty())?;
    let has_port = host.rsplit(':').next().is_some_and(|port| port.parse::<u16>().is_ok());
    let port = if scheme == "https" { 443 } else { 80 };
    Some(if has_port { host.to_owned() } else { format!("{host}:{port}") })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_a_host_and_a_port_without_its_secrets() {
        let place = |url| place(url).unwrap_or_default();
        assert_eq!(place("http://marquez:5000/api"), "marquez:5000");
        assert_eq!(place("https://ada:hunter2@lineage.test/x?y"), "lineage.test:443");
        assert_eq!(place("http://[::1]:4317"), "[::1]:4317");
        assert_eq!((place("marquez"), place("http:///x")), (String::new(), String::new()));
    }
}
