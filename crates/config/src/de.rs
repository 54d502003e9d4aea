//! The tree becomes your types, and what does not fit is named with its place.

use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::value::{MapAccessDeserializer, StrDeserializer};
use serde::de::{self, DeserializeOwned, Deserializer, IntoDeserializer, MapAccess, Visitor};

use crate::node::Step;
use crate::{Node, Problem, Problems, Value};

mod access;
mod error;

use error::Error;

/// Most problems that [`from_node_all`] collects.
const MANY: usize = 50;

/// Turns a tree into a value, or says the first thing that is wrong with it.
///
/// Structs with `#[serde(deny_unknown_fields)]` give the best errors. Externally tagged enums, newtypes, options, maps
/// and lists keep exact places; `untagged`, `flatten` and internally tagged types are buffered by serde, so their
/// problems are placed at the enclosing table ([`WordOr`] does without).
pub fn from_node<T: DeserializeOwned>(tree: &Node) -> Result<T, Problem> {
    from_node_at(tree, "")
}

/// Like [`from_node`] for a part of a tree: `key` is the dotted key the part lies under, and leads every key named.
pub fn from_node_at<T: DeserializeOwned>(part: &Node, key: &str) -> Result<T, Problem> {
    T::deserialize(De { node: part }).map_err(|error| error.at(part).into_problem(part, key).0)
}

/// Like [`from_node`], but goes on after a problem, without what was wrong, to find the others.
pub fn from_node_all<T: DeserializeOwned>(tree: &Node) -> Result<T, Problems> {
    let mut rest = tree.clone();
    let mut problems: Vec<Problem> = Vec::new();
    let mut removed: Vec<Vec<Step>> = Vec::new();
    loop {
        let error = match T::deserialize(De { node: &rest }) {
            Ok(value) if problems.is_empty() => return Ok(value),
            Ok(_) => return Err(Problems(problems)),
            Err(error) => error.at(&rest),
        };
        let (problem, steps) = error.into_problem(&rest, "");
        // What we took away ourselves is not missing.
        if !removed.contains(&steps) {
            problems.push(problem);
        }
        // A key that is missing cannot be taken away, but the table that lacks it can.
        let gone =
            (1..=steps.len()).rev().map(|count| &steps[..count]).find(|steps| remove(&mut rest, steps));
        match gone {
            Some(steps) if problems.len() < MANY => removed.push(steps.to_vec()),
            _ => return Err(Problems(problems)),
        }
    }
}

/// Removes the key a path ends with; of an item of a list, the key that holds the list. `false` when it is not there.
fn remove(tree: &mut Node, steps: &[Step]) -> bool {
    let Some(last) = steps.iter().rposition(|step| matches!(step, Step::Key(_))) else {
        return false;
    };
    let mut node = tree;
    for step in &steps[..last] {
        let inner = match (&mut node.value, step) {
            (Value::Table(table), Step::Key(key)) => table.get_mut(key).map(|entry| &mut entry.node),
            (Value::Array(items), Step::Index(index)) => items.get_mut(*index),
            _ => None,
        };
        match inner {
            Some(inner) => node = inner,
            None => return false,
        }
    }
    match (node.as_table_mut(), &steps[last]) {
        (Some(table), Step::Key(key)) => table.shift_remove(key).is_some(),
        _ => false,
    }
}

/// A value that is either a word (`retry = "off"`) or a table (`retry = { attempts = 3 }`).
///
/// Unlike an untagged enum it keeps the errors of both: an unknown word lists the words, an unknown key the keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(untagged)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum WordOr<W, T> {
    /// The word.
    Word(W),
    /// The table.
    Table(T),
}

impl<'de, W: Deserialize<'de>, T: Deserialize<'de>> Deserialize<'de> for WordOr<W, T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either<W, T>(PhantomData<(W, T)>);
        impl<'de, W: Deserialize<'de>, T: Deserialize<'de>> Visitor<'de> for Either<W, T> {
            type Value = WordOr<W, T>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a word or a table")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
                W::deserialize(StrDeserializer::new(text)).map(WordOr::Word)
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map)).map(WordOr::Table)
            }
        }
        deserializer.deserialize_any(Either(PhantomData))
    }
}

/// Reads one node.
#[derive(Clone, Copy)]
struct De<'a> {
    node: &'a Node,
}

/// Numbers go through `visit_i64`, whose implementations in serde check the range.
macro_rules! as_any {
    ($($method:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            self.deserialize_any(visitor)
        }
    )*};
}

impl<'de> Deserializer<'de> for De<'_> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match &self.node.value {
            Value::Null => visitor.visit_unit(),
            Value::Bool(truth) => visitor.visit_bool(*truth),
            Value::Int(number) => visitor.visit_i64(*number),
            Value::Float(number) => visitor.visit_f64(*number),
            Value::String(text) => visitor.visit_str(text),
            Value::Array(items) => access::list(items, visitor),
            Value::Table(table) => visitor.visit_map(access::Keys::new(table)),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.node.value {
            Value::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        match &self.node.value {
            // serde would take a list for the fields in order.
            Value::Array(_) => Err(Error::mismatch("a table", self.node)),
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        match &self.node.value {
            Value::String(word) => visitor.visit_enum(word.as_str().into_deserializer()),
            Value::Table(table) => match table.first() {
                Some((name, entry)) if table.len() == 1 => {
                    visitor.visit_enum(access::Variant { name, entry })
                }
                _ => Err(Error::expected(
                    format!("a table with one key of: {}", variants.join(", ")),
                    self.node,
                )),
            },
            _ => Err(Error::expected(format!("one of: {}", variants.join(", ")), self.node)),
        }
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_unit()
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_any(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: usize,
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.deserialize_any(visitor)
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.deserialize_any(visitor)
    }

    as_any! {
        deserialize_bool deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_i128
        deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64 deserialize_u128 deserialize_f32
        deserialize_f64 deserialize_char deserialize_str deserialize_string deserialize_bytes
        deserialize_byte_buf deserialize_unit deserialize_seq deserialize_map deserialize_identifier
    }
}

#[cfg(test)]
mod tests;
