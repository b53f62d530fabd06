//! Waiters in numbered slots, strung into lists: joining and leaving from anywhere take constant
//! time, a slot is used again as soon as it is free, and nothing is allocated per waiter.

/// The number of a slot. Whoever holds it owns the slot until it gives it back, so a number never
/// means somebody else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Key(u32);

/// No slot.
const NONE: Key = Key(u32::MAX);

/// Above this many slots the memory is returned when the last one is freed.
const KEEP: usize = 1024;

#[derive(Debug)]
pub(crate) struct Slots<T> {
    slots: Vec<Slot<T>>,
    free: Key,
    used: usize,
}

#[derive(Debug)]
struct Slot<T> {
    prev: Key,
    next: Key,
    /// `None` in a free slot.
    value: Option<T>,
}

/// A list of slots, oldest first. A slot is in at most one list.
#[derive(Debug)]
pub(crate) struct List {
    head: Key,
    tail: Key,
}

impl<T> Slots<T> {
    pub(crate) const fn new() -> Self {
        Self {
            slots: Vec::new(),
            free: NONE,
            used: 0,
        }
    }

    /// # Panics
    ///
    /// If 2³² − 1 slots are in use.
    pub(crate) fn insert(&mut self, value: T) -> Key {
        self.used += 1;
        if let Some(slot) = self.slots.get_mut(self.free.index()) {
            let key = std::mem::replace(&mut self.free, slot.next);
            slot.value = Some(value);
            return key;
        }
        let key = u32::try_from(self.slots.len())
            .ok()
            .filter(|&key| key != NONE.0);
        self.slots.push(Slot {
            prev: NONE,
            next: NONE,
            value: Some(value),
        });
        Key(key.expect("fewer than 2^32 requests wait"))
    }

    /// Frees a slot that is in no list.
    pub(crate) fn remove(&mut self, key: Key) -> Option<T> {
        let slot = self.slots.get_mut(key.index())?;
        let value = slot.value.take()?;
        slot.next = std::mem::replace(&mut self.free, key);
        self.used -= 1;
        if self.used == 0 && self.slots.capacity() > KEEP {
            *self = Self::new();
        }
        Some(value)
    }

    pub(crate) fn get(&self, key: Key) -> Option<&T> {
        self.slots.get(key.index())?.value.as_ref()
    }

    pub(crate) fn get_mut(&mut self, key: Key) -> Option<&mut T> {
        self.slots.get_mut(key.index())?.value.as_mut()
    }

    /// The values in `list`, first to last.
    pub(crate) fn iter<'a>(&'a self, list: &List) -> impl Iterator<Item = (Key, &'a T)> {
        let mut next = list.head;
        std::iter::from_fn(move || {
            let slot = self.slots.get(next.index())?;
            let key = std::mem::replace(&mut next, slot.next);
            Some((key, slot.value.as_ref()?))
        })
    }

    pub(crate) fn push_back(&mut self, list: &mut List, key: Key) {
        self.insert_after(list, list.tail, key);
    }

    /// Puts `key` behind `from`, or as far before it as there are values that it goes before.
    pub(crate) fn push_sorted(
        &mut self,
        list: &mut List,
        from: Option<Key>,
        key: Key,
        goes_before: impl Fn(&T) -> bool,
    ) {
        let mut place = from;
        while let Some(before) = place.filter(|&other| self.get(other).is_some_and(&goes_before)) {
            place = self.prev(before);
        }
        self.insert_after(list, place.unwrap_or(NONE), key);
    }

    pub(crate) fn next(&self, key: Key) -> Option<Key> {
        let next = self.slots.get(key.index())?.next;
        (next != NONE).then_some(next)
    }

    pub(crate) fn prev(&self, key: Key) -> Option<Key> {
        let prev = self.slots.get(key.index())?.prev;
        (prev != NONE).then_some(prev)
    }

    pub(crate) fn unlink(&mut self, list: &mut List, key: Key) {
        let Some(slot) = self.slots.get_mut(key.index()) else {
            return;
        };
        let (prev, next) = (slot.prev, slot.next);
        slot.prev = NONE;
        slot.next = NONE;
        *self.next_of(list, prev) = next;
        *self.prev_of(list, next) = prev;
    }

    fn insert_after(&mut self, list: &mut List, place: Key, key: Key) {
        let next = std::mem::replace(self.next_of(list, place), key);
        *self.prev_of(list, next) = key;
        if let Some(slot) = self.slots.get_mut(key.index()) {
            slot.prev = place;
            slot.next = next;
        }
    }

    fn next_of<'a>(&'a mut self, list: &'a mut List, key: Key) -> &'a mut Key {
        match self.slots.get_mut(key.index()) {
            Some(slot) => &mut slot.next,
            None => &mut list.head,
        }
    }

    fn prev_of<'a>(&'a mut self, list: &'a mut List, key: Key) -> &'a mut Key {
        match self.slots.get_mut(key.index()) {
            Some(slot) => &mut slot.prev,
            None => &mut list.tail,
        }
    }
}

