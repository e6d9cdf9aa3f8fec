//! How much memory must be left for another session to be started.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// An amount of memory: `"512MiB"`, `"2GiB"`, `"10%"` of all there is, or `"off"` for none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Memory {
    /// So many bytes.
    Bytes(u64),
    /// So many hundredths of all there is.
    Percent(u8),
    /// It does not matter.
    Off,
}

const UNITS: [(&str, u64); 4] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)];

impl Memory {
    /// How many bytes it is where there are `total`.
    pub fn of(self, total: u64) -> u64 {
        match self {
            Memory::Bytes(bytes) => bytes,
            Memory::Percent(percent) => total / 100 * u64::from(percent),
            Memory::Off => 0,
        }
    }
}

impl fmt::Display for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Memory::Off => f.write_str("off"),
            Memory::Percent(percent) => write!(f, "{percent}%"),
            Memory::Bytes(bytes) => {
                let (unit, size) = UNITS
                    .into_iter()
                    .find(|(_, size)| bytes >= *size && bytes.is_multiple_of(*size))
                    .unwrap_or(("B", 1));
                write!(f, "{}{unit}", bytes / size)
            }
        }
    }
}

impl FromStr for Memory {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is no amount of memory such as \"512MiB\", \"10%\" or \"off\"");
        let text = text.trim();
        if text == "off" {
            return Ok(Memory::Off);
        }
        if let Some(number) = text.strip_suffix('%') {
            let percent = number.trim().parse().ok().filter(|percent| *percent <= 100);
            return percent.map(Memory::Percent).ok_or_else(wrong);
        }
        let (number, size) = UNITS
            .iter()
            .find_map(|(unit, size)| Some((text.strip_suffix(unit)?, *size)))
            .ok_or_else(wrong)?;
        let number: u64 = number.trim().parse().map_err(|_| wrong())?;
        number.checked_mul(size).map(Memory::Bytes).ok_or_else(wrong)
    }
}

/// A share of time in hundredths: `"25%"`, or `"off"` for all of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stall(pub Option<u8>);

impl fmt::Display for Stall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(percent) => write!(f, "{percent}%"),
            None => f.write_str("off"),
        }
    }
}

impl FromStr for Stall {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.trim().parse() {
            Ok(Memory::Off) => Ok(Stall(None)),
            Ok(Memory::Percent(percent)) => Ok(Stall(Some(percent))),
            _ => Err(format!("{text:?} is no share of time such as \"25%\" or \"off\"")),
        }
    }
}

macro_rules! as_text {
    ($($kind:ty),*) => {$(
        impl Serialize for $kind {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $kind {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
            }
        }
    )*};
}
as_text!(Memory, Stall);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_amount_reads_as_people_write_it_and_back() {
        for (text, amount) in [
            ("512MiB", Memory::Bytes(512 << 20)),
            ("2GiB", Memory::Bytes(2 << 30)),
            ("1KiB", Memory::Bytes(1024)),
            ("7B", Memory::Bytes(7)),
            ("10%", Memory::Percent(10)),
            ("off", Memory::Off),
        ] {
            assert_eq!(text.parse(), Ok(amount));
            assert_eq!(amount.to_string(), text);
        }
        assert_eq!("1 GiB".parse(), Ok(Memory::Bytes(1 << 30)));
        for wrong in ["", "512", "512MB", "-1MiB", "101%", "x%", "99999999999GiB", "none"] {
            assert!(wrong.parse::<Memory>().unwrap_err().contains("such as"), "{wrong}");
        }
        assert_eq!((Memory::Percent(5).of(2000), Memory::Off.of(2000)), (100, 0));
    }

    #[test]
    fn a_share_of_time_is_no_amount() {
        assert_eq!("25%".parse(), Ok(Stall(Some(25))));
        assert_eq!("off".parse(), Ok(Stall(None)));
        assert!("5MiB".parse::<Stall>().is_err());
        assert_eq!(Stall(Some(25)).to_string(), "25%");
    }
}
