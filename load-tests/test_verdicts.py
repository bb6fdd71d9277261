"""Tests of what the load tests say of what they measured: growth, goals, outputs, kills."""

import contextlib
import io
import json
import tempfile
import unittest
from pathlib import Path
from types import SimpleNamespace

from harness import arguments, drive, faults, report
from harness.commands import latency, scale, soak
from harness.growth import Point, judge, slope
from harness.scenarios import STAGES


class Growth(unittest.TestCase):
    def test_the_slope_is_that_of_most_points_and_not_of_an_outlier(self):
        points = [Point(second, 100 + 2 * second) for second in range(20)]
        self.assertAlmostEqual(slope(points), 2.0)
        points[10] = Point(10, 10_000)
        self.assertAlmostEqual(slope(points), 2.0, places=1)
        self.assertIsNone(slope(points[:1]))

    def test_a_process_that_began_anew_does_not_hide_that_it_grows(self):
        # Two lives that each grow by one a second; between them the value falls.
        lives = [Point(second, second % 100, born=-100 + 100 * (second // 100)) for second in range(0, 200, 5)]
        self.assertAlmostEqual(slope(lives), 1.0)

    def test_only_the_second_half_counts_and_not_the_start_of_a_life(self):
        fills = [Point(second, min(second, 100)) for second in range(0, 200, 10)]
        self.assertAlmostEqual(judge("x", fills, 200, 5, 0.1).by, 0.0)
        young = [Point(second, second, born=second - 10) for second in range(0, 200, 10)]
        self.assertEqual(judge("x", young, 200, 5, 0.1).verdict(), "not known")

    def test_growth_over_what_is_tolerated_is_told(self):
        leak = [Point(second, 100 + second) for second in range(0, 201, 10)]
        told = judge("x", leak, 200, 16, 0.1)
        self.assertAlmostEqual(told.by, 100.0)
        self.assertEqual(told.verdict(), "GREW")
        self.assertEqual(judge("x", leak, 200, 101, 0.1).verdict(), "flat")
        falls = [Point(second, 1000 - second) for second in range(0, 201, 10)]
        self.assertEqual(judge("x", falls, 200, 16, 0.1).verdict(), "flat")

    def test_of_large_values_a_share_is_tolerated(self):
        large = [Point(second, 10_000 + second) for second in range(0, 201, 10)]
        self.assertEqual(judge("x", large, 200, 16, 0.1).verdict(), "flat")


class Faults(unittest.TestCase):
    def test_a_seed_fixes_who_is_killed_when(self):
        planned = faults.schedule(7, 3600, 60, STAGES)
        self.assertEqual(planned, faults.schedule(7, 3600, 60, STAGES))
        self.assertNotEqual(planned, faults.schedule(8, 3600, 60, STAGES))
        self.assertEqual({fault.stage for fault in planned}, set(STAGES))
        self.assertTrue(40 < len(planned) < 80, len(planned))

    def test_nobody_is_killed_twice_before_it_is_back_nor_at_the_very_end(self):
        for seed in range(50):
            planned = faults.schedule(seed, 300, 1, STAGES)
            for fault, following in zip(planned, planned[1:]):
                self.assertLessEqual(fault.seconds + fault.down, following.seconds)
            self.assertGreaterEqual(planned[0].seconds, faults.FIRST_AFTER_SECONDS)
            self.assertLess(planned[-1].seconds, 300 - faults.LAST_BEFORE_END_SECONDS)


def summary(**changes):
    tally = {"loaded": 70, "dead_lettered": 2, "total": 100.0}
    return {"expected": tally, "found": tally, "missing": 0, "unexpected": 0, "rate": 10_000} | changes


class Driven(unittest.TestCase):
    def test_a_right_output_has_no_problems(self):
        self.assertEqual(drive.problems(summary()), [])

    def test_each_wrong_figure_is_named(self):
        found = {"loaded": 71, "dead_lettered": 1, "total": 100.01}
        self.assertEqual(drive.problems(summary(found=found, missing=1, unexpected=2)), [
            "loaded: 71, expected 70", "dead letters: 1, expected 2",
            "sum of totals: 100.01, expected 100.00", "missing: 1", "twice or of nobody: 2"])


class Goals(unittest.TestCase):
    def test_a_long_interval_has_a_goal_of_four_and_a_short_one_of_150_ms(self):
        self.assertEqual(latency.goal({"rate": 10_000, "interval_ms": 100, "p99_ms": 399.9}), "met (< 400)")
        self.assertEqual(latency.goal({"rate": 10_000, "interval_ms": 100, "p99_ms": 400.0}), "MISSED (< 400)")
        self.assertEqual(latency.goal({"rate": 1000, "interval_ms": 20, "p99_ms": 150.1}), "MISSED (< 150)")

    def test_rates_past_the_goal_are_shown_without_one(self):
        self.assertEqual(latency.goal({"rate": 50_000, "interval_ms": 100, "p99_ms": 5000.0}), "-")


class Soaked(unittest.TestCase):
    def test_processes_and_what_is_under_way_are_judged_by_themselves(self):
        samples = [{"seconds": second, "waiting": 500, "processes": {
            "load": (50 + second, 40), "broker": (30, 80)}} for second in range(0, 301, 10)]
        told = {growth.name: growth.verdict() for growth in soak.judged(samples, [], 300, 5000)}
        self.assertEqual(told, {
            "load: memory, MiB": "GREW", "broker: memory, MiB": "flat", "load: open handles": "flat",
            "broker: open handles": "flat", "records under way": "flat"})

    def test_a_killed_process_is_judged_by_the_life_that_it_has(self):
        kill = faults.Fault(seconds=200, stage="load", down=1)
        samples = [{"seconds": second, "waiting": 0, "processes": {"load": (100 if second < 200 else 50, 40)}}
                   for second in range(0, 401, 10)]
        told = soak.judged(samples, [kill], 400, 5000)
        self.assertEqual((told[0].level, told[0].by), (50, 0.0))


class Sweeps(unittest.TestCase):
    def test_a_sweep_changes_what_it_is_of_and_nothing_else(self):
        options = arguments.parse("scale --replicas 1,2 --partitions 4,16 --batches 256 --padding 0,700".split())
        planned = scale.plan(options)
        self.assertEqual([one["sweep"] for one in planned], ["replicas"] * 4 + ["batch"] + ["row"] * 2)
        pairs = [(one["replicas"], one["partitions"]) for one in planned[:4]]
        self.assertEqual(pairs, [(1, 4), (2, 4), (1, 16), (2, 16)])
        self.assertEqual(planned[4], {"sweep": "batch", "replicas": 1, "partitions": 4, "batch": 256, "padding": 0})

    def test_what_costs_too_much_more_than_the_first_of_its_sweep_is_not_flat(self):
        runs = scale.with_ratios([
            {"sweep": sweep, "replicas": replicas, "partitions": 4, "cpu_s_per_million": cpu}
            for sweep, replicas, cpu in (("replicas", 1, 8.0), ("replicas", 2, 10.0), ("replicas", 4, 13.0),
                                         ("row", 1, 8.0), ("row", 1, 80.0))])
        self.assertEqual([one["of_first"] for one in runs], [1.0, 1.25, 1.625, 1.0, 10.0])
        self.assertEqual(scale.not_flat(runs, 1.5), [
            "4 replicas, 4 partitions: a record costs 1.62 times the CPU of the first, more than 1.5"])


class Tables(unittest.TestCase):
    columns = (("rate", 8, lambda run: f"{run['rate']:,}"), ("p99 ms", 9, lambda run: f"{run['p99_ms']:.1f}"))

    def test_a_row_for_each_run_and_below_them_what_was_wrong(self):
        runs = [{"rate": 1000, "p99_ms": 330.24, "problems": []},
                {"rate": 50_000, "p99_ms": 7.0, "problems": ["missing: 1"]}]
        self.assertEqual(report.rows(self.columns, runs),
                         "    rate   p99 ms\n   1,000    330.2\n  50,000      7.0")
        self.assertEqual(report.problems(runs), "missing: 1\n")

    def test_stored_results_have_a_line_for_each_run(self):
        content = {"command": "scale", "options": {"a": [1, 2]}, "runs": [{"b": 1}, {"b": [2, 3]}], "none": []}
        text = report.as_text(content)
        self.assertEqual(json.loads(text), content)
        self.assertIn('\n  {"b": 1},\n  {"b": [2, 3]}\n', text)

    def test_results_hold_the_options_and_no_path_of_the_machine(self):
        with tempfile.TemporaryDirectory() as folder:
            options = arguments.parse(["latency", "--hub", "/somewhere/lineage-hub"])
            options.paths = SimpleNamespace(orders_load="true")
            with contextlib.redirect_stderr(io.StringIO()):
                path = report.keep("latency", options, {"runs": []}, Path(folder))
            kept = json.loads(path.read_text())
        self.assertTrue(path.name.endswith("-latency.json"))
        self.assertEqual((kept["command"], kept["options"]["rates"]), ("latency", [1000, 10_000, 50_000]))
        self.assertNotIn("/somewhere", json.dumps(kept))


if __name__ == "__main__":
    unittest.main()
