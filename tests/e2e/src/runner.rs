//! Runs groups of steps, so that one that fails hides no other.
#![expect(clippy::print_stdout, reason = "a test runner talks to its terminal")]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

use anyhow::{Context, Result, anyhow, bail};

use crate::world::World;

/// One step: its name is the claim that it proves.
pub(crate) type Step = (&'static str, fn(&World) -> Result<()>);

/// What the steps of a group need of each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    /// Nothing: each can run by itself.
    Any,
    /// Nothing, and none of them disturbs another: they run at the same time.
    AtOnce,
    /// Each needs those before it.
    Chain,
}

/// What a group has to do with the install of the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Install {
    /// Nothing: it has one of its own, and runs beside the other groups.
    Own,
    /// Nothing.
    Untouched,
    /// Its steps make it.
    Made,
    /// It must stand before each step.
    Needed,
}

/// Steps with one subject.
#[derive(Clone, Copy)]
pub(crate) struct Group {
    pub(crate) name: &'static str,
    pub(crate) install: Install,
    /// Makes what every step of the group needs. Called again after a failure.
    pub(crate) prepare: fn(&World) -> Result<()>,
    pub(crate) order: Order,
    pub(crate) steps: &'static [Step],
}

/// The steps that are to run.
pub(crate) struct Plan(Vec<(Group, Vec<Step>)>);

impl Plan {
    /// All groups; or those of these names, and the steps with the other words in their names. The error is a word that
    /// fits nothing.
    pub(crate) fn of<'w>(groups: &[Group], wanted: &'w [String]) -> std::result::Result<Self, &'w str> {
        let is_group = |word: &&String| groups.iter().any(|group| group.name == *word);
        let (whole, parts): (Vec<_>, Vec<_>) = wanted.iter().partition(is_group);
        let fits = |part: &str| {
            let mut steps = groups.iter().flat_map(|group| group.steps);
            steps.any(|(name, _)| name.contains(part))
        };
        if let Some(unknown) = parts.iter().find(|part| !fits(part)) {
            return Err(unknown);
        }
        let chosen = |group: &Group| -> Vec<Step> {
            if wanted.is_empty() || whole.iter().any(|name| *name == group.name) {
                return group.steps.to_vec();
            }
            let named = |(name, _): &Step| parts.iter().any(|part| name.contains(part.as_str()));
            let Some(last) = group.steps.iter().rposition(named) else {
                return Vec::new();
            };
            match group.order {
                Order::Chain => group.steps[..=last].to_vec(),
                Order::Any | Order::AtOnce => group.steps.iter().copied().filter(named).collect(),
            }
        };
        let chosen = groups.iter().map(|group| (*group, chosen(group)));
        Ok(Self(chosen.filter(|(_, steps)| !steps.is_empty()).collect()))
    }

    /// Runs the steps and prints the result of each; whether all passed.
    pub(crate) fn run(self, world: &World) -> bool {
        let count: usize = self.0.iter().map(|(_, steps)| steps.len()).sum();
        println!("\nrunning {count} e2e steps");
        let (beside, rest): (Vec<_>, Vec<_>) = self
            .0
            .into_iter()
            .partition(|(group, _)| group.install == Install::Own);
        let results = std::thread::scope(|scope| {
            let beside = scope.spawn(move || Run::of(world).groups(&beside));
            let rest = Run::of(world).groups(&rest);
            [beside.join().ok(), Some(rest)]
        });
        let mut total = Results::default();
        for results in results {
            match results {
                Some(results) => total.add(results),
                None => total.failed.push("a group beside the others: it panicked"),
            }
        }
        total.report()
    }
}

/// How the steps ended.
#[derive(Default)]
struct Results {
    passed: usize,
    failed: Vec<&'static str>,
    left_out: Vec<&'static str>,
}

impl Results {
    fn add(&mut self, more: Self) {
        self.passed += more.passed;
        self.failed.extend(more.failed);
        self.left_out.extend(more.left_out);
    }

    fn report(&self) -> bool {
        for name in &self.failed {
            println!("failed: {name}");
        }
        let (passed, failed, left_out) = (self.passed, self.failed.len(), self.left_out.len());
        match left_out {
            0 => println!("{passed} passed, {failed} failed"),
            _ => println!("{passed} passed, {failed} failed, {left_out} skipped"),
        }
        failed == 0
    }
}

/// Groups that run one after the other.
struct Run<'w> {
    world: &'w World,
    /// Whether the install is as a step may expect it.
    stands: bool,
    results: Results,
}

impl<'w> Run<'w> {
    fn of(world: &'w World) -> Self {
        Self {
            world,
            stands: false,
            results: Results::default(),
        }
    }

    fn groups(mut self, groups: &[(Group, Vec<Step>)]) -> Results {
        for (group, steps) in groups {
            println!("group {}", group.name);
            // What is to be looked at afterwards must not be repaired.
            if let Some(failed) = self.results.failed.first().copied()
                && self.world.is_kept()
            {
                for (step, _) in steps {
                    self.leave_out(step, failed);
                }
                continue;
            }
            match group.order {
                Order::Any | Order::Chain => self.one_by_one(group, steps),
                Order::AtOnce => self.at_once(group, steps),
            }
        }
        self.results
    }

