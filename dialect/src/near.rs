//! Suggestions for unknown names, for errors.

/// Names longer than this are compared with nothing: the time grows with the product of the
/// lengths.
const LONGEST: usize = 64;

/// Returns `: did you mean x?` if one of `known` is near `name`, else an empty string.
pub fn hint<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    nearest(name, known).map(|near| format!(": did you mean `{near}`?")).unwrap_or_default()
}

/// Returns the one of `known` nearest to `name`, if it is near enough to be a slip.
pub fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if name.len() > LONGEST {
        return None;
    }
    let name = name.to_lowercase();
    let near = known.into_iter().map(|known| (distance(&name, known), known));
    let allowed = (name.chars().count() / 3).max(1);
    near.filter(|(distance, _)| *distance <= allowed).min_by_key(|(distance, _)| *distance).map(|it| it.1)
}

/// Number of edits from one to the other; 1 if `known` continues `name`, as `random-drop` does
/// `random`.
fn distance(name: &str, known: &str) -> usize {
    let known = known.to_lowercase();
    let is_begun = name.len() >= 3 && known.starts_with(name);
    if is_begun { 1 } else { strsim::osa_distance(name, &known) }
}

#[cfg(test)]
mod tests {
    use super::{hint, nearest};

    #[test]
    fn a_slip_finds_its_name_and_nonsense_finds_none() {
        let known = ["sigmoid", "softplus", "sum", "sum_groups", "random-drop"];
        for (slip, name) in
            [("sgimoid", "sigmoid"), ("SUM", "sum"), ("softpluss", "softplus"), ("random", "random-drop")]
        {
            assert_eq!(nearest(slip, known), Some(name), "{slip}");
        }
        for nonsense in ["", "x", "convolution", &"s".repeat(1 << 20)] {
            assert_eq!(nearest(nonsense, known), None);
        }
        assert_eq!(hint("sigmoi", known), ": did you mean `sigmoid`?");
        assert_eq!(hint("qqqq", known), "");
    }
}
