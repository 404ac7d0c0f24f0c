//! The losses that come with lossc: the files of `dialect/losses`.

use crate::text::{self, LossFile, ParseError};

/// File name and text of each loss, in the order of `lossc list`.
pub const FILES: [(&str, &str); 3] = [
    ("random_drop.mlir", include_str!("../losses/random_drop.mlir")),
    ("bce.mlir", include_str!("../losses/bce.mlir")),
    ("balanced_bce.mlir", include_str!("../losses/balanced_bce.mlir")),
];

/// Parses all losses.
pub fn all() -> Result<Vec<LossFile>, ParseError> {
    FILES.iter().map(|(file, source)| text::parse(file, source)).collect()
}

/// Returns the file name and the text of the loss with this name, e.g. `random-drop`.
pub fn find(name: &str) -> Option<(&'static str, &'static str)> {
    let file = format!("{}.mlir", name.replace('-', "_"));
    FILES.into_iter().find(|(found, _)| *found == file)
}

/// The names that [`find`] knows.
pub fn names() -> impl Iterator<Item = String> {
    FILES.iter().map(|(file, _)| file.trim_end_matches(".mlir").replace('_', "-"))
}
