//! Whose ServiceAccounts and Pods are looked at.

/// Whose ServiceAccounts and Pods are looked at.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Scope {
    /// Those of Namespaces with an annotated ServiceAccount.
    #[default]
    Annotated,
    /// Those of these Namespaces.
    Named(Vec<String>),
    /// All.
    Everywhere,
}
