//! The admin API: health, metrics and recent traces.

mod api;
mod open;
mod page;
mod service;
mod trace;
mod window;

pub(crate) use self::{open::open, service::AdminService};
use self::{trace::Trace, window::Window};
