//! Which cluster an install goes to. Nothing is ever installed into a cluster that nobody named.

use crate::local::family::Family;

/// Where the cluster comes from, as it is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// Whatever fits.
    Auto,
    /// An own cluster, made by this program.
    Own(Family),
    /// A cluster that is there.
    Existing,
}

/// What there is to choose from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Candidates {
    /// The context that the user named.
    pub named: Option<String>,
    /// Own clusters that are there.
    pub own: Vec<Family>,
    /// The current context.
    pub current: Option<String>,
    /// Whether the current context is safe, and its cluster has this install already.
    pub current_has_install: bool,
    /// Programs that are there.
    pub programs: Vec<Family>,
}

/// The cluster that was chosen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Choice {
    /// The install's own cluster.
    Own(Family),
    /// The cluster of this context.
    Existing(String),
}

/// Why nothing can be chosen.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChoiceError {
    /// Two options name different clusters.
    #[error("--cluster {} means the context {own}, but --context names {named}", .family.program())]
    Conflict {
        /// The program asked for.
        family: Family,
        /// The context it would have.
        own: String,
        /// The context that is named.
        named: String,
    },
    /// No context is named, and none is current.
    #[error("--cluster existing needs a context, and none is current")]
    NoContext,
}

/// Chooses, and reports why.
pub fn choose(asked: Asked, instance: &str, seen: &Candidates) -> Result<(Choice, String), ChoiceError> {
    match (asked, &seen.named) {
        (Asked::Own(family), Some(named)) if *named != family.context(instance) => {
            Err(ChoiceError::Conflict {
                family,
                own: family.context(instance),
                named: named.clone(),
            })
        }
        (Asked::Own(family), _) => Ok((Choice::Own(family), "as asked".to_owned())),
        (_, Some(named)) => Ok((Choice::Existing(named.clone()), "as asked".to_owned())),
        (Asked::Existing, None) => match &seen.current {
            Some(current) => Ok((
                Choice::Existing(current.clone()),
                "the current context".to_owned(),
            )),
            None => Err(ChoiceError::NoContext),
        },
        (Asked::Auto, None) => Ok(automatic(instance, seen)),
    }
}

fn automatic(instance: &str, seen: &Candidates) -> (Choice, String) {
    if let Some(family) = seen.own.first() {
        return (Choice::Own(*family), "it is there".to_owned());
    }
    if let Some(current) = seen.current.as_ref().filter(|_| seen.current_has_install) {
        let why = format!("the current context, which has irsa-emu `{instance}` already");
        return (Choice::Existing(current.clone()), why);
    }
    match seen.programs.first() {
        Some(family) => (
            Choice::Own(*family),
            format!("a new one, as {} is there", family.program()),
        ),
        None => (Choice::Own(Family::Kind), "a new one".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(asked: Asked, seen: &Candidates) -> Choice {
        choose(asked, "irsa-emu", seen).unwrap().0
    }

    #[test]
    fn what_is_named_is_taken() {
        let seen = Candidates {
            named: Some("kind-dev".into()),
            own: vec![Family::Kind],
            ..Candidates::default()
        };
        let named = Choice::Existing("kind-dev".into());
        assert_eq!(chosen(Asked::Auto, &seen), named);
        assert_eq!(chosen(Asked::Existing, &seen), named);
        let error = choose(Asked::Own(Family::K3d), "irsa-emu", &seen).unwrap_err();
        assert_eq!(
            error.to_string(),
            "--cluster k3d means the context k3d-irsa-emu, but --context names kind-dev"
        );
        let same = Candidates {
            named: Some("k3d-irsa-emu".into()),
            ..seen
        };
        assert_eq!(chosen(Asked::Own(Family::K3d), &same), Choice::Own(Family::K3d));
    }

    #[test]
    fn auto_takes_the_own_cluster_then_an_install_that_is_there_then_makes_one() {
        let all = Candidates {
            named: None,
            own: vec![Family::K3d],
            current: Some("kind-dev".into()),
            current_has_install: true,
            programs: vec![Family::Kind, Family::K3d],
        };
        assert_eq!(chosen(Asked::Auto, &all), Choice::Own(Family::K3d));
        let none_own = Candidates { own: vec![], ..all };
        assert_eq!(
            chosen(Asked::Auto, &none_own),
            Choice::Existing("kind-dev".into())
        );
        let no_install = Candidates {
            current_has_install: false,
            ..none_own
        };
        assert_eq!(
            chosen(Asked::Auto, &no_install),
            Choice::Own(Family::Kind),
            "a cluster that nobody named is left alone"
        );
        let only_k3d = Candidates {
            programs: vec![Family::K3d],
            ..no_install.clone()
        };
        assert_eq!(chosen(Asked::Auto, &only_k3d), Choice::Own(Family::K3d));
        let no_program = Candidates {
            programs: vec![],
            ..no_install
        };
        assert_eq!(chosen(Asked::Auto, &no_program), Choice::Own(Family::Kind));
    }

    #[test]
    fn existing_takes_the_current_context() {
        let seen = Candidates {
            current: Some("minikube".into()),
            own: vec![Family::Kind],
            ..Candidates::default()
        };
        assert_eq!(
            chosen(Asked::Existing, &seen),
            Choice::Existing("minikube".into())
        );
        let error = choose(Asked::Existing, "irsa-emu", &Candidates::default());
        assert_eq!(error, Err(ChoiceError::NoContext));
    }
}
