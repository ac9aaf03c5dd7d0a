//! Suggestions for misspelled words.

/// Returns the candidate with the fewest typing errors relative to a word, case ignored, if it has few.
///
/// ```
/// assert_eq!(decnet_topology::nearest("htpp", ["ssh", "http"]), Some("http"));
/// assert_eq!(decnet_topology::did_you_mean("htpp", ["http"]), " (did you mean `http`?)");
/// ```
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    const LONGEST: usize = 64;
    if word.is_empty() || word.len() > LONGEST {
        return None;
    }
    let near = if word.chars().count() < 4 { 1 } else { 2 };
    let word = word.to_ascii_lowercase();
    candidates
        .into_iter()
        .filter(|candidate| candidate.len() <= LONGEST)
        .map(|candidate| (strsim::levenshtein(&word, &candidate.to_ascii_lowercase()), candidate))
        .filter(|(errors, _)| *errors <= near)
        .min_by_key(|(errors, _)| *errors)
        .map(|(_, candidate)| candidate)
}

/// Returns ` (did you mean ...?)` for the end of a sentence, or nothing if no candidate is similar to the word.
pub fn hint<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> String {
    nearest(word, candidates).map_or_else(String::new, |near| format!(" (did you mean `{near}`?)"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_typing_error_is_recognized_and_another_word_is_not() {
        let words = ["http", "https", "ssh", "subnet"];
        assert_eq!(nearest("htpp", words), Some("http"));
        assert_eq!(nearest("SSH", words), Some("ssh"));
        assert_eq!(nearest("subnett", words), Some("subnet"));
        assert_eq!(nearest("telnet", ["ssh"]), None);
        assert_eq!(nearest("", words), None);
    }
}
