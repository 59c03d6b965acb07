//! From the compiler's request to the model.
//!
//! Called by `main`; calls `request`. Refuses, with the place, what the wire format of the interfaces does not have:
//! lists, unions, groups, floats, signed numbers, defaults other than zero, two data fields in one message.
//!
//! Invariant: what it returns needs no further check by the generators.

use std::collections::HashMap;
use std::path::Path;

use capnp::message::ReaderOptions;
use capnp::schema_capnp::{code_generator_request, field, node, type_, value};

use crate::model::{Enumeration, Field, Interface, Kind, Method, Structure, camel, snake};
use crate::request;

/// All interfaces of `folder/interfaces`, sorted by file name.
pub(crate) fn interfaces(folder: &Path) -> Result<Vec<Interface>, String> {
    let files = request::schema_files(folder, "interfaces")?;
    let bytes = request::compile(folder, &files)?;
    let message = capnp::serialize::read_message(&bytes[..], ReaderOptions::new()).map_err(text)?;
    let request = message.get_root::<code_generator_request::Reader<'_>>().map_err(text)?;
    let schema = Schema::new(request)?;
    files.iter().map(|file| schema.interface(folder, file)).collect()
}

fn text(error: impl std::fmt::Display) -> String {
    format!("the request of `capnp compile`: {error}")
}

struct Schema<'a> {
    nodes: HashMap<u64, node::Reader<'a>>,
    comments: HashMap<u64, node::source_info::Reader<'a>>,
}

impl<'a> Schema<'a> {
    fn new(request: code_generator_request::Reader<'a>) -> Result<Schema<'a>, String> {
        let nodes = request.get_nodes().map_err(text)?.iter().map(|node| (node.get_id(), node)).collect();
        let comments = request.get_source_info().map_err(text)?.iter();
        Ok(Schema { nodes, comments: comments.map(|info| (info.get_id(), info)).collect() })
    }

    fn interface(&self, folder: &Path, file: &str) -> Result<Interface, String> {
        let node = self
            .nodes
            .values()
            .find(|node| {
                let name = node.get_display_name().ok().and_then(|name| name.to_str().ok());
                matches!(node.which(), Ok(node::Interface(_)))
                    && name.is_some_and(|name| name.split(':').next() == Some(file))
            })
            .ok_or_else(|| format!("{file}: no interface in it"))?;
        let name = short_name(*node)?;
        let module = file.trim_start_matches("interfaces/").trim_end_matches(".capnp").to_string();
        let Ok(node::Interface(body)) = node.which() else {
            return Err(format!("{file}: not an interface"));
        };
        let mut methods = Vec::new();
        for (number, method) in body.get_methods().map_err(text)?.iter().enumerate() {
            let method_name = string(method.get_name())?;
            let structure = |id: u64, suffix: &str| {
                self.structure(&name, format!("{name}{}{suffix}", camel(&method_name)), id, false)
            };
            methods.push(Method {
                parameters: structure(method.get_param_struct_type(), "Params")?,
                results: structure(method.get_result_struct_type(), "Results")?,
                documentation: self.member_documentation(node.get_id(), number)?,
                number: u16::try_from(number).map_err(text)?,
                name: method_name,
            });
        }
        let (enums, structures) = self.nested(&name, *node)?;
        let opening = opening_comment(&folder.join(file))?;
        let documentation = self.documentation(node.get_id())?;
        Ok(Interface { module, opening, id: node.get_id(), name, documentation, methods, enums, structures })
    }

    /// The enums and structs that the interface declares.
    fn nested(
        &self,
        interface: &str,
        node: node::Reader<'a>,
    ) -> Result<(Vec<Enumeration>, Vec<Structure>), String> {
        let (mut enums, mut structures) = (Vec::new(), Vec::new());
        for nested in node.get_nested_nodes().map_err(text)?.iter() {
            let id = nested.get_id();
            let name = format!("{interface}{}", string(nested.get_name())?);
            match self.node(id)?.which() {
                Ok(node::Enum(body)) => {
                    let mut variants = Vec::new();
                    for (number, variant) in body.get_enumerants().map_err(text)?.iter().enumerate() {
                        let documentation = self.member_documentation(id, number)?;
                        variants.push((camel(&string(variant.get_name())?), documentation));
                    }
                    enums.push(Enumeration { name, documentation: self.documentation(id)?, variants });
                }
                Ok(node::Struct(_)) => structures.push(self.structure(interface, name, id, true)?),
                _ => return Err(format!("{name}: interfaces declare enums and structs only")),
            }
        }
        Ok((enums, structures))
    }

    fn structure(
        &self,
        interface: &str,
        name: String,
        id: u64,
        is_nested: bool,
    ) -> Result<Structure, String> {
        let node = self.node(id)?;
        let Ok(node::Struct(body)) = node.which() else {
            return Err(format!("{name}: not a struct"));
        };
        if body.get_discriminant_count() != 0 {
            return Err(format!("{name}: unions are not supported in messages"));
        }
        let mut fields = Vec::new();
        for (number, field) in body.get_fields().map_err(text)?.iter().enumerate() {
            fields.push(self.field(interface, &name, (id, number), field)?);
        }
        let data_fields = fields.iter().filter(|field| field.kind == Kind::Data).count();
        if data_fields > 1 || is_nested && body.get_pointer_count() != 0 {
            return Err(format!("{name}: one data field at most, and no pointers in a nested struct"));
        }
        let documentation = self.documentation(id)?;
        let (data_words, pointers) = (body.get_data_word_count(), body.get_pointer_count());
        Ok(Structure { name, documentation, data_words, pointers, fields })
    }

    fn field(
        &self,
        interface: &str,
        structure: &str,
        member: (u64, usize),
        field: field::Reader<'a>,
    ) -> Result<Field, String> {
        let schema_name = string(field.get_name())?;
        let place = format!("{structure}.{schema_name}");
        let Ok(field::Slot(slot)) = field.which() else {
            return Err(format!("{place}: groups are not supported in messages"));
        };
        if !is_zero(slot.get_default_value().map_err(text)?) {
            return Err(format!("{place}: a default other than zero is not supported"));
        }
        Ok(Field {
            name: snake(&schema_name),
            documentation: self.member_documentation(member.0, member.1)?,
            kind: self.kind(interface, &place, slot.get_type().map_err(text)?)?,
            offset: slot.get_offset() as usize,
            schema_name,
        })
    }

    fn kind(&self, interface: &str, place: &str, field_type: type_::Reader<'a>) -> Result<Kind, String> {
        Ok(match field_type.which().map_err(text)? {
            type_::Bool(()) => Kind::Bool,
            type_::Uint8(()) => Kind::Unsigned(8),
            type_::Uint16(()) => Kind::Unsigned(16),
            type_::Uint32(()) => Kind::Unsigned(32),
            type_::Uint64(()) => Kind::Unsigned(64),
            type_::Text(()) => Kind::Text,
            type_::Data(()) => Kind::Data,
            type_::Enum(of) => Kind::Enumeration(format!("{interface}{}", self.name_of(of.get_type_id())?)),
            type_::Struct(of) => Kind::Nested(format!("{interface}{}", self.name_of(of.get_type_id())?)),
            type_::Interface(of) => Kind::Capability(Some(self.name_of(of.get_type_id())?)),
            type_::AnyPointer(_) => Kind::Capability(None),
            _ => {
                return Err(format!(
                    "{place}: lists, floats and signed numbers are not supported in messages"
                ));
            }
        })
    }

    fn node(&self, id: u64) -> Result<node::Reader<'a>, String> {
        self.nodes.get(&id).copied().ok_or_else(|| format!("node {id:#x} is missing in the request"))
    }

