//! The struct of one message, with `encode` and `decode`.
//!
//! Called by `codec` for the parameters and the results of each method.
//!
//! Invariant: nested structs are written before texts, and bulk data comes last.

use std::fmt::Write;

use super::struct_code;
use crate::model::{Field, Interface, Kind, Structure};

pub(super) fn message_code(interface: &Interface, structure: &Structure) -> String {
    let (kind, suffix) =
        if structure.name.ends_with("Params") { ("Parameters", "Params") } else { ("Results", "Results") };
    let method = structure.name.trim_start_matches(&interface.name).trim_end_matches(suffix);
    let name = structure.with_lifetime("'a");
    let implementer = if structure.borrows() { "<'a>" } else { "" };
    let mut out =
        format!("\n/// {kind} of the method `{}` of [`{}`].\n", method_name(method), interface.name);
    out += &struct_code(structure);
    let _ = write!(out, "\nimpl{implementer} {name} {{\n");
    if structure.fields.is_empty() {
        out += EMPTY_MESSAGE;
        return out + "}\n";
    }
    let _ = writeln!(
        out,
        "const SHAPE: Shape = Shape {{ data_words: {}, pointers: {} }};",
        structure.data_words, structure.pointers
    );
    let mut fixed = "8 + Self::SHAPE.bytes()".to_string();
    for field in &structure.fields {
        if let Kind::Nested(name) = &field.kind {
            let _ = write!(fixed, " + 8 * {name}::WORDS");
        }
    }
    let _ = write!(
        out,
        "/// Bytes of the message without its texts and bulk data.\npub const FIXED_BYTES: usize = {fixed};\n\n"
    );
    out += &size_code(structure);
    out += &encode_code(structure);
    out += &decode_code(structure);
    out + "}\n"
}

fn method_name(camel: &str) -> String {
    let mut characters = camel.chars();
    characters
        .next()
        .map(|first| first.to_ascii_lowercase().to_string() + characters.as_str())
        .unwrap_or_default()
}

const EMPTY_MESSAGE: &str = "
    /// Bytes of the message without its texts and bulk data: it is empty.
    pub const FIXED_BYTES: usize = 0;

    /// Bytes that `encode` writes.
    #[must_use]
    pub fn encoded_bytes(&self) -> usize {
        Self::FIXED_BYTES
    }

    /// Writes nothing: a message without fields may be empty.
    ///
    /// # Errors
    /// None.
    pub fn encode(&self, _out: &mut [u8]) -> Result<usize, EncodeError> {
        Ok(Self::FIXED_BYTES)
    }

    /// Checks the root pointer.
    ///
    /// # Errors
    /// [`DecodeError`].
    pub fn decode(message: &[u8]) -> Result<Self, DecodeError> {
        Head::new(message, message.len())?.root()?;
        Ok(Self {})
    }
";

fn size_code(structure: &Structure) -> String {
    let mut sum = "Self::FIXED_BYTES".to_string();
    for field in &structure.fields {
        let name = &field.name;
        let _ = match field.kind {
            Kind::Text => write!(sum, " + text_bytes(self.{name})"),
            Kind::Data => write!(sum, " + self.{name}.len().next_multiple_of(8)"),
            _ => Ok(()),
        };
    }
    format!(
        "/// Bytes that `encode` writes.\n#[must_use]\npub fn encoded_bytes(&self) -> usize {{\n{sum}\n}}\n\n"
    )
}

fn encode_code(structure: &Structure) -> String {
    let body = structure.fields.iter().filter(|field| field.kind != Kind::Data).map(write_statement);
    // Nested structs come before texts, so that everything fixed lies in front.
    let (texts, fixed): (Vec<_>, Vec<_>) = body.partition(|statement| statement.starts_with("writer.text"));
    let body = fixed.concat() + &texts.concat();
    let writer =
        if body.contains("writer") || structure.bulk().is_some() { "let mut writer" } else { "let writer" };
    let mut out = String::new();
    match structure.bulk() {
        Some(bulk) => {
            let name = &bulk.name;
            let _ = write!(
                out,
                "/// Writes the message; returns its bytes.\n///\n/// # Errors\n/// [`EncodeError::BufferTooSmall`].\n\
                 pub fn encode(&self, out: &mut [u8]) -> Result<usize, EncodeError> {{\n\
                 let head = self.encode_head(self.{name}.len(), out)?;\nWriter::finish(out, head, self.{name})\n}}\n\n\
                 /// Writes everything but the bytes of `{name}`, of which there will be `length`; returns where they go. The message\n\
                 /// ends at the next multiple of 8 behind them; the padding is the caller's to zero. The field `{name}` is not read.\n///\n\
                 /// # Errors\n/// [`EncodeError::BufferTooSmall`].\n\
                 pub fn encode_head(&self, length: usize, out: &mut [u8]) -> Result<usize, EncodeError> {{\n\
                 {writer} = Writer::new(out, Self::SHAPE)?;\n{body}writer.bulk({}, length);\nOk(writer.bytes())\n}}\n\n",
                bulk.offset
            );
        }
        None => {
            let _ = write!(
                out,
                "/// Writes the message; returns its bytes.\n///\n/// # Errors\n/// [`EncodeError::BufferTooSmall`].\n\
                 pub fn encode(&self, out: &mut [u8]) -> Result<usize, EncodeError> {{\n\
                 {writer} = Writer::new(out, Self::SHAPE)?;\n{body}Ok(writer.bytes())\n}}\n\n"
            );
        }
    }
    out
}

