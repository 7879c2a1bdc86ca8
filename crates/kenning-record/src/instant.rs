//! Instants as people write them: RFC 3339, in UTC with milliseconds when written here.
//!
//! Inside, an instant is a number of milliseconds since 1970-01-01T00:00:00Z, without leap
//! seconds. The calendar is the Gregorian one, also before it was introduced, and counted from
//! March, so that the leap day is the last of a year.

use kenning_store::{Error, Result};

/// 0000-01-01T00:00:00.000Z, the first instant that can be written.
pub const INSTANT_MIN: i64 = -62_167_219_200_000;

/// 9999-12-31T23:59:59.999Z, the last instant that can be written.
pub const INSTANT_MAX: i64 = 253_402_300_799_999;

const SECOND_MS: i64 = 1000;
const MINUTE_MS: i64 = 60 * SECOND_MS;
const HOUR_MS: i64 = 60 * MINUTE_MS;
const DAY_MS: i64 = 24 * HOUR_MS;

/// Days of four centuries, after which the calendar repeats.
const ERA_DAYS: i64 = 146_097;
/// Days from 0000-03-01 to 1970-01-01.
const EPOCH_DAYS: i64 = 719_468;

/// Writes an instant, `2026-11-20T08:30:00.000Z`. A year outside 0000-9999 is written with a sign.
pub fn format_instant(ms: i64) -> String {
    let (year, month, day) = date_of(ms.div_euclid(DAY_MS));
    let ms = ms.rem_euclid(DAY_MS);
    let (hour, minute) = (ms / HOUR_MS, ms / MINUTE_MS % 60);
    let (second, ms) = (ms / SECOND_MS % 60, ms % SECOND_MS);
    let year = match year {
        0..=9999 => format!("{year:04}"),
        _ => format!("{year:+05}"),
    };
    format!("{year}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{ms:03}Z")
}

/// Reads an instant: a date, which means its first moment in UTC, or a date, a time and an offset.
/// What is finer than a millisecond is cut off.
///
/// ```
/// use kenning_record::{format_instant, parse_instant};
/// let instant = parse_instant("2026-11-20T09:30:00.25+01:00")?;
/// assert_eq!(format_instant(instant), "2026-11-20T08:30:00.250Z");
/// # Ok::<(), kenning_store::Error>(())
/// ```
pub fn parse_instant(text: &str) -> Result<i64> {
    let instant = Reader(text.as_bytes()).instant();
    instant.filter(|ms| (INSTANT_MIN..=INSTANT_MAX).contains(ms)).ok_or_else(|| {
        let shown: String = text.chars().take(40).collect();
        Error::invalid(
            "INSTANT_MALFORMED",
            format!("'{shown}' is not an instant such as 2026-11-20 or 2026-11-20T08:30:00Z"),
        )
    })
}

struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn instant(mut self) -> Option<i64> {
        let date = self.date()?;
        if self.0.is_empty() {
            return Some(date);
        }
        self.one_of(b"Tt ")?;
        let time = self.time()?;
        let offset = self.offset()?;
        self.0.is_empty().then_some(date + time - offset)
    }

    fn date(&mut self) -> Option<i64> {
        let year = self.number(4, 9999)?;
        self.one_of(b"-")?;
        let month = self.number(2, 12)?;
        self.one_of(b"-")?;
        let day = self.number(2, 31)?;
        let days = days_of(year, month, day);
        // A day that does not exist, such as 30 February, would come back as another one.
        (date_of(days) == (year, month, day)).then_some(days * DAY_MS)
    }

    fn time(&mut self) -> Option<i64> {
        let hour = self.number(2, 23)?;
        self.one_of(b":")?;
        let minute = self.number(2, 59)?;
        self.one_of(b":")?;
        // A leap second is the first second of the next minute, as clocks of computers have it.
        let second = self.number(2, if minute == 59 { 60 } else { 59 })?;
        let ms = if self.one_of(b".").is_some() { self.fraction()? } else { 0 };
        Some(hour * HOUR_MS + minute * MINUTE_MS + second * SECOND_MS + ms)
    }

    fn fraction(&mut self) -> Option<i64> {
        let n_digits = self.0.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let (digits, rest) = self.0.split_at(n_digits);
        self.0 = rest;
        let padded = digits.iter().chain(b"00").take(3);
        let ms = padded.fold(0, |ms, digit| ms * 10 + i64::from(digit - b'0'));
        (n_digits > 0).then_some(ms)
    }

    fn offset(&mut self) -> Option<i64> {
        let sign = match self.one_of(b"Zz+-")? {
            b'+' => 1,
            b'-' => -1,
            _ => return Some(0),
        };
        let hour = self.number(2, 23)?;
        self.one_of(b":")?;
        let minute = self.number(2, 59)?;
        Some(sign * (hour * HOUR_MS + minute * MINUTE_MS))
    }

    fn number(&mut self, n_digits: usize, max: i64) -> Option<i64> {
        let (digits, rest) = self.0.split_at_checked(n_digits)?;
        let mut number = 0;
        for digit in digits {
            number = number * 10 + i64::from(char::from(*digit).to_digit(10)?);
        }
        self.0 = rest;
        (number <= max).then_some(number)
    }

    fn one_of(&mut self, expected: &[u8]) -> Option<u8> {
        let (byte, rest) = self.0.split_first()?;
        let found = expected.contains(byte).then_some(*byte);
        if found.is_some() {
            self.0 = rest;
        }
        found
    }
}

/// Days since 1970-01-01.
fn days_of(year: i64, month: i64, day: i64) -> i64 {
    let year = if month > 2 { year } else { year - 1 };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * ERA_DAYS + day_of_era - EPOCH_DAYS
}

/// Year, month and day of a number of days since 1970-01-01.
fn date_of(days: i64) -> (i64, i64, i64) {
    let days = days + EPOCH_DAYS;
    let era = days.div_euclid(ERA_DAYS);
    let day_of_era = days.rem_euclid(ERA_DAYS);
    let leap_days = day_of_era / 1460 - day_of_era / 36_524 + day_of_era / 146_096;
    let year_of_era = (day_of_era - leap_days) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = era * 400 + year_of_era + i64::from(month <= 2);
    (year, month, day)
}
