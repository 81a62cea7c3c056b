//! Runs one target on many inputs, each made from the seed and its own number: so a failure can be had again, alone.

use std::env;
use std::fmt::Write as _;

use super::counting::peak_of;

/// So many inputs where nothing is said; `cargo xtask fuzz` says more.
const CASES: u64 = 20_000;

/// Random numbers: `SplitMix64` (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014).
pub(crate) struct Rng(u64);

impl Rng {
    fn new(seed: u64, case: u64) -> Self {
        let mut start = Self(seed);
        Self(start.next() ^ case.wrapping_mul(0xd1b5_4a32_d192_ed03))
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`, which is not 0.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end as u64).expect("less than a usize")
    }

    /// True once in `n` times.
    pub(crate) fn once_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    pub(crate) fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }

    pub(crate) fn byte(&mut self) -> u8 {
        self.next().to_le_bytes()[0]
    }

    /// Up to `most` bytes.
    pub(crate) fn bytes(&mut self, most: usize) -> Vec<u8> {
        (0..self.below(most + 1)).map(|_| self.byte()).collect()
    }

    /// A number as they occur: small, random, or at an edge.
    pub(crate) fn number(&mut self) -> u64 {
        match self.below(4) {
            0 => self.next(),
            1 => *self.pick(&[0, 1, 127, 128, 255, 256, 0xffff, 0xffff_ffff, 1 << 32, 1 << 62, 1 << 63, u64::MAX]),
            _ => self.next() % 200,
        }
    }
}

/// For what is made once, before the inputs.
pub(crate) fn first() -> Rng {
    Rng::new(told("HOTSWAP_FUZZ_SEED").unwrap_or(1), u64::MAX)
}

/// What a target may take at its peak.
pub(crate) struct Bound {
    pub(crate) fixed: usize,
    pub(crate) for_each_byte: usize,
}

/// Prints how to have a case again, if it panics.
struct Case<'a> {
    target: &'a str,
    seed: u64,
    number: u64,
    input: &'a [u8],
}

impl Drop for Case<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let Self { target, seed, number, input } = self;
            let mut hex = String::new();
            for byte in *input {
                let _ = write!(hex, "{byte:02x}");
            }
            eprintln!("`{target}` failed at input {number} of seed {seed}, {} bytes: {hex}", input.len());
            eprintln!("again: cargo xtask fuzz {target} --seed {seed} --first {number} --cases 1");
        }
    }
}

fn told(name: &str) -> Option<u64> {
    let told = env::var(name).ok()?;
    Some(told.parse().unwrap_or_else(|_| panic!("{name} is no number: {told}")))
}

/// Makes inputs; `work` is measured on each, and `judge` looks at what it gave and says whether the input was taken.
pub(crate) fn run<T>(
    target: &str,
    bound: &Bound,
    mut make: impl FnMut(&mut Rng) -> Vec<u8>,
    mut work: impl FnMut(&[u8]) -> T,
    mut judge: impl FnMut(&[u8], T) -> bool,
) {
    let seed = told("HOTSWAP_FUZZ_SEED").unwrap_or(1);
    let first = told("HOTSWAP_FUZZ_FIRST").unwrap_or(0);
    let cases = told("HOTSWAP_FUZZ_CASES").unwrap_or(CASES);
    let (mut taken, mut most, mut beyond) = (0_u64, 0, 0);
    for number in first..first + cases {
        let input = make(&mut Rng::new(seed, number));
        let _case = Case { target, seed, number, input: &input };
        let (result, peak) = peak_of(|| work(&input));
        let allowed = bound.fixed + bound.for_each_byte * input.len();
        assert!(peak <= allowed, "{peak} bytes were taken for {}; {allowed} are allowed", input.len());
        most = most.max(peak);
        beyond = beyond.max(peak.saturating_sub(bound.fixed) / input.len().max(1));
        taken += u64::from(judge(&input, result));
    }
    println!(
        "{target}: {cases} inputs of seed {seed}, {taken} of them taken; at most {most} bytes, {beyond} a byte of input \
         beyond the first {}",
        bound.fixed
    );
}
