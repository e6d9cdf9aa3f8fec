//! When a provider's limit ends, from the words in which a program tells it. Pure but for the names of time
//! zones, which are looked up.
//!
//! Providers write for people: "resets 3pm", "try again in 20 minutes". What is understood:
//!
//! | words | meaning |
//! |---|---|
//! | `in 2h 5m`, `in 20 minutes`, `retry-after: 30` | from now; a bare number is seconds |
//! | `2026-03-01T15:00:00Z`, `2026-03-01 15:00` | that time |
//! | `\|1772377200` | seconds (or milliseconds) since 1970 |
//! | `3pm`, `14:30`, `Oct 9 at 5pm`, `Monday 9am`, `tomorrow at 9am`, `Aug 8` | the next such time |
//!
//! A time of day is meant in the zone that stands beside it (`UTC`, `+02:00`, `Europe/Berlin`, `PST`), else in
//! the machine's. Nothing is understood that does not stand behind a word such as "resets" or "try again":
//! screens are full of times.

use std::sync::LazyLock;
use std::time::Duration;

use jiff::civil::{Date, Time, Weekday};
use jiff::tz::{Offset, TimeZone};
use jiff::{Span, ToSpan};
use model::time::Timestamp;
use regex_lite::{Captures, Regex};

/// The longest time that a limit is waited for: the longest that is usual is a week.
const LONGEST: Duration = Duration::from_secs(8 * 24 * 3600);

/// A date that is farther away was not meant: it has just gone by.
const FARTHEST: Duration = Duration::from_secs(35 * 24 * 3600);

/// A time of day that went by so recently is over, and not meant for tomorrow.
const JUST_OVER: Duration = Duration::from_secs(600);

/// How long a limit is waited for that is told of and should be over already.
const AT_LEAST: Duration = Duration::from_secs(60);

/// How far behind its word a time may stand, in characters.
const REACH: usize = 100;

/// Returns when a limit ends that is told of in `text`, if that can be understood.
///
/// * `now` - the time at which the text was read; what is returned is later, by eight days at most.
/// * `local` - the zone of times that name none.
pub fn until(text: &str, now: Timestamp, local: &TimeZone) -> Option<Timestamp> {
    let text = text.to_lowercase();
    let told = epoch(&text).or_else(|| regions(&text).find_map(|region| in_region(region, now, local)))?;
    if told <= now {
        return (now.since(told) <= JUST_OVER).then(|| now.plus(AT_LEAST));
    }
    let wait = told.since(now);
    (wait <= FARTHEST).then(|| now.plus(wait.min(LONGEST)))
}

/// The machine's own time zone.
pub fn local_zone() -> TimeZone {
    TimeZone::system()
}

/// The pieces of `text` that may hold the time: from a word that announces one.
fn regions(text: &str) -> impl Iterator<Item = &str> {
    static WORDS: LazyLock<Regex> =
        LazyLock::new(|| regex(r"reset|try again|retry|again|until|wait|available|continu|renews"));
    WORDS.find_iter(text).map(|word| {
        let rest = &text[word.start()..];
        rest.char_indices().nth(REACH).map_or(rest, |(end, _)| &rest[..end])
    })
}

fn in_region(region: &str, now: Timestamp, local: &TimeZone) -> Option<Timestamp> {
    let zone = zone(region);
    let zone = zone.as_ref().unwrap_or(local);
    iso(region, zone).or_else(|| in_a_while(region, now)).or_else(|| at_a_time(region, now, zone))
}

/// Seconds or milliseconds since 1970 behind a bar, as programs tell each other.
fn epoch(text: &str) -> Option<Timestamp> {
    static EPOCH: LazyLock<Regex> = LazyLock::new(|| regex(r"\|\s*(\d{10})(\d{3})?(?:\D|$)"));
    let found = EPOCH.captures(text)?;
    let seconds: i64 = found[1].parse().ok()?;
    let thousandths: i64 = found.get(2).map_or(Ok(0), |rest| rest.as_str().parse()).ok()?;
    Some(Timestamp::from_millis(seconds * 1000 + thousandths))
}

