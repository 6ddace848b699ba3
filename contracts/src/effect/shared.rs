//! A value that its copies share until one of them changes. Cases are copied whole before a block changes them, and most
//! of what follows from a case is what it was before. Must never let a change be seen by another copy.

use std::any::Any;
use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

/// A value, shared by its copies until one of them is changed: that one then has a value of its own.
pub struct Shared<T>(Arc<T>);

impl<T> Shared<T> {
    /// Takes a value.
    pub fn new(value: T) -> Self {
        Self(Arc::new(value))
    }

    /// Whether both are copies of one, and neither has changed since: a cheap way to see that they are equal. Two that
    /// are equal for another reason need not be this.
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl<T: Send + Sync + 'static> Shared<T> {
    /// To know this value again, whatever becomes of it.
    pub fn handle(&self) -> Handle {
        Handle(self.0.clone())
    }
}

/// Knows one value again as long as it has not changed: it keeps the value, so that no other can be in its place.
#[derive(Clone)]
pub struct Handle(Arc<dyn Any + Send + Sync>);

impl Handle {
    /// Whether it is of this value.
    pub fn is_of<T>(&self, value: &Shared<T>) -> bool {
        std::ptr::addr_eq(Arc::as_ptr(&self.0), Arc::as_ptr(&value.0))
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Handle")
    }
}

impl<T> From<T> for Shared<T> {
    fn from(value: T) -> Self {
        Self::new(value)
    }
}

impl<T: Default> Default for Shared<T> {
    fn default() -> Self {
        Self::new(T::default())
    }
}

impl<T> Clone for Shared<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T> Deref for Shared<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: Clone> DerefMut for Shared<T> {
    fn deref_mut(&mut self) -> &mut T {
        Arc::make_mut(&mut self.0)
    }
}

impl<T: PartialEq> PartialEq for Shared<T> {
    fn eq(&self, other: &Self) -> bool {
        self.is_same(other) || self.0 == other.0
    }
}

impl<T: Eq> Eq for Shared<T> {}

impl<T: fmt::Debug> fmt::Debug for Shared<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

#[cfg(test)]
mod tests {
    use super::Shared;

    #[test]
    fn a_copy_that_changes_leaves_the_others_alone_and_is_none_of_them_any_more() {
        let first = Shared::new(vec![1]);
        let (mut second, other) = (first.clone(), Shared::new(vec![1]));
        let handle = second.handle();
        assert!(handle.is_of(&first) && handle.is_of(&second) && !handle.is_of(&other));
        assert!(first.is_same(&second) && first == other && !first.is_same(&other));
        second.push(2);
        assert!(handle.is_of(&first) && !handle.is_of(&second));
        assert_eq!((first.as_slice(), second.as_slice(), first.is_same(&second)), (&[1][..], &[1, 2][..], false));
    }
}
