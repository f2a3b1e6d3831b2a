//! Growable bit buffers that can be cut back to an exact length.

use arrow_buffer::{BooleanBuffer, Buffer, NullBuffer};

/// Bits packed least significant first, as Arrow lays them out. Bits past the length are always 0, so that two
/// builders with the same history of kept bits hold the same bytes.
#[derive(Debug, Clone, Default)]
pub(crate) struct Bits {
    bytes: Vec<u8>,
    len: usize,
}

impl Bits {
    /// `len` bits that are all set.
    fn all_set(len: usize) -> Self {
        let mut bits = Self { bytes: vec![u8::MAX; len.div_ceil(8)], len };
        bits.clear_tail();
        bits
    }

    /// Appends one bit.
    #[inline]
    pub(crate) fn push(&mut self, bit: bool) {
        let offset = self.len % 8;
        match self.bytes.last_mut() {
            Some(byte) if offset != 0 => *byte |= u8::from(bit) << offset,
            _ => self.bytes.push(u8::from(bit)),
        }
        self.len += 1;
    }

    /// The bit at `index`; false past the end.
    pub(crate) fn get(&self, index: usize) -> bool {
        self.bytes.get(index / 8).is_some_and(|byte| byte >> (index % 8) & 1 == 1)
    }

    /// Cuts back to `len` bits; nothing happens when there are no more than that.
    pub(crate) fn truncate(&mut self, len: usize) {
        if len < self.len {
            self.len = len;
            self.bytes.truncate(len.div_ceil(8));
            self.clear_tail();
        }
    }

    /// Makes room for `additional` more bits.
    pub(crate) fn reserve(&mut self, additional: usize) {
        self.bytes.reserve(additional.div_ceil(8));
    }

    /// The finished Arrow buffer.
    pub(crate) fn into_buffer(self) -> BooleanBuffer {
        BooleanBuffer::new(Buffer::from_vec(self.bytes), 0, self.len)
    }

    fn clear_tail(&mut self) {
        let used = self.len % 8;
        if let Some(byte) = self.bytes.last_mut()
            && used != 0
        {
            *byte &= (1 << used) - 1;
        }
    }
}

/// Which rows of a column hold a value. No bit is stored until the first NULL: most columns never see one.
#[derive(Debug, Clone, Default)]
pub(crate) struct Validity {
    len: usize,
    bits: Option<Bits>,
}

impl Validity {
    /// Rows so far.
    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Appends a row that holds a value.
    #[inline]
    pub(crate) fn push_valid(&mut self) {
        if let Some(bits) = &mut self.bits {
            bits.push(true);
        }
        self.len += 1;
    }

    /// Appends a NULL row.
    pub(crate) fn push_null(&mut self) {
        let len = self.len;
        self.bits.get_or_insert_with(|| Bits::all_set(len)).push(false);
        self.len += 1;
    }

    /// Cuts back to `len` rows; nothing happens when there are no more than that.
    pub(crate) fn truncate(&mut self, len: usize) {
        self.len = self.len.min(len);
        if let Some(bits) = &mut self.bits {
            bits.truncate(len);
        }
    }

    /// The finished null mask; `None` when every row holds a value.
    pub(crate) fn into_nulls(self) -> Option<NullBuffer> {
        // A NULL that was rolled back leaves a mask without NULLs: drop it, so that a rejected record leaves no trace.
        self.bits.map(|bits| NullBuffer::new(bits.into_buffer())).filter(|nulls| nulls.null_count() > 0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn bits_follow_a_plain_vector_through_pushes_and_cuts(steps in prop::collection::vec((any::<bool>(), 0usize..40), 0..60)) {
            let (mut bits, mut model) = (Bits::default(), Vec::new());
            for (bit, keep) in steps {
                for _ in 0..5 {
                    bits.push(bit);
                    model.push(bit);
                }
                if keep % 3 == 0 {
                    bits.truncate(keep);
                    model.truncate(keep);
                }
                prop_assert!((0..model.len()).all(|index| bits.get(index) == model[index]));
            }
            let padding = bits.bytes.iter().map(|byte| byte.count_ones()).sum::<u32>();
            prop_assert_eq!(padding as usize, model.iter().filter(|bit| **bit).count());
            prop_assert_eq!(bits.into_buffer().iter().collect::<Vec<_>>(), model);
        }
    }

    #[test]
    fn a_mask_is_stored_from_the_first_null_on_and_dropped_with_the_last() {
        let mut validity = Validity::default();
        (0..9).for_each(|_| validity.push_valid());
        assert!(validity.bits.is_none());
        validity.push_null();
        validity.push_valid();
        assert_eq!(
            validity.clone().into_nulls().map(|nulls| (nulls.len(), nulls.null_count(), nulls.is_null(9))),
            Some((11, 1, true))
        );
        validity.truncate(9);
        assert_eq!(validity.len(), 9);
        assert!(validity.into_nulls().is_none());
    }
}
