//! Pure decisions of irsa-emu.
//!
//! This crate decides and never acts: which JSONPatch a Pod gets, which role a ServiceAccount is granted,
//! whom a role's trust policy lets in, what a Recipe means. It reads no clock, no environment, no file and no network, so every rule in it is
//! tested by tables and properties, and the webhook and the command line decide alike.

pub mod causes;
pub mod choice;
pub mod contract;
pub mod emulator;
pub mod emulator_service;
pub mod grant;
pub mod install;
pub mod kubectl;
pub mod names;
pub mod oidc_provider;
pub mod paint;
pub mod partition;
pub mod patch;
pub mod plain;
pub mod plan;
pub mod pod_view;
pub mod reach;
pub mod recipe;
pub mod role_arn;
pub mod rules;
pub mod shell;
pub mod suggest;
pub mod trust_policy;
