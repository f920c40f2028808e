//! Resident memory of our own processes on the node, printed and not judged: numbers are benchmarks, not tests.
#![expect(clippy::print_stdout, reason = "the figure is the result")]

use anyhow::{Result, ensure};

use crate::world::{World, node_name};

pub(crate) fn report_memory(world: &World) -> Result<()> {
    let script = "for p in /proc/[0-9]*; do n=$(tr '\\0' ' ' <$p/cmdline 2>/dev/null); case $n in /irsa-emu-*) \
                  echo \"${n%% *} $(sed -n 's/^VmRSS:\\s*//p' $p/status)\";; esac; done";
    let said = world
        .program("docker", &["exec", &node_name(), "bash", "-c", script])?
        .code(0)?;
    for name in ["/irsa-emu-webhook", "/irsa-emu-sidecar"] {
        ensure!(
            said.out.contains(name),
            "{name} does not run on the node:\n{}",
            said.out
        );
    }
    println!("debug builds:\n{}", said.out.trim());
    Ok(())
}
