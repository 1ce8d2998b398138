//! The admin API: health, metrics and recent traces.

mod open;
mod page;
mod service;
mod trace;

pub(crate) use self::{open::open, service::AdminService};
