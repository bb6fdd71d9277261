//! Stored results as pictures: `results/NAME.json` gives `results/NAME.svg`.
//!
//! ```text
//! JSON -> figures (what each command's results show) -> panel (axes, lines, bars) -> SVG
//! ```

mod figures;
mod panel;

use anyhow::Context;
use figures::Results;
use plotters::prelude::*;
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};

const WIDTH: u32 = 900;
const PANEL_HEIGHT: u32 = 320;

#[derive(clap::Args)]
pub struct Options {
    /// Results as the load tests write them; the picture stands beside each.
    #[arg(required = true)]
    results: Vec<PathBuf>,
}

pub fn run(options: &Options) -> anyhow::Result<()> {
    for path in &options.results {
        let picture = path.with_extension("svg");
        draw(path, &picture).with_context(|| format!("cannot plot {}", path.display()))?;
        println!("{}", picture.display());
    }
    Ok(())
}

fn draw(path: &Path, picture: &Path) -> anyhow::Result<()> {
    let panels = read(&fs::read_to_string(path)?)?.panels();
    let height = PANEL_HEIGHT * u32::try_from(panels.len())?;
    let root = SVGBackend::new(picture, (WIDTH, height)).into_drawing_area();
    root.fill(&WHITE)?;
    for (area, panel) in root.split_evenly((panels.len(), 1)).iter().zip(&panels) {
        panel.draw(area)?;
    }
    Ok(root.present()?)
}

fn read(text: &str) -> anyhow::Result<Results> {
    let mut results: Value = serde_json::from_str(text)?;
    // The first results were of throughput alone and did not say so.
    if let Some(fields) = results.as_object_mut() {
        fields.entry("command").or_insert_with(|| "throughput".into());
    }
    Ok(serde_json::from_value(results)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn svg(results: &str) -> String {
        let name = format!("plot-test-{}-{}", std::process::id(), results.len());
        let file = std::env::temp_dir().join(name).with_extension("json");
        let picture = file.with_extension("svg");
        fs::write(&file, results).unwrap();
        draw(&file, &picture).unwrap();
        let text = fs::read_to_string(&picture).unwrap();
        fs::remove_file(file).unwrap();
        fs::remove_file(picture).unwrap();
        text
    }

    #[test]
    fn results_that_name_no_command_are_of_throughput() {
        let text = svg(r#"{"runs": [
            {"scenario": "hub", "records": 500000, "records_per_s": 100.0, "app_cpu_s": 4.0},
            {"scenario": "raw", "records": 500000, "records_per_s": 200.0, "app_cpu_s": 2.0}]}"#);

        assert!(text.contains("hub: 8") && text.contains("raw: 4"), "{text}");
    }

    #[test]
    fn every_command_has_its_picture() {
        let latency = svg(r#"{"command": "latency", "runs": [{"rate": 1000, "interval_ms": 100,
            "curve": [[0.0, 20.0], [0.5, 150.0], [0.99, 290.0], [1.0, 310.0]]}]}"#);
        assert!(latency.contains("1,000/s, 100 ms"), "{latency}");
        let soak = svg(r#"{"command": "soak", "faults": [{"seconds": 2.0, "stage": "load"}],
            "samples": [{"seconds": 1.0, "waiting": 5, "processes": {"load": [80.0, 40]}},
                        {"seconds": 3.0, "waiting": 6, "processes": {"load": [81.0, 41]}}]}"#);
        assert!(soak.contains("open handles"), "{soak}");
        let scale = svg(r#"{"command": "scale", "runs": [
            {"sweep": "replicas", "replicas": 1, "partitions": 4, "batch": 4096, "row_bytes": 282,
             "cpu_s_per_million": 7.0},
            {"sweep": "batch", "replicas": 1, "partitions": 4, "batch": 256, "row_bytes": 282,
             "cpu_s_per_million": 9.0}]}"#);
        assert!(scale.contains("partitions") && scale.contains("records a batch"), "{scale}");
        let forward =
            svg(r#"{"command": "forward", "runs": [{"wait_ms": 30, "bare_per_second": 530.0,
            "forward_per_second": 520.0, "drain_per_second": 510.0}]}"#);
        assert!(forward.contains("30 ms"), "{forward}");
    }

    #[test]
    fn what_is_no_result_is_refused() {
        assert!(read(r#"{"command": "else"}"#).is_err());
        assert!(read("[]").is_err());
    }
}
