//! Docker: found where the docker program finds it, asked over its API.

mod client;
mod containers;
mod endpoint;
pub mod error;
mod exec;
mod export;
mod images;
mod info;

pub use self::client::Docker;
pub use self::error::DockerError;
pub(crate) use self::error::api;
pub use self::exec::{Feed, Ran};
pub use self::images::ImageInfo;
pub use self::info::DockerInfo;
