//! What there is to know about an interface without calling it.
//!
//! The generated modules fill it in; `Cap<T>`, grants, reports and the host tools read it.
//!
//! Invariant: a method's number is its place in the list, so its bit in a mask is `1 << number`.

/// A type that stands for an interface, such as [`crate::console::Console`].
pub trait Interface {
    /// Name, id and methods.
    const DESCRIPTION: &'static Description;
}

/// An interface as data.
#[derive(Debug, PartialEq, Eq)]
pub struct Description {
    /// As in the schema.
    pub name: &'static str,
    /// What a call states and the kernel compares.
    pub id: u64,
    /// The mask with every method.
    pub all_methods: u64,
    /// In order of their numbers.
    pub methods: &'static [Method],
}

/// A method as data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Method {
    /// As in the schema.
    pub name: &'static str,
    /// What a call states.
    pub number: u16,
    /// From the schema, one line.
    pub documentation: &'static str,
}

impl Description {
    /// The method with this name, if there is one.
    #[must_use]
    pub fn method(&self, name: &str) -> Option<&'static Method> {
        self.methods.iter().find(|method| method.name == name)
    }
}

impl Method {
    /// The mask that permits this method alone.
    #[must_use]
    pub const fn mask(&self) -> u64 {
        1 << self.number
    }
}

/// The mask that permits these methods.
#[must_use]
pub const fn mask(methods: &[u16]) -> u64 {
    let mut mask = 0;
    let mut index = 0;
    while index < methods.len() {
        mask |= 1 << methods[index];
        index += 1;
    }
    mask
}

/// The interface with this id, if there is one.
#[must_use]
pub fn by_id(id: u64) -> Option<&'static Description> {
    crate::INTERFACES.iter().copied().find(|interface| interface.id == id)
}

/// The interface with this name, if there is one.
#[must_use]
pub fn by_name(name: &str) -> Option<&'static Description> {
    crate::INTERFACES.iter().copied().find(|interface| interface.name == name)
}