impl List {
    pub(crate) const fn new() -> Self {
        Self {
            head: NONE,
            tail: NONE,
        }
    }

    pub(crate) fn front(&self) -> Option<Key> {
        (self.head != NONE).then_some(self.head)
    }

    pub(crate) fn back(&self) -> Option<Key> {
        (self.tail != NONE).then_some(self.tail)
    }
}

impl Key {
    const fn index(self) -> usize {
        self.0 as usize
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::{Limiter, Wait, line::waiter::Waiter};

    /// A limiter of tokens, of which nothing but the types matters.
    struct Tokens;

    impl Limiter for Tokens {
        type Cost = u32;
        type Permit = u32;
        type Feedback = ();

        fn check(&self, _cost: &u32, _now: Instant) -> Wait {
            Wait::Now
        }

        fn take(&mut self, cost: u32, _at: Instant) -> u32 {
            cost
        }

        fn cancel(&mut self, _permit: u32, _now: Instant) {}
    }

    #[test]
    fn one_who_waits_takes_little() {
        let size = size_of::<Slot<Waiter<Tokens>>>();
        assert!(size <= 56, "{size}");
    }

    fn members(slots: &Slots<u32>, list: &List) -> Vec<u32> {
        let forwards: Vec<_> = slots.iter(list).map(|(_, &value)| value).collect();
        let mut backwards = Vec::new();
        let mut last = list.back();
        while let Some(key) = last {
            backwards.extend(slots.get(key));
            last = slots.prev(key);
        }
        backwards.reverse();
        assert_eq!(forwards, backwards);
        forwards
    }

    fn filled(slots: &mut Slots<u32>, list: &mut List, values: std::ops::Range<u32>) -> Vec<Key> {
        let keys = values.map(|value| {
            let key = slots.insert(value);
            slots.push_back(list, key);
            key
        });
        keys.collect()
    }

    #[test]
    fn a_list_keeps_its_order_whoever_leaves_it() {
        for leaver in 0..5 {
            let (mut slots, mut list) = (Slots::new(), List::new());
            let keys = filled(&mut slots, &mut list, 0..5);
            slots.unlink(&mut list, keys[leaver]);
            let left = u32::try_from(leaver).unwrap();
            assert_eq!(slots.remove(keys[leaver]), Some(left));
            let expected: Vec<_> = (0..5).filter(|&value| value != left).collect();
            assert_eq!(members(&slots, &list), expected);
        }
    }

    #[test]
    fn a_list_that_was_emptied_can_be_filled_again() {
        let (mut slots, mut list) = (Slots::new(), List::new());
        for _ in 0..3 {
            for key in filled(&mut slots, &mut list, 0..3) {
                slots.unlink(&mut list, key);
                slots.remove(key);
            }
            assert_eq!((list.front(), list.back()), (None, None));
        }
        filled(&mut slots, &mut list, 7..9);
        assert_eq!(members(&slots, &list), [7, 8]);
    }

    #[test]
    fn values_find_their_place_from_behind() {
        let (mut slots, mut list) = (Slots::new(), List::new());
        for value in [5, 1, 9, 3, 3, 0, 7] {
            let key = slots.insert(value);
            let from = list.back();
            slots.push_sorted(&mut list, from, key, |&other| other > value);
        }
        assert_eq!(members(&slots, &list), [0, 1, 3, 3, 5, 7, 9]);
    }

    #[test]
    fn a_slot_is_used_again_as_soon_as_it_is_free() {
        let (mut slots, mut list) = (Slots::new(), List::new());
        let keys = filled(&mut slots, &mut list, 0..4);
        for key in [keys[2], keys[0]] {
            slots.unlink(&mut list, key);
            slots.remove(key);
        }
        let again = [slots.insert(10), slots.insert(11)];
        assert_eq!(again, [keys[0], keys[2]]);
        assert_eq!(slots.slots.len(), 4);
        assert_eq!(slots.remove(keys[0]), Some(10));
        assert_eq!(slots.remove(keys[0]), None, "it is free");
    }

    #[test]
    fn much_memory_is_returned_when_the_last_one_leaves() {
        let (mut slots, mut list) = (Slots::new(), List::new());
        for key in filled(&mut slots, &mut list, 0..u32::try_from(KEEP).unwrap() + 1) {
            slots.unlink(&mut list, key);
            slots.remove(key);
        }
        assert_eq!(slots.slots.capacity(), 0);
        filled(&mut slots, &mut list, 0..2);
        assert_eq!(members(&slots, &list), [0, 1]);
    }
}
