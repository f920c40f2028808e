//! The reference story: Vault with the values file of an EKS cluster, through restarts of Vault and of the emulator.

use anyhow::{Context, Result, ensure};
use irsa_emu_core::contract::SIDECAR;
use serde_json::Value;

use crate::world::{CONTEXT, World, eventually, text_at};

const VALUES: &str = "examples/vault/values.yaml";

/// A Vault of the cluster.
struct Vault {
    namespace: &'static str,
    release: &'static str,
    recipe: &'static str,
}

const FIRST: Vault = Vault {
    namespace: "kube-system",
    release: "vault",
    recipe: "vault-awskms-kube-system-vault",
};
/// In a Namespace of its own, with a key, a role and a ServiceAccount of its own.
const SECOND: Vault = Vault {
    namespace: "e2e-vault",
    release: "vault-two",
    recipe: "vault-awskms-e2e-vault-vault-two",
};
/// A multi-Region key.
const SECOND_KEY: &str = "mrk-22222222222242228222222222222222";

pub(crate) fn unsealed_with_eks_values(world: &World) -> Result<()> {
    world.load(&world.vault_image)?;
    let values = world.file(VALUES);
    world
        .irsa_emu(&["recipe", "vault-awskms", "--values", &values])?
        .code(0)?
        .says("to change in the app's own manifests and values: nothing")?;
    FIRST.install(world, &values)?;
    FIRST.initialise(world)?;
    FIRST.wait_unsealed(world, 30)
}

pub(crate) fn unseals_after_its_own_restart(world: &World) -> Result<()> {
    FIRST.restart(world)?;
    FIRST.wait_unsealed(world, 90)
}

pub(crate) fn unseals_after_the_emulator_forgot(world: &World) -> Result<()> {
    all_outlive_the_emulator(world, &[&FIRST])
}

/// A second Vault takes nothing away from the first: not its Recipe, not its key, not its role.
pub(crate) fn two_side_by_side(world: &World) -> Result<()> {
    let values = std::fs::read_to_string(world.file(VALUES))?
        .replace("f4f7a2e2-c5c6-ea6d-dc42-526ef280e794", SECOND_KEY)
        .replace("role/Vault-AWSKMS", "role/team/Vault-Two");
    ensure!(
        values.contains(SECOND_KEY) && values.contains("Vault-Two"),
        "{VALUES} has another key or role"
    );
    let file = world.folder().join("second-vault.yaml");
    std::fs::write(&file, values)?;
    let values = file.to_string_lossy();
    world.apply(&format!(
        r#"{{"apiVersion": "v1", "kind": "Namespace", "metadata": {{"name": "{}"}}}}"#,
        SECOND.namespace
    ))?;
    let recipe = [
        "recipe",
        "vault-awskms",
        "--values",
        &values,
        "-n",
        SECOND.namespace,
    ];
    let release = ["--release", SECOND.release];
    world
        .irsa_emu(&[&recipe[..], &release].concat())?
        .code(0)?
        .says(&format!("ServiceAccount {}/{}", SECOND.namespace, SECOND.release))?;
    // The role of the first for another Namespace would take it away from the first.
    let first = world.file(VALUES);
    let taking = [
        "recipe",
        "vault-awskms",
        "--values",
        &first,
        "-n",
        SECOND.namespace,
    ];
    world
        .irsa_emu(&taking)?
        .code(3)?
        .says(FIRST.recipe)?
        .says("--replace")?;
    SECOND.install(world, &values)?;
    SECOND.initialise(world)?;
    SECOND.wait_unsealed(world, 30)?;
    all_outlive_the_emulator(world, &[&FIRST, &SECOND])?;
    world
        .program(
            "helm",
            &[
                "uninstall",
                SECOND.release,
                "--kube-context",
                CONTEXT,
                "-n",
                SECOND.namespace,
            ],
        )?
        .code(0)?;
    world.kubectl(&["delete", "recipe", SECOND.recipe])?;
    world.kubectl(&["delete", "namespace", SECOND.namespace, "--wait=false"])?;
    Ok(())
}

fn all_outlive_the_emulator(world: &World, vaults: &[&Vault]) -> Result<()> {
    let before: Vec<i64> = vaults
        .iter()
        .map(|vault| Ok(restored(&vault.recipe(world)?)))
        .collect::<Result<_>>()?;
    world.restart_emulator()?;
    for (vault, before) in vaults.iter().zip(before) {
        eventually("the Recipe is restored and Ready", 90, || {
            let recipe = vault.recipe(world)?;
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
    }
    for vault in vaults {
        vault.restart(world)?;
    }
    for vault in vaults {
        vault.wait_unsealed(world, 90)?;
    }
    Ok(())
}

/// How often the keys of a Recipe came back. The keys only: a role that a Pod asked for meanwhile is back before the keeper
/// looks.
fn restored(recipe: &Value) -> i64 {
    recipe["status"]["resources"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|resource| text_at(resource, "/arn").is_ok_and(|arn| arn.contains(":key/")))
        .filter_map(|key| key["restored"].as_i64())
        .sum()
}

/// Tools outside the Pod can be the Pod, by the sidecar's `credential-process`.
pub(crate) fn sidecar_speaks_for_its_pod(world: &World) -> Result<()> {
    let printed = world.kubectl(&[
        "exec",
        "-n",
        "kube-system",
        "vault-0",
        "-c",
        SIDECAR,
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

impl Vault {
    fn sys(&self, path: &str) -> String {
        let Self {
            namespace, release, ..
        } = self;
        format!("/api/v1/namespaces/{namespace}/services/{release}:8200/proxy/v1/sys/{path}")
    }

    fn recipe(&self, world: &World) -> Result<Value> {
        world.get(&["recipe", self.recipe])
    }

    /// Installs the chart with these values, and the testbed's image.
    fn install(&self, world: &World, values: &str) -> Result<()> {
        let (repository, tag) = world
            .vault_image
            .rsplit_once(':')
            .context("the image of Vault has no tag")?;
        let chart = world.vault_chart.to_string_lossy();
        let repository = format!("server.image.repository={repository}");
        let tag = format!("server.image.tag={tag}");
        world
            .program(
                "helm",
                &[
                    "install",
                    self.release,
                    &chart,
                    "--kube-context",
                    CONTEXT,
                    "-n",
                    self.namespace,
                    "-f",
                    values,
                    "--set",
                    &repository,
                    "--set",
                    &tag,
                ],
            )?
            .code(0)?;
        Ok(())
    }

    fn initialise(&self, world: &World) -> Result<()> {
        let init = eventually("Vault answers", 120, || {
            world.raw(
                &self.sys("init"),
                Some(r#"{"recovery_shares": 1, "recovery_threshold": 1}"#),
            )
        })?;
        ensure!(
            init["root_token"].is_string(),
            "init answered without a root token"
        );
        Ok(())
    }

    fn restart(&self, world: &World) -> Result<()> {
        let pod = format!("{}-0", self.release);
        world.kubectl(&["delete", "pod", "-n", self.namespace, &pod])?;
        Ok(())
    }

    fn wait_unsealed(&self, world: &World, seconds: u64) -> Result<()> {
        eventually("Vault is unsealed", seconds, || {
            let status = world.raw(&self.sys("seal-status"), None)?;
            ensure!(
                status["sealed"] == false && status["initialized"] == true,
                "{status}"
            );
            ensure!(status["type"] == "awskms", "{status}");
            Ok(())
        })
    }
}
