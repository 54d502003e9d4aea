//! Protocol buffers, as far as OTLP needs them: fields are written in the order in which they come.

/// A message under way.
#[derive(Debug, Default)]
pub(super) struct Message(Vec<u8>);

impl Message {
    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    fn varint(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.0.push(number as u8 | 0x80);
            number >>= 7;
        }
        self.0.push(number as u8);
    }

    fn tag(&mut self, field: u32, kind: u64) {
        self.varint(u64::from(field) << 3 | kind);
    }

    /// An unsigned number, an enumeration or a truth; what is zero is not written.
    pub(super) fn number(&mut self, field: u32, number: u64) -> &mut Self {
        if number != 0 {
            self.tag(field, 0);
            self.varint(number);
        }
        self
    }

    /// A number of eight bytes.
    pub(super) fn fixed(&mut self, field: u32, number: u64) -> &mut Self {
        self.tag(field, 1);
        self.0.extend(number.to_le_bytes());
        self
    }

    pub(super) fn double(&mut self, field: u32, number: f64) -> &mut Self {
        self.fixed(field, number.to_bits())
    }

    /// A number of four bytes; what is zero is not written.
    pub(super) fn short(&mut self, field: u32, number: u32) -> &mut Self {
        if number != 0 {
            self.tag(field, 5);
            self.0.extend(number.to_le_bytes());
        }
        self
    }

    pub(super) fn bytes(&mut self, field: u32, bytes: &[u8]) -> &mut Self {
        self.tag(field, 2);
        self.varint(bytes.len() as u64);
        self.0.extend(bytes);
        self
    }

    /// A text; an empty one is not written.
    pub(super) fn text(&mut self, field: u32, text: &str) -> &mut Self {
        if !text.is_empty() {
            self.bytes(field, text.as_bytes());
        }
        self
    }

    /// A message within.
    pub(super) fn inner(&mut self, field: u32, fill: impl FnOnce(&mut Message)) -> &mut Self {
        let mut inner = Message::default();
        fill(&mut inner);
        self.bytes(field, &inner.0)
    }

    /// Numbers of eight bytes in one field.
    pub(super) fn packed(&mut self, field: u32, numbers: impl Iterator<Item = u64>) -> &mut Self {
        let bytes: Vec<u8> = numbers.flat_map(u64::to_le_bytes).collect();
        self.bytes(field, &bytes)
    }

    /// `KeyValue`: an attribute whose value is a text.
    pub(super) fn attribute(&mut self, field: u32, key: &str, value: &Given<'_>) -> &mut Self {
        self.inner(field, |pair| {
            pair.text(1, key).inner(2, |any| match value {
                // An empty text is a value, and is written.
                Given::Text(text) => _ = any.bytes(1, text.as_bytes()),
                Given::Count(count) => {
                    any.tag(3, 0);
                    any.varint(*count);
                }
                Given::Number(number) => _ = any.double(4, *number),
            });
        })
    }

    /// `Resource`, and the scope in which everything of ours is.
    pub(super) fn ours(&mut self, service: &str, scoped: impl FnOnce(&mut Message)) -> &mut Self {
        self.inner(1, |resource| {
            resource.attribute(1, "service.name", &Given::Text(service));
            resource.attribute(1, "service.version", &Given::Text(env!("CARGO_PKG_VERSION")));
        });
        self.inner(2, |scope| {
            scope.inner(1, |own| _ = own.text(1, "seawall").text(2, env!("CARGO_PKG_VERSION")));
            scoped(scope);
        })
    }
}

/// The value of an attribute.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Given<'a> {
    Text(&'a str),
    Count(u64),
    Number(f64),
}
