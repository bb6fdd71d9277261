//! One project from one seed: mostly valid, with a few odd or hostile places.

use std::{collections::BTreeMap, fmt::Write as _};

use fastrand::Rng;

use super::values::{
    EXPECTATIONS, NAMES, OTHERWISE, PARTITIONS, PROPERTIES, Pool, SETTINGS, SQL, TOPICS, TYPES,
    VARIABLES,
};

/// Files by their path in the project, and variables of its environment.
pub(crate) struct Generated {
    pub(crate) files: BTreeMap<String, Vec<u8>>,
    pub(crate) environment: Vec<(String, String)>,
}

impl Generated {
    pub(crate) fn of(seed: u64) -> Self {
        let mut maker = Maker::new(seed);
        let mut files = BTreeMap::new();
        let topics: Vec<String> = (0..maker.rng.usize(1..4)).map(|_| maker.pick(&TOPICS)).collect();
        for topic in &topics {
            let text = maker.topic(topic);
            files.insert(format!("topics/{}.yaml", file_name(topic)), text.into_bytes());
        }
        for index in 0..maker.rng.usize(1..3) {
            let text = maker.pipeline(index, &topics);
            files.insert(format!("pipelines/p{index}.yaml"), text.into_bytes());
        }
        if maker.rng.u8(..4) == 0 {
            files.insert("hub.yaml".to_owned(), maker.settings().into_bytes());
        }
        let environment = maker.environment();
        maker.damage(&mut files);
        Self { files, environment }
    }
}

/// A file name that every file system takes.
fn file_name(topic: &str) -> String {
    let letters =
        topic.chars().map(|c| if c.is_ascii_alphanumeric() || c == '.' { c } else { '_' });
    let name: String = letters.take(40).collect();
    if name.trim_matches('.').is_empty() { "t".to_owned() } else { name }
}

struct Maker {
    rng: Rng,
    /// One place in so many is odd, and as many are hostile.
    rarity: u32,
}

impl Maker {
    fn new(seed: u64) -> Self {
        let mut rng = Rng::with_seed(seed);
        // From projects without a fault to projects full of them.
        let rarity = [10_000, 60, 20, 6][rng.usize(..4)];
        Self { rng, rarity }
    }

    fn pick(&mut self, pool: &Pool) -> String {
        let values = match self.rng.u32(..self.rarity) {
            0 => pool.hostile,
            1 | 2 => pool.odd,
            _ => pool.valid,
        };
        values[self.rng.usize(..values.len())].to_owned()
    }

    fn topic(&mut self, name: &str) -> String {
        let mut text = format!("topic: {name}\n");
        if self.rng.bool() {
            let _ = writeln!(text, "partitions: {}", self.pick(&PARTITIONS));
        }
        if self.rng.u8(..4) == 0 {
            let _ = writeln!(text, "config: {{ {} }}", self.pick(&PROPERTIES));
        }
        if self.rng.u8(..5) == 0 {
            text.push_str("key: f0\n");
        }
        if self.rng.u8(..8) == 0 {
            text.push_str("owner: team:shop\ndescription: \"What it holds: rows\"\n");
        }
        if self.rng.u8(..12) == 0 {
            text.push_str("format: arrow\n");
        }
        text.push_str("fields:\n");
        for index in 0..self.rng.usize(1..4) {
            let _ = writeln!(text, "  f{index}: {}", self.pick(&TYPES));
        }
        text
    }

