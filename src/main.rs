//! The binary. Everything is in the library, so that tests reach it.
#![no_main]

rinit::entry!(rinit::run);
