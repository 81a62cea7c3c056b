//! Waves: which programs are upgraded together, and which of them first.

/// How many programs a wave has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wave {
    Programs(usize),
    /// Of all programs, rounded up.
    Percent(u8),
    Rest,
}

/// One wave, as it is written.
pub(super) fn wave(text: &str) -> Result<Wave, String> {
    let wave = match text.strip_suffix('%') {
        _ if text == "rest" => Some(Wave::Rest),
        Some(percent) => percent.parse().ok().filter(|it| (1..=100).contains(it)).map(Wave::Percent),
        None => text.parse().ok().filter(|it| *it > 0).map(Wave::Programs),
    };
    wave.ok_or_else(|| "a wave is a number of programs, a share of all such as `25%`, or `rest`".to_owned())
}

/// How many of so many programs each wave has, one after the other. Those that no wave has are the last one.
pub(super) fn sizes(waves: &[Wave], programs: usize) -> Vec<usize> {
    let mut left = programs;
    let size = |wave: &Wave| {
        let size = match *wave {
            Wave::Programs(size) => size,
            Wave::Percent(percent) => (programs * usize::from(percent)).div_ceil(100),
            Wave::Rest => left,
        };
        let size = size.min(left);
        left -= size;
        size
    };
    waves.iter().chain([&Wave::Rest]).map(size).filter(|size| *size > 0).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str, programs: usize) -> Vec<usize> {
        sizes(&text.split(',').map(|text| wave(text).expect("one")).collect::<Vec<_>>(), programs)
    }

    #[test]
    fn every_program_is_in_one_wave() {
        assert_eq!(of("1,2,rest", 5), [1, 2, 2]);
        assert_eq!(of("1,2", 5), [1, 2, 2]);
        assert_eq!(of("1,rest", 1), [1]);
        assert_eq!(of("10%,50%,rest", 5), [1, 3, 1]);
        assert_eq!(of("9", 5), [5]);
        assert_eq!(of("rest,1", 5), [5]);
    }

    #[test]
    fn what_is_no_wave_is_not_read() {
        for wrong in ["", "0", "-1", "0%", "101%", "%", "some", "1.5"] {
            assert!(wave(wrong).is_err(), "{wrong}");
        }
    }
}
