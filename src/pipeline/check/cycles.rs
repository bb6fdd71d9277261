//! Cycles of stages: records would go round in them without end.
//!
//! A stage leads to those that read what it writes, and to those that read its
//! dead letters: a letter that is repaired, sent back and fails again goes
//! round as well.

use crate::pipeline::{graph::Graph, problem::Problems, spec::StageSpec};

/// A stage and its id, `pipeline/stage`.
pub(super) type Named<'p> = (String, &'p StageSpec);

/// Reports `cycles`, which lead through records, and all cycles that lead
/// through dead letters.
pub(super) fn report(stages: &[Named<'_>], cycles: &[Vec<usize>], problems: &mut Problems) {
    for cycle in cycles {
        report_cycle(stages, cycle, problems);
    }
    let letters: Vec<_> = stages.iter().map(|(_, stage)| stage.dead_letter_topic()).collect();
    let with_letters = stages.iter().zip(&letters).map(|((_, stage), letters)| {
        (stage.from.as_str(), vec![stage.to.as_str(), letters.as_ref()])
    });
    for cycle in Graph::new(with_letters).order().cycles {
        report_letters(stages, cycle, problems);
    }
}

fn report_cycle(stages: &[Named<'_>], cycle: &[usize], problems: &mut Problems) {
    let Some(&first) = cycle.iter().min() else { return };
    let mut names: Vec<_> = cycle.iter().map(|&index| stages[index].0.as_str()).collect();
    let start = cycle.iter().position(|&index| index == first).unwrap_or_default();
    names.rotate_left(start);
    names.push(names[0]);
    let message = format!("a cycle: {}", names.join(" -> "));
    let hint = "records would go round for ever; let one stage write another topic".to_owned();
    problems.error_hint(stages[first].1.from.place(), message, hint);
}

fn report_letters(stages: &[Named<'_>], mut cycle: Vec<usize>, problems: &mut Problems) {
    let by_letters =
        |from: usize, to: usize| stages[from].1.to.as_str() != stages[to].1.from.as_str();
    let next = |at: usize| cycle[(at + 1) % cycle.len()];
    let failing = (0..cycle.len()).filter(|&at| by_letters(cycle[at], next(at)));
    let failing = failing.min_by_key(|&at| cycle[at]);
    // A stage that reads its own dead letters is reported as such.
    let Some(failing) = failing.filter(|_| cycle.len() > 1) else { return };
    cycle.rotate_left(failing);
    let mut path = vec![stages[cycle[0]].0.clone()];
    for (at, &stage) in cycle.iter().enumerate() {
        let next = cycle[(at + 1) % cycle.len()];
        let what = if by_letters(stage, next) { "dead letters " } else { "" };
        path.push(format!("{what}{}", stages[next].1.from.as_str()));
        path.push(stages[next].0.clone());
    }
    let path = path.join(" -> ");
    let (reader, stage) = &stages[cycle[1]];
    let message = format!("a cycle through dead letters: {path}");
    let hint = format!(
        "a record that fails again would go round for ever; let `{reader}` write a topic that \
         does not lead back, or use `lineage-hub dlq replay`"
    );
    problems.error_hint(stage.to.place(), message, hint);
}