/// A date and a time in the usual order.
fn iso(text: &str, zone: &TimeZone) -> Option<Timestamp> {
    static ISO: LazyLock<Regex> = LazyLock::new(|| {
        regex(r"(\d{4})-(\d{2})-(\d{2})[t ](\d{2}):(\d{2})(?::(\d{2}))?(?:\.\d+)?(z|[+-]\d{2}:?\d{2})?")
    });
    let found = ISO.captures(text)?;
    let date =
        Date::new(i16::try_from(number(&found, 1)?).ok()?, small(&found, 2)?, small(&found, 3)?).ok()?;
    let time = Time::new(small(&found, 4)?, small(&found, 5)?, small(&found, 6).unwrap_or(0), 0).ok()?;
    let own = match found.get(7).map(|zone| zone.as_str()) {
        Some("z") => Some(TimeZone::UTC),
        Some(told) => Some(TimeZone::fixed(offset(told)?)),
        None => None,
    };
    instant(date, time, own.as_ref().unwrap_or(zone))
}

/// A span of time from now.
fn in_a_while(text: &str, now: Timestamp) -> Option<Timestamp> {
    static SPAN: LazyLock<Regex> = LazyLock::new(|| {
        regex(
            r"(?:\bin|after|wait(?: for)?|within)[:\s]+(?:about\s+|approximately\s+|~\s*)?((?:\d+(?:\.\d+)?\s*(?:months?|weeks?|days?|hours?|hrs?|minutes?|mins?|seconds?|secs?|d|h|m|s)(?:\s*,\s*|\s+and\s+|\s*))+)",
        )
    });
    static PART: LazyLock<Regex> = LazyLock::new(|| regex(r"(\d+(?:\.\d+)?)\s*([a-z]+)"));
    static BARE: LazyLock<Regex> = LazyLock::new(|| regex(r"retry[- ]after[:\s]+(\d+)(?:\s|\)|,|\.|$)"));
    if let Some(found) = SPAN.captures(text) {
        let mut sum = 0.0;
        for part in PART.captures_iter(&found[1]) {
            let unit = match &part[2] {
                "and" => continue,
                unit if unit.starts_with("mo") => return None,
                unit if unit.starts_with('w') => 7.0 * 86_400.0,
                unit if unit.starts_with('d') => 86_400.0,
                unit if unit.starts_with('h') => 3_600.0,
                unit if unit.starts_with('m') => 60.0,
                _ => 1.0,
            };
            sum += part[1].parse::<f64>().ok()? * unit;
        }
        return Some(now.plus(Duration::try_from_secs_f64(sum).ok()?));
    }
    let bare = BARE.captures(text)?;
    Some(now.plus(Duration::from_secs(bare[1].parse().ok()?)))
}

/// A time of day, with or without a day; or a day alone.
fn at_a_time(text: &str, now: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
    let here = jiff::Timestamp::from_millisecond(now.millis()).ok()?.to_zoned(zone.clone());
    let today = here.date();
    let time = time_of_day(text);
    let passed = |at: &Timestamp| now.since(*at) > JUST_OVER;
    if let Some((month, day)) = day_of_month(text) {
        let time = time.unwrap_or(Time::midnight());
        let this_year = instant(Date::new(today.year(), month, day).ok()?, time, zone)?;
        // At the turn of the year the next January is meant.
        let next_year = || instant(Date::new(today.year() + 1, month, day).ok()?, time, zone);
        return if passed(&this_year) { next_year() } else { Some(this_year) };
    }
    let time = time?;
    let on = |days: Span| instant(today.checked_add(days).ok()?, time, zone);
    if text.contains("tomorrow") {
        return on(1.day());
    }
    if let Some(weekday) = weekday(text) {
        let ahead = i64::from(today.weekday().until(weekday));
        let at = on(ahead.days())?;
        return if passed(&at) { on((ahead + 7).days()) } else { Some(at) };
    }
    let at = on(0.days())?;
    if passed(&at) { on(1.day()) } else { Some(at) }
}

