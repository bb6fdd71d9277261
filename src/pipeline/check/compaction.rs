//! A compacted topic takes only records with a key.

use crate::{
    pipeline::{
        plan::TopicPlan,
        problem::{Place, Problems},
        spec::Format,
    },
    transform::Plan,
};

/// Reports a stage that writes records without a key, or may write them, to a
/// compacted topic; `place` is its output.
pub(super) fn check(
    from: &TopicPlan,
    to: &TopicPlan,
    plan: &Plan,
    place: &Place,
    problems: &mut Problems,
) {
    let policy = to.config.get("cleanup.policy");
    if !policy.is_some_and(|policy| policy.contains("compact")) {
        return;
    }
    let name = &to.name;
    if to.format == Format::Arrow {
        let message = format!("topic `{name}` is compacted, and Arrow records have no key");
        let hint = "use `format: json`, or `cleanup.policy: delete`".to_owned();
        problems.error_hint(place, message, hint);
    } else if to.key.is_none() && plan.setters().key.is_none() && from.key.is_none() {
        let message = format!(
            "topic `{name}` is compacted, so Kafka refuses a record without a key, and the stage \
             stops; declare the `key` of `{}` or `{name}`, or set `_key` in the SELECT",
            from.name
        );
        problems.warning(place, message);
    }
}
