//! `make demo`: a small network with cases that look like those of an office. Here is what it shows; who starts the
//! network and plays it in is not. Must never hold anything of a real person: no names, no numbers, days made up.

pub(crate) mod cases;
mod scripts;
