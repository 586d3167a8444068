// SPDX-License-Identifier: GPL-2.0

//! Figures for reading.

/// Returns a figure: whole from 1000 on, with a decimal below unless that is 0.
pub fn figure(value: Option<f64>) -> String {
    match value {
        None => "-".to_owned(),
        Some(value) if value >= 1000.0 || value.fract() == 0.0 => format!("{value:.0}"),
        Some(value) => format!("{value:.1}"),
    }
}

/// Returns a ratio.
pub fn ratio(value: Option<f64>) -> String {
    match value {
        None => "-".to_owned(),
        Some(value) if value < 0.1 => format!("{value:.3}"),
        Some(value) => format!("{value:.2}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_have_the_digits_that_matter() {
        assert_eq!(figure(Some(204.0)), "204");
        assert_eq!(figure(Some(140.24)), "140.2");
        assert_eq!(figure(Some(2858.29)), "2858");
        assert_eq!(figure(None), "-");
        assert_eq!(ratio(Some(0.4069)), "0.41");
        assert_eq!(ratio(Some(0.0034)), "0.003");
    }
}
