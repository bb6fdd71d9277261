//! What an expression is made of: fields of the input, and how each reaches it.

use std::collections::BTreeMap;

use super::{Source, Transformation};

/// Sources by field and transformation; no way is listed twice.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Sources(BTreeMap<(String, Transformation), Detail>);

#[derive(Debug, Clone, PartialEq)]
struct Detail {
    description: String,
    masking: bool,
}

impl Sources {
    fn one(field: String, transformation: Transformation, description: String) -> Self {
        let detail = Detail { description, masking: false };
        Self(BTreeMap::from([((field, transformation), detail)]))
    }

    fn has_direct(&self) -> bool {
        self.0.keys().any(|(_, transformation)| transformation.is_direct())
    }

    /// A field that also comes by an open way is not masked.
    pub(super) fn extend(&mut self, other: Self) {
        for (key, detail) in other.0 {
            self.0.entry(key).and_modify(|known| known.masking &= detail.masking).or_insert(detail);
        }
    }

    /// The direct sources by another way; the indirect ones keep theirs.
    fn by(self, transformation: Transformation) -> Self {
        let mut sources = Self::default();
        for ((field, known), detail) in self.0 {
            let by = if known.is_direct() { known.then(transformation) } else { known };
            sources.extend(Self(BTreeMap::from([((field, by), detail)])));
        }
        sources
    }

    /// Without what decides about the order only.
    pub(super) fn without_order(mut self) -> Self {
        self.0.retain(|(_, transformation), _| *transformation != Transformation::Sort);
        self
    }

    fn masked(mut self) -> Self {
        for detail in self.0.values_mut() {
            detail.masking = true;
        }
        self
    }

    /// Says of every way but an identity what it does, in place of what was said before.
    pub(super) fn described(self, description: &str) -> Self {
        self.describe(&|_| description.to_owned())
    }

    fn describe(mut self, how: &dyn Fn(String) -> String) -> Self {
        for ((_, transformation), detail) in &mut self.0 {
            if *transformation != Transformation::Identity {
                detail.description = how(std::mem::take(&mut detail.description));
            }
        }
        self
    }

    pub(super) fn into_list(self) -> Vec<Source> {
        let source = |((field, transformation), detail): ((String, Transformation), Detail)| {
            let Detail { description, masking } = detail;
            Source { field, transformation, description, masking }
        };
        self.0.into_iter().map(source).collect()
    }
}

/// A value as far as its origin goes. A list counts as its element: their fields
/// have one path (`items.price`).
#[derive(Debug, Clone)]
pub(super) struct Value {
    shape: Shape,
    /// What comes along whatever part of the value is taken.
    along: Sources,
}

#[derive(Debug, Clone)]
enum Shape {
    /// A field of the input, whose own fields can still be told apart.
    Field {
        path: String,
        by: Transformation,
        description: String,
    },
    /// A struct that was put together, of fields with origins of their own.
    Struct(Vec<(String, Value)>),
    Mixed(Sources),
}

impl Value {
    /// A column of the input.
    pub(super) fn input(name: &str) -> Self {
        let shape = Shape::Field {
            path: name.to_owned(),
            by: Transformation::Identity,
            description: String::new(),
        };
        Self { shape, along: Sources::default() }
    }

    /// A value that comes from no field: a literal, a metadata column.
    pub(super) fn none() -> Self {
        Self::mixed(Sources::default())
    }

    pub(super) fn structure(fields: Vec<(String, Self)>) -> Self {
        Self { shape: Shape::Struct(fields), along: Sources::default() }
    }

    fn mixed(sources: Sources) -> Self {
        Self { shape: Shape::Mixed(sources), along: Sources::default() }
    }

    /// A value computed from others.
    pub(super) fn computed(from: impl IntoIterator<Item = Self>) -> Self {
        let mut sources = Sources::default();
        for value in from {
            sources.extend(value.into_sources().by(Transformation::Transformation));
        }
        Self::mixed(sources)
    }

    /// A field of a struct, or of the structs of a list.
    pub(super) fn field(self, name: &str) -> Self {
        let shape = match self.shape {
            Shape::Field { path, by, description } => {
                Shape::Field { path: format!("{path}.{name}"), by, description }
            }
            Shape::Struct(fields) => {
                let Some((_, value)) = fields.into_iter().find(|(field, _)| field == name) else {
                    return Self::mixed(self.along);
                };
                return value.and(self.along);
            }
            mixed @ Shape::Mixed(_) => mixed,
        };
        Self { shape, along: self.along }
    }

    /// Some elements of a list, or one: no longer as it was, its fields still apart.
    pub(super) fn picked(self) -> Self {
        self.by(Transformation::Transformation)
    }

    /// One value of all elements of a list; where it is one of them, its fields
    /// still apart.
    pub(super) fn aggregated(self) -> Self {
        self.by(Transformation::Aggregation)
    }

    fn by(self, how: Transformation) -> Self {
        let shape = match self.shape {
            Shape::Field { path, by, description } => {
                Shape::Field { path, by: by.then(how), description }
            }
            Shape::Struct(fields) => {
                let fields = fields.into_iter().map(|(name, value)| (name, value.by(how)));
                Shape::Struct(fields.collect())
            }
            Shape::Mixed(sources) => Shape::Mixed(sources.by(how)),
        };
        Self { shape, along: self.along }
    }

    /// With what decides about it.
    pub(super) fn decided_by(self, condition: Self, how: Transformation) -> Self {
        self.and(condition.into_sources().by(how))
    }

    fn and(mut self, sources: Sources) -> Self {
        self.along.extend(sources);
        self
    }

    pub(super) fn masked(self) -> Self {
        Self::mixed(self.into_sources().masked())
    }

    /// Says of what is not an identity how it was made, in every part.
    pub(super) fn described(self, description: &str) -> Self {
        self.describe(&|_| description.to_owned())
    }

    /// As [`Value::described`], where nothing was said before.
    pub(super) fn described_once(self, description: &str) -> Self {
        self.describe(&|known| if known.is_empty() { description.to_owned() } else { known })
    }

    fn describe(self, how: &dyn Fn(String) -> String) -> Self {
        let along = self.along.describe(how);
        let shape = match self.shape {
            identity @ Shape::Field { by: Transformation::Identity, .. } => identity,
            Shape::Field { path, by, description } => {
                Shape::Field { path, by, description: how(description) }
            }
            Shape::Struct(fields) => {
                let fields = fields.into_iter().map(|(name, value)| (name, value.describe(how)));
                Shape::Struct(fields.collect())
            }
            Shape::Mixed(sources) => Shape::Mixed(sources.describe(how)),
        };
        Self { shape, along }
    }

    pub(super) fn has_direct(&self) -> bool {
        self.along.has_direct()
            || match &self.shape {
                Shape::Field { .. } => true,
                Shape::Struct(fields) => fields.iter().any(|(_, value)| value.has_direct()),
                Shape::Mixed(sources) => sources.has_direct(),
            }
    }

    pub(super) fn into_sources(self) -> Sources {
        let mut sources = match self.shape {
            Shape::Field { path, by, description } => Sources::one(path, by, description),
            Shape::Struct(fields) => {
                Self::computed(fields.into_iter().map(|(_, value)| value)).into_sources()
            }
            Shape::Mixed(sources) => sources,
        };
        sources.extend(self.along);
        sources
    }

    /// As [`Value::into_sources`], each direct source by `how`.
    pub(super) fn into_condition(self, how: Transformation) -> Sources {
        self.into_sources().by(how)
    }
}
