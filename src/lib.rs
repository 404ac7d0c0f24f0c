//! lossc
