//! Parts of instants in the years 0000 to 9999.

use super::times::check;

#[test]
fn parts_are_taken_in_every_year() {
    check(&[
        ("extract(year FROM ts)", ["9999", "1", "2024", "1969"]),
        ("extract(month FROM ts)", ["12", "1", "1", "12"]),
        ("extract(week FROM ts)", ["52", "1", "5", "1"]),
        ("extract(isoyear FROM ts)", ["9999", "1", "2024", "1970"]),
        ("extract(dow FROM ts)", ["5", "1", "3", "3"]),
        ("extract(isodow FROM ts)", ["5", "1", "3", "3"]),
        ("extract(doy FROM ts)", ["365", "1", "31", "365"]),
        ("extract(quarter FROM ts)", ["4", "1", "1", "4"]),
        ("extract(hour FROM ts)", ["23", "0", "23", "23"]),
        ("extract(microsecond FROM ts)", ["59999999", "0", "0", "59500000"]),
        ("extract(day FROM d)", ["31", "1", "31", "31"]),
        ("extract(year FROM s)", ["9999", "1", "2024", "1969"]),
        ("extract(hour FROM ts AT TIME ZONE 'America/New_York')", ["18", "19", "18", "18"]),
        (
            "CAST(ts AT TIME ZONE 'America/New_York' AS DATE)",
            ["9999-12-31", "0000-12-31", "2024-01-31", "1969-12-31"],
        ),
        ("extract(epoch FROM ts) < 0", ["false", "true", "false", "true"]),
        ("extract(epoch FROM d)", ["2.534022144e11", "-6.21355968e10", "1706659200.0", "-86400.0"]),
        (
            "to_local_time(ts AT TIME ZONE 'America/New_York')",
            [
                "9999-12-31T18:59:59.999999Z",
                "0000-12-31T19:03:58Z",
                "2024-01-31T18:30:00Z",
                "1969-12-31T18:59:59.500Z",
            ],
        ),
    ]);
}
