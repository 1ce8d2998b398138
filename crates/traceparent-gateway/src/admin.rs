//! The admin API: health, metrics and recent traces.

mod page;
mod service;
mod trace;

pub(crate) use self::service::AdminService;
