//! When something happened to a bead: a point in time that remembers how somebody else wrote it.
//!
//! Exports of other programs carry offsets and nanoseconds. We reckon in milliseconds of UTC, and
//! would change those bytes at the next export; so what we would write otherwise keeps its text.

use std::cmp::Ordering;
use std::fmt;
use std::ops::Deref;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use serde_json::Value;

use crate::time::Timestamp;

/// A point in time, and its text where that says more than the milliseconds.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Stamp {
    at: Timestamp,
    /// None when [`Stamp::plain`] gives the same text.
    text: Option<Box<str>>,
}

impl Stamp {
    /// Reads RFC 3339 and keeps the text if we would write it otherwise.
    fn read(text: &str) -> Result<Stamp, String> {
        let at: Timestamp = text.parse()?;
        let text = (plain(at) != text).then(|| text.into());
        Ok(Stamp { at, text })
    }

    /// Reads a time in all the ways in which programs print one: RFC 3339, which keeps its text; as a database
    /// does (a blank for the `T`, UTC if there is no zone); as Go does; seconds or milliseconds since 1970.
    ///
    /// # Errors
    /// Says what the value is instead.
    pub fn lenient(value: &Value) -> Result<Stamp, String> {
        lenient(value)
    }

    /// The point in time, in milliseconds.
    pub fn at(&self) -> Timestamp {
        self.at
    }

    /// The earlier, the less; finer than milliseconds where the text is.
    pub fn compare(&self, other: &Stamp) -> Ordering {
        self.at.cmp(&other.at).then_with(|| self.nanos().cmp(&other.nanos()))
    }

    fn nanos(&self) -> i128 {
        let told = self.text.as_ref().and_then(|text| text.parse::<jiff::Timestamp>().ok());
        told.map_or_else(|| i128::from(self.at.millis()) * 1_000_000, jiff::Timestamp::as_nanosecond)
    }
}

/// RFC 3339 in UTC, with no more digits than are needed.
fn plain(at: Timestamp) -> String {
    match jiff::Timestamp::from_millisecond(at.millis()) {
        Ok(at) => at.to_string(),
        Err(_) => at.to_string(),
    }
}

fn lenient(value: &Value) -> Result<Stamp, String> {
    if let Some(n) = value.as_i64() {
        // As seconds, the limit is the year 5138; as milliseconds, 1973.
        let ms = if n.abs() < 100_000_000_000 { n.saturating_mul(1000) } else { n };
        let at = Timestamp::from_millis(ms);
        // What the calendar has no date for could not be written again.
        return at.to_string().parse::<Timestamp>().map(Stamp::from).map_err(|_| format!("{n} is no time"));
    }
    let Some(text) = value.as_str().map(str::trim) else {
        return Err(format!("{value} stands where a time is expected"));
    };
    if is_rfc3339(text) {
        return text.parse();
    }
    let mut parts = text.split_whitespace();
    let usual = match (parts.next(), parts.next(), parts.next()) {
        // As Go prints it: date, time, offset, name of the zone.
        (Some(day), Some(hour), Some(offset)) => format!("{day}T{hour}{offset}"),
        (Some(day), Some(hour), None) => format!("{day}T{hour}"),
        _ => text.to_owned(),
    };
    let parsed = usual.parse::<jiff::Timestamp>().or_else(|_| format!("{usual}Z").parse());
    match parsed {
        Ok(at) => at.to_string().parse(),
        Err(_) => Err(format!("{text:?} is not a time such as 2026-01-31T12:00:00Z")),
    }
}

/// Whether every program that reads RFC 3339 reads `text`: no blank for the `T`, a zone, capital letters.
fn is_rfc3339(text: &str) -> bool {
    let Some((day, rest)) = text.split_once('T') else { return false };
    let zone = rest.strip_suffix('Z').or_else(|| {
        let (hour, offset) = rest.split_at_checked(rest.len().checked_sub(6)?)?;
        let well = offset.starts_with(['+', '-']) && offset.as_bytes()[3] == b':';
        well.then_some(hour)
    });
    let plain = |text: &str, marks: &[char]| text.chars().all(|c| c.is_ascii_digit() || marks.contains(&c));
    day.len() == 10
        && plain(day, &['-'])
        && zone.is_some_and(|hour| plain(hour, &[':', '.']) && hour.matches(':').count() == 2)
}

impl Deref for Stamp {
    type Target = Timestamp;
    fn deref(&self) -> &Timestamp {
        &self.at
    }
}

impl From<Timestamp> for Stamp {
    fn from(at: Timestamp) -> Self {
        Stamp { at, text: None }
    }
}

impl FromStr for Stamp {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        Stamp::read(text)
    }
}

