use decnet_tidy::words;

use crate::{none, said};

#[test]
fn no_text_uses_a_replaced_word() {
    none(&words::replaced_words_in_workspace());
}

#[test]
fn a_replaced_word_is_a_breach_in_texts_and_in_names() {
    let text = "/// Unintelligible.\nfn give_back() {}\nfn an_ailment_is_reported() {}\n";
    assert_eq!(
        said(&words::replaced_words("decnet-engine/src/lib.rs", text)),
        [
            (1, "`unintelligible`: write `unexpected`"),
            (2, "`give_back`: write `release`"),
            (3, "`ailment`: write `drift`"),
        ]
    );
}

#[test]
fn a_part_of_a_longer_word_is_not_a_breach() {
    assert_eq!(words::replaced_words("README.md", "Tellers and storytellers."), []);
}

#[test]
fn a_name_of_a_library_is_not_a_breach() {
    let text = "if session.has_pending_data(id) {}\nfn has_pending() {}\n";
    let breaches = words::replaced_words("decnet-engine/src/lib.rs", text);
    assert_eq!(said(&breaches), [(2, "`has_pending`: write `has_unfinished`")]);
}
