"""Tests of what the harness works out without a broker.

    python3 -m unittest discover --start-directory load-tests
"""

import tempfile
import unittest
from pathlib import Path

from harness import hub_project, report, workload
from harness.measure import Result

PIPELINE = """\
pipeline: orders
namespace: shop
stages:
  extract:
    from: raw.orders
    to: orders.extracted
    dead_letter: { topic: raw.orders.dlq }
    sql: SELECT order_id FROM input
  transform:
    from: orders.extracted
    to: orders.transformed
    sql: |
      SELECT order_id FROM input WHERE status = 'paid'
  load:
    from: orders.transformed
    to: orders.loaded
    sql: SELECT order_id FROM input
"""

TOPIC = """\
topic: {name}
description: One of orders.extracted.old, and not more
partitions: 12
config:
  retention.ms: 604800000
  cleanup.policy: delete
fields:
  order_id: string not null
"""


class HubProject(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.samples = Path(folder.name) / "samples"
        self.project = Path(folder.name) / "project"
        (self.samples / "topics").mkdir(parents=True)
        (self.samples / "pipelines").mkdir()
        for name in (hub_project.INPUT, *hub_project.OUTPUTS):
            (self.samples / "topics" / f"{name}.yaml").write_text(TOPIC.format(name=name))
        (self.samples / "pipelines" / "orders.yaml").write_text(PIPELINE)

    def write(self):
        return hub_project.write(self.samples, self.project, "load.in", "r1.", 4)

    def test_a_run_shares_its_input_and_nothing_else(self):
        self.assertEqual(self.write(), "r1-orders")
        text = (self.project / "pipelines" / "r1-orders.yaml").read_text()
        self.assertIn("pipeline: r1-orders\n", text)
        self.assertIn("from: load.in\n    to: r1.orders.extracted\n", text)
        self.assertIn("from: r1.orders.transformed\n    to: r1.orders.loaded\n", text)
        self.assertNotIn("raw.orders", text)

    def test_every_stage_has_its_dead_letters_in_one_topic(self):
        self.write()
        text = (self.project / "pipelines" / "r1-orders.yaml").read_text()
        self.assertEqual(text.count("    dead_letter: { topic: r1.orders.dlq }\n"), 3)
        self.assertEqual(text.count("dead_letter"), 3)

    def test_output_topics_are_stamped_by_the_broker_and_the_input_is_left_alone(self):
        self.write()
        output = (self.project / "topics" / "r1.orders.loaded.yaml").read_text()
        self.assertIn("topic: r1.orders.loaded\n", output)
        self.assertIn("partitions: 4\nconfig: { message.timestamp.type: LogAppendTime }\nfields:\n", output)
        self.assertIn("orders.extracted.old", output)
        self.assertNotIn("r1.orders.extracted.old", output)
        given = (self.project / "topics" / "load.in.yaml").read_text()
        self.assertIn("retention.ms", given)
        self.assertNotIn("LogAppendTime", given)

    def test_arrow_stands_between_the_stages_and_not_at_the_ends(self):
        hub_project.write(self.samples, self.project, "load.in", "r1.", 4, arrow="none")
        formats = {path.stem: "format: arrow\n" in path.read_text() for path in (self.project / "topics").iterdir()}
        self.assertEqual(formats, {
            "load.in": False, "r1.orders.extracted": True, "r1.orders.transformed": True, "r1.orders.loaded": False,
        })

    def test_samples_of_another_shape_are_refused(self):
        (self.samples / "pipelines" / "orders.yaml").write_text("pipeline: orders\nstages: {}\n")
        with self.assertRaisesRegex(hub_project.SampleError, "0 lines with `to:`, expected 3"):
            self.write()


class Outputs(unittest.TestCase):
    orders = workload.Workload("in", records=100, loaded=70, dead_lettered=2, total=1000.0)

    def test_a_right_output_has_no_problems(self):
        output = workload.Output(70, 0, 1000.0, 2, 1.0)
        self.assertEqual(workload.problems(self.orders, output, True), [])

    def test_each_wrong_figure_is_named(self):
        output = workload.Output(71, 1, 1000.01, 3, 1.0)
        self.assertEqual(workload.problems(self.orders, output, True), [
            "loaded: 71, expected 70", "duplicates: 1, expected 0", "dead letters: 3, expected 2",
            "sum of totals: 1000.01, expected 1000.00"])

    def test_of_a_copy_only_the_count_is_asked(self):
        self.assertEqual(workload.problems(self.orders, workload.Output(100, 0, 0.0, 0, 1.0), False), [])
        self.assertEqual(workload.problems(self.orders, workload.Output(70, 0, 0.0, 0, 1.0), False),
                         ["records: 70, expected 100"])


def result(scenario, cpu, problems=(), broker=None):
    return Result(scenario, 500_000, 5.0, 100_000.0, cpu, cpu, broker, broker, 100.0, 0.5, "done", list(problems))


class Report(unittest.TestCase):
    def test_ratios_are_of_medians_and_cpu_is_for_a_million(self):
        lines = report.table([result("hub", 4.0), result("hub", 100.0), result("hub", 5.0), result("raw", 10.0)])
        self.assertRegex(lines, r"hub +3 +100,000 +10\.00 +- ")
        self.assertRegex(lines, r"raw +1 +100,000 +20\.00 +- ")
        self.assertRegex(lines, r"hub +1\.00 +0\.50\n")

    def test_one_wrong_run_makes_its_scenario_wrong(self):
        lines = report.table([
            result("hub", 4.0), result("hub", 4.0, ["loaded: 1, expected 2"]), result("raw", 2.0)])
        self.assertIn("WRONG", lines)
        self.assertIn("hub: loaded: 1, expected 2", lines)
        self.assertNotIn("row : column", lines)


if __name__ == "__main__":
    unittest.main()
