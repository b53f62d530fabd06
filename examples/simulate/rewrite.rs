use std::{fs, path::Path};

use tower_throttle_core::BoxError;

const BEGIN: &str = "<!-- simulate:begin -->";
const END: &str = "<!-- simulate:end -->";

/// Puts `text` between the two marks in the file.
pub(crate) fn rewrite(path: &Path, text: &str) -> Result<(), BoxError> {
    let fail = |error: std::io::Error| format!("{}: {error}", path.display());
    let old = fs::read_to_string(path).map_err(fail)?;
    let new = between(&old, text)
        .ok_or_else(|| format!("{}: has no {BEGIN} with {END} after it", path.display()))?;
    fs::write(path, new).map_err(fail)?;
    Ok(())
}

/// `None` if the marks aren't there.
fn between(old: &str, text: &str) -> Option<String> {
    let (before, rest) = old.split_once(BEGIN)?;
    let (_, after) = rest.split_once(END)?;
    Some(format!(
        "{before}{BEGIN}\n{}\n{END}{after}",
        text.trim_end()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_between_the_marks_is_replaced_and_nothing_else() {
        let old = format!("a\n{BEGIN}\nold\n{END}\nb\n");
        let new = between(&old, "new\n").unwrap();

        assert_eq!(new, format!("a\n{BEGIN}\nnew\n{END}\nb\n"));
        assert_eq!(between(&new, "new"), Some(new.clone()));
    }

    #[test]
    fn a_file_without_marks_is_left_alone() {
        assert_eq!(between("text", "new"), None);
        assert_eq!(between(&format!("{END}{BEGIN}"), "new"), None);
    }
}
