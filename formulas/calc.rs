//! Numbers that are calculated when a formula is cooked: `1..2^{disks}`.
//!
//! `+ - * / ^` and parentheses, as on paper: `^` binds most and to the right, a sign in front less than it.
//! The result is cut to a whole number.

/// Longer than this is no calculation; it also bounds how deep the reading goes.
const LONGEST: usize = 200;

/// Results beyond this cannot be told from each other as floating-point numbers.
const LARGEST: f64 = 9_007_199_254_740_992.0;

/// Returns the two ends of `start..end`, each calculated.
///
/// # Errors
/// What is wrong, as the end of a sentence.
pub(crate) fn range(text: &str) -> Result<(i64, i64), String> {
    let (start, end) = text.split_once("..").ok_or("a range has two ends, as 1..10")?;
    Ok((number(start)?, number(end)?))
}

/// Returns what `text` comes to.
///
/// # Errors
/// What is wrong, as the end of a sentence.
pub(crate) fn number(text: &str) -> Result<i64, String> {
    if text.len() > LONGEST {
        return Err(format!("it is longer than {LONGEST} characters"));
    }
    let mut reader = Reader { rest: text.trim() };
    if reader.rest.is_empty() {
        return Err("there is no number".to_owned());
    }
    let value = reader.sum()?;
    if !reader.rest.is_empty() {
        return Err(format!("{:?} is left over", reader.rest));
    }
    if !value.is_finite() || value.abs() > LARGEST {
        return Err("the result is too large".to_owned());
    }
    Ok(value.trunc() as i64)
}

struct Reader<'t> {
    rest: &'t str,
}

impl Reader<'_> {
    /// Passes one of these characters, if it comes next.
    fn take(&mut self, one_of: &str) -> Option<char> {
        let next = self.rest.chars().next().filter(|next| one_of.contains(*next))?;
        self.rest = self.rest[next.len_utf8()..].trim_start();
        Some(next)
    }

    fn sum(&mut self) -> Result<f64, String> {
        let mut value = self.product()?;
        while let Some(sign) = self.take("+-") {
            let next = self.product()?;
            value = if sign == '+' { value + next } else { value - next };
        }
        Ok(value)
    }

    fn product(&mut self) -> Result<f64, String> {
        let mut value = self.signed()?;
        while let Some(sign) = self.take("*/") {
            let next = self.signed()?;
            if sign == '/' && next == 0.0 {
                return Err("it divides by zero".to_owned());
            }
            value = if sign == '*' { value * next } else { value / next };
        }
        Ok(value)
    }

    fn signed(&mut self) -> Result<f64, String> {
        match self.take("-") {
            Some(_) => Ok(-self.signed()?),
            None => self.power(),
        }
    }

    fn power(&mut self) -> Result<f64, String> {
        let base = self.atom()?;
        match self.take("^") {
            Some(_) => Ok(base.powf(self.signed()?)),
            None => Ok(base),
        }
    }

    fn atom(&mut self) -> Result<f64, String> {
        if self.take("(").is_some() {
            let value = self.sum()?;
            return self.take(")").map(|_| value).ok_or_else(|| "a parenthesis is not closed".to_owned());
        }
        let end = self.rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(self.rest.len());
        let digits = &self.rest[..end];
        let value = digits.parse().map_err(|_| match self.rest.chars().next() {
            Some(_) if end > 0 => format!("{digits:?} is no number"),
            Some(next) => format!("{next:?} is no number"),
            None => "a number is missing".to_owned(),
        })?;
        self.rest = self.rest[end..].trim_start();
        Ok(value)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn numbers_come_out_as_on_paper() {
        let check = |text: &str, expected: i64| assert_eq!(number(text), Ok(expected), "{text}");
        check("7", 7);
        check(" 1 + 2 * 3 ", 7);
        check("(1 + 2) * 3", 9);
        check("2^3^2", 512);
        check("2^10 - 1", 1023);
        check("-2^2", -4);
        check("2^-1 * 8", 4);
        check("7 / 2", 3);
        check("10 - 2 - 3", 5);
        check("1.5 * 2", 3);
        assert_eq!(range("1..2^3-1"), Ok((1, 7)));
        assert_eq!(range("-3..(1+1)"), Ok((-3, 2)));
    }

    #[test]
    fn what_is_no_number_says_why() {
        let check = |text: &str, reason: &str| assert_eq!(number(text), Err(reason.to_owned()), "{text}");
        check("", "there is no number");
        check("1 +", "a number is missing");
        check("1 / 0", "it divides by zero");
        check("(1", "a parenthesis is not closed");
        check("1 2", "\"2\" is left over");
        check("{n}", "'{' is no number");
        check("1.2.3", "\"1.2.3\" is no number");
        check("9^99", "the result is too large");
        assert!(number(&"(".repeat(100_000)).is_err());
        assert_eq!(range("10"), Err("a range has two ends, as 1..10".to_owned()));
    }

    proptest! {
        #[test]
        fn sums_are_those_of_the_machine(a in -999..999_i64, b in -999..999_i64, c in 1..99_i64) {
            prop_assert_eq!(number(&format!("{a} + ({b}) * {c}")), Ok(a + b * c));
            prop_assert_eq!(number(&format!("({a}) / {c}")), Ok(a / c));
        }

        #[test]
        fn nothing_brings_it_down(text in "[0-9.+*/^() -]{0,60}|\\PC{0,20}") {
            let _ = (number(&text), range(&text));
        }
    }
}
