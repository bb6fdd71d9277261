//! The order in which stages follow each other through their topics.

use std::collections::{BTreeSet, HashMap};

/// Stages connected by the topics that they read and write.
#[derive(Debug, Clone, Default)]
pub struct Graph<'a> {
    /// By stage: the topic it reads.
    from: Vec<&'a str>,
    /// By stage: the topics it writes.
    to: Vec<Vec<&'a str>>,
    writers: HashMap<&'a str, Vec<usize>>,
    readers: HashMap<&'a str, Vec<usize>>,
}

/// What [`Graph::order`] found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Order {
    /// Stages that follow only stages before them.
    pub sorted: Vec<usize>,
    /// Stages that feed each other, each in the order of the records. What
    /// follows a cycle is in neither list.
    pub cycles: Vec<Vec<usize>>,
}

impl<'a> Graph<'a> {
    /// `stages`: the topic that each reads, and those that it writes.
    pub fn new(stages: impl IntoIterator<Item = (&'a str, Vec<&'a str>)>) -> Self {
        let mut graph = Self::default();
        for (stage, (from, to)) in stages.into_iter().enumerate() {
            graph.readers.entry(from).or_default().push(stage);
            for topic in &to {
                graph.writers.entry(topic).or_default().push(stage);
            }
            graph.from.push(from);
            graph.to.push(to);
        }
        graph
    }

    /// The stages that write `topic`, in the order given.
    pub fn writers(&self, topic: &str) -> &[usize] {
        self.writers.get(topic).map_or(&[], Vec::as_slice)
    }

    /// The stages that read `topic`, in the order given.
    pub fn readers(&self, topic: &str) -> &[usize] {
        self.readers.get(topic).map_or(&[], Vec::as_slice)
    }

    /// The stages that write what `stage` reads.
    pub fn upstream(&self, stage: usize) -> &[usize] {
        self.writers(self.from[stage])
    }

    /// The stages that read what `stage` writes.
    pub fn downstream(&self, stage: usize) -> impl Iterator<Item = usize> {
        self.to[stage].iter().flat_map(|topic| self.readers(topic)).copied()
    }

    /// Sorts stages so that each follows those that feed it; apart from that
    /// they keep the order that they were given in.
    pub fn order(&self) -> Order {
        let mut unwritten: HashMap<&str, usize> =
            self.writers.iter().map(|(topic, writers)| (*topic, writers.len())).collect();
        let stages = 0..self.from.len();
        let mut ready: BTreeSet<usize> =
            stages.filter(|&stage| self.upstream(stage).is_empty()).collect();
        let mut done = vec![false; self.from.len()];
        let mut sorted = Vec::with_capacity(done.len());
        while let Some(stage) = ready.pop_first() {
            done[stage] = true;
            sorted.push(stage);
            for topic in &self.to[stage] {
                let left = unwritten.get_mut(topic);
                let Some(left) = left else { continue };
                *left -= 1;
                if *left == 0 {
                    ready.extend(self.readers(topic));
                }
            }
        }
        Order { sorted, cycles: self.cycles(&done) }
    }

    /// Walks back from each stage that could not be sorted until a stage comes again.
    fn cycles(&self, done: &[bool]) -> Vec<Vec<usize>> {
        let mut cycles = Vec::new();
        let mut visited = vec![false; done.len()];
        for start in (0..done.len()).filter(|&stage| !done[stage]) {
            let mut path = Vec::new();
            let mut places = HashMap::new();
            let mut here = start;
            // What an earlier walk visited leads to a cycle that is known.
            while !visited[here] {
                visited[here] = true;
                places.insert(here, path.len());
                path.push(here);
                // Each of them waits for another of them, so the walk never ends early.
                let before = self.upstream(here).iter().find(|&&before| !done[before]);
                let Some(&before) = before else { break };
                here = before;
            }
            if let Some(&first) = places.get(&here) {
                let mut cycle = path.split_off(first);
                cycle.reverse();
                cycles.push(cycle);
            }
        }
        cycles
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn graph<'a>(stages: &[(&'a str, &'a str)]) -> Graph<'a> {
        Graph::new(stages.iter().map(|(from, to)| (*from, vec![*to])))
    }

    #[test]
    fn stages_follow_those_that_feed_them() {
        let graph = graph(&[("c", "d"), ("a", "b"), ("b", "c"), ("b", "e")]);
        assert_eq!(graph.order(), Order { sorted: vec![1, 2, 0, 3], cycles: vec![] });
        assert_eq!(graph.upstream(0), [2]);
        assert_eq!(graph.downstream(1).collect::<Vec<_>>(), [2, 3]);
    }

    #[test]
    fn each_cycle_is_found_once_and_what_follows_it_is_in_neither() {
        let graph = graph(&[("a", "b"), ("b", "a"), ("b", "c"), ("x", "x"), ("m", "n")]);
        let Order { sorted, cycles } = graph.order();
        assert_eq!(sorted, [4]);
        assert_eq!(cycles, [vec![1, 0], vec![3]]);
    }

    #[test]
    fn the_order_of_many_stages_is_found_at_once() {
        let names: Vec<String> = (0..=20_000).map(|topic| format!("t{topic}")).collect();
        let chain = |from: usize, to: usize| (names[from].as_str(), vec![names[to].as_str()]);
        let begun = std::time::Instant::now();
        // The last stage comes first, so none is ready when it is looked at.
        let backwards = Graph::new((0..20_000).rev().map(|at| chain(at, at + 1)));
        assert_eq!(backwards.order().sorted.len(), 20_000);
        let circle = Graph::new((0..20_000).map(|at| chain(at, (at + 1) % 20_000)));
        assert_eq!(circle.order().cycles[0].len(), 20_000);
        assert!(begun.elapsed().as_secs() < 5, "{:?}", begun.elapsed());
    }

    proptest! {
        #[test]
        fn every_stage_is_sorted_or_there_is_a_cycle(
            given in proptest::collection::vec((0_u8..6, 0_u8..6), 0..9)
        ) {
            let names: Vec<_> = given.iter().map(|(a, b)| (a.to_string(), b.to_string())).collect();
            let stages: Vec<_> = names.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
            let graph = graph(&stages);
            let Order { sorted, cycles } = graph.order();
            for (position, &stage) in sorted.iter().enumerate() {
                let before = &sorted[..position];
                prop_assert!(graph.upstream(stage).iter().all(|other| before.contains(other)));
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
