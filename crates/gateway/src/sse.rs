//! Server-sent events: where one ends, and whether the stream said goodbye.

/// Follows a `text/event-stream` byte by byte: knows where the last complete event ended and whether an ending went by.
#[derive(Debug)]
pub(crate) struct Follower {
    endings: Vec<Ending>,
    line: Vec<u8>,
    /// The last line break was a carriage return: a line feed right after it belongs to it.
    carriage: bool,
    ended: bool,
}

#[derive(Debug, PartialEq, Eq)]
enum Ending {
    Data(Vec<u8>),
    Event(Vec<u8>),
}

/// Longer lines cannot be an ending: endings are words.
const LONGEST_ENDING: usize = 256;

impl Follower {
    /// Endings are the `data` of a last event, or `event:NAME`. Without any, every clean end is an ending.
    pub(crate) fn new<'e>(endings: impl IntoIterator<Item = &'e str>) -> Self {
        let endings: Vec<Ending> = endings
            .into_iter()
            .map(|text| match text.strip_prefix("event:") {
                Some(name) => Ending::Event(name.trim().as_bytes().to_vec()),
                None => Ending::Data(text.as_bytes().to_vec()),
            })
            .collect();
        Self { ended: endings.is_empty(), endings, line: Vec::new(), carriage: false }
    }

    /// Reads on; gives the length of the part of `data` that ends with a complete event, zero if no event ends in it.
    pub(crate) fn read(&mut self, data: &[u8]) -> usize {
        let mut complete = 0;
        for (place, byte) in data.iter().enumerate() {
            let after_carriage = std::mem::replace(&mut self.carriage, *byte == b'\r');
            match byte {
                b'\n' if after_carriage && complete == place => complete = place + 1,
                b'\n' if after_carriage => {}
                b'\n' | b'\r' => {
                    if self.line.is_empty() {
                        complete = place + 1;
                    }
                    self.line_ended();
                }
                _ if self.line.len() <= LONGEST_ENDING => self.line.push(*byte),
                _ => {}
            }
        }
        complete
    }

    /// Has the stream said that it is complete?
    pub(crate) fn said_goodbye(&self) -> bool {
        self.ended
    }

    fn line_ended(&mut self) {
        let line = std::mem::take(&mut self.line);
        let field = |name: &[u8]| {
            let value = line.strip_prefix(name)?;
            Some(value.strip_prefix(b" ").unwrap_or(value))
        };
        let matched = self.endings.iter().any(|ending| match ending {
            Ending::Data(data) => field(b"data:").is_some_and(|value| value == data.as_slice()),
            Ending::Event(name) => field(b"event:").is_some_and(|value| value == name.as_slice()),
        });
        self.ended |= matched;
        self.line = line;
        self.line.clear();
    }
}

/// The event that tells a client its stream was cut.
pub(crate) fn error_event(kind: &str, message: &str, code: &str) -> String {
    let error =
        serde_json::json!({ "type": "error", "error": { "type": kind, "message": message, "code": code } });
    format!("event: error\ndata: {error}\n\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ending_is_recognised_however_the_bytes_arrive() {
        let stream = b"data: {\"a\":1}\r\n\r\ndata: [DONE]\n\n";
        for size in 1..stream.len() {
            let mut follower = Follower::new(["[DONE]"]);
            for piece in stream.chunks(size) {
                assert!(!follower.said_goodbye() || piece == b"\n");
                follower.read(piece);
            }
            assert!(follower.said_goodbye(), "in pieces of {size}");
        }
    }

    #[test]
    fn words_that_only_look_like_an_ending_are_none() {
        let mut follower = Follower::new(["[DONE]", "event:message_stop"]);
        follower.read(b"data: {\"text\":\"[DONE]\"}\n\n: data: [DONE]\n\nevent: message_stop_later\n\n");
        assert!(!follower.said_goodbye());
        follower.read(b"event:message_stop\n");
        assert!(follower.said_goodbye());
        assert!(Follower::new([]).said_goodbye());
    }

    #[test]
    fn it_knows_where_the_last_complete_event_ended() {
        let mut follower = Follower::new([]);
        assert_eq!(follower.read(b"data: 1\n\ndata: 2"), 9);
        assert_eq!(follower.read(b"\n"), 0);
        assert_eq!(follower.read(b"\ndata: 3\r\n\r\ndata"), 12);
    }

    #[test]
    fn the_error_event_is_one_event_of_json() {
        let event = error_event("stream_cut", "it \"ended\"\nearly", "SW0022");
        assert!(event.ends_with("\n\n"));
        let data = event.lines().find_map(|line| line.strip_prefix("data: ")).unwrap();
        let json: serde_json::Value = serde_json::from_str(data).unwrap();
        assert_eq!(json["error"]["code"], "SW0022");
    }
}
