//! Annotations that nobody reads, or that cannot work: EKS's webhook passes over them in silence.

use irsa_emu_core::contract::ROLE_ARN;
use irsa_emu_core::grant::{Mistake, find_mistakes};
use irsa_emu_core::shell::shell_quoted;

use crate::checks::engine::{Trouble, Verdict, fine, nothing};
use crate::checks::surroundings::Surroundings;
use crate::checks::surroundings::accounts::{Account, Accounts};

pub(super) async fn spelt(s: &Surroundings<'_>) -> Verdict {
    judge(s.accounts().await?, |rest| s.kubectl(rest))
}

fn judge(accounts: &Accounts, kubectl: impl Fn(&str) -> String) -> Verdict {
    let mistakes: Vec<(&Account, Mistake)> = accounts
        .list
        .iter()
        .flat_map(|account| {
            let found = find_mistakes(&account.annotations, &accounts.defaults.annotation_prefix).into_iter();
            found.map(move |mistake| (account, mistake))
        })
        .filter(|(account, mistake)| !is_completed(accounts, account, mistake))
        .collect();
    let decides = |mistake: &Mistake| is_role(&mistake.key) || mistake.meant.as_deref().is_some_and(is_role);
    // What decides about a role comes first: without it nothing works.
    let worst = mistakes.iter().find(|(_, mistake)| decides(mistake));
    let Some((account, mistake)) = worst.or(mistakes.first()) else {
        if accounts.list.is_empty() {
            return nothing("no ServiceAccount has an annotation of EKS's");
        }
        return fine(format!("{} ServiceAccount(s)", accounts.list.len()));
    };
    let more = match mistakes.len() {
        1 => String::new(),
        count => format!(" (and {} more)", count - 1),
    };
    let message = format!("{mistake}{more}");
    let fix = kubectl(&repair(account, mistake));
    let trouble = if worst.is_some() {
        Trouble::new(message, fix)
    } else {
        Trouble::warning(message, fix)
    };
    Err(trouble.about(format!("ServiceAccount {}/{}", account.namespace, account.name)))
}

fn is_role(key: &str) -> bool {
    key.ends_with(&format!("/{ROLE_ARN}"))
}

/// Whether what looks wrong is a name that this install makes an ARN of.
fn is_completed(accounts: &Accounts, account: &Account, mistake: &Mistake) -> bool {
    mistake.meant.is_none() && is_role(&mistake.key) && accounts.wish(account).is_some()
}

/// The rest of a kubectl command that fixes an annotation.
fn repair(account: &Account, mistake: &Mistake) -> String {
    let Account {
        namespace,
        name,
        annotations,
    } = account;
    let annotate = format!("-n {namespace} annotate --overwrite serviceaccount {name}");
    let value = annotations.get(&mistake.key).map_or("", String::as_str);
    match &mistake.meant {
        Some(meant) => format!(
            "{annotate} {} {}-",
            shell_quoted(&format!("{meant}={value}")),
            mistake.key
        ),
        None if is_role(&mistake.key) => format!("{annotate} {}=arn:aws:iam::ACCOUNT:role/NAME", mistake.key),
        None => format!("{annotate} {}-", mistake.key),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::surroundings::accounts::tests::{account_with, accounts};

    const ARN: &str = "arn:aws:iam::123456789012:role/app";

    fn judged(annotations: &[(&str, &str)]) -> Verdict {
        judge(
            &accounts(vec![account_with("shop", "app", annotations)]),
            |rest| rest.to_owned(),
        )
    }

    #[test]
    fn a_misspelt_key_is_an_error_with_the_command_that_mends_it() {
        let trouble = judged(&[("eks.amazonaws.com/role_arn", ARN)]).unwrap_err();
        assert!(!trouble.warning);
        assert_eq!(trouble.object.as_deref(), Some("ServiceAccount shop/app"));
        assert_eq!(
            trouble.fix,
            format!(
                "-n shop annotate --overwrite serviceaccount app eks.amazonaws.com/role-arn={ARN} eks.amazonaws.com/role_arn-"
            )
        );
    }

    #[test]
    fn only_what_decides_about_the_role_is_an_error() {
        assert!(judged(&[("eks.amazonaws.com/role-arn", ARN)]).is_ok());
        assert!(
            !judged(&[("eks.amazonaws.com/role-arn", "app")])
                .unwrap_err()
                .warning
        );
        let lifetime = ("eks.amazonaws.com/token-expiration", "1h");
        assert!(judged(&[lifetime]).unwrap_err().warning);
        let trouble = judged(&[lifetime, ("eks.amazonaws.com/role_arn", ARN)]).unwrap_err();
        assert!(
            !trouble.warning && trouble.message.ends_with("(and 1 more)"),
            "{}",
            trouble.message
        );
    }

    #[test]
    fn a_bare_name_is_good_where_names_are_completed() {
        let mut accounts = accounts(vec![account_with(
            "shop",
            "app",
            &[("eks.amazonaws.com/role-arn", "app")],
        )]);
        accounts.defaults.compose = Some(irsa_emu_core::grant::Compose {
            partition: "aws".into(),
            account: "123456789012".into(),
        });
        assert!(judge(&accounts, |rest| rest.to_owned()).is_ok());
    }
}
