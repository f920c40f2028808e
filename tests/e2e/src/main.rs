//! The acceptance of the main job: drives the built `irsa-emu` against a real cluster, step by step.
//!
//! `make e2e` sets up what it needs. Each step asserts its result and is one test in the closing count. The steps share a
//! cluster and stand in groups by subject: after a failure the state of the cluster is printed, the install is repaired,
//! and every step that does not build on the failed one still runs.
#![expect(clippy::print_stderr, reason = "a test runner talks to its terminal")]

mod admission;
mod churn;
mod clusters;
mod doctor;
mod explain;
mod faults;
mod groups;
mod host_port;
mod hostile;
mod identity;
mod laptop;
mod leader;
mod lifecycle;
mod memory;
mod probe;
mod real_aws;
mod restart;
mod runner;
mod sdks;
mod services;
mod sts;
mod system;
mod vault;
mod world;

use std::process::ExitCode;

use world::World;

fn main() -> ExitCode {
    // `irsa-emu-e2e vault two_ups` runs the group `vault` and the steps with `two_ups` in their names.
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    let plan = match runner::Plan::of(groups::ALL, &wanted) {
        Ok(plan) => plan,
        Err(unknown) => {
            let groups: Vec<&str> = groups::ALL.iter().map(|group| group.name).collect();
            let groups = groups.join(", ");
            eprintln!("e2e: no group and no step has the name {unknown}; the groups are: {groups}");
            return ExitCode::from(2);
        }
    };
    let world = match World::from_env().and_then(|world| world.begin().map(|()| world)) {
        Ok(world) => world,
        Err(error) => {
            eprintln!("e2e: {error:#}");
            return ExitCode::from(2);
        }
    };
    let passed = plan.run(&world);
    world.clean_up();
    if let Err(error) = faults::remove_image(&world) {
        eprintln!("e2e: {error:#}");
    }
    if passed {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