fn time_of_day(text: &str) -> Option<Time> {
    static TWELVE: LazyLock<Regex> =
        LazyLock::new(|| regex(r"(?:^|[^\d:.])(\d{1,2})(?::(\d{2}))?(?::\d{2})?\s*([ap])\.?m\b"));
    static TWENTY_FOUR: LazyLock<Regex> =
        LazyLock::new(|| regex(r"(?:^|[^\d:+-])([01]?\d|2[0-3]):([0-5]\d)(?::[0-5]\d)?(?:[^\d:]|$)"));
    if let Some(found) = TWELVE.captures(text) {
        let hour = small(&found, 1).filter(|hour| (1..=12).contains(hour))?;
        let noon = if &found[3] == "p" { 12 } else { 0 };
        return Time::new(hour % 12 + noon, small(&found, 2).unwrap_or(0), 0, 0).ok();
    }
    let found = TWENTY_FOUR.captures(text)?;
    Time::new(small(&found, 1)?, small(&found, 2)?, 0, 0).ok()
}

const MONTHS: [&str; 12] =
    ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];

fn day_of_month(text: &str) -> Option<(i8, i8)> {
    static BEFORE: LazyLock<Regex> = LazyLock::new(|| {
        regex(r"\b(jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\.?\s+(\d{1,2})(?:[^\d:]|$)")
    });
    static BEHIND: LazyLock<Regex> = LazyLock::new(|| {
        regex(r"\b(\d{1,2})(?:st|nd|rd|th|\.)?\s+(?:of\s+)?(jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)")
    });
    let (month, day) = match BEFORE.captures(text) {
        Some(found) => (found[1].to_owned(), small(&found, 2)?),
        None => {
            let found = BEHIND.captures(text)?;
            (found[2].to_owned(), small(&found, 1)?)
        }
    };
    let month = MONTHS.iter().position(|name| *name == month)?;
    Some((i8::try_from(month + 1).ok()?, day))
}

fn weekday(text: &str) -> Option<Weekday> {
    static DAY: LazyLock<Regex> = LazyLock::new(|| regex(r"\b(mon|tue|wed|thu|fri|sat|sun)[a-z]*\b"));
    Some(match &DAY.captures(text)?[1] {
        "mon" => Weekday::Monday,
        "tue" => Weekday::Tuesday,
        "wed" => Weekday::Wednesday,
        "thu" => Weekday::Thursday,
        "fri" => Weekday::Friday,
        "sat" => Weekday::Saturday,
        _ => Weekday::Sunday,
    })
}

/// Short names of zones that are told without ambiguity often enough, in hours from UTC.
const SHORT: [(&str, i8); 12] = [
    ("est", -5),
    ("edt", -4),
    ("cst", -6),
    ("cdt", -5),
    ("mst", -7),
    ("mdt", -6),
    ("pst", -8),
    ("pdt", -7),
    ("cet", 1),
    ("cest", 2),
    ("bst", 1),
    ("jst", 9),
];

/// The zone that is named in `text`, if one is.
fn zone(text: &str) -> Option<TimeZone> {
    static NAME: LazyLock<Regex> = LazyLock::new(|| regex(r"\b([a-z_]+/[a-z_+-]+(?:/[a-z_]+)?)"));
    static UTC: LazyLock<Regex> =
        LazyLock::new(|| regex(r"\b(?:utc|gmt)\s*([+-]\d{1,2}(?::?\d{2})?)?(?:\W|$)"));
    static OFFSET: LazyLock<Regex> = LazyLock::new(|| regex(r"[\s(]([+-]\d{2}:?\d{2})(?:\D|$)"));
    static WORD: LazyLock<Regex> = LazyLock::new(|| regex(r"\b([a-z]{3,4})\b"));
    let named = NAME.captures_iter(text).find_map(|found| TimeZone::get(&found[1]).ok());
    let utc = || {
        let found = UTC.captures(text)?;
        let told = found.get(1).map_or("+00", |told| told.as_str());
        Some(TimeZone::fixed(offset(told)?))
    };
    let plain = || OFFSET.captures(text).and_then(|found| offset(&found[1])).map(TimeZone::fixed);
    let short = || {
        let mut words = WORD.captures_iter(text);
        words.find_map(|word| SHORT.iter().find(|(name, _)| *name == &word[1]))
    };
    named.or_else(utc).or_else(plain).or_else(|| {
        let (_, hours) = short()?;
        Some(TimeZone::fixed(Offset::from_hours(*hours).ok()?))
    })
}

