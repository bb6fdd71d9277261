//! YAML as a tree in which every node knows its line and column.
//!
//! ```text
//! text -> parser events -> Node -> Fields (typed reading, `fields`)
//! ```
//!
//! # Guarantees
//!
//! Scalars stay the text that was written (`1.10` is not 1.1), repeated keys
//! stay in the tree for the reader to report, and a place inside a text, such
//! as a column of a SELECT in a block scalar, leads back to its place in the
//! file. Nesting and aliases are bounded: a hostile file is an error, not a
//! full memory.
//!
//! # Not here
//!
//! Tags, several documents in a file, merge keys: each is an error or an
//! unknown key.

mod fields;
mod text;
mod types;

use std::{collections::HashMap, sync::Arc};

use saphyr_parser::{Event, Marker, Parser};

pub use fields::{Fields, map, scalar};
pub use text::Text;

use super::problem::{Place, Problem, Severity};

/// Levels of lists and maps inside each other.
const DEPTH_MAX: usize = 32;
/// Nodes of a file, counting again what an alias repeats.
const NODES_MAX: usize = 100_000;

#[derive(Debug, Clone)]
pub struct Node {
    pub place: Place,
    pub value: Value,
}

#[derive(Debug, Clone)]
pub enum Value {
    Text(Text),
    List(Vec<Node>),
    /// In the order of the file, repeated keys included.
    Map(Vec<(Text, Node)>),
}

impl Node {
    /// Whether nothing, `~` or `null` was written.
    pub fn is_null(&self) -> bool {
        matches!(&self.value, Value::Text(text) if text.is_null())
    }

    fn count(&self) -> usize {
        match &self.value {
            Value::Text(_) => 1,
            Value::List(items) => 1 + items.iter().map(Self::count).sum::<usize>(),
            Value::Map(entries) => 1 + entries.iter().map(|(_, node)| node.count()).sum::<usize>(),
        }
    }
}

/// Reads a file's one document; `None` where it holds nothing but comments.
///
/// A syntax error ends the reading, so it is the only problem returned.
pub fn parse(file: &Arc<str>, source: &str) -> Result<Option<Node>, Problem> {
    let mut builder = Builder::new(file, source);
    let hidden = types::hide(source);
    let mut parser = Parser::new_from_str(&hidden);
    while let Some(event) = parser.next_event() {
        match event {
            Ok((event, span)) => builder.take(event, span.start)?,
            Err(error) => {
                let mut problem = builder.problem(*error.marker(), error.info());
                problem.hint = unquoted_type(source, &problem);
                return Err(problem);
            }
        }
    }
    Ok(builder.document)
}

/// What helps where a colon inside a type reads as the start of a map.
fn unquoted_type(source: &str, problem: &Problem) -> Option<String> {
    let is_colon = problem.message.contains("mapping values");
    let line = source.lines().nth(problem.place.line.saturating_sub(1))?;
    (is_colon && types::has_type(line)).then(|| {
        format!(
            "put the type in quotes; without them it must be closed with `>`, have no quotes or \
             comments, and at most {} bytes",
            types::UNQUOTED_MAX
        )
    })
}

struct Builder<'a> {
    file: &'a Arc<str>,
    source: Arc<str>,
    /// A character of the source and the byte at which it begins.
    reached: (usize, usize),
    open: Vec<Open>,
    anchors: HashMap<usize, Node>,
    nodes: usize,
    documents: usize,
    document: Option<Node>,
}

/// A list or map whose end has not come yet.
struct Open {
    place: Place,
    anchor: usize,
    content: Content,
}

enum Content {
    List(Vec<Node>),
    Map { entries: Vec<(Text, Node)>, key: Option<Text> },
}

impl<'a> Builder<'a> {
    fn new(file: &'a Arc<str>, source: &str) -> Self {
        Self {
            file,
            source: source.into(),
            reached: (0, 0),
            open: Vec::new(),
            anchors: HashMap::new(),
            nodes: 0,
            documents: 0,
            document: None,
        }
    }

    fn take(&mut self, event: Event<'_>, mark: Marker) -> Result<(), Problem> {
        let tagged = match &event {
            Event::Scalar(_, _, _, tag)
            | Event::SequenceStart(_, tag)
            | Event::MappingStart(_, tag) => tag.is_some(),
            _ => false,
        };
        if tagged {
            return Err(self.problem(mark, "tags (`!…`) are not supported"));
        }
        match event {
            Event::DocumentStart(_) => {
                self.documents += 1;
                if self.documents > 1 {
                    return Err(self.problem(mark, "a second document; a file holds one"));
                }
            }
            Event::Scalar(value, style, anchor, _) => {
                let place = self.place(mark);
                let start = self.byte(mark.index());
                let text = Text::new(types::show(value), place.clone(), style, &self.source, start);
                self.insert(Node { place, value: Value::Text(text) }, anchor, mark)?;
            }
            Event::SequenceStart(anchor, _) => {
                self.begin(Content::List(Vec::new()), anchor, mark)?;
            }
            Event::MappingStart(anchor, _) => {
                self.begin(Content::Map { entries: Vec::new(), key: None }, anchor, mark)?;
            }
            Event::SequenceEnd | Event::MappingEnd => {
                if let Some(Open { place, anchor, content }) = self.open.pop() {
                    let value = match content {
                        Content::List(items) => Value::List(items),
                        Content::Map { entries, .. } => Value::Map(entries),
                    };
                    self.insert(Node { place, value }, anchor, mark)?;
                }
            }
            Event::Alias(anchor) => {
                let Some(node) = self.anchors.get(&anchor).cloned() else {
                    return Err(self.problem(mark, "an alias inside the node that it names"));
                };
                self.nodes += node.count();
                self.insert(node, 0, mark)?;
            }
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => {}
        }
        Ok(())
    }

