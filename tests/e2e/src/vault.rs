//! The reference story: Vault with the values file of an EKS cluster, through restarts of Vault and of the emulator.

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::world::{CONTEXT, World, eventually, text_at};

const VAULT: &str = "/api/v1/namespaces/kube-system/services/vault:8200/proxy/v1/sys";
const VALUES: &str = "examples/vault/values.yaml";

pub(crate) fn unsealed_with_eks_values(world: &World) -> Result<()> {
    world.load(&world.vault_image)?;
    let values = world.file(VALUES);
    world
        .irsa_emu(&["recipe", "vault-awskms", "--values", &values])?
        .code(0)?
        .says("to change in the app's own manifests and values: nothing")?;
    let (repository, tag) = world
        .vault_image
        .rsplit_once(':')
        .context("the image of Vault has no tag")?;
    let chart = world.vault_chart.to_string_lossy();
    let (repository, tag) = (
        format!("server.image.repository={repository}"),
        format!("server.image.tag={tag}"),
    );
    world
        .program(
            "helm",
            &[
                "install",
                "vault",
                &chart,
                "--kube-context",
                CONTEXT,
                "-n",
                "kube-system",
                "-f",
                &values,
                "--set",
                &repository,
                "--set",
                &tag,
            ],
        )?
        .code(0)?;
    let init = eventually("Vault answers", 120, || {
        world.raw(
            &format!("{VAULT}/init"),
            Some(r#"{"recovery_shares": 1, "recovery_threshold": 1}"#),
        )
    })?;
    ensure!(
        init["root_token"].is_string(),
        "init answered without a root token"
    );
    wait_unsealed(world, 30)
}

pub(crate) fn unseals_after_its_own_restart(world: &World) -> Result<()> {
    restart_vault(world)?;
    wait_unsealed(world, 90)
}

pub(crate) fn unseals_after_the_emulator_forgot(world: &World) -> Result<()> {
    // The key only: a role that a Pod asked for meanwhile is back before the keeper looks.
    let restored = |recipe: &Value| -> i64 {
        recipe["status"]["resources"]
            .as_array()
            .into_iter()
            .flatten()
            .filter(|resource| text_at(resource, "/arn").is_ok_and(|arn| arn.contains(":key/")))
            .filter_map(|key| key["restored"].as_i64())
            .sum()
    };
    let before = restored(&world.get(&["recipe", "vault-awskms"])?);
    world.restart_emulator()?;
    eventually("the Recipe is restored and Ready", 90, || {
        let recipe = world.get(&["recipe", "vault-awskms"])?;
        ensure!(
            restored(&recipe) > before,
            "the key did not come back: {}",
            recipe["status"]
        );
        ensure!(
            recipe["status"]["conditions"][0]["status"] == "True",
            "{}",
            recipe["status"]
        );
        Ok(())
    })?;
    restart_vault(world)?;
    wait_unsealed(world, 90)
}

/// Tools outside the Pod can be the Pod, by the sidecar's `credential-process`.
pub(crate) fn sidecar_speaks_for_its_pod(world: &World) -> Result<()> {
    let printed = world.kubectl(&[
        "exec",
        "-n",
        "kube-system",
        "vault-0",
        "-c",
        "irsa-emu-creds-injector",
        "--",
        "/irsa-emu-sidecar",
        "credential-process",
    ])?;
    let credentials: Value = serde_json::from_str(&printed).context("no JSON was printed")?;
    ensure!(
        credentials["Version"] == 1
            && credentials["AccessKeyId"].is_string()
            && credentials["SessionToken"].is_string(),
        "the form of a credential_process is another"
    );
    Ok(())
}

fn restart_vault(world: &World) -> Result<()> {
    world.kubectl(&["delete", "pod", "-n", "kube-system", "vault-0"])?;
    Ok(())
}

fn wait_unsealed(world: &World, seconds: u64) -> Result<()> {
    eventually("Vault is unsealed", seconds, || {
        let status = world.raw(&format!("{VAULT}/seal-status"), None)?;
        ensure!(
            status["sealed"] == false && status["initialized"] == true,
            "{status}"
        );
        ensure!(status["type"] == "awskms", "{status}");
        Ok(())
    })
}
