//! The functions that a SELECT may call.

use std::{
    collections::{HashMap, HashSet},
    fmt,
    sync::Arc,
};

use datafusion_expr::{HigherOrderUDF, ScalarUDF};

use super::{cardinality, clock, collections, decimal, masking, strings, sum, time};

/// Functions whose result does not show what went in.
const MASKING: [&str; 8] =
    ["digest", "md5", "redact", "sha224", "sha256", "sha256_hex", "sha384", "sha512"];

/// The functions that a SELECT may call: DataFusion's, ours, and those of the
/// library's user.
#[derive(Clone)]
pub struct Functions {
    scalar: HashMap<String, Arc<ScalarUDF>>,
    higher_order: HashMap<String, Arc<HigherOrderUDF>>,
    masking: HashSet<String>,
}

impl Default for Functions {
    fn default() -> Self {
        let mut functions = Self {
            scalar: HashMap::new(),
            higher_order: HashMap::new(),
            masking: MASKING.into_iter().map(str::to_owned).collect(),
        };
        let theirs = datafusion_functions::all_default_functions();
        let nested = datafusion_functions_nested::all_default_nested_functions();
        for function in theirs.into_iter().chain(nested) {
            functions.add(function);
        }
        for function in datafusion_functions_nested::all_default_higher_order_functions() {
            for name in names(function.name(), function.aliases()) {
                functions.higher_order.insert(name, Arc::clone(&function));
            }
        }
        // After theirs: ours replace a clock that stands still, sums that lose digits,
        // times that end in 2262 and a count of what is known.
        let lists = vec![sum::function(), cardinality::function()];
        let ours = [clock::functions(), masking::functions(), time::functions(), lists];
        let corrected = [collections::functions(), strings::functions()];
        for function in ours.into_iter().flatten().chain(corrected.into_iter().flatten()) {
            functions.add(Arc::new(function));
        }
        for (name, lists, elements) in decimal::OF_LISTS {
            if let Some(function) = functions.scalar(name) {
                functions.add(Arc::new(decimal::uniting(function, lists, elements)));
            }
        }
        functions
    }
}

impl Functions {
    /// Makes a function callable by its name and aliases; one of the same name is replaced.
    pub fn register(&mut self, function: ScalarUDF) {
        self.masking.remove(function.name());
        self.add(Arc::new(function));
    }

    /// As [`Functions::register`], for a function whose result hides its
    /// arguments: column lineage marks what passes through it as masked.
    pub fn register_masking(&mut self, function: ScalarUDF) {
        self.masking.insert(function.name().to_owned());
        self.add(Arc::new(function));
    }

    fn add(&mut self, function: Arc<ScalarUDF>) {
        for name in names(function.name(), function.aliases()) {
            self.scalar.insert(name, Arc::clone(&function));
        }
    }

    pub(super) fn contains(&self, name: &str) -> bool {
        self.scalar.contains_key(name) || self.higher_order.contains_key(name)
    }

    pub(super) fn scalar(&self, name: &str) -> Option<Arc<ScalarUDF>> {
        self.scalar.get(name).cloned()
    }

    pub(super) fn higher_order(&self, name: &str) -> Option<Arc<HigherOrderUDF>> {
        self.higher_order.get(name).cloned()
    }

    pub(super) fn scalar_names(&self) -> Vec<String> {
        self.scalar.keys().cloned().collect()
    }

    pub(super) fn higher_order_names(&self) -> Vec<String> {
        self.higher_order.keys().cloned().collect()
    }

    /// Whether the result of the function hides its arguments.
    pub(in crate::transform) fn masks(&self, name: &str) -> bool {
        self.masking.contains(name)
    }
}

fn names(name: &str, aliases: &[String]) -> impl Iterator<Item = String> {
    let name = name.to_lowercase();
    std::iter::once(name).chain(aliases.iter().map(|alias| alias.to_lowercase()))
}

impl fmt::Debug for Functions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Functions")
            .field("scalar", &self.scalar.len())
            .field("higher_order", &self.higher_order.len())
            .field("masking", &self.masking)
            .finish()
    }
}
