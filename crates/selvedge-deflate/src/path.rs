//! Which instructions an encoder or a decoder uses.

use crate::decode::{self, Batch};
use crate::encode::{self, Chunk};
use crate::kernel::Portable;
#[cfg(target_arch = "x86_64")]
use crate::x86::{Avx2, Avx512};

/// A set of instructions that the running CPU has.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Path {
    Portable,
    #[cfg(target_arch = "x86_64")]
    Avx2(Avx2),
    #[cfg(target_arch = "x86_64")]
    Avx512(Avx512),
}

impl Path {
    /// All that the CPU has, the best last.
    pub(crate) fn all() -> Vec<Self> {
        let mut all = vec![Self::Portable];
        #[cfg(target_arch = "x86_64")]
        {
            all.extend(Avx2::detect().map(Self::Avx2));
            all.extend(Avx512::detect().map(Self::Avx512));
        }
        all
    }

    pub(crate) fn best() -> Self {
        *Self::all().last().expect("one is portable")
    }

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Portable => "portable",
            #[cfg(target_arch = "x86_64")]
            Self::Avx2(_) => "AVX2",
            #[cfg(target_arch = "x86_64")]
            Self::Avx512(_) => "AVX-512",
        }
    }

    pub(crate) fn encode(self, chunk: Chunk<'_>) {
        match self {
            Self::Portable => encode::encode(Portable, chunk),
            #[cfg(target_arch = "x86_64")]
            Self::Avx2(path) => path.encode(chunk),
            #[cfg(target_arch = "x86_64")]
            Self::Avx512(path) => path.encode(chunk),
        }
    }

    pub(crate) fn decode(self, batch: Batch<'_, '_, '_>) {
        match self {
            Self::Portable => decode::decode(Portable, batch),
            #[cfg(target_arch = "x86_64")]
            Self::Avx2(path) => path.decode(batch),
            #[cfg(target_arch = "x86_64")]
            Self::Avx512(path) => path.decode(batch),
        }
    }
}