fn write_statement(field: &Field) -> String {
    let (name, offset) = (&field.name, field.offset);
    match &field.kind {
        Kind::Bool => format!("writer.bool({offset}, self.{name});\n"),
        Kind::Unsigned(bits) => format!("writer.u{bits}({}, self.{name});\n", offset * *bits as usize / 8),
        Kind::Enumeration(_) => format!("writer.u16({}, self.{name} as u16);\n", offset * 2),
        Kind::Capability(_) => format!("writer.capability({offset}, self.{name});\n"),
        Kind::Nested(_) => format!("writer.nested({offset}, self.{name}.words())?;\n"),
        Kind::Text | Kind::Data => format!("writer.text({offset}, self.{name})?;\n"),
    }
}

pub(super) fn read_expression(field: &Field) -> String {
    let offset = field.offset;
    match &field.kind {
        Kind::Bool => format!("structure.bool({offset})"),
        Kind::Unsigned(bits) => format!("structure.u{bits}({})", offset * *bits as usize / 8),
        Kind::Enumeration(name) => {
            format!(
                "{name}::from_number(structure.u16({})).ok_or(DecodeError::UnknownEnumerant)?",
                offset * 2
            )
        }
        Kind::Capability(_) => format!("structure.capability({offset})?"),
        Kind::Nested(name) => format!(
            "match structure.nested({offset})? {{ Some(nested) => {name}::read(&nested)?, None => {name}::default() }}"
        ),
        Kind::Text => format!("structure.text({offset})?"),
        Kind::Data => "&[]".into(),
    }
}

fn decode_code(structure: &Structure) -> String {
    let lifetime = if structure.borrows() { "'a " } else { "" };
    let mut fields = String::new();
    for field in &structure.fields {
        let _ = writeln!(fields, "{}: {},", field.name, read_expression(field));
    }
    if structure.pointers == 0 {
        return scalars_decode_code(&fields);
    }
    let Some(bulk) = structure.bulk() else {
        return format!(
            "/// Reads a message.\n///\n/// # Errors\n/// [`DecodeError`].\n\
             pub fn decode(message: &{lifetime}[u8]) -> Result<Self, DecodeError> {{\n\
             let Some(structure) = Head::new(message, message.len())?.root()? else {{ return Ok(Self::default()); }};\n\
             Ok(Self {{\n{fields}}})\n}}\n"
        );
    };
    let (name, offset) = (&bulk.name, bulk.offset);
    format!(
        "/// Reads a message.\n///\n/// # Errors\n/// [`DecodeError`].\n\
         pub fn decode(message: &'a [u8]) -> Result<Self, DecodeError> {{\n\
         let (mut value, range) = Self::decode_head(message, message.len())?;\n\
         value.{name} = message.get(range).ok_or(DecodeError::OutOfBounds)?;\nOk(value)\n}}\n\n\
         /// Reads a message of `message_bytes` of which only the front part `head` is at hand. `{name}` is left empty; the range\n\
         /// says where in the message its bytes lie.\n///\n\
         /// # Errors\n/// [`DecodeError`]; [`DecodeError::NotInHead`] if anything but `{name}` lies behind the head.\n\
         pub fn decode_head(head: &'a [u8], message_bytes: usize) -> Result<(Self, Range<usize>), DecodeError> {{\n\
         let Some(structure) = Head::new(head, message_bytes)?.root()? else {{ return Ok((Self::default(), 0..0)); }};\n\
         let value = Self {{\n{fields}}};\nOk((value, structure.bulk({offset})?))\n}}\n"
    )
}

/// A message of scalars alone is almost always just its root struct: then it is read at constant offsets.
fn scalars_decode_code(fields: &str) -> String {
    format!(
        "/// Reads a message.\n///\n/// # Errors\n/// [`DecodeError`].\n#[inline]\n\
         pub fn decode(message: &[u8]) -> Result<Self, DecodeError> {{\n\
         match Structure::whole(message, Self::SHAPE) {{\nSome(structure) => Self::read(structure),\nNone => Self::decode_other(message),\n}}\n}}\n\n\
         #[cold]\n#[inline(never)]\nfn decode_other(message: &[u8]) -> Result<Self, DecodeError> {{\n\
         Head::new(message, message.len())?.root()?.map_or(Ok(Self::default()), Self::read)\n}}\n\n\
         #[inline(always)]\nfn read(structure: Structure<'_>) -> Result<Self, DecodeError> {{\n\
         Ok(Self {{\n{fields}}})\n}}\n"
    )
}