    fn begin(&mut self, content: Content, anchor: usize, mark: Marker) -> Result<(), Problem> {
        if self.open.len() >= DEPTH_MAX {
            let message = format!("nested deeper than {DEPTH_MAX} levels");
            return Err(self.problem(mark, &message));
        }
        self.open.push(Open { place: self.place(mark), anchor, content });
        Ok(())
    }

    /// Puts a complete node where it belongs: into the list or map that is open.
    fn insert(&mut self, node: Node, anchor: usize, mark: Marker) -> Result<(), Problem> {
        self.nodes += 1;
        if self.nodes > NODES_MAX {
            return Err(self.problem(mark, &format!("more than {NODES_MAX} values in a file")));
        }
        if anchor > 0 {
            self.anchors.insert(anchor, node.clone());
        }
        match self.open.last_mut().map(|open| &mut open.content) {
            None => self.document = Some(node),
            Some(Content::List(items)) => items.push(node),
            Some(Content::Map { entries, key }) => match (key.take(), node.value) {
                (Some(key), value) => entries.push((key, Node { place: node.place, value })),
                (None, Value::Text(text)) => *key = Some(text),
                (None, _) => return Err(problem(node.place, "a key must be text")),
            },
        }
        Ok(())
    }

    /// Where the character `index` of the source begins; characters come in order.
    fn byte(&mut self, index: usize) -> usize {
        let (known, byte) = if index < self.reached.0 { (0, 0) } else { self.reached };
        let mut rest = self.source[byte..].char_indices().map(|(offset, _)| byte + offset);
        let byte = rest.nth(index - known).unwrap_or(self.source.len());
        self.reached = (index, byte);
        byte
    }

    fn place(&self, mark: Marker) -> Place {
        Place::new(self.file, mark.line(), mark.col() + 1)
    }

    fn problem(&self, mark: Marker, message: &str) -> Problem {
        problem(self.place(mark), message)
    }
}

fn problem(place: Place, message: &str) -> Problem {
    Problem { severity: Severity::Error, place, message: message.to_owned(), hint: None }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use proptest::prelude::*;

    use super::*;

    fn read(source: &str) -> Result<Option<Node>, Problem> {
        parse(&"f.yaml".into(), source)
    }

    #[test]
    fn nodes_know_their_places_and_scalars_stay_as_written() {
        let node = read("version: 1.10\nlist:\n  - a\n  - {b: 0x10}\n").unwrap().unwrap();
        let Value::Map(entries) = &node.value else { panic!("{node:?}") };
        assert_eq!(entries[0].0.as_str(), "version");
        let Value::Text(version) = &entries[0].1.value else { panic!() };
        assert_eq!((version.as_str(), entries[0].1.place.column), ("1.10", 10));
        let Value::List(items) = &entries[1].1.value else { panic!() };
        let Value::Map(inner) = &items[1].value else { panic!() };
        assert_eq!(inner[0].0.place().to_string(), "f.yaml:4:6");
    }

    #[test]
    fn a_repeated_key_stays_in_the_tree() {
        let node = read("a: 1\na: 2\n").unwrap().unwrap();
        let Value::Map(entries) = node.value else { panic!() };
        assert_eq!(entries.len(), 2);
    }

    #[test]
    fn an_alias_repeats_its_anchor() {
        let node = read("a: &x [1, 2]\nb: *x\n").unwrap().unwrap();
        let Value::Map(entries) = node.value else { panic!() };
        assert!(matches!(&entries[1].1.value, Value::List(items) if items.len() == 2));
    }

    #[test]
    fn what_is_not_supported_is_said_with_its_place() {
        let message = |source: &str| read(source).unwrap_err().to_string();
        assert_eq!(message("a: !x 1"), "f.yaml:1:4: tags (`!…`) are not supported");
        assert_eq!(message("a: 1\n---\nb: 2"), "f.yaml:2:1: a second document; a file holds one");
        assert_eq!(message("? [a]\n: 1"), "f.yaml:1:3: a key must be text");
        assert!(message("a: [1, 2\nb: 3").starts_with("f.yaml:"));
        assert_eq!(message(&"[".repeat(40)), "f.yaml:1:33: nested deeper than 32 levels");
        assert!(message(&"[".repeat(100_000)).ends_with("recursion limit exceeded"));
    }

    #[test]
    fn a_type_of_many_fields_needs_no_quotes_and_one_that_is_not_closed_is_told_to_have_them() {
        let fields: Vec<String> = (0..1500).map(|at| format!("f{at}: int")).collect();
        let text = format!("fields:\n  a: struct<{}>\n  b: int\n", fields.join(", "));
        assert!(read(&text).unwrap().is_some());
        let problem = read("fields:\n  a: struct<b: int, c: int\n").unwrap_err();
        assert_eq!(problem.place.line, 2);
        assert!(problem.hint.unwrap().starts_with("put the type in quotes"));
        assert_eq!(read("a: b: c\n").unwrap_err().hint, None);
    }

    #[test]
    fn aliases_cannot_blow_up() {
        let mut source = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
        for level in 1..12 {
            let before = format!("*a{}", level - 1);
            let list = [before.as_str(); 10].join(", ");
            writeln!(source, "a{level}: &a{level} [{list}]").unwrap();
        }
        assert!(read(&source).unwrap_err().message.contains("values in a file"));
    }

    #[test]
    fn a_file_of_comments_holds_nothing() {
        assert!(read("# nothing yet\n").unwrap().is_none_or(|node| node.is_null()));
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(source in "[ -~\n\t{}\\[\\]:,&*!|>'\"#%@`-]{0,200}") {
            let _outcome = read(&source);
        }
    }
}
