//! Walks tables, lists and enums, adding to every error the step it came up through.

use serde::de::value::StrDeserializer;
use serde::de::{
    DeserializeSeed, Deserializer, EnumAccess, Error as _, IntoDeserializer, MapAccess, SeqAccess,
    VariantAccess, Visitor,
};

use super::error::Error;
use super::{De, Step};
use crate::{Entry, Node, Table};

/// The keys and values of a table.
pub(super) struct Keys<'a> {
    rest: indexmap::map::Iter<'a, String, Entry>,
    current: Option<(&'a str, &'a Entry)>,
}

impl<'a> Keys<'a> {
    pub(super) fn new(table: &'a Table) -> Keys<'a> {
        Keys { rest: table.iter(), current: None }
    }
}

impl<'de> MapAccess<'de> for Keys<'_> {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Error> {
        let Some((key, entry)) = self.rest.next() else {
            return Ok(None);
        };
        self.current = Some((key, entry));
        seed.deserialize(Key { key }).map(Some).map_err(|error| error.of_key(key, &entry.key))
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Error> {
        let Some((key, entry)) = self.current.take() else {
            return Err(Error::custom("the value was asked for before its key"));
        };
        let step = || Step::Key(key.to_owned());
        seed.deserialize(De { node: &entry.node }).map_err(|error| error.at(&entry.node).within(step()))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.rest.len())
    }
}

/// A key; one that is a number where a number is asked for, such as a status code.
struct Key<'a> {
    key: &'a str,
}

macro_rules! numeric_keys {
    ($($method:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            match self.key.parse() {
                Ok(number) => visitor.visit_i64(number),
                Err(_) => visitor.visit_str(self.key),
            }
        }
    )*};
}

impl<'de> Deserializer<'de> for Key<'_> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_str(self.key)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        StrDeserializer::new(self.key).deserialize_enum(name, variants, visitor)
    }

    numeric_keys! {
        deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64
        deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64
    }

    serde::forward_to_deserialize_any! {
        bool i128 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple tuple_struct map struct
        identifier ignored_any
    }
}

/// Hands the items of a list to a visitor, all of them.
pub(super) fn list<'de, V: Visitor<'de>>(items: &[Node], visitor: V) -> Result<V::Value, Error> {
    let mut rest = Items { items, next: 0 };
    let value = visitor.visit_seq(&mut rest)?;
    if rest.next < items.len() {
        return Err(Error::custom(format!("the list has {} items, write {}", items.len(), rest.next)));
    }
    Ok(value)
}

struct Items<'a> {
    items: &'a [Node],
    next: usize,
}

impl<'de> SeqAccess<'de> for Items<'_> {
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Error> {
        let Some(node) = self.items.get(self.next) else {
            return Ok(None);
        };
        let step = Step::Index(self.next);
        self.next += 1;
        seed.deserialize(De { node }).map(Some).map_err(|error| error.at(node).within(step))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.items.len() - self.next)
    }
}

/// An enum written as a table of one key: the variant's name, and what it holds.
pub(super) struct Variant<'a> {
    pub(super) name: &'a str,
    pub(super) entry: &'a Entry,
}

impl<'de, 'a> EnumAccess<'de> for Variant<'a> {
    type Error = Error;
    type Variant = Variant<'a>;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self::Variant), Error> {
        let name = seed.deserialize(IntoDeserializer::<Error>::into_deserializer(self.name));
        let name = name.map_err(|error| error.of_key(self.name, &self.entry.key))?;
        Ok((name, self))
    }
}

impl Variant<'_> {
    fn inside<T>(&self, result: Result<T, Error>) -> Result<T, Error> {
        result.map_err(|error| error.at(&self.entry.node).within(Step::Key(self.name.to_owned())))
    }
}

impl<'de> VariantAccess<'de> for Variant<'_> {
    type Error = Error;

    fn unit_variant(self) -> Result<(), Error> {
        let error = Error::custom(format!(
            "`{0}` is a word and holds nothing, write \"{0}\" instead of a table",
            self.name
        ));
        self.inside(Err(error))
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Error> {
        self.inside(seed.deserialize(De { node: &self.entry.node }))
    }

    fn tuple_variant<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, Error> {
        self.inside(De { node: &self.entry.node }.deserialize_tuple(len, visitor))
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.inside(De { node: &self.entry.node }.deserialize_struct("", fields, visitor))
    }
}
