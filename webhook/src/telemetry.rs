//! Logs: JSON lines on standard error, or text for people.

use tracing_subscriber::EnvFilter;

use crate::args::{LogFormat, Settings};

/// Starts logging; called once.
pub(crate) fn init(settings: &Settings) {
    let filter = EnvFilter::try_new(&settings.log_level).unwrap_or_else(|_| EnvFilter::new("info"));
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    match settings.log_format {
        LogFormat::Json => builder.json().flatten_event(true).init(),
        LogFormat::Text => builder.init(),
    }
}
