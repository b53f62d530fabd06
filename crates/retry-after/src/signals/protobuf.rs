//! As much of the protobuf wire format as it takes to find a `RetryInfo`: no allocation, and no more
//! work than there are bytes.

/// The longest varint has 10 bytes.
const MAX_VARINT: usize = 10;

/// A message, as an iterator over its fields: `None` in it means that the rest is malformed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Message<'a>(pub(crate) &'a [u8]);

/// The value of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Value<'a> {
    Varint(u64),
    Bytes(&'a [u8]),
    /// A fixed-width number: nothing that we look for.
    Fixed,
}

impl<'a> Message<'a> {
    /// The last value of a field of bytes, `None` also if the message is malformed.
    pub(crate) fn bytes(self, number: u64) -> Option<&'a [u8]> {
        let mut last = None;
        for field in self {
            match field? {
                (n, Value::Bytes(bytes)) if n == number => last = Some(bytes),
                _ => {}
            }
        }
        last
    }

    /// The last value of a field of type varint, 0 if there is none, `None` if the message is malformed.
    pub(crate) fn varint(self, number: u64) -> Option<u64> {
        let mut last = 0;
        for field in self {
            match field? {
                (n, Value::Varint(value)) if n == number => last = value,
                _ => {}
            }
        }
        Some(last)
    }

    fn field(&mut self) -> Option<(u64, Value<'a>)> {
        let tag = self.take_varint()?;
        let value = match tag & 7 {
            0 => Value::Varint(self.take_varint()?),
            1 => self.take(8).map(|_| Value::Fixed)?,
            2 => {
                let len = usize::try_from(self.take_varint()?).ok()?;
                Value::Bytes(self.take(len)?)
            }
            5 => self.take(4).map(|_| Value::Fixed)?,
            _ => return None,
        };
        Some((tag >> 3, value))
    }

    fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(taken)
    }

    /// Bits beyond the 64th are lost, as in other readers.
    fn take_varint(&mut self) -> Option<u64> {
        let mut value = 0_u64;
        for at in 0..MAX_VARINT {
            let byte = *self.take(1)?.first()?;
            value |= u64::from(byte & 0x7f) << (7 * at);
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }
}

impl<'a> Iterator for Message<'a> {
    type Item = Option<(u64, Value<'a>)>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let field = self.field();
        if field.is_none() {
            self.0 = &[];
        }
        Some(field)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn fields_are_found_and_the_last_of_a_number_counts() {
        let message = Message(&[
            0x08, 0x96, 0x01, 0x12, 0x02, b'h', b'i', 0x08, 0x05, 0x1d, 1, 2, 3, 4,
        ]);
        assert_eq!(message.varint(1), Some(5));
        assert_eq!(message.bytes(2), Some(&b"hi"[..]));
        assert_eq!(message.bytes(9), None);
        assert_eq!(message.varint(9), Some(0));
    }

    #[test]
    fn a_malformed_message_is_none() {
        for bytes in [
            &[0x08][..],
            &[0x12, 0x05, 1],
            &[0x0b],
            &[0xff; 11],
            &[0x09, 1],
        ] {
            assert_eq!(Message(bytes).varint(1), None, "{bytes:?}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_end_after_at_most_as_many_fields(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            prop_assert!(Message(&bytes).count() <= bytes.len());
        }
    }
}
