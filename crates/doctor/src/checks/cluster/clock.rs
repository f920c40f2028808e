//! Whether everyone has the same time: a token of the future is refused, and so is a certificate.

use k8s_openapi::api::coordination::v1::Lease;
use kube::Api;
use kube::api::ListParams;
use serde_json::Value;

use super::oidc::claims;
use crate::checks::asked::token;
use crate::checks::engine::{Trouble, Verdict, fine};
use crate::checks::surroundings::Surroundings;

/// Seconds that clocks may be apart; AWS itself allows some minutes, a Kubernetes token of the future nothing.
const APART: i64 = 5;
/// Seconds after which a node that renews its Lease every ten is silent.
const SILENT: i64 = 60;
/// Where the kubelets' Leases are.
const NODE_LEASES: &str = "kube-node-lease";

pub(super) async fn agree(s: &Surroundings<'_>) -> Verdict {
    let client = s.client().await?;
    let leases = Api::<Lease>::namespaced(client.clone(), NODE_LEASES);
    let token = token(&client, "default", "default", "irsa-emu-doctor").await?;
    let now = time::OffsetDateTime::now_utc().unix_timestamp();
    let issued = claims(token.secret()).and_then(|claims| claims.get("iat").and_then(Value::as_i64));
    let leases = leases.list(&ListParams::default()).await?;
    let renewed: Vec<(String, i64)> = leases
        .into_iter()
        .filter_map(|lease| {
            let renewed = lease.spec?.renew_time?.0.as_second();
            Some((lease.metadata.name?, renewed))
        })
        .collect();
    judge(now, issued, &renewed)
}

/// All times in seconds since 1970: this machine's, that of a new token, and those of the nodes' last signs of life.
fn judge(now: i64, issued: Option<i64>, renewed: &[(String, i64)]) -> Verdict {
    const FIX: &str = "set the clocks: restart the virtual machine of Docker, or `sudo hwclock -s` in WSL";
    if let Some(apart) = issued
        .map(|issued| issued - now)
        .filter(|apart| apart.abs() > APART)
    {
        let direction = if apart > 0 { "ahead of" } else { "behind" };
        let message = format!(
            "the API server's clock is {} s {direction} this machine's: tokens and certificates look expired, or not valid yet",
            apart.abs()
        );
        return Err(Trouble::warning(message, FIX));
    }
    for (node, renewed) in renewed {
        let age = issued.unwrap_or(now) - renewed;
        if age < -APART {
            let message = format!("its clock is {} s ahead of the API server's", -age);
            return Err(Trouble::warning(message, FIX).about(format!("Node {node}")));
        }
        if age > SILENT {
            let message = format!(
                "its Lease was last renewed {age} s ago: its kubelet is gone, or its clock is behind"
            );
            return Err(Trouble::warning(message, FIX).about(format!("Node {node}")));
        }
    }
    fine("this machine, the API server and the nodes agree about the time")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_that_are_apart_are_told_with_the_direction() {
        let node = |renewed| vec![("n".to_owned(), renewed)];
        for (issued, renewed, told) in [
            (Some(1000), node(995), None),
            (Some(1005), node(1000), None),
            (None, node(990), None),
            (Some(1060), node(1060), Some("60 s ahead of this machine's")),
            (Some(900), node(900), Some("100 s behind this machine's")),
            (Some(1000), node(1100), Some("100 s ahead of the API server's")),
            (Some(1000), node(900), Some("renewed 100 s ago")),
        ] {
            let said = judge(1000, issued, &renewed).map_err(|trouble| trouble.message);
            match told {
                None => assert!(said.is_ok(), "{issued:?} {renewed:?}: {said:?}"),
                Some(part) => assert!(said.as_ref().unwrap_err().contains(part), "{said:?}"),
            }
        }
    }
}
