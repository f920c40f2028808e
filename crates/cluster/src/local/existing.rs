//! Clusters that were there before: used, never made and never deleted.

use std::time::Duration;

use async_trait::async_trait;

use super::provider::{ClusterProvider, Wanted};
use super::tool::{OnLine, ToolError};
use crate::local::family::Family;

/// A cluster of the kubeconfig.
#[derive(Debug)]
pub struct ExistingProvider(String);

impl ExistingProvider {
    /// The cluster of a context that the kubeconfig has.
    #[must_use]
    pub fn new(context: &str) -> Self {
        Self(context.to_owned())
    }

    fn not_ours(&self) -> ToolError {
        ToolError::NotOurs(self.0.clone())
    }
}

#[async_trait]
impl ClusterProvider for ExistingProvider {
    fn title(&self) -> String {
        format!("cluster of context {}", self.0)
    }

    fn context(&self) -> &str {
        &self.0
    }

    fn containers(&self) -> Option<(Family, &str)> {
        Family::of_context(&self.0)
    }

    fn is_own(&self) -> bool {
        false
    }

    fn require(&self) -> Result<(), ToolError> {
        Ok(())
    }

    async fn exists(&self) -> Result<bool, ToolError> {
        Ok(true)
    }

    async fn create(&self, _: Wanted<'_>, _: &OnLine<'_>) -> Result<(), ToolError> {
        Err(self.not_ours())
    }

    async fn start(&self, _: Duration) -> Result<(), ToolError> {
        Err(self.not_ours())
    }

    async fn write_context(&self) -> Result<(), ToolError> {
        Ok(())
    }

    async fn delete(&self) -> Result<(), ToolError> {
        Err(self.not_ours())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::{ExitStatus, Hint};

    #[tokio::test]
    async fn a_cluster_of_somebody_else_is_never_deleted() {
        let error = ExistingProvider::new("kind-dev").delete().await.unwrap_err();
        assert_eq!(error.exit(), ExitStatus::Unsafe);
    }
}
