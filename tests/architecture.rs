//! Holds `src/` to the tables of ARCHITECTURE.md.

#![allow(clippy::unwrap_used, reason = "a test may fail where it stands")]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

/// Files longer than this are to be looked at again.
const LINES_MAX: usize = 500;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

/// Every file of `src/`, by its path from the root.
fn sources() -> BTreeMap<String, String> {
    let mut files = Vec::new();
    collect(&root().join("src"), &mut files);
    let name = |path: &Path| path.strip_prefix(root()).unwrap().to_string_lossy().into_owned();
    files.iter().map(|path| (name(path), fs::read_to_string(path).unwrap())).collect()
}

/// The code without its comments: a whole-line comment is left out.
fn code(text: &str) -> String {
    let lines = text.lines().filter(|line| !line.trim_start().starts_with("//"));
    lines.flat_map(|line| [line, "\n"]).collect()
}

/// The top-level module that a file belongs to; none for the roots.
fn module_of(file: &str) -> Option<&str> {
    let first = file.strip_prefix("src/")?.split('/').next()?;
    let name = first.strip_suffix(".rs").unwrap_or(first);
    (!["main", "lib"].contains(&name)).then_some(name)
}

/// What stands in backquotes.
fn quoted(cell: &str) -> Vec<String> {
    cell.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

/// The rows of the table under a heading of ARCHITECTURE.md: both cells.
fn table(heading: &str) -> Vec<(Vec<String>, String)> {
    let document = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let (_, section) = document.split_once(&format!("\n## {heading}\n")).unwrap();
    let section = section.split("\n## ").next().unwrap();
    let rows = section.lines().filter(|line| line.starts_with("| `"));
    let rows: Vec<_> = rows
        .map(|row| {
            let cells: Vec<_> = row.split('|').map(str::trim).collect();
            (quoted(cells[1]), cells[2].to_owned())
        })
        .collect();
    assert!(!rows.is_empty(), "no table under {heading}");
    rows
}

fn is_word(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

fn first_word(text: &str) -> String {
    text.trim_start().chars().take_while(|character| is_word(*character)).collect()
}

/// The modules that `crate::..` and `crate::{..}` name.
fn imports(code: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (at, name) in code.match_indices("crate::") {
        let before = code[..at].chars().next_back();
        if before.is_some_and(|character| is_word(character) || character == '$') {
            continue;
        }
        let rest = &code[at + name.len()..];
        let Some(group) = rest.strip_prefix('{') else {
            found.insert(first_word(rest));
            continue;
        };
        let (mut depth, mut start) = (0, true);
        for (index, character) in group.char_indices() {
            if start && depth == 0 && is_word(character) {
                found.insert(first_word(&group[index..]));
                start = false;
            }
            match character {
                '{' => depth += 1,
                '}' if depth == 0 => break,
                '}' => depth -= 1,
                ',' if depth == 0 => start = true,
                _ => {}
            }
        }
    }
    found
}

/// For each module of the table, what it may import; `None`: everything.
fn allowed() -> BTreeMap<String, Option<BTreeSet<String>>> {
    let mut allowed = BTreeMap::new();
    for (modules, may) in table("Imports") {
        let may = (may != "everything").then(|| quoted(&may).into_iter().collect::<BTreeSet<_>>());
        for module in modules {
            let before = allowed.insert(module.clone(), may.clone());
            assert!(before.is_none(), "`{module}` has two rows");
        }
    }
    allowed
}

#[test]
fn every_module_has_a_row_and_a_line_and_imports_what_its_row_allows() {
    let document = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let allowed = allowed();
    let mut problems = Vec::new();
    for (file, text) in sources() {
        let Some(module) = module_of(&file) else { continue };
        if !document.contains(&format!("\n- `{module}`: ")) {
            problems.push(format!("`{module}` has no line in ARCHITECTURE.md"));
        }
        let Some(may) = allowed.get(module) else {
            problems.push(format!("`{module}` has no row in ARCHITECTURE.md"));
            continue;
        };
        for import in imports(&code(&text)) {
            let may = may.as_ref().is_none_or(|may| may.contains(&import));
            if import != module && !may {
                problems.push(format!("{file}: `{module}` may not import `{import}`"));
            }
        }
    }
    problems.dedup();
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

#[test]
fn nobody_imports_the_command_line() {
    let importers: Vec<_> = allowed()
        .into_iter()
        .filter(|(_, may)| may.as_ref().is_some_and(|may| may.contains("cli")))
        .collect();
    assert!(importers.is_empty(), "{importers:?}");
}

/// Whether `code` has `name` as a word of its own; `name*` as the start of one.
fn names(code: &str, name: &str) -> bool {
    let name = name.trim_end_matches('*');
    code.match_indices(name).any(|(at, _)| !code[..at].chars().next_back().is_some_and(is_word))
}

#[test]
fn what_is_kept_in_one_place_is_nowhere_else() {
    let sources = sources();
    for (kept, places) in table("Kept in one place") {
        let places = quoted(&places);
        let elsewhere: Vec<_> = sources
            .iter()
            .filter(|(file, _)| !places.iter().any(|place| file.starts_with(place.as_str())))
            .filter(|(file, _)| !is_test(file))
            .flat_map(|(file, text)| {
                let code = code(text);
                let found = kept.iter().filter(move |name| names(&code, name));
                found.map(move |name| format!("{file}: `{name}`"))
            })
            .collect();
        assert!(elsewhere.is_empty(), "only in {places:?}, not in\n{}", elsewhere.join("\n"));
    }
}

/// Files that are compiled for tests alone.
fn is_test(file: &str) -> bool {
    file.contains("/tests/") || file.ends_with("tests.rs") || file.ends_with("/testing.rs")
}

#[test]
fn no_file_is_too_long_to_read() {
    let long: Vec<_> = sources()
        .into_iter()
        .map(|(file, text)| (text.lines().count(), file))
        .filter(|(lines, _)| *lines > LINES_MAX)
        .collect();
    assert!(long.is_empty(), "{long:?}");
}

/// Without this, the tests above could pass because they see nothing.
#[test]
fn imports_are_seen_in_every_spelling() {
    let text = "
        use crate::{
            broker::{Block, lineage::X},
            record,
        };
        pub use crate::codec::json::Decoder;
        fn f() -> crate::stage::StageError { $crate::hidden::x() }
        /// [`crate::cli`]
    ";
    let found: Vec<_> = imports(&code(text)).into_iter().collect();
    assert_eq!(found, ["broker", "codec", "record", "stage"]);
    assert!(names("anstream::println!(x)", "println!") && !names("eprintln!(x)", "println!"));
    assert!(names("use datafusion_expr as expr", "datafusion_*"));
    assert_eq!(module_of("src/stage/deliver.rs"), Some("stage"));
    assert_eq!(module_of("src/main.rs"), None);
}
