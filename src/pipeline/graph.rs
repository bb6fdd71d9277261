//! The order in which stages follow each other through their topics.

/// A stage as the graph sees it: the topic it reads and the one it writes.
pub type Edge<'a> = (&'a str, &'a str);

/// What [`order`] found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Order {
    /// Stages that follow only stages before them.
    pub sorted: Vec<usize>,
    /// Stages that feed each other, each in the order of the records. What
    /// follows a cycle is neither here nor there.
    pub cycles: Vec<Vec<usize>>,
}

/// Sorts stages so that each stands behind those that feed it; beyond that
/// they keep the order that they were given in.
pub fn order(stages: &[Edge<'_>]) -> Order {
    let mut done = vec![false; stages.len()];
    let mut sorted = Vec::with_capacity(stages.len());
    loop {
        let ready = (0..stages.len())
            .find(|&stage| !done[stage] && upstream(stages, stage).all(|before| done[before]));
        let Some(stage) = ready else { break };
        done[stage] = true;
        sorted.push(stage);
    }
    Order { sorted, cycles: cycles(stages, &done) }
}

/// The stages that write what `stage` reads.
pub fn upstream<'a>(stages: &'a [Edge<'a>], stage: usize) -> impl Iterator<Item = usize> + 'a {
    let from = stages[stage].0;
    (0..stages.len()).filter(move |&other| stages[other].1 == from)
}

/// The stages that read what `stage` writes.
pub fn downstream<'a>(stages: &'a [Edge<'a>], stage: usize) -> impl Iterator<Item = usize> + 'a {
    let to = stages[stage].1;
    (0..stages.len()).filter(move |&other| stages[other].0 == to)
}

/// Walks back from each stage that could not be sorted until a stage comes again.
fn cycles(stages: &[Edge<'_>], done: &[bool]) -> Vec<Vec<usize>> {
    let mut cycles: Vec<Vec<usize>> = Vec::new();
    for start in (0..stages.len()).filter(|&stage| !done[stage]) {
        let mut path = vec![start];
        let mut here = start;
        // Each of them waits for another of them, so the walk never ends early.
        while let Some(before) = upstream(stages, here).find(|&before| !done[before]) {
            if let Some(first) = path.iter().position(|&stage| stage == before) {
                let mut cycle = path.split_off(first);
                cycle.reverse();
                if !cycles.iter().any(|known| known.contains(&cycle[0])) {
                    cycles.push(cycle);
                }
                break;
            }
            path.push(before);
            here = before;
        }
    }
    cycles
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn stages_stand_behind_those_that_feed_them() {
        let stages = [("c", "d"), ("a", "b"), ("b", "c"), ("b", "e")];
        assert_eq!(order(&stages), Order { sorted: vec![1, 2, 0, 3], cycles: vec![] });
        assert_eq!(upstream(&stages, 0).collect::<Vec<_>>(), [2]);
        assert_eq!(downstream(&stages, 1).collect::<Vec<_>>(), [2, 3]);
    }

    #[test]
    fn each_cycle_is_found_once_and_what_follows_it_is_in_neither() {
        let stages = [("a", "b"), ("b", "a"), ("b", "c"), ("x", "x"), ("m", "n")];
        let Order { sorted, cycles } = order(&stages);
        assert_eq!(sorted, [4]);
        assert_eq!(cycles, [vec![1, 0], vec![3]]);
    }

    proptest! {
        #[test]
        fn every_stage_is_sorted_or_there_is_a_cycle(
            given in proptest::collection::vec((0_u8..6, 0_u8..6), 0..9)
        ) {
            let names: Vec<_> = given.iter().map(|(a, b)| (a.to_string(), b.to_string())).collect();
            let stages: Vec<_> = names.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
            let Order { sorted, cycles } = order(&stages);
            for (position, &stage) in sorted.iter().enumerate() {
                let before = &sorted[..position];
                prop_assert!(upstream(&stages, stage).all(|other| before.contains(&other)));
            }
            prop_assert_eq!(sorted.len() == stages.len(), cycles.is_empty());
            for cycle in cycles {
                for (index, &stage) in cycle.iter().enumerate() {
                    let next = cycle[(index + 1) % cycle.len()];
                    prop_assert_eq!(stages[stage].1, stages[next].0);
                }
            }
        }
    }
}
