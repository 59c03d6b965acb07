//! What the generators need to know about an interface.
//!
//! Made by `load` from the compiler's request, read by `codec`, `client`, `registry` and `page`.
//!
//! Invariant: every shape in here is one that the wire format of `capos-schema` supports; `load` refuses the others.

/// One file of `schema/interfaces`: an interface with what it declares.
pub(crate) struct Interface {
    /// The file's name without its extension, also the Rust module's.
    pub(crate) module: String,
    /// The file's opening comment, without the marks.
    pub(crate) opening: Vec<String>,
    /// As in the schema: `Console`.
    pub(crate) name: String,
    pub(crate) id: u64,
    pub(crate) documentation: Vec<String>,
    pub(crate) methods: Vec<Method>,
    pub(crate) enums: Vec<Enumeration>,
    /// Structs of scalars that messages carry by value.
    pub(crate) structures: Vec<Structure>,
}

pub(crate) struct Method {
    /// As in the schema: `createObject`.
    pub(crate) name: String,
    pub(crate) number: u16,
    pub(crate) documentation: Vec<String>,
    pub(crate) parameters: Structure,
    pub(crate) results: Structure,
}

pub(crate) struct Enumeration {
    /// In Rust: `ConsoleStream`.
    pub(crate) name: String,
    pub(crate) documentation: Vec<String>,
    /// Names in Rust, numbered from 0, with their documentation.
    pub(crate) variants: Vec<(String, Vec<String>)>,
}

pub(crate) struct Structure {
    /// In Rust: `ConsoleWriteParams`.
    pub(crate) name: String,
    pub(crate) documentation: Vec<String>,
    pub(crate) data_words: u16,
    pub(crate) pointers: u16,
    pub(crate) fields: Vec<Field>,
}

pub(crate) struct Field {
    /// In Rust: `error_code`.
    pub(crate) name: String,
    /// As in the schema: `errorCode`.
    pub(crate) schema_name: String,
    pub(crate) documentation: Vec<String>,
    pub(crate) kind: Kind,
    /// In the unit of its kind: bits for `Bool`, own sizes for numbers and enums, pointers for the rest.
    pub(crate) offset: usize,
}

#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Kind {
    Bool,
    /// Bits.
    Unsigned(u32),
    Enumeration(String),
    Text,
    Data,
    /// The interface's name, or `None` for a capability of any interface.
    Capability(Option<String>),
    /// The struct's name in Rust.
    Nested(String),
}

impl Structure {
    /// True if it borrows from the message.
    pub(crate) fn borrows(&self) -> bool {
        self.fields.iter().any(|field| matches!(field.kind, Kind::Text | Kind::Data))
    }

    /// The one field of bulk data, if it has one.
    pub(crate) fn bulk(&self) -> Option<&Field> {
        self.fields.iter().find(|field| field.kind == Kind::Data)
    }

    /// Its Rust type with the lifetime that it needs.
    pub(crate) fn with_lifetime(&self, lifetime: &str) -> String {
        if self.borrows() { format!("{}<{lifetime}>", self.name) } else { self.name.clone() }
    }
}

/// `createObject` -> `create_object`.
pub(crate) fn snake(name: &str) -> String {
    let mut out = String::new();
    for character in name.chars() {
        if character.is_ascii_uppercase() && !out.is_empty() {
            out.push('_');
        }
        out.push(character.to_ascii_lowercase());
    }
    out
}

/// `createObject` -> `CreateObject`.
pub(crate) fn camel(name: &str) -> String {
    let mut characters = name.chars();
    characters
        .next()
        .map(|first| first.to_ascii_uppercase().to_string() + characters.as_str())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_change_their_case() {
        assert_eq!(snake("createObject"), "create_object");
        assert_eq!(snake("Console"), "console");
        assert_eq!(camel("createObject"), "CreateObject");
        assert_eq!(camel(""), "");
    }
}
