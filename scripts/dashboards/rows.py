"""Rows of the exporter's tables: made up, or of a file that a collector wrote."""

import json
import re
from collections import defaultdict
from datetime import datetime, timezone

# What attributes may say, where a dashboard depends on it.
VALUES = {
    "pipeline": ["orders"],
    "stage": ["extract", "transform", "load"],
    "step": ["decode", "transform", "expect", "encode"],
    "outcome": ["complete", "failed", "aborted", "passed"],
    "result": ["in", "out", "filtered", "dead_lettered"],
    "backend": ["marquez"],
    "signal": ["traces", "logs", "metrics"],
    "expectation": ["known currency"],
    "topic": ["raw.orders"],
    "messaging.system": ["kafka"],
    "messaging.operation.name": ["commit"],
    "messaging.destination.name": ["raw.orders", "orders.extracted"],
    "messaging.consumer.group.name": ["orders-extract"],
    "error.type": [""],
}
# Books that balance: in = mapped + filtered + 4 steps of dead letters.
RATES = {"records.in": 100, "records.mapped": 70, "records.filtered": 26, "records.dead_lettered": 1}
RESOURCE = {"service.name": "lineage-hub", "service.instance.id": "one"}
TRACE = "0af7651916cd43dd8448eb211c80319c"


def instruments(reference):
    """Name, kind and attributes of each row of docs/metrics.md."""
    row = re.compile(r"\| `([\w.]+)` \| (\w+) \| `[^`]+` \| (.*?) \|")
    for line in reference.read_text().splitlines():
        if found := row.match(line):
            yield found[1], found[2], re.findall(r"`([^`]+)`", found[3])


def combinations(names):
    sets = [{}]
    for name in names:
        sets = [{**chosen, name: value} for chosen in sets for value in VALUES[name]]
    return sets


def made_up_rows(reference, until):
    tables = defaultdict(list)
    begun = until - 3000
    for name, kind, attributes in instruments(reference):
        rate = next((rate for ending, rate in RATES.items() if name.endswith(ending)), 3)
        for labels in combinations(attributes):
            for minute in range(1, 49):
                row = {
                    "ResourceAttributes": RESOURCE,
                    "ServiceName": "lineage-hub",
                    "MetricName": name,
                    "Attributes": labels,
                    "StartTimeUnix": begun,
                    "TimeUnix": begun + minute * 60,
                }
                if kind == "histogram":
                    row |= {
                        "Count": minute * 10,
                        "Sum": minute * 0.5,
                        "BucketCounts": [minute * 2, minute * 7, minute, 0],
                        "ExplicitBounds": [0.01, 0.1, 1.0],
                        "AggregationTemporality": 2,
                    }
                    tables["otel_metrics_histogram"].append(row)
                elif kind == "counter":
                    row |= {"Value": minute * rate, "AggregationTemporality": 2, "IsMonotonic": True}
                    tables["otel_metrics_sum"].append(row)
                else:
                    tables["otel_metrics_gauge"].append(row | {"Value": minute})
    spans = [("send raw.orders", "Producer", ""), ("process raw.orders", "Consumer", "extract")]
    for index, (name, kind, stage) in enumerate([*spans, ("POST lineage", "Client", "")]):
        attributes = {"lineage_hub.stage": stage, "messaging.batch.message_count": "1000"}
        if kind == "Producer":
            attributes |= {"lineage_hub.run": "r", "lineage_hub.pipeline": "orders"}
        tables["otel_traces"].append(
            {
                "Timestamp": f"{begun + index}.000000000",
                "TraceId": TRACE,
                "SpanId": f"b7ad6b716920333{index}",
                "SpanName": name,
                "SpanKind": kind,
                "ServiceName": "lineage-hub",
                "ResourceAttributes": RESOURCE,
                "SpanAttributes": attributes,
                "Duration": 1_000_000,
                "Links.TraceId": [TRACE][:index],
            }
        )
    tables["otel_logs"].append(
        {"Timestamp": f"{begun}.000000000", "TraceId": TRACE, "SeverityText": "INFO", "Body": "run ended"}
    )
    return tables