/// `+02:00`, `-0530`, `+2`.
fn offset(text: &str) -> Option<Offset> {
    let (sign, digits) = text.split_at_checked(1)?;
    let digits: String = digits.chars().filter(char::is_ascii_digit).collect();
    let (hours, minutes) = match digits.len() {
        1 | 2 => (digits.parse::<i32>().ok()?, 0),
        3 | 4 => {
            let (hours, minutes) = digits.split_at(digits.len() - 2);
            (hours.parse().ok()?, minutes.parse().ok()?)
        }
        _ => return None,
    };
    let seconds = hours * 3600 + minutes * 60;
    Offset::from_seconds(if sign == "-" { -seconds } else { seconds }).ok()
}

fn instant(date: Date, time: Time, zone: &TimeZone) -> Option<Timestamp> {
    let zoned = date.to_datetime(time).to_zoned(zone.clone()).ok()?;
    Some(Timestamp::from_millis(zoned.timestamp().as_millisecond()))
}

fn number(found: &Captures<'_>, group: usize) -> Option<u32> {
    found.get(group)?.as_str().parse().ok()
}

fn small(found: &Captures<'_>, group: usize) -> Option<i8> {
    found.get(group)?.as_str().parse().ok()
}

fn regex(pattern: &str) -> Regex {
    Regex::new(pattern).expect("a test has read this pattern")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A Wednesday.
    const NOW: &str = "2026-03-04T12:00:00Z";

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    /// The machine is in Berlin, an hour before UTC in winter.
    fn berlin() -> TimeZone {
        TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap()
    }

    #[track_caller]
    fn check(text: &str, expected: &str) {
        let found = until(text, at(NOW), &berlin()).map(|at| at.to_string().replace(".000Z", "Z"));
        assert_eq!(found.as_deref(), Some(expected), "{text}");
    }

    #[test]
    fn what_programs_say_is_understood() {
        // Claude Code, of several times.
        check("5-hour limit reached ∙ resets 3pm", "2026-03-04T14:00:00Z");
        check("You've hit your session limit · resets 6:30pm (Asia/Tokyo)", "2026-03-05T09:30:00Z");
        check("You've hit your weekly limit · resets Mar 9 at 5pm (Europe/Berlin)", "2026-03-09T16:00:00Z");
        check("You've hit your limit · resets Mar 9, 5pm (America/New_York)", "2026-03-09T21:00:00Z");
        check("Claude AI usage limit reached|1772632800", "2026-03-04T14:00:00Z");
        check(
            "Claude usage limit reached. Your limit will reset at 3pm (America/Santiago).",
            "2026-03-04T18:00:00Z",
        );
        check(
            "Usage limit reached · continuing automatically at 2:15pm · esc to cancel",
            "2026-03-04T13:15:00Z",
        );
        check("Usage limit reached · limit resets in 2h 5m", "2026-03-04T14:05:00Z");
        check("spend limit reached · resets Mar 8 · request an increase", "2026-03-07T23:00:00Z");
        // Others.
        check("resets at 14:30 (Europe/Berlin)", "2026-03-04T13:30:00Z");
        check("resets at 14:30 UTC", "2026-03-04T14:30:00Z");
        check("resets at 14:30 GMT+2", "2026-03-05T12:30:00Z".replace("05", "04").as_str());
        check("resets 14:30 (+05:30)", "2026-03-05T09:00:00Z");
        check("available again at 9am PST", "2026-03-04T17:00:00Z");
        check("Rate limit exceeded, please try again in 20 minutes.", "2026-03-04T12:20:00Z");
        check("Please try again in 6m30s. Visit our page", "2026-03-04T12:06:30Z");
        check("Please try again in 1.5 hours", "2026-03-04T13:30:00Z");
        check("try again in 1 hour and 5 minutes", "2026-03-04T13:05:00Z");
        check("try again in about 2 days", "2026-03-06T12:00:00Z");
        check("please wait for 90 seconds", "2026-03-04T12:01:30Z");
        check("429 Too Many Requests (retry-after: 3600)", "2026-03-04T13:00:00Z");
        check("retry after 120s", "2026-03-04T12:02:00Z");
        check("quota resets 2026-03-05T00:00:00Z", "2026-03-05T00:00:00Z");
        check("quota resets at 2026-03-05 08:00", "2026-03-05T07:00:00Z");
        check("quota resets at 2026-03-05T08:00:00.123-05:00", "2026-03-05T13:00:00Z");
        check("limited until tomorrow at 9am", "2026-03-05T08:00:00Z");
        check("resets Monday 9am", "2026-03-09T08:00:00Z");
        check("resets on Wed at 1:30 pm", "2026-03-04T12:30:00Z");
        check("resets Wednesday 9 a.m.", "2026-03-11T08:00:00Z");
        check("resets 9 March 17:00", "2026-03-09T16:00:00Z");
        check("resets 12am", "2026-03-04T23:00:00Z");
        check("resets 12pm", "2026-03-05T11:00:00Z");
        check("RESETS AT 3 PM", "2026-03-04T14:00:00Z");
    }

    #[test]
    fn a_time_of_day_is_the_next_one_and_never_in_the_past() {
        // It is one in the afternoon in Berlin.
        check("resets 1:30pm", "2026-03-04T12:30:00Z");
        check("resets 11am", "2026-03-05T10:00:00Z");
        // It was over a moment ago: the banner is a little old.
        check("resets 12:55", "2026-03-04T12:01:00Z");
        check("resets 1pm", "2026-03-04T12:01:00Z");
        check("usage limit reached|1772625590", "2026-03-04T12:01:00Z");
        // Over the change to summer time.
        let spring = until("resets 9am", at("2026-03-28T20:00:00Z"), &berlin()).unwrap();
        assert_eq!(spring, at("2026-03-29T07:00:00Z"));
    }

    #[test]
    fn nobody_waits_for_longer_than_eight_days() {
        check("resets Mar 30 at 9am", "2026-03-12T12:00:00Z");
        check("try again in 3 weeks", "2026-03-12T12:00:00Z");
    }

    #[test]
    fn what_is_not_understood_is_nothing() {
        for text in [
            "",
            "usage limit reached",
            "limit reached at 3pm",
            "12:01:44 ERROR usage limit reached",
            "resets soon",
            "resets in 3 months",
            "resets in 5 files",
            "resets 25:00",
            "resets 13pm",
            "resets Jan 5 at 9am",
            "resets Feb 31 at 9am",
            "try again later",
            "|12345",
            "usage limit reached|9999999999",
        ] {
            assert_eq!(until(text, at(NOW), &berlin()), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn whatever_is_said_it_is_never_in_the_past_and_at_most_eight_days_away(
            words in "(resets|try again|until)?( in| at|:|\\|)? ?[0-9]{0,11}[:hmsdap -]{0,3}[0-9]{0,4}(am|pm|Z| UTC| Mar [0-9]{1,2})?",
        ) {
            let now = at(NOW);
            if let Some(until) = until(&words, now, &berlin()) {
                prop_assert!(until > now && until <= now.plus(LONGEST), "{words}: {until}");
            }
        }

        #[test]
        fn any_time_of_day_is_found_again(hour in 0_u32..24, minute in 0_u32..60, twelve in any::<bool>()) {
            let said = match twelve {
                true => format!("resets {}:{minute:02}{}", (hour + 11) % 12 + 1, if hour < 12 { "am" } else { "pm" }),
                false => format!("resets at {hour:02}:{minute:02} UTC"),
            };
            let found = until(&said, at("2026-03-04T23:59:30Z"), &TimeZone::UTC).unwrap();
            let expected = at(&format!("2026-03-05T{hour:02}:{minute:02}:00Z"));
            // Ten minutes before midnight are just over.
            if hour == 23 && minute >= 50 {
                prop_assert_eq!(found, at("2026-03-05T00:00:30Z"));
            } else {
                prop_assert_eq!(found, expected);
            }
        }
    }
}