    fn name_of(&self, id: u64) -> Result<String, String> {
        short_name(self.node(id)?)
    }

    fn documentation(&self, id: u64) -> Result<Vec<String>, String> {
        let Some(info) = self.comments.get(&id) else { return Ok(Vec::new()) };
        Ok(lines(&string(info.get_doc_comment())?))
    }

    fn member_documentation(&self, id: u64, member: usize) -> Result<Vec<String>, String> {
        let Some(info) = self.comments.get(&id) else { return Ok(Vec::new()) };
        let members = info.get_members().map_err(text)?;
        let index = u32::try_from(member).map_err(text)?;
        if index >= members.len() {
            return Ok(Vec::new());
        }
        Ok(lines(&string(members.get(index).get_doc_comment())?))
    }
}

fn is_zero(value: value::Reader<'_>) -> bool {
    match value.which() {
        Ok(value::Bool(value)) => !value,
        Ok(value::Uint8(value)) => value == 0,
        Ok(value::Uint16(value) | value::Enum(value)) => value == 0,
        Ok(value::Uint32(value)) => value == 0,
        Ok(value::Uint64(value)) => value == 0,
        Ok(value::Text(value)) => value.is_ok_and(|text| text.is_empty()),
        Ok(value::Data(value)) => value.is_ok_and(<[u8]>::is_empty),
        Ok(value::Struct(value) | value::AnyPointer(value)) => value.is_null(),
        Ok(value::Interface(()) | value::Void(())) => true,
        _ => false,
    }
}

fn short_name(node: node::Reader<'_>) -> Result<String, String> {
    let name = string(node.get_display_name())?;
    Ok(name.get(node.get_display_name_prefix_length() as usize..).unwrap_or(&name).to_string())
}

fn string(field: capnp::Result<capnp::text::Reader<'_>>) -> Result<String, String> {
    Ok(field.map_err(text)?.to_str().map_err(text)?.to_string())
}

fn lines(comment: &str) -> Vec<String> {
    comment.lines().map(|line| line.trim_end().to_string()).collect()
}

/// The first comment of a schema file, which says whose interface it is.
fn opening_comment(path: &Path) -> Result<Vec<String>, String> {
    let source = std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let comment =
        source.lines().skip_while(|line| !line.starts_with('#')).take_while(|line| line.starts_with('#'));
    Ok(comment
        .map(|line| line.trim_start_matches('#').trim_start_matches(' ').trim_end().to_string())
        .collect())
}
