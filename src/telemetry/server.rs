//! What is told of a request to the API: one span, which what it begins goes on with.

use opentelemetry::{
    Context, KeyValue,
    trace::{SpanBuilder, SpanKind, Status, TraceContextExt, Tracer},
};

use super::{
    context::{self, Header},
    metrics::label,
};

/// A request that is being answered; nothing where traces are off. Dropped with its
/// client gone, the span ends without a status.
#[derive(Debug)]
pub struct Served(Option<Context>);

impl Served {
    /// `parent`: the header `traceparent` of the request, where it has one.
    pub fn start(method: &str, route: &str, parent: Option<&[u8]>) -> Self {
        Self(super::tracer().map(|tracer| {
            let parent = context::under(parent.and_then(context::extract));
            let builder = SpanBuilder::from_name(format!("{method} {route}"))
                .with_kind(SpanKind::Server)
                .with_attributes([
                    label("http.request.method", method),
                    label("http.route", route),
                ]);
            let span = tracer.build_with_context(builder, &parent);
            parent.with_span(span)
        }))
    }

    /// What whatever it begins is to carry as the parent's header.
    pub fn header(&self) -> Option<Header> {
        let context = self.0.as_ref()?;
        Some(context::inject(context.span().span_context()))
    }

    /// It is answered; a stream may still go on.
    pub fn end(self, status: u16) {
        let Some(context) = self.0 else { return };
        let span = context.span();
        span.set_attribute(KeyValue::new("http.response.status_code", i64::from(status)));
        if status >= 500 {
            span.set_status(Status::error(String::new()));
        }
        span.end();
    }
}