def attributes(pairs):
    """OTLP's list of attributes as text by name."""
    return {pair["key"]: str(next(iter(pair["value"].values()), "")) for pair in pairs or []}


def seconds(nanos):
    return int(nanos) // 1_000_000_000


def stamp(nanos):
    at = datetime.fromtimestamp(seconds(nanos), timezone.utc)
    return f"{at:%Y-%m-%d %H:%M:%S}.{int(nanos) % 1_000_000_000:09}"


def exported_rows(path):
    tables = defaultdict(list)
    for line in path.read_text().splitlines():
        data = json.loads(line)
        for part in data.get("resourceMetrics", []):
            add_metrics(tables, part)
        for part in data.get("resourceSpans", []):
            add_spans(tables, part)
        for part in data.get("resourceLogs", []):
            add_logs(tables, part)
    return tables


def of_resource(part):
    resource = attributes(part.get("resource", {}).get("attributes"))
    return {"ResourceAttributes": resource, "ServiceName": resource.get("service.name", "")}


def add_metrics(tables, part):
    base = of_resource(part)
    for metric in (metric for scope in part["scopeMetrics"] for metric in scope["metrics"]):
        kind = next(kind for kind in ("sum", "gauge", "histogram") if kind in metric)
        for point in metric[kind].get("dataPoints", []):
            row = base | {
                "MetricName": metric["name"],
                "Attributes": attributes(point.get("attributes")),
                "StartTimeUnix": seconds(point.get("startTimeUnixNano", 0)),
                "TimeUnix": seconds(point["timeUnixNano"]),
            }
            if kind == "histogram":
                row |= {
                    "Count": int(point.get("count", 0)),
                    "Sum": point.get("sum", 0),
                    "BucketCounts": [int(count) for count in point.get("bucketCounts", [])],
                    "ExplicitBounds": point.get("explicitBounds", []),
                }
            else:
                row["Value"] = float(point.get("asInt", point.get("asDouble", 0)))
            if kind != "gauge":
                row["AggregationTemporality"] = metric[kind].get("aggregationTemporality", 0)
            tables[f"otel_metrics_{kind}"].append(row)


def add_spans(tables, part):
    base = of_resource(part)
    kinds = ["Unspecified", "Internal", "Server", "Client", "Producer", "Consumer"]
    for span in (span for scope in part["scopeSpans"] for span in scope["spans"]):
        links = span.get("links", [])
        tables["otel_traces"].append(
            base
            | {
                "Timestamp": stamp(span["startTimeUnixNano"]),
                "TraceId": span["traceId"],
                "SpanId": span["spanId"],
                "ParentSpanId": span.get("parentSpanId", ""),
                "SpanName": span["name"],
                "SpanKind": kinds[span.get("kind", 0)],
                "SpanAttributes": attributes(span.get("attributes")),
                "Duration": int(span["endTimeUnixNano"]) - int(span["startTimeUnixNano"]),
                "StatusCode": ["Unset", "Ok", "Error"][span.get("status", {}).get("code", 0)],
                "Links.TraceId": [link["traceId"] for link in links],
                "Links.SpanId": [link["spanId"] for link in links],
                "Links.TraceState": ["" for _ in links],
                "Links.Attributes": [{} for _ in links],
            }
        )


def add_logs(tables, part):
    base = of_resource(part)
    for record in (record for scope in part["scopeLogs"] for record in scope["logRecords"]):
        body = record.get("body", {})
        tables["otel_logs"].append(
            base
            | {
                "Timestamp": stamp(record.get("timeUnixNano") or record["observedTimeUnixNano"]),
                "TraceId": record.get("traceId", ""),
                "SpanId": record.get("spanId", ""),
                "SeverityText": record.get("severityText", ""),
                "SeverityNumber": record.get("severityNumber", 0),
                "Body": str(next(iter(body.values()), "")),
                "LogAttributes": attributes(record.get("attributes")),
            }
        )
