//! `/openapi.json` and `/docs`: the API described by its own code.

use utoipa::{
    Modify, OpenApi, ToSchema,
    openapi::{
        self, RefOr, ResponseBuilder,
        content::ContentBuilder,
        header::HeaderBuilder,
        path::{Operation, PathItem},
        schema::{Object, Ref, Schema, Type},
        security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme},
    },
};

use super::problem::Problem;

/// What stands in the document besides the handlers.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "lineage-hub",
        description = "Runs, topics, dead letters and lineage of a hub over HTTP.",
        license(name = "Apache-2.0", identifier = "Apache-2.0")
    ),
    modifiers(&Rest),
    components(schemas(Problem)),
    tags(
        (name = "health", description = "Alive, and fit to be used"),
        (name = "pipelines", description = "What is connected to what, and who works on it"),
        (name = "runs", description = "Runs and their books"),
        (name = "topics", description = "Topics and their records"),
        (name = "dead letters", description = "Records that could not be worked on"),
        (name = "lineage", description = "OpenLineage events and the graph that they make"),
    )
)]
pub(super) struct Document;

struct Rest;

const BEARER: &str = "bearer";

impl Modify for Rest {
    fn modify(&self, document: &mut openapi::OpenApi) {
        let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build();
        let components = document.components.get_or_insert_default();
        components.add_security_scheme(BEARER, SecurityScheme::Http(bearer));
    }
}

/// Adds to each operation what holds for all of them: problem details, and the
/// token where it is asked for.
pub(super) fn complete(document: &mut openapi::OpenApi, has_token: bool) {
    for (path, item) in &mut document.paths.paths {
        let is_open = !path.starts_with("/api/");
        for operation in operations(item) {
            operation.responses.responses.insert("default".to_owned(), RefOr::T(problem()));
            if has_token && !is_open {
                let needed = SecurityRequirement::new(BEARER, [""; 0]);
                operation.security.get_or_insert_default().push(needed);
            }
        }
    }
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    [&mut item.get, &mut item.post, &mut item.delete].into_iter().flatten()
}

fn problem() -> openapi::Response {
    let schema = Ref::from_schema_name(Problem::name());
    let seconds: RefOr<Schema> = Object::builder().schema_type(Type::Integer).build().into();
    let retry = HeaderBuilder::new()
        .schema(Some(seconds))
        .description(Some("Seconds; where another try makes sense"))
        .build();
    ResponseBuilder::new()
        .description("A problem; `code` is stable")
        .content(Problem::TYPE, ContentBuilder::new().schema(Some(schema)).build())
        .header("Retry-After", retry)
        .build()
}
