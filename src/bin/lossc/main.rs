//! lossc
fn main() {}
