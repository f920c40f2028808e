//! The Recipe: one app's AWS resources and injection rules, as a Kubernetes object and as a file with parameters.

mod claims;
mod key_material;
mod parameters;
mod read;
mod schema;

pub use claims::{Conflict, conflicts, served};
pub use key_material::{KeySeed, SEED_BYTES, derive_key_material};
pub use parameters::{Parameter, ParameterError, RecipeFile, RecipeFileError};
pub use read::read;
pub use schema::{
    Condition, DeliveryMode, IamResources, IamRole, InjectRule, InlinePolicy, KmsKey, KmsResources, Recipe,
    RecipeProblem, RecipeSpec, RecipeStatus, ResourceState, ResourceStatus, RuleMatch,
};
