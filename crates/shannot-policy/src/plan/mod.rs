//! The box as data: what an engine will do, in the order it will do it.