    fn pipeline(&mut self, index: usize, topics: &[String]) -> String {
        let name = if index == 0 { self.pick(&NAMES) } else { format!("r{index}") };
        let mut text = format!("pipeline: {name}\n");
        if self.rng.u8(..3) == 0 {
            text.push_str("namespace: shop\n");
        }
        text.push_str("stages:\n");
        let mut from = topics[self.rng.usize(..topics.len())].clone();
        for stage in 0..self.rng.usize(1..4) {
            let name = if stage == 0 { self.pick(&NAMES) } else { format!("s{stage}") };
            let to = match self.rng.u32(..self.rarity) {
                0 | 1 => self.pick(&TOPICS),
                2 => topics[self.rng.usize(..topics.len())].clone(),
                _ => format!("out.{index}.{stage}"),
            };
            let sql =
                self.pick(&SQL).replace('\\', "\\\\").replace('"', "\\\"").replace('\0', "\\0");
            let _ = writeln!(text, "  {name}:\n    from: {from}\n    to: {to}\n    sql: \"{sql}\"");
            if self.rng.u8(..4) == 0 {
                let (that, otherwise) = (self.pick(&EXPECTATIONS), self.pick(&OTHERWISE));
                let _ = writeln!(
                    text,
                    "    expect:\n      known: {{ that: \"{that}\", otherwise: {otherwise} }}"
                );
            }
            if self.rng.u8(..8) == 0 {
                let topic = self.pick(&TOPICS);
                let _ = writeln!(text, "    dead_letter: {{ topic: {topic}, share_max: 0.9 }}");
            }
            from = to;
        }
        text
    }

    fn settings(&mut self) -> String {
        // A later line of a key would be a duplicate: the last one is kept.
        let mut settings = BTreeMap::new();
        for _ in 0..self.rng.usize(1..4) {
            let line = self.pick(&SETTINGS);
            let (key, value) = line.split_once('=').unwrap();
            settings.insert(key.to_owned(), value.to_owned());
        }
        let mut tree = BTreeMap::new();
        for (key, value) in settings {
            let (section, key) = key
                .split_once('.')
                .map_or((key.clone(), String::new()), |(s, k)| (s.to_owned(), k.to_owned()));
            tree.entry(section).or_insert_with(Vec::new).push((key, value));
        }
        let mut text = String::new();
        for (section, entries) in tree {
            if entries[0].0.is_empty() {
                let _ = writeln!(text, "{section}: {}", entries[0].1);
                continue;
            }
            let _ = writeln!(text, "{section}:");
            let mut open = String::new();
            for (key, value) in entries {
                // `properties.x.y` is one key below `properties`.
                let (inner, key) = key.split_once('.').unwrap_or(("", &key));
                if inner.is_empty() {
                    let _ = writeln!(text, "  {key}: {value}");
                    continue;
                }
                if open != inner {
                    let _ = writeln!(text, "  {inner}:");
                    inner.clone_into(&mut open);
                }
                let _ = writeln!(text, "    {key}: {value}");
            }
        }
        text
    }

    fn environment(&mut self) -> Vec<(String, String)> {
        let count = usize::from(self.rng.u8(..4) == 0);
        let lines: Vec<String> = (0..count).map(|_| self.pick(&VARIABLES)).collect();
        let pair = |line: &String| {
            let (name, value) = line.split_once('=').unwrap();
            (name.to_owned(), value.to_owned())
        };
        lines.iter().map(pair).collect()
    }

    /// Now and then the bytes of a file are not what an editor writes.
    fn damage(&mut self, files: &mut BTreeMap<String, Vec<u8>>) {
        for text in files.values_mut() {
            if self.rng.u32(..self.rarity * 2) > 3 {
                continue;
            }
            let at = self.rng.usize(..=text.len());
            match self.rng.u8(..9) {
                0 => text.truncate(at),
                1 => text.insert(at, 0),
                2 => text.insert(at, 0xff),
                3 => text.insert(at, b'\t'),
                4 => text.splice(0..0, [0xef, 0xbb, 0xbf]).for_each(drop),
                5 => {
                    *text = text
                        .iter()
                        .flat_map(|b| if *b == b'\n' { vec![b'\r', b'\n'] } else { vec![*b] })
                        .collect();
                }
                6 => text.extend(std::iter::repeat_n(b'[', 100_000)),
                7 => text.extend_from_slice(b"unknown: &a [*a]\n"),
                _ => {
                    let copy = text.clone();
                    text.extend(copy);
                }
            }
        }
    }
}
