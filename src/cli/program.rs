//! The whole program, for one of one's own to be made of.

use std::process::ExitCode;

use crate::transform::{Functions, PlanError, SchemaRef, Transform, Transforms, expr::ScalarUDF};

/// The program `lineage-hub` with transforms and functions of one's own: stages
/// name them, and every subcommand knows them.
///
/// ```no_run
/// use std::process::ExitCode;
///
/// use lineage_hub::{
///     Hub,
///     transform::{Input, Origin, Output, SchemaRef, Transform, TransformError},
/// };
///
/// /// Hands its rows on as they are.
/// #[derive(Clone)]
/// struct AsIs(SchemaRef);
///
/// impl Transform for AsIs {
///     fn output_schema(&self) -> SchemaRef {
///         self.0.clone()
///     }
///
///     fn apply(&mut self, input: &Input<'_>) -> Result<Output, TransformError> {
///         Ok(Output { batch: input.batch.clone(), origin: Origin::Identity })
///     }
/// }
///
/// fn main() -> ExitCode {
///     Hub::new().transform("as_is", |input| Ok(AsIs(input.clone()))).main()
/// }
/// ```
#[derive(Debug, Default)]
pub struct Hub {
    pub(super) functions: Functions,
    pub(super) transforms: Transforms,
}

impl Hub {
    pub fn new() -> Self {
        Self::default()
    }

    /// A transform for stages that say `rust: NAME`; see [`Transforms::register`].
    #[must_use]
    pub fn transform<T>(
        mut self,
        name: impl Into<String>,
        make: impl Fn(&SchemaRef) -> Result<T, PlanError> + Send + Sync + 'static,
    ) -> Self
    where
        T: Transform + Clone + Sync + 'static,
    {
        self.transforms.register(name, make);
        self
    }

    /// A function that a SELECT and an expectation may call.
    #[must_use]
    pub fn function(mut self, function: ScalarUDF) -> Self {
        self.functions.register(function);
        self
    }

    /// As [`Hub::function`], for one whose result hides its arguments: lineage
    /// marks what passes through it as masked.
    #[must_use]
    pub fn masking_function(mut self, function: ScalarUDF) -> Self {
        self.functions.register_masking(function);
        self
    }

    /// Parses the arguments of the process and runs what they say.
    pub fn main(self) -> ExitCode {
        super::main(self)
    }
}
