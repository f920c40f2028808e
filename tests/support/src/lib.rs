//! What several tests need: stand-ins for the services that our programs talk to, programs as processes, and clients
//! that mean harm.

pub mod api_server;
pub mod docker;
pub mod emulator;
pub mod hostile;
pub mod http;
pub mod issuer;
pub mod process;
pub mod webhook_cluster;
