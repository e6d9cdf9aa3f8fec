//! Points in time as people name them: `+6h`, `tomorrow`, `monday`, `2030-01-31`.

use std::time::Duration;

use crate::stamp::Stamp;
use crate::time::Timestamp;

const DAY: i64 = 86_400_000;

/// Reads a span: `90s`, `30m`, `6h`, `2d`, `3w`, several in a row.
///
/// # Errors
/// Says what is expected.
pub fn span(text: &str) -> Result<Duration, String> {
    let wrong = || format!("{text:?} is not a span of time; give it as 90s, 30m, 6h, 2d or 3w");
    let mut total = 0_u64;
    let mut number = String::new();
    for c in text.trim().chars() {
        if c.is_ascii_digit() {
            number.push(c);
            continue;
        }
        let unit = match c {
            's' => 1,
            'm' => 60,
            'h' => 3_600,
            'd' => 86_400,
            'w' => 604_800,
            'y' => 31_536_000,
            _ => return Err(wrong()),
        };
        let count: u64 = number.parse().map_err(|_| wrong())?;
        total = count.checked_mul(unit).and_then(|n| total.checked_add(n)).ok_or_else(wrong)?;
        number.clear();
    }
    if !number.is_empty() || total == 0 && !text.contains('0') || total > 400 * 31_536_000 {
        return Err(wrong());
    }
    Ok(Duration::from_secs(total))
}

/// Reads a point in time as seen from `now`: a span from now with `+` or without, one before with `-`, `now`,
/// `today`, `tomorrow`, `yesterday`, a day of the week (`monday`, `next monday`), a date, or RFC 3339. Days begin at
/// midnight UTC.
///
/// # Errors
/// Says what is expected.
pub fn point(text: &str, now: Timestamp) -> Result<Timestamp, String> {
    let text = text.trim();
    let lower = text.to_lowercase();
    let midnight = now.millis().div_euclid(DAY) * DAY;
    let in_days = |days: i64| Timestamp::from_millis(midnight + days * DAY);
    match lower.as_str() {
        "now" => return Ok(now),
        "today" => return Ok(in_days(0)),
        "tomorrow" => return Ok(in_days(1)),
        "yesterday" => return Ok(in_days(-1)),
        "next week" => return Ok(in_days(7)),
        _ => {}
    }
    const WEEK: [&str; 7] = ["thursday", "friday", "saturday", "sunday", "monday", "tuesday", "wednesday"];
    let day = lower.strip_prefix("next ").unwrap_or(&lower);
    // The first of January 1970 was a Thursday.
    if let Some(day) = WEEK.iter().position(|name| *name == day || (day.len() == 3 && name.starts_with(day)))
    {
        let today = now.millis().div_euclid(DAY).rem_euclid(7);
        let ahead = (day as i64 - today).rem_euclid(7);
        return Ok(in_days(if ahead == 0 { 7 } else { ahead }));
    }
    if let Some(back) = text.strip_prefix('-') {
        return span(back).map(|back| now.minus(back));
    }
    if let Ok(ahead) = span(text.strip_prefix('+').unwrap_or(text)) {
        return Ok(now.plus(ahead));
    }
    let whole = if text.len() == 10 { format!("{text}T00:00:00Z") } else { text.replacen(' ', "T", 1) };
    whole.parse::<Stamp>().map(|at| at.at()).map_err(|_| {
        format!("{text:?} is not a time; give it as +6h, tomorrow, next monday, 2030-01-31 or 2030-01-31T12:00:00Z")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_people_name_them() {
        // A Thursday.
        let now: Timestamp = "2026-01-01T12:00:00.000Z".parse().unwrap();
        let is = |text: &str, expected: &str| {
            assert_eq!(point(text, now).unwrap().to_string(), expected, "{text}");
        };
        is("+6h", "2026-01-01T18:00:00.000Z");
        is("1h30m", "2026-01-01T13:30:00.000Z");
        is("-1d", "2025-12-31T12:00:00.000Z");
        is("tomorrow", "2026-01-02T00:00:00.000Z");
        is("next monday", "2026-01-05T00:00:00.000Z");
        is("thursday", "2026-01-08T00:00:00.000Z");
        is("2030-01-31", "2030-01-31T00:00:00.000Z");
        is("2030-01-31T12:00:00+01:00", "2030-01-31T11:00:00.000Z");
        for bad in ["", "soon", "12", "5x", "d"] {
            assert!(point(bad, now).is_err(), "{bad:?}");
        }
    }
}
