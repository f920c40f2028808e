//! What became of the AWS resources of a Recipe.

/// What was seen of a Recipe.
#[derive(Debug)]
pub(super) enum RecipeState {
    /// It cannot be used; why.
    Invalid(String),
    /// It is sound, and nobody makes its resources: the backend is real AWS.
    NotMade,
    /// What became of its resources.
    Kept(Vec<Kept>),
}

/// What became of one AWS resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Kept {
    pub(super) arn: String,
    pub(super) outcome: ResourceOutcome,
}

/// What was found of a resource, and done about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ResourceOutcome {
    /// It was there.
    Found,
    /// It was missing and is there now.
    Made,
    /// It could not be seen or made whole.
    Failed {
        /// Why.
        why: String,
        /// What is known of the resource itself.
        presence: Presence,
    },
    /// The emulator made a key under an id of its own, which is of no use.
    Instead {
        /// The id of that key.
        id: String,
        /// What became of it.
        why: String,
    },
}

/// What is known of a resource whose keeping failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Presence {
    /// Nothing: the emulator did not respond.
    Unknown,
    /// The emulator does not have it. An attempt to make it may still have worked, with the response lost.
    Absent,
    /// It was there, before something about it failed.
    Found,
    /// It was made, before something about it failed.
    Made,
}

impl ResourceOutcome {
    /// The emulator did not report whether the resource exists.
    pub(super) fn unseen(why: String) -> Self {
        Self::Failed {
            why,
            presence: Presence::Unknown,
        }
    }

    /// The emulator does not have the resource, and making it failed.
    pub(super) fn absent(why: String) -> Self {
        Self::Failed {
            why,
            presence: Presence::Absent,
        }
    }

    /// What follows from a resource that was made or found, and from what was done about it then.
    pub(super) fn of(made: bool, rest: Result<(), String>) -> Self {
        match (rest, made) {
            (Err(why), true) => Self::Failed {
                why,
                presence: Presence::Made,
            },
            (Err(why), false) => Self::Failed {
                why,
                presence: Presence::Found,
            },
            (Ok(()), true) => Self::Made,
            (Ok(()), false) => Self::Found,
        }
    }

    /// The same, failed if something about it was left out.
    pub(super) fn but(self, left_out: Option<String>) -> Self {
        match (left_out, self.presence()) {
            (Some(why), presence @ (Presence::Found | Presence::Made)) => Self::Failed { why, presence },
            _ => self,
        }
    }

    pub(super) fn presence(&self) -> Presence {
        match self {
            Self::Found => Presence::Found,
            Self::Made => Presence::Made,
            Self::Failed { presence, .. } => *presence,
            Self::Instead { .. } => Presence::Absent,
        }
    }

    /// Why the resource is not as the Recipe describes it.
    pub(super) fn failure(&self) -> Option<&str> {
        match self {
            Self::Found | Self::Made => None,
            Self::Failed { why, .. } | Self::Instead { why, .. } => Some(why),
        }
    }
}