impl fmt::Display for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.text {
            Some(text) => f.pad(text),
            None => f.pad(&plain(self.at)),
        }
    }
}

impl fmt::Debug for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Stamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.text.is_some() || serializer.is_human_readable() {
            serializer.collect_str(self)
        } else {
            self.at.serialize(serializer)
        }
    }
}

impl<'de> Deserialize<'de> for Stamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // Not by `is_human_readable`: serde's buffer for tagged enums always claims to be.
        struct Either;
        impl de::Visitor<'_> for Either {
            type Value = Stamp;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an RFC 3339 time or milliseconds since 1970")
            }
            fn visit_i64<E: de::Error>(self, ms: i64) -> Result<Stamp, E> {
                Ok(Timestamp::from_millis(ms).into())
            }
            fn visit_u64<E: de::Error>(self, ms: u64) -> Result<Stamp, E> {
                i64::try_from(ms).map(|ms| Timestamp::from_millis(ms).into()).map_err(E::custom)
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Stamp, E> {
                Stamp::read(text).map_err(E::custom)
            }
        }
        deserializer.deserialize_any(Either)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_time_is_written_as_it_was_read() {
        for text in [
            "2025-12-28T13:10:32Z",
            "2025-12-28T13:10:32.5Z",
            "2025-12-28T13:10:32.123Z",
            "2025-12-28T13:10:32.123456789Z",
            "2025-12-28T05:10:32.61531-08:00",
            "2025-12-28T05:10:32.100-08:00",
            "2025-12-28T13:10:32.000Z",
        ] {
            let stamp: Stamp = text.parse().unwrap();
            assert_eq!(stamp.to_string(), text);
            let json = serde_json::to_string(&stamp).unwrap();
            assert_eq!(serde_json::from_str::<Stamp>(&json).unwrap(), stamp);
            let packed = rmp_serde::to_vec_named(&stamp).unwrap();
            assert_eq!(rmp_serde::from_slice::<Stamp>(&packed).unwrap(), stamp, "{text}");
        }
        let ours: Stamp = "2025-12-28T13:10:32.5Z".parse().unwrap();
        assert_eq!(ours, Stamp::from(ours.at()), "what we would write ourselves keeps no text");
    }

    #[test]
    fn the_ledger_s_old_numbers_are_times_still() {
        let at = Timestamp::from_millis(1_767_225_600_123);
        let packed = rmp_serde::to_vec_named(&at).unwrap();
        assert_eq!(rmp_serde::from_slice::<Stamp>(&packed).unwrap(), Stamp::from(at));
    }

    #[test]
    fn what_is_later_by_nanoseconds_is_later() {
        let stamp = |text: &str| text.parse::<Stamp>().unwrap();
        let (a, b) = (stamp("2026-01-01T00:00:00.123456Z"), stamp("2026-01-01T01:00:00.1234561+01:00"));
        assert_eq!(a.compare(&b), Ordering::Less);
        assert_eq!(a.compare(&stamp("2026-01-01T00:00:00.123Z")), Ordering::Greater);
        assert_eq!(a.compare(&stamp("2026-01-01T01:00:00.123456+01:00")), Ordering::Equal);
    }

    #[test]
    fn times_are_read_in_all_the_ways_they_are_printed() {
        let expected = Timestamp::from_millis(1_766_927_432_000);
        for (value, written) in [
            (json!("2025-12-28T13:10:32Z"), "2025-12-28T13:10:32Z"),
            (json!("2025-12-28T05:10:32.000000001-08:00"), "2025-12-28T05:10:32.000000001-08:00"),
            (json!("2025-12-28 13:10:32"), "2025-12-28T13:10:32Z"),
            (json!("2025-12-28 13:10:32.000001"), "2025-12-28T13:10:32.000001Z"),
            (json!("2025-12-28 13:10:32+00:00"), "2025-12-28T13:10:32Z"),
            (json!("2025-12-28T13:10:32"), "2025-12-28T13:10:32Z"),
            (json!("2025-12-28 05:10:32 -0800 PST"), "2025-12-28T13:10:32Z"),
            (json!(1_766_927_432), "2025-12-28T13:10:32Z"),
            (json!(1_766_927_432_000_i64), "2025-12-28T13:10:32Z"),
        ] {
            let stamp = Stamp::lenient(&value).unwrap();
            assert_eq!((stamp.at(), stamp.to_string().as_str()), (expected, written), "{value}");
        }
        for bad in [json!("soon"), json!(""), json!(i64::MAX), json!(null), json!("2025-13-01T00:00:00Z")] {
            assert!(Stamp::lenient(&bad).is_err(), "{bad}");
        }
    }
}
