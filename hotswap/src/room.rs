//! Room for the bytes of one step: a small one is over sooner than the allocator has made some.

/// So many bytes have room on the stack.
const NEAR: usize = 128;

/// Bytes that are written one after the other. They stand here; when there are more, all of them stand on the heap.
#[derive(Debug)]
pub struct Room {
    near: [u8; NEAR],
    /// How many of those there are; 0 where all stand further away.
    len: usize,
    far: Vec<u8>,
}

impl Room {
    #[inline]
    pub(crate) const fn new() -> Self {
        Self { near: [0; NEAR], len: 0, far: Vec::new() }
    }

    #[inline]
    pub(crate) fn bytes(&self) -> &[u8] {
        if self.far.is_empty() { &self.near[..self.len] } else { &self.far }
    }

    pub(crate) fn into_vec(self) -> Vec<u8> {
        if self.far.is_empty() { self.near[..self.len].to_vec() } else { self.far }
    }

    #[inline]
    pub(crate) fn push(&mut self, byte: u8) {
        match self.near.get_mut(self.len) {
            Some(place) if self.far.is_empty() => {
                *place = byte;
                self.len += 1;
            }
            _ => self.spill(&[byte]),
        }
    }

    #[inline]
    pub(crate) fn put(&mut self, bytes: &[u8]) {
        match self.near[self.len..].get_mut(..bytes.len()) {
            Some(place) if self.far.is_empty() => {
                place.copy_from_slice(bytes);
                self.len += bytes.len();
            }
            _ => self.spill(bytes),
        }
    }

    /// What is written so far goes along: all of it stands in one place.
    #[cold]
    fn spill(&mut self, bytes: &[u8]) {
        self.far.reserve(self.len + bytes.len());
        self.far.extend_from_slice(&self.near[..self.len]);
        self.far.extend_from_slice(bytes);
        self.len = 0;
    }

    /// The room on the stack, for somebody else to fill. It is empty; [`Room::filled`] says how much of it is not any more.
    #[inline]
    #[cfg_attr(not(all(feature = "load", target_os = "linux")), allow(dead_code, reason = "only an image fills it"))]
    pub(crate) fn lend(&mut self) -> &mut [u8; NEAR] {
        &mut self.near
    }

    /// Says how many of the bytes that were lent are filled.
    #[inline]
    #[cfg_attr(not(all(feature = "load", target_os = "linux")), allow(dead_code, reason = "as above"))]
    pub(crate) fn filled(&mut self, len: usize) {
        self.len = len.min(NEAR);
    }
}

impl postcard::ser_flavors::Flavor for &mut Room {
    type Output = ();

    #[inline]
    fn try_push(&mut self, byte: u8) -> postcard::Result<()> {
        self.push(byte);
        Ok(())
    }

    #[inline]
    fn try_extend(&mut self, bytes: &[u8]) -> postcard::Result<()> {
        match bytes {
            // a number of a byte or two was written byte by byte, and to read it as one would wait for both
            [one] => self.push(*one),
            [one, two] => {
                self.push(*one);
                self.push(*two);
            }
            _ => self.put(bytes),
        }
        Ok(())
    }

    fn finalize(self) -> postcard::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_holds_what_was_written(pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 0..6)) {
            let mut room = Room::new();
            for piece in &pieces {
                match piece[..] {
                    [byte] => room.push(byte),
                    _ => room.put(piece),
                }
            }
            let written = pieces.concat();
            prop_assert_eq!(room.bytes(), &written);
            prop_assert_eq!(room.into_vec(), written);
        }
    }

    #[test]
    fn of_what_was_lent_it_holds_as_much_as_was_filled() {
        let mut room = Room::new();
        room.lend()[..3].copy_from_slice(b"new");
        room.filled(3);
        assert_eq!(room.bytes(), b"new");
        room.put(&[b'.'; NEAR]);
        assert_eq!(room.bytes(), [b"new".as_slice(), &[b'.'; NEAR]].concat());
    }
}
