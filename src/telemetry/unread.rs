//! Variables of OpenTelemetry's specification that nothing here follows: who sets one
//! is told so, once.

use std::collections::BTreeMap;

/// A name, or with a star at its end how it begins, and why it is not followed.
const UNREAD: [(&str, &str); 11] = [
    ("OTEL_EXPORTER_OTLP_INSECURE", SCHEME),
    ("OTEL_EXPORTER_OTLP_TRACES_INSECURE", SCHEME),
    ("OTEL_EXPORTER_OTLP_METRICS_INSECURE", SCHEME),
    ("OTEL_EXPORTER_OTLP_LOGS_INSECURE", SCHEME),
    ("OTEL_METRIC_EXPORT_TIMEOUT", TIMEOUT),
    ("OTEL_BSP_EXPORT_TIMEOUT", TIMEOUT),
    ("OTEL_BLRP_EXPORT_TIMEOUT", TIMEOUT),
    ("OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION", FIXED),
    ("OTEL_METRICS_EXEMPLAR_FILTER", FIXED),
    ("OTEL_SPAN_*", FIXED),
    ("OTEL_ATTRIBUTE_*", FIXED),
];
const SCHEME: &str = "the scheme of the endpoint says whether TLS is used";
const TIMEOUT: &str = "OTEL_EXPORTER_OTLP_TIMEOUT bounds every export";
const FIXED: &str = "the hub has its own bounds";

/// What is set and not followed.
pub(super) fn unread(variables: &BTreeMap<String, String>) -> Vec<String> {
    let set = || variables.iter().filter(|(_, value)| !value.trim().is_empty());
    let listed = UNREAD.iter().flat_map(|(pattern, why)| {
        let is_it = move |name: &str| match pattern.strip_suffix('*') {
            Some(begin) => name.starts_with(begin),
            None => name == *pattern,
        };
        set().filter(move |(name, _)| is_it(name)).map(move |(name, _)| format!("{name}: {why}"))
    });
    let mut unread: Vec<String> = listed.collect();
    let propagators = variables.get("OTEL_PROPAGATORS").map_or("", |names| names.trim());
    // Nothing here sets baggage, so there is none to pass on.
    let others = |name: &str| !["tracecontext", "baggage", ""].contains(&name.trim());
    if propagators.split(',').any(others) {
        unread.push("OTEL_PROPAGATORS: only `tracecontext` is known here".to_owned());
    }
    unread
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(variables: &[(&str, &str)]) -> Vec<String> {
        let variables = variables.iter().map(|(name, value)| ((*name).into(), (*value).into()));
        let unread = unread(&variables.collect()).into_iter();
        unread.map(|text| text.split(':').next().unwrap().to_owned()).collect()
    }

    #[test]
    fn what_is_set_and_not_followed_is_told_and_what_is_empty_is_not() {
        let told = names(&[
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4317"),
            ("OTEL_EXPORTER_OTLP_INSECURE", "true"),
            ("OTEL_BSP_EXPORT_TIMEOUT", ""),
            ("OTEL_SPAN_LINK_COUNT_LIMIT", "9"),
            ("OTEL_PROPAGATORS", "b3,tracecontext"),
        ]);
        assert_eq!(
            told,
            ["OTEL_EXPORTER_OTLP_INSECURE", "OTEL_SPAN_LINK_COUNT_LIMIT", "OTEL_PROPAGATORS"]
        );
        assert_eq!(names(&[("OTEL_PROPAGATORS", "tracecontext, baggage")]), [""; 0]);
    }
}
