//! Carriers of a context that need more than a name and a value: the environment of a process and comments in SQL.
//!
//! Other carriers need nothing of this module: see [the guide](crate::guide#carriers-other-than-http).

mod sql;

#[cfg(feature = "std")]
mod env;

#[cfg(feature = "std")]
#[cfg_attr(docsrs, doc(cfg(feature = "std")))]
pub use self::env::{CommandExt, EnvContext};
pub use self::sql::{CommentedSql, SqlComment};
