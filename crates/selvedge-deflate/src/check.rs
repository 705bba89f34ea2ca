//! Adler-32, the check of a zlib stream (RFC 1950, 8.2): one sum of the bytes and 1, and one of all values
//! that it has had.

use crate::kernel::Kernel;

/// Both sums are modulo this, the greatest prime below 2^16.
const MODULUS: u64 = 65_521;

/// The check of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Check(u32);

impl Check {
    /// The check of no bytes.
    pub(crate) const fn new() -> Self {
        Self(1)
    }

    pub(crate) const fn from_be_bytes(bytes: [u8; 4]) -> Self {
        Self(u32::from_be_bytes(bytes))
    }

    pub(crate) const fn to_be_bytes(self) -> [u8; 4] {
        self.0.to_be_bytes()
    }

    /// Takes the bytes that come next.
    #[inline(always)]
    pub(crate) fn write<K: Kernel>(&mut self, kernel: K, bytes: &[u8]) {
        self.0 = kernel.check(self.0, bytes);
    }

    /// Takes `count` bytes that come next and have this check by themselves.
    pub(crate) fn append(&mut self, next: Self, count: usize) {
        let sums = Sums::of(self.0);
        let next = Sums::of(next.0);
        // The second part's sum begins with that of the first in place of 1.
        let more = sums.bytes + MODULUS - 1;
        let sums = Sums {
            bytes: more + next.bytes,
            values: sums.values + next.values + count as u64 % MODULUS * more,
        };
        self.0 = sums.check();
    }
}

/// The two sums.
pub(crate) struct Sums {
    pub(crate) bytes: u64,
    pub(crate) values: u64,
}

impl Sums {
    pub(crate) fn of(check: u32) -> Self {
        Self {
            bytes: u64::from(check & 0xFFFF),
            values: u64::from(check >> 16),
        }
    }

    pub(crate) fn check(self) -> u32 {
        let sums = (self.values % MODULUS) << 16 | (self.bytes % MODULUS);
        u32::try_from(sums).expect("two numbers below 65,521")
    }
}

#[cfg(test)]
mod tests {
    use super::Check;
    use crate::kernel::{Kernel, Portable};

    /// On every path that this CPU has.
    fn of(bytes: &[u8]) -> Check {
        fn by<K: Kernel>(kernel: K, bytes: &[u8]) -> Check {
            let mut check = Check::new();
            let (first, second) = bytes.split_at(bytes.len() / 3);
            check.write(kernel, first);
            check.write(kernel, second);
            check
        }
        let check = by(Portable, bytes);
        assert_eq!(
            check.to_be_bytes(),
            simd_adler32::adler32(&bytes).to_be_bytes()
        );
        #[cfg(target_arch = "x86_64")]
        {
            use crate::x86::{Avx2, Avx512};
            assert!(Avx2::detect().is_none_or(|path| by(path, bytes) == check));
            assert!(Avx512::detect().is_none_or(|path| by(path, bytes) == check));
        }
        check
    }

    #[test]
    fn any_length() {
        let bytes: Vec<u8> = (0..300_000_u32)
            .map(|i| (i.wrapping_mul(i) >> 5).to_le_bytes()[0])
            .collect();
        for len in (0..400).chain([65_535, 65_536, 65_537, 131_073, 300_000]) {
            of(&bytes[..len]);
        }
    }

    #[test]
    fn the_largest_sums() {
        for len in [64, 5552, 65_536, 300_001] {
            of(&vec![0xFF; len]);
            of(&vec![0; len]);
        }
    }

    #[test]
    fn of_two_parts() {
        let bytes: Vec<u8> = (0..200_000_u32)
            .map(|i| (i.wrapping_mul(i) >> 7).to_le_bytes()[0])
            .collect();
        for len in [0, 1, 2, 5552, 65_520, 65_521, 65_522, 131_042, 200_000] {
            let (first, second) = bytes.split_at(len);
            let mut check = of(first);
            check.append(of(second), second.len());
            assert_eq!(check, of(&bytes), "{len}");
        }
    }
}
