//! Unix milliseconds as text, in the proleptic Gregorian calendar.

/// `YYYY-MM-DD HH:MM:SS.mmm UTC`. Years beyond 9999 keep their last four digits.
pub(super) fn utc_text(unix_ms: u64) -> String {
    let (seconds, ms) = (unix_ms / 1000, unix_ms % 1000);
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    let (year, month, day) = civil(days);
    format!(
        "{:04}-{month:02}-{day:02} {:02}:{:02}:{:02}.{ms:03} UTC",
        year % 10_000,
        second / 3600,
        second / 60 % 60,
        second % 60
    )
}

/// Days since 1970-01-01 as year, month and day. Counted in eras of 400 years of
/// 146097 days that begin on 1 March, so that the leap day is the last of its year.
fn civil(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_dates() {
        assert_eq!(utc_text(0), "1970-01-01 00:00:00.000 UTC");
        assert_eq!(utc_text(951_826_154_321), "2000-02-29 12:09:14.321 UTC");
        assert_eq!(utc_text(1_709_251_199_999), "2024-02-29 23:59:59.999 UTC");
        assert_eq!(utc_text(1_709_251_200_000), "2024-03-01 00:00:00.000 UTC");
        assert_eq!(utc_text(4_102_444_799_000), "2099-12-31 23:59:59.000 UTC");
    }

    #[test]
    fn the_largest_value_is_some_text() {
        assert_eq!(utc_text(u64::MAX).len(), 27);
    }
}
