"""Tests of the command line of the load tests."""

import contextlib
import io
import unittest

from harness import arguments


def parse(line):
    return arguments.parse(line.split())


def refusal(line):
    told = io.StringIO()
    with contextlib.redirect_stderr(told), contextlib.suppress(SystemExit):
        parse(line)
        return None
    return told.getvalue()


class Arguments(unittest.TestCase):
    def test_defaults_are_read_as_if_they_had_been_given(self):
        options = parse("latency")
        self.assertEqual(options.rates, [1000, 10_000, 50_000])
        self.assertEqual(options.interval, [100, 20])
        self.assertIsNone(options.bootstrap)
        self.assertEqual(parse("throughput").scenarios, ["hub", "raw", "kafka-streams"])
        self.assertEqual(parse("forward").cases, [(30, 10_000), (0, 100_000)])
        self.assertEqual(parse("soak").minutes, 60)
        self.assertEqual(parse("scale").sweeps, ["replicas", "batch", "row"])

    def test_lists_have_commas_and_times_have_units(self):
        options = parse("latency --rates 500,2000 --interval 20ms,1s --seconds 5")
        self.assertEqual((options.rates, options.interval, options.seconds), ([500, 2000], [20, 1000], 5))
        self.assertEqual(parse("soak --minutes 0.5").minutes, 0.5)

    def test_what_makes_no_sense_is_refused_in_words(self):
        for line, said in (
            ("latency --rates 1000,0", "`0` is not a whole number of at least 1"),
            ("latency --interval 20", "`20` is no time such as 100ms or 1s"),
            ("latency --interval 0ms", "`0ms` is no time"),
            ("forward --cases 30", "`30` is not MILLISECONDS:EVENTS"),
            ("soak --minutes -1", "`-1` is not a number above 0"),
            ("soak --minutes nan", "`nan` is not a number above 0"),
            ("throughput --scenarios hub,spark", "no spark; there are hub, hub-arrow, hub-arrow-plain"),
            ("scale --sweeps rows", "no rows; there are replicas, batch, row"),
            ("", "SUBCOMMAND"),
        ):
            with self.subTest(line):
                self.assertIn(said, refusal(line) or "")

    def test_all_stored_results_are_plotted_unless_some_are_named(self):
        self.assertEqual(parse("plot").results, [])
        self.assertEqual([path.name for path in parse("plot results/one.json").results], ["one.json"])


if __name__ == "__main__":
    unittest.main()
