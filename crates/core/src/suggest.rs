//! What a word that nobody knows was probably meant to be.

/// The closest of the words that are known, if one is close.
#[must_use]
pub fn closest<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let lower = word.to_lowercase();
    let near = |known: &&str| {
        let known = known.to_lowercase();
        // A word that continues the same is meant whatever its length.
        known.starts_with(&lower) || strsim::jaro_winkler(&known, &lower) > 0.8
    };
    known.filter(near).max_by(|a, b| {
        let score = |known: &str| strsim::jaro_winkler(&known.to_lowercase(), &lower);
        score(a).total_cmp(&score(b))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_close_word_is_suggested() {
        let known = ["hostPort", "image", "region", "strict-eks"];
        for (word, close) in [
            ("hostport", Some("hostPort")),
            ("regoin", Some("region")),
            ("strict", Some("strict-eks")),
            ("colour", None),
            ("Recipe", None),
        ] {
            assert_eq!(closest(word, known.into_iter()), close, "{word}");
        }
    }
}
