//! Text and files of pictures, shared by the plot and the overlay.

use std::error::Error;
use std::fs;
use std::path::Path;

use image::RgbImage;
use plotters::style::{FontStyle, register_font};

/// The family under which the font is registered.
pub const FONT: &str = "DejaVu Sans";

/// Registers a font that comes with the program: a system may have none.
pub fn register_fonts() -> Result<(), Box<dyn Error>> {
    for (style, bytes) in
        [(FontStyle::Normal, dejavu::sans::regular()), (FontStyle::Bold, dejavu::sans::bold())]
    {
        register_font(FONT, style, bytes).map_err(|_| "the font DejaVu Sans could not be read")?;
    }
    Ok(())
}

/// Writes a PNG file; a file that cannot be finished is not left behind.
pub fn save(picture: &RgbImage, path: &Path) -> Result<(), Box<dyn Error>> {
    let unfinished = path.with_extension("unfinished.png");
    let written = picture
        .save(&unfinished)
        .map_err(|error| error.to_string())
        .and_then(|()| fs::rename(&unfinished, path).map_err(|error| error.to_string()));
    written.map_err(|error| {
        // The first error is the one that matters; the file may not exist at all.
        let _ = fs::remove_file(&unfinished);
        format!("{}: {error}", path.display()).into()
    })
}
