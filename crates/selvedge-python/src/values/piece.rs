//! Values in memory, contiguous or strided, and their bytes in row-major order.

use std::slice;

/// The largest element in bytes: complex128.
const LARGEST: usize = 16;

/// Values in somebody's memory. Whoever has it keeps their owner as long.
pub(crate) enum Piece {
    /// A single value, kept here.
    Single([u8; LARGEST], usize),
    /// Elements one after the other in row-major order.
    Contiguous(*const u8, usize),
    /// Elements that lie otherwise.
    Strided(Box<Strided>),
}

// SAFETY: a piece is an address and a size. It is read while its owner is held, whichever thread does it; that
// others may write the values meanwhile is so in all of Python's array libraries.
unsafe impl Send for Piece {}
// SAFETY: as above; a piece is never written through.
unsafe impl Sync for Piece {}

/// Elements with a distance of their own along each axis.
pub(crate) struct Strided {
    data: *const u8,
    element: usize,
    /// Length and distance in bytes of each axis, outermost first. Axes of one element are left out, and
    /// axes that follow each other without a gap are one.
    axes: Vec<(usize, isize)>,
    bytes: usize,
}

impl Piece {
    /// Values at `data`: `element` bytes each, with the lengths of the axes and the distances in bytes between
    /// their elements; without distances one after the other.
    ///
    /// # Safety
    ///
    /// All elements that the shape and the strides reach are readable for as long as the piece is used.
    pub(crate) unsafe fn new(
        data: *const u8,
        element: usize,
        shape: &[i64],
        stride: impl Fn(usize) -> isize,
    ) -> Self {
        // Mostly the elements follow each other, and to see that takes no memory.
        let (mut elements, mut contiguous) = (1_usize, true);
        for (number, &axis) in shape.iter().enumerate().rev() {
            let axis = super::length(axis);
            let distance = elements.wrapping_mul(element) as isize;
            contiguous &= axis == 1 || stride(number) == distance;
            elements = elements.saturating_mul(axis);
        }
        let bytes = elements.saturating_mul(element);
        if contiguous || bytes == 0 {
            return Self::Contiguous(data, bytes);
        }
        let mut axes: Vec<(usize, isize)> = Vec::new();
        for (number, &length) in shape.iter().enumerate() {
            let (length, stride) = (super::length(length), stride(number));
            if length == 1 {
                continue;
            }
            match axes.last_mut() {
                Some((outer, distance)) if *distance == stride.wrapping_mul(length as isize) => {
                    *outer *= length;
                    *distance = stride;
                }
                _ => axes.push((length, stride)),
            }
        }
        Self::Strided(Box::new(Strided {
            data,
            element,
            axes,
            bytes,
        }))
    }

    /// So many bytes at `data`, which are elements one after the other.
    ///
    /// # Safety
    ///
    /// They are readable for as long as the piece is used.
    pub(crate) unsafe fn contiguous(data: *const u8, bytes: usize) -> Self {
        Self::Contiguous(data, bytes)
    }

    /// A single value.
    pub(crate) fn single(bytes: &[u8]) -> Self {
        let mut value = [0; LARGEST];
        value[..bytes.len()].copy_from_slice(bytes);
        Self::Single(value, bytes.len())
    }

    /// Its values in bytes.
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Single(_, len) | Self::Contiguous(_, len) => *len,
            Self::Strided(strided) => strided.bytes,
        }
    }

    /// The bytes that [`bytes`](Self::bytes) puts into its `scratch`: those of strided values.
    pub(crate) fn gathered(&self) -> usize {
        match self {
            Self::Strided(strided) => strided.bytes,
            _ => 0,
        }
    }

    /// The bytes in row-major order; those of strided values go through `scratch`, which has room for them.
    pub(crate) fn bytes<'a>(&'a self, scratch: &'a mut Vec<u8>) -> &'a [u8] {
        match self {
            Self::Single(value, len) => &value[..*len],
            Self::Contiguous(_, 0) => &[],
            // SAFETY: by the contract of `new` these bytes are readable.
            Self::Contiguous(data, len) => unsafe { slice::from_raw_parts(*data, *len) },
            Self::Strided(strided) => {
                scratch.clear();
                strided.gather(scratch);
                scratch
            }
        }
    }

    /// Appends the bytes in row-major order.
    pub(crate) fn append_to(&self, bytes: &mut Vec<u8>) {
        match self {
            Self::Strided(strided) => strided.gather(bytes),
            _ => bytes.extend_from_slice(self.bytes(&mut Vec::new())),
        }
    }
}

impl Strided {
    fn gather(&self, bytes: &mut Vec<u8>) {
        match self.element {
            1 => self.walk::<1>(&self.axes, self.data, bytes),
            2 => self.walk::<2>(&self.axes, self.data, bytes),
            4 => self.walk::<4>(&self.axes, self.data, bytes),
            8 => self.walk::<8>(&self.axes, self.data, bytes),
            _ => self.walk::<LARGEST>(&self.axes, self.data, bytes),
        }
    }

    fn walk<const N: usize>(&self, axes: &[(usize, isize)], data: *const u8, bytes: &mut Vec<u8>) {
        match axes {
            // The innermost axis is a run of bytes, or single elements.
            &[(length, stride)] if stride == N as isize => {
                // SAFETY: the run is a part of what `Piece::new` was promised to be readable.
                bytes.extend_from_slice(unsafe { slice::from_raw_parts(data, length * N) });
            }
            &[(length, stride)] => {
                bytes.extend((0..length as isize).flat_map(|number| {
                    let element = data.wrapping_offset(number * stride).cast::<[u8; N]>();
                    // SAFETY: the element is among those that `Piece::new` was promised to be readable, and
                    // bytes have no alignment.
                    unsafe { element.read() }
                }));
            }
            [(length, stride), inner @ ..] => {
                for number in 0..*length as isize {
                    self.walk::<N>(inner, data.wrapping_offset(number * stride), bytes);
                }
            }
            [] => {}
        }
    }
}
