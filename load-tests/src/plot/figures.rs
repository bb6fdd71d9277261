//! What is drawn of each command's results.

use super::panel::{Axis, Panel, Series};
use serde::Deserialize;
use std::collections::BTreeMap;

const MILLION: f64 = 1e6;

/// The parts of a file of results that are drawn.
#[derive(Deserialize)]
#[serde(tag = "command", rename_all = "lowercase")]
pub enum Results {
    Throughput { runs: Vec<Throughput> },
    Latency { runs: Vec<Latency> },
    Soak { samples: Vec<Sample>, faults: Vec<Fault> },
    Scale { runs: Vec<Scale> },
    Forward { runs: Vec<Forward> },
}

#[derive(Deserialize)]
pub struct Throughput {
    scenario: String,
    records: f64,
    records_per_s: f64,
    app_cpu_s: f64,
}

#[derive(Deserialize)]
pub struct Latency {
    rate: u64,
    interval_ms: u64,
    curve: Vec<(f64, f64)>,
}

#[derive(Deserialize)]
pub struct Sample {
    seconds: f64,
    waiting: f64,
    /// MiB and open handles of each process; one that is down has none.
    processes: BTreeMap<String, (f64, f64)>,
}

#[derive(Deserialize)]
pub struct Fault {
    seconds: f64,
}

#[derive(Deserialize)]
pub struct Scale {
    sweep: String,
    replicas: f64,
    partitions: f64,
    batch: f64,
    row_bytes: f64,
    cpu_s_per_million: f64,
}

#[derive(Deserialize)]
pub struct Forward {
    wait_ms: u64,
    #[serde(rename = "bare_per_second")]
    bare: f64,
    #[serde(rename = "forward_per_second")]
    forwarder: f64,
    #[serde(rename = "drain_per_second")]
    drain: f64,
}

impl Results {
    pub fn panels(self) -> Vec<Panel> {
        match self {
            Self::Throughput { runs } => throughput(&runs),
            Self::Latency { runs } => vec![latency(runs)],
            Self::Soak { samples, faults } => soak(&samples, &faults),
            Self::Scale { runs } => scale(&runs),
            Self::Forward { runs } => forward(&runs),
        }
    }
}

fn throughput(runs: &[Throughput]) -> Vec<Panel> {
    // Scenarios stay in the order in which they were run.
    let mut scenarios: Vec<&str> = Vec::new();
    for run in runs {
        if !scenarios.contains(&run.scenario.as_str()) {
            scenarios.push(&run.scenario);
        }
    }
    let bars = |value: fn(&Throughput) -> f64| {
        let median_of = |scenario: &str| {
            median(runs.iter().filter(|run| run.scenario == scenario).map(value).collect())
        };
        scenarios.iter().map(|name| ((*name).to_owned(), median_of(name))).collect()
    };
    let cpu = bars(|run| run.app_cpu_s * MILLION / run.records);
    vec![
        Panel::bars("Application CPU seconds a million records, median", "s", cpu),
        Panel::bars("Records a second, median", "records/s", bars(|run| run.records_per_s)),
    ]
}

fn latency(runs: Vec<Latency>) -> Panel {
    let series = runs.into_iter().map(|run| Series {
        name: format!("{}/s, {} ms", thousands(run.rate), run.interval_ms),
        // The slowest of all has no place on a scale of nines.
        points: run
            .curve
            .into_iter()
            .filter(|(quantile, _)| *quantile < 1.0)
            .map(|(quantile, milliseconds)| (1.0 / (1.0 - quantile), milliseconds))
            .collect(),
    });
    let x = Axis::log("one of so many records is slower (100: the 99th percentile)", 10.0);
    Panel::lines("Latency from due to read, by rate and commit interval", x, "ms").with(series)
}

fn soak(samples: &[Sample], faults: &[Fault]) -> Vec<Panel> {
    let marks: Vec<f64> = faults.iter().map(|fault| fault.seconds).collect();
    let mut memory: BTreeMap<&str, Vec<(f64, f64)>> = BTreeMap::new();
    let mut handles = memory.clone();
    for sample in samples {
        for (name, (mib, open)) in &sample.processes {
            memory.entry(name).or_default().push((sample.seconds, *mib));
            handles.entry(name).or_default().push((sample.seconds, *open));
        }
    }
    let waiting = samples.iter().map(|sample| (sample.seconds, sample.waiting)).collect();
    let waiting = BTreeMap::from([("under way", waiting)]);
    let shown = [
        ("Resident memory; upright lines: a stage killed", "MiB", memory),
        ("File handles", "open handles", handles),
        ("Records under way", "records", waiting),
    ];
    shown
        .into_iter()
        .map(|(title, y, series)| {
            Panel::lines(title, Axis::linear("s"), y)
                .with(
                    series
                        .into_iter()
                        .map(|(name, points)| Series { name: name.to_owned(), points }),
                )
                .marked(&marks)
        })
        .collect()
}

fn scale(runs: &[Scale]) -> Vec<Panel> {
    let panel = |sweep: &str, title: &str, x: &str, place: fn(&Scale) -> f64| {
        let mut by_replicas: BTreeMap<u64, Vec<(f64, f64)>> = BTreeMap::new();
        for run in runs.iter().filter(|run| run.sweep == sweep) {
            let point = (place(run), run.cpu_s_per_million);
            by_replicas.entry(run.replicas.to_bits()).or_default().push(point);
        }
        let series = by_replicas.into_iter().map(|(replicas, mut points)| {
            points.sort_by(|left, right| left.0.total_cmp(&right.0));
            Series { name: format!("replicas: {}", f64::from_bits(replicas)), points }
        });
        (series.len() > 0)
            .then(|| Panel::lines(title, Axis::log(x, 2.0), "CPU s a million").with(series))
    };
    let partitions =
        panel("replicas", "By partitions and replicas", "partitions", |run| run.partitions);
    let batch = panel("batch", "By records a batch", "records a batch", |run| run.batch);
    let rows = panel("row", "By size of a row", "bytes a row", |run| run.row_bytes);
    [partitions, batch, rows].into_iter().flatten().collect()
}

/// A diagram each: a backend that takes no time dwarfs one that does.
fn forward(runs: &[Forward]) -> Vec<Panel> {
    let panel = |run: &Forward| {
        let title = format!("Events a second, of a backend that takes {} ms", run.wait_ms);
        let rates =
            [("bare", run.bare), ("forwarder", run.forwarder), ("after an outage", run.drain)];
        let bars = rates.map(|(name, rate)| (name.to_owned(), rate));
        Panel::bars(&title, "events/s", bars.to_vec())
    };
    runs.iter().map(panel).collect()
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => 0.0,
        length if length % 2 == 1 => values[middle],
        _ => f64::midpoint(values[middle - 1], values[middle]),
    }
}

/// With a comma between each three digits.
pub fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_by_people() {
        assert_eq!([7, 1000, 1_234_567].map(thousands), ["7", "1,000", "1,234,567"]);
        assert!((median(vec![5.0, 1.0, 3.0]) - 3.0).abs() < 1e-9);
        assert!((median(vec![4.0, 2.0]) - 3.0).abs() < 1e-9);
    }
}
