//! Settings that are one of a few words.

use serde::de::DeserializeOwned;

/// One of a few words, as flags, annotations and files write it.
pub trait Choice: Copy + DeserializeOwned + 'static {
    /// Every value, in the order in which help lists them.
    const ALL: &'static [Self];

    /// The word.
    #[must_use]
    fn as_str(self) -> &'static str;

    /// Reads the word.
    #[must_use]
    fn parse(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|choice| choice.as_str() == text)
    }

    /// The words that [`Self::parse`] reads, for messages.
    #[must_use]
    fn expected() -> String {
        let words: Vec<String> = Self::ALL
            .iter()
            .map(|choice| format!("`{}`", choice.as_str()))
            .collect();
        words.join(" or ")
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Debug;

    use super::*;
    use crate::install::{Backend, Profile, RoleMode};
    use crate::rules::Delivery;

    fn is_the_word_of_files<T: Choice + Debug + PartialEq>() {
        for choice in T::ALL {
            let read = serde_json::from_value::<T>(choice.as_str().into());
            assert_eq!(read.ok(), Some(*choice));
            assert_eq!(T::parse(choice.as_str()), Some(*choice));
        }
    }

    #[test]
    fn flags_and_files_have_the_same_words() {
        is_the_word_of_files::<Backend>();
        is_the_word_of_files::<Profile>();
        is_the_word_of_files::<RoleMode>();
        is_the_word_of_files::<Delivery>();
    }
}
