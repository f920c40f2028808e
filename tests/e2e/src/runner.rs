//! Runs groups of steps, so that one that fails hides no other.
#![expect(clippy::print_stdout, reason = "a test runner talks to its terminal")]

use std::time::Instant;

use anyhow::{Context, Result};

use crate::world::World;

/// One step: its name is the claim that it proves.
pub(crate) type Step = (&'static str, fn(&World) -> Result<()>);

/// What the steps of a group need of each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Build {
    /// Each can run by itself.
    OnNothing,
    /// Each needs those before it.
    OnEachOther,
}

/// What a group has to do with the install of the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Install {
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
    pub(crate) steps_build: Build,
    pub(crate) steps: &'static [Step],
}

/// The steps that are to run.
pub(crate) struct Plan(Vec<(Group, Vec<Step>)>);

impl Plan {
    /// Groups of these names and steps with these parts in their names; all where nothing is named.
    pub(crate) fn of(groups: impl IntoIterator<Item = Group>, wanted: &[String]) -> Self {
        let chosen = |group: &Group| -> Vec<Step> {
            if wanted.is_empty() || wanted.iter().any(|name| name == group.name) {
                return group.steps.to_vec();
            }
            let named = |(name, _): &Step| wanted.iter().any(|part| name.contains(part.as_str()));
            let Some(last) = group.steps.iter().rposition(named) else {
                return Vec::new();
            };
            match group.steps_build {
                Build::OnEachOther => group.steps[..=last].to_vec(),
                Build::OnNothing => group.steps.iter().copied().filter(named).collect(),
            }
        };
        let chosen = groups.into_iter().map(|group| (group, chosen(&group)));
        Self(chosen.filter(|(_, steps)| !steps.is_empty()).collect())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Runs the steps and prints the result of each; whether all passed.
    pub(crate) fn run(self, world: &World) -> bool {
        let count: usize = self.0.iter().map(|(_, steps)| steps.len()).sum();
        println!("\nrunning {count} e2e steps");
        let mut run = Run {
            world,
            stands: false,
            passed: 0,
            failed: Vec::new(),
            left_out: Vec::new(),
        };
        for (group, steps) in &self.0 {
            run.group(group, steps);
        }
        run.report()
    }
}

/// What has happened so far.
struct Run<'w> {
    world: &'w World,
    /// Whether the install is as a step may expect it.
    stands: bool,
    passed: usize,
    failed: Vec<&'static str>,
    left_out: Vec<&'static str>,
}

impl Run<'_> {
    fn group(&mut self, group: &Group, steps: &[Step]) {
        println!("group {}", group.name);
        let mut prepared = false;
        let mut broken = None;
        for (name, step) in steps {
            if let Some(by) = broken {
                println!("test {name} ... not run, as {by} failed");
                self.left_out.push(name);
                continue;
            }
            let started = Instant::now();
            let outcome = self
                .prepare(group, &mut prepared)
                .map_err(|error| (true, error))
                .and_then(|()| step(self.world).map_err(|error| (false, error)));
            let took = started.elapsed().as_secs_f64();
            match outcome {
                Ok(()) => {
                    self.passed += 1;
                    self.stands |= group.install == Install::Made;
                    println!("test {name} ... ok ({took:.1} s)");
                }
                Err((before, error)) => {
                    println!("test {name} ... FAILED ({took:.1} s)\n\n{error:#}\n");
                    self.world.print_state();
                    self.failed.push(name);
                    (self.stands, prepared) = (false, false);
                    if before || group.steps_build == Build::OnEachOther {
                        broken = Some(*name);
                    }
                }
            }
        }
    }

    fn prepare(&mut self, group: &Group, prepared: &mut bool) -> Result<()> {
        if *prepared {
            return Ok(());
        }
        if group.install == Install::Needed && !self.stands {
            self.world
                .stand()
                .context("before the step: the install cannot be repaired")?;
            self.stands = true;
        }
        (group.prepare)(self.world).with_context(|| format!("preparing the group {}", group.name))?;
        *prepared = true;
        Ok(())
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

#[cfg(test)]
mod tests {
    use super::*;

    fn group(name: &'static str, steps_build: Build) -> Group {
        const STEPS: &[Step] = &[
            ("first", |_| Ok(())),
            ("second", |_| Ok(())),
            ("third", |_| Ok(())),
        ];
        Group {
            name,
            install: Install::Needed,
            prepare: |_| Ok(()),
            steps_build,
            steps: STEPS,
        }
    }

    fn chosen(wanted: &[&str]) -> Vec<String> {
        let groups = [
            group("alone", Build::OnNothing),
            group("chain", Build::OnEachOther),
        ];
        let wanted: Vec<String> = wanted.iter().map(|&name| name.to_owned()).collect();
        let plan = Plan::of(groups, &wanted);
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
        assert!(chosen(&["nothing"]).is_empty());
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
