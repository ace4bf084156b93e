//! How many workers recognise, what their models run on first, and how they share the processor.

use super::accelerator::MOST_WORKERS;
use super::{CPU, Models, On};

/// One of the workers that a configuration names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Worker<'a> {
    /// Its number, from 1; nothing for the only one.
    pub number: Option<usize>,
    /// What its models run on first, if it says that.
    pub first: Option<&'a str>,
}

/// How the processor is shared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Crew {
    /// How many workers recognise.
    pub workers: usize,
    /// How many threads one run of a model on the CPU has.
    pub threads: usize,
}

impl Models {
    /// The workers that `models.workers` names; without it one, which may stand for several that are alike: see
    /// [`Models::crew`].
    pub fn workers(&self) -> Vec<Worker<'_>> {
        match self.workers.as_slice() {
            [] => vec![Worker { number: None, first: None }],
            [only] => vec![Worker { number: None, first: Some(only) }],
            several => (1..)
                .zip(several)
                .map(|(number, first)| Worker { number: Some(number), first: Some(first) })
                .collect(),
        }
    }

    /// The workers for so many cameras on so many processor cores; `threads` is that of `[runtime]`, 0 when it leaves them open.
    /// Where no worker is named and all models run on the CPU, there are as many as the cores have room for, but no more than
    /// cameras: threads of one run wait for each other, and workers do not. Open threads are the cores, shared by the workers
    /// whose detector runs on the CPU.
    pub fn crew(&self, cameras: usize, cores: usize, threads: usize) -> Crew {
        let named = self.workers();
        let share = |workers: usize| if threads > 0 { threads } else { (cores / workers.max(1)).max(1) };
        let computes = |key, worker: &Worker<'_>| self.on.wishes(key, worker.first)[0] == CPU;
        if self.workers.is_empty() && On::KEYS.iter().all(|key| computes(key, &named[0])) {
            let workers = cameras.min(cores / threads.max(1)).clamp(1, MOST_WORKERS);
            return Crew { workers, threads: share(workers) };
        }
        let sharing = named.iter().filter(|worker| computes("detect", worker)).count();
        Crew { workers: named.len(), threads: share(sharing) }
    }

    /// Whether any model is to run on what has this name.
    pub fn want(&self, name: &str) -> bool {
        let wants = |worker: &Worker<'_>| {
            On::KEYS.iter().any(|key| self.on.wishes(key, worker.first).contains(&name))
        };
        self.workers().iter().any(wants)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::Config;

    #[test]
    fn the_processor_is_shared_by_the_workers_that_compute_on_it() {
        let crew = |models: &str, cameras, cores, threads| {
            let text = format!(
                "[models]\n{models}\n[[accelerator]]\nname = \"npu\"\nprovider = \"qnn\"\nlibrary = \"q.so\"\n\
                 [[camera]]\nname = \"ramp\"\npipeline = \"videotestsrc\"\n"
            );
            let Crew { workers, threads } =
                Config::parse(&text, Path::new("/etc")).unwrap().models.crew(cameras, cores, threads);
            (workers, threads)
        };
        for (models, cameras, cores, expected) in [
            ("", 1, 4, (1, 4)),
            ("", 2, 4, (2, 2)),
            ("", 16, 2, (2, 1)),
            ("", 16, 6, (6, 1)),
            ("", 3, 8, (3, 2)),
            ("", 0, 4, (1, 4)),
            ("", 99, 99, (MOST_WORKERS, 6)),
            ("on = [\"cpu\"]", 16, 2, (2, 1)),
            // An accelerator would get each model several times.
            ("on = [\"npu\", \"cpu\"]", 16, 4, (1, 4)),
            ("on = { pose = [\"npu\"] }", 16, 4, (1, 4)),
            ("workers = [\"cpu\"]", 16, 4, (1, 4)),
            ("workers = [\"cpu\", \"cpu\", \"cpu\"]", 16, 4, (3, 1)),
            ("workers = [\"npu\", \"cpu\"]", 16, 4, (2, 4)),
        ] {
            assert_eq!(
                crew(models, cameras, cores, 0),
                expected,
                "{models}, {cameras} cameras, {cores} cores"
            );
        }
        for (models, threads, expected) in [
            ("", 1, (4, 1)),
            ("", 2, (2, 2)),
            ("", 3, (1, 3)),
            ("", 9, (1, 9)),
            ("workers = [\"cpu\"]", 2, (1, 2)),
            ("workers = [\"cpu\", \"cpu\", \"cpu\"]", 2, (3, 2)),
        ] {
            assert_eq!(crew(models, 16, 4, threads), expected, "{models}, {threads} threads");
        }
    }
}