    fn one_by_one(&mut self, group: &Group, steps: &[Step]) {
        let mut prepared = false;
        let mut broken = None;
        for (name, step) in steps {
            if let Some(by) = broken {
                self.leave_out(name, by);
                continue;
            }
            let started = Instant::now();
            if !prepared {
                if let Err(error) = self.prepare(group) {
                    self.failed(name, started, &error);
                    broken = Some(*name);
                    continue;
                }
                prepared = true;
            }
            match attempt(*step, self.world) {
                Ok(()) => self.passed(group, name, started),
                Err(error) => {
                    self.failed(name, started, &error);
                    prepared = false;
                    if group.order == Order::Chain || self.world.is_kept() {
                        broken = Some(*name);
                    }
                }
            }
        }
    }

    fn at_once(&mut self, group: &Group, steps: &[Step]) {
        let started = Instant::now();
        if let Err(error) = self.prepare(group) {
            let name = format!("preparing the group {}", group.name);
            for (at, (step, _)) in steps.iter().enumerate() {
                match at {
                    0 => self.failed(step, started, &error),
                    _ => self.leave_out(step, &name),
                }
            }
            return;
        }
        let world = self.world;
        let ended: Vec<_> = std::thread::scope(|scope| {
            let running: Vec<_> = steps
                .iter()
                .map(|(name, step)| {
                    scope.spawn(move || {
                        let started = Instant::now();
                        let outcome = attempt(*step, world);
                        if outcome.is_ok() {
                            print_passed(name, started);
                        }
                        (started, outcome)
                    })
                })
                .collect();
            running.into_iter().map(|step| step.join().ok()).collect()
        });
        for ((name, _), ended) in steps.iter().zip(ended) {
            match ended {
                Some((_, Ok(()))) => self.results.passed += 1,
                Some((started, Err(error))) => self.failed(name, started, &error),
                None => self.failed(name, started, &anyhow!("it panicked")),
            }
        }
    }

    fn prepare(&mut self, group: &Group) -> Result<()> {
        if group.install == Install::Needed && !self.stands {
            self.world
                .stand()
                .context("before the step: the install cannot be repaired")?;
            self.stands = true;
        }
        (group.prepare)(self.world).with_context(|| format!("preparing the group {}", group.name))
    }

    fn passed(&mut self, group: &Group, name: &'static str, started: Instant) {
        print_passed(name, started);
        self.results.passed += 1;
        self.stands |= group.install == Install::Made;
    }

    fn failed(&mut self, name: &'static str, started: Instant, error: &anyhow::Error) {
        let took = started.elapsed().as_secs_f64();
        println!("test {name} ... FAILED ({took:.1} s)\n\n{error:#}\n");
        self.world.print_state();
        self.results.failed.push(name);
        self.stands = false;
    }

    fn leave_out(&mut self, name: &'static str, broken: &str) {
        println!("test {name} ... not run, as this failed: {broken}");
        self.results.left_out.push(name);
    }
}

/// Runs a step. One that panics has failed, like any other.
fn attempt(step: fn(&World) -> Result<()>, world: &World) -> Result<()> {
    catch_unwind(AssertUnwindSafe(|| step(world))).unwrap_or_else(|_| bail!("it panicked"))
}

fn print_passed(name: &str, started: Instant) {
    println!("test {name} ... ok ({:.1} s)", started.elapsed().as_secs_f64());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(name: &'static str, order: Order) -> Group {
        const STEPS: &[Step] = &[
            ("first", |_| Ok(())),
            ("second", |_| Ok(())),
            ("third", |_| Ok(())),
        ];
        Group {
            name,
            install: Install::Needed,
            prepare: |_| Ok(()),
            order,
            steps: STEPS,
        }
    }

    fn chosen(wanted: &[&str]) -> Vec<String> {
        let groups = [group("alone", Order::Any), group("chain", Order::Chain)];
        let wanted: Vec<String> = wanted.iter().map(|&name| name.to_owned()).collect();
        let plan = match Plan::of(&groups, &wanted) {
            Ok(plan) => plan,
            Err(unknown) => return vec![format!("unknown: {unknown}")],
        };
        let line = |(group, steps): &(Group, Vec<Step>)| {
            let names: Vec<&str> = steps.iter().map(|(name, _)| *name).collect();
            format!("{}: {}", group.name, names.join(" "))
        };
        plan.0.iter().map(line).collect()
    }

    #[test]
    fn a_group_or_a_part_of_a_name_chooses_with_what_it_builds_on() {
        assert_eq!(
            chosen(&[]),
            ["alone: first second third", "chain: first second third"]
        );
        assert_eq!(chosen(&["chain"]), ["chain: first second third"]);
        assert_eq!(chosen(&["seco"]), ["alone: second", "chain: first second"]);
        assert_eq!(chosen(&["chain", "nothing"]), ["unknown: nothing"]);
    }

    #[test]
    fn a_word_that_is_a_group_chooses_no_step_of_another() {
        for group in crate::groups::ALL {
            let wanted = [group.name.to_owned()];
            let plan = Plan::of(crate::groups::ALL, &wanted).unwrap();
            let names: Vec<&str> = plan.0.iter().map(|(group, _)| group.name).collect();
            assert_eq!(names, [group.name]);
        }
    }

    #[test]
    fn every_step_and_group_has_a_name_of_its_own() {
        let all = crate::groups::ALL;
        let steps = all
            .iter()
            .flat_map(|group| group.steps.iter().map(|(name, _)| *name));
        let mut names: Vec<&str> = steps.chain(all.iter().map(|group| group.name)).collect();
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
    }
}
