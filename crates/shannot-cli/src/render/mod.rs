//! Values in the form that somebody reads. Nothing here decides.

pub(crate) mod doctor;
mod encode;
pub(crate) mod human;
pub(crate) mod json;
pub(crate) mod labelled;
pub(crate) mod stdout;
pub(crate) mod steps;
pub(crate) mod terminal;
