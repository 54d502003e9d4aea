//! Options that are written as a table, or as one word for a whole table.

/// Reads `$options` (derived with `remote = "Self"`) as a table, or by `$visit` as a word, and writes it as a table.
macro_rules! table_or_word {
    ($options:ty, $expecting:literal, $visit:ident: |$word:ident: $kind:ty, $error:ident| $read:expr) => {
        impl ::serde::Serialize for $options {
            fn serialize<S: ::serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                Self::serialize(self, serializer)
            }
        }

        impl<'de> ::serde::Deserialize<'de> for $options {
            fn deserialize<D: ::serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Spelling;
                impl<'de> ::serde::de::Visitor<'de> for Spelling {
                    type Value = $options;

                    fn expecting(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                        f.write_str($expecting)
                    }

                    fn $visit<$error: ::serde::de::Error>(self, $word: $kind) -> Result<$options, $error> {
                        $read
                    }

                    fn visit_map<A: ::serde::de::MapAccess<'de>>(self, map: A) -> Result<$options, A::Error> {
                        <$options>::deserialize(::serde::de::value::MapAccessDeserializer::new(map))
                    }
                }
                deserializer.deserialize_any(Spelling)
            }
        }
    };
}
pub(crate) use table_or_word;
