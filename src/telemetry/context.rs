//! W3C trace context: what travels in the header `traceparent` of records and requests.

use opentelemetry::{
    Context,
    trace::{SpanContext, SpanId, TraceContextExt, TraceFlags, TraceId, TraceState},
};

/// The header's name, in records and in HTTP.
pub const TRACEPARENT: &str = "traceparent";

/// Bytes of a header's value: `00-<32 hex>-<16 hex>-<2 hex>`.
pub const LENGTH: usize = 55;

/// The header's value.
pub type Header = [u8; LENGTH];

/// Reads a header; `None` where it is none, or not of a version that is known.
pub fn extract(header: &[u8]) -> Option<SpanContext> {
    let text = std::str::from_utf8(header).ok()?;
    let mut parts = text.split('-');
    let (version, trace, span, flags) =
        (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let is_hex = |part: &str, length: usize| {
        part.len() == length
            && part.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
    };
    let well_formed =
        is_hex(version, 2) && is_hex(trace, 32) && is_hex(span, 16) && is_hex(flags, 2);
    // Version 00 has four parts; later ones may have more, and ff is forbidden.
    if !well_formed || version == "ff" || (version == "00" && parts.next().is_some()) {
        return None;
    }
    let flags = u8::from_str_radix(flags, 16).ok()?;
    let context = SpanContext::new(
        TraceId::from_hex(trace).ok()?,
        SpanId::from_hex(span).ok()?,
        TraceFlags::new(flags) & TraceFlags::SAMPLED,
        true,
        TraceState::NONE,
    );
    context.is_valid().then_some(context)
}

/// What a span begins under: `parent`, or nothing.
pub fn under(parent: Option<SpanContext>) -> Context {
    parent.map_or_else(Context::new, |parent| Context::new().with_remote_span_context(parent))
}

/// The first of them, where all are of one trace.
pub fn shared(contexts: &[SpanContext]) -> Option<SpanContext> {
    let first = contexts.first()?;
    let is_one = contexts.iter().all(|other| other.trace_id() == first.trace_id());
    is_one.then(|| first.clone())
}

/// Writes a header.
pub fn inject(context: &SpanContext) -> Header {
    let mut header = [0; LENGTH];
    header[..3].copy_from_slice(b"00-");
    hex(&mut header[3..35], &context.trace_id().to_bytes());
    header[35] = b'-';
    hex(&mut header[36..52], &context.span_id().to_bytes());
    header[52..].copy_from_slice(if context.is_sampled() { b"-01" } else { b"-00" });
    header
}

/// The header of the span that is under way here, where one is.
pub fn current() -> Option<Header> {
    let context = Context::current();
    let span = context.span();
    let span = span.span_context();
    span.is_valid().then(|| inject(span))
}

fn hex(out: &mut [u8], bytes: &[u8]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for (pair, byte) in out.chunks_exact_mut(2).zip(bytes) {
        pair[0] = DIGITS[usize::from(byte >> 4)];
        pair[1] = DIGITS[usize::from(byte & 15)];
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HEADER: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    #[test]
    fn a_header_reads_back() {
        let context = extract(HEADER.as_bytes()).unwrap();
        assert!(context.is_sampled() && context.is_remote());
        assert_eq!(inject(&context), HEADER.as_bytes());
        let later = format!("cc{}-what-comes", &HEADER[2..]);
        assert_eq!(
            extract(later.as_bytes()).map(|context| inject(&context)),
            Some(inject(&context))
        );
    }

    #[test]
    fn what_is_no_header_is_refused() {
        let zeros = "00-00000000000000000000000000000000-b7ad6b7169203331-01";
        let upper = HEADER.to_uppercase();
        let long = format!("{HEADER}-more");
        for text in ["", "00", zeros, &upper, &long, &HEADER[1..], &HEADER.replace("00-", "ff-")] {
            assert!(extract(text.as_bytes()).is_none(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            let _ = extract(&bytes);
        }

        #[test]
        fn ids_read_back(trace in 1_u128.., span in 1_u64.., flags in 0_u8..2) {
            let context = SpanContext::new(
                TraceId::from_bytes(trace.to_be_bytes()),
                SpanId::from_bytes(span.to_be_bytes()),
                TraceFlags::new(flags),
                true,
                TraceState::NONE,
            );
            prop_assert_eq!(extract(&inject(&context)), Some(context));
        }
    }
}
