use std::path::PathBuf;

/// The access log: one line for each request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AccessLog {
    /// The file that lines are appended to; `None` for standard output.
    pub(crate) path: Option<PathBuf>,
    /// The form of the lines.
    pub(crate) format: LogFormat,
}

/// The form of the access log's lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum LogFormat {
    /// A JSON object.
    #[default]
    Json,
    /// The combined format of Apache and nginx, which has no place for the trace.
    Combined,
}
