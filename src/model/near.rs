//! Near misses: what somebody may have meant.

/// Returns up to three of `known` that look like `given`, nearest first.
///
/// Alike means a Damerau-Levenshtein distance of at most a third of the longer word (at least one),
/// or one being the beginning of the other.
pub fn matches<'a>(given: &str, known: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    let given = given.to_lowercase();
    let mut found: Vec<(usize, String)> = known
        .into_iter()
        .filter_map(|word| {
            let lower = word.to_lowercase();
            let distance = strsim::damerau_levenshtein(&given, &lower);
            let allowed = (given.chars().count().max(lower.chars().count()) / 3).max(1);
            let begins = given.len() >= 2 && (lower.starts_with(&given) || given.starts_with(&lower));
            (distance <= allowed || begins).then(|| (distance, word.to_owned()))
        })
        .collect();
    found.sort();
    found.dedup();
    found.into_iter().take(3).map(|(_, word)| word).collect()
}

/// Returns `did you mean "a" or "b"?`, or nothing when nothing is near.
pub fn did_you_mean(near: &[String]) -> Option<String> {
    let quoted: Vec<String> = near.iter().map(|word| format!("{word:?}")).collect();
    (!quoted.is_empty()).then(|| format!("did you mean {}?", quoted.join(" or ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_finger_finds_its_word() {
        let known = ["status", "sling", "stop", "mail"];
        assert_eq!(matches("stauts", known), ["status"]);
        assert_eq!(matches("slign", known), ["sling"]);
        assert!(matches("zzz", known).is_empty());
        assert_eq!(did_you_mean(&matches("stopp", known)).unwrap(), "did you mean \"stop\"?");
    }
}
