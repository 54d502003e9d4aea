//! Paths that leave the folder they are meant to stay in.

use super::decode::Encodings;
use super::judge::Judge;
use super::lex::{END, NUMBER, WORD};
use super::rules::Id;
use super::words::{self, Word};

impl Judge<'_> {
    /// A run of points: `../`, `..\`, `....//`, `..;/`.
    pub(super) fn climb(&mut self, at: usize) {
        let Some(mut end) = self.step(at) else { return };
        // Counted at the first step of several.
        if at >= 2
            && self.is_separator(at - 1)
            && self.look.kind(at - 2) == b'.'
            && self.look.at(at - 2).len() >= 2
        {
            return;
        }
        let mut steps = 1;
        while steps < 3 {
            let Some(next) = self.step(end) else { break };
            steps += 1;
            end = next;
        }
        // In a text with blanks, somebody includes or links something.
        let id = match steps {
            1 => Id::PathClimb,
            2 => Id::PathClimbTwice,
            _ if self.unbroken => Id::PathClimbFar,
            _ => Id::PathClimbTwice,
        };
        self.say(id, at, end);
        let hidden = Encodings::URL.and(Encodings::UNICODE);
        if self.how.has_any(hidden) {
            self.say(Id::PathEncoded, at, end);
        }
        self.leads(at, end);
    }

    /// Does what comes behind the steps lead to a file that attackers ask for?
    fn leads(&mut self, from: usize, at: usize) {
        let look = self.look;
        let mut name = at;
        while name < at + 24 {
            if self.is_wanted(name) {
                self.say(Id::PathFile, from, name + 1);
                return self.cut_off(name);
            }
            if !look.adjoins(name) || matches!(look.kind(name), END | b'"' | b'\'' | b'<' | b'>') {
                return;
            }
            name += 1;
        }
    }

    /// Is it a file that attackers ask for: by its name, or by a name and an ending?
    fn is_wanted(&self, name: usize) -> bool {
        let look = self.look;
        let pair = (look.word(name), look.kind(name + 1), look.word(name + 2));
        let hidden = look.before(name).kind == b'.' && look.before(name).len() == 1;
        look.word(name).is(words::FILE)
            || matches!(
                pair,
                (Word::Boot, b'.', Word::Ini)
                    | (Word::Access | Word::Error, b'.', Word::Log)
                    | (Word::Web, b'-', Word::Webinf)
            )
            || hidden && matches!(look.word(name), Word::Env | Word::Git | Word::Ssh)
    }

    /// A zero byte behind a path.
    fn cut_off(&mut self, name: usize) {
        let end = self
            .look
            .at((name..name + 3)
                .take_while(|at| *at == name || self.look.adjoins(*at))
                .last()
                .unwrap_or(name))
            .end;
        if self.look.text.get(end as usize) == Some(&0) {
            self.say(Id::PathNull, name, name + 1);
        }
    }

    /// Behind one step up that begins there.
    fn step(&self, at: usize) -> Option<usize> {
        let look = self.look;
        if look.kind(at) != b'.' || look.at(at).len() < 2 {
            return None;
        }
        let mut end = at + 1;
        if look.joined(end, b';') || look.joined(end, b'%') {
            end += 1;
        }
        if !self.is_separator(end) || !look.adjoins(end) {
            return None;
        }
        while self.is_separator(end) && look.adjoins(end) && end < at + 8 {
            end += 1;
        }
        Some(end)
    }

    fn is_separator(&self, at: usize) -> bool {
        match self.look.kind(at) {
            b'/' | b'\\' => true,
            NUMBER => matches!(self.look.text(at), b"0x2f" | b"0x5c"),
            _ => false,
        }
    }

    /// A slash before the name of a root folder: `/etc/passwd`, `c:\windows\win.ini`.
    pub(super) fn absolute(&mut self, at: usize) {
        let look = self.look;
        let other = if look.kind(at) == b'/' { b'\\' } else { b'/' };
        if self.path && look.joined(at + 1, other) {
            self.say(Id::PathMixed, at, at + 2);
            self.leads(at, at + 2);
        }
        if !look.word(at + 1).is(words::ROOT) && look.word(at + 1) != Word::Web || !look.adjoins(at + 1) {
            return;
        }
        let mut last = at + 1;
        let mut file = self.is_wanted(last).then_some(last).filter(|_| self.path);
        while self.is_separator(last + 1) && look.adjoins(last + 1) {
            let mut name = last + 2;
            while self.is_separator(name) {
                name += 1;
            }
            if look.kind(name) == b'.' {
                name += 1;
            }
            if look.kind(name) != WORD && look.kind(name) != NUMBER || name > at + 24 {
                break;
            }
            if self.is_wanted(name) {
                file = Some(name);
            }
            last = name;
        }
        let Some(file) = file else { return };
        self.say(Id::PathFile, at, file + 1);
        self.cut_off(file);
        if self.path {
            self.say(Id::PathAbsolute, at, file + 1);
        }
    }

    /// `file:///etc/passwd`, `php://filter`.
    pub(super) fn scheme(&mut self, at: usize) {
        let look = self.look;
        if look.kind(at + 1) != b':' || look.kind(at + 2) != b'/' || look.kind(at + 3) != b'/' {
            return;
        }
        let reads = match look.word(at) {
            Word::FileScheme => look.kind(at + 4) == b'/' || look.word(at + 4).is(words::ROOT),
            Word::Php
            | Word::Data
            | Word::Expect
            | Word::Phar
            | Word::Zip
            | Word::Gopher
            | Word::Dict
            | Word::Glob_
            | Word::Jar => true,
            _ => false,
        };
        if reads {
            self.say(Id::PathScheme, at, at + 4);
        }
    }

    /// `index.php::$DATA`.
    pub(super) fn stream(&mut self, at: usize) {
        let look = self.look;
        let colons = look.before(at).kind == b':' && at >= 2 && look.kind(at - 2) == b':';
        if colons && look.word(at + 1) == Word::Data && look.adjoins(at + 1) {
            self.say(Id::PathStream, at - 2, at + 2);
        }
    }
}

/// Has the whole value no blank, quotation mark or parenthesis?
pub(super) fn is_unbroken(text: &[u8]) -> bool {
    text.len() <= 2048
        && !text.iter().any(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | b'"' | b'(' | b'['))
}

/// Is the whole value a path: without a blank, and from a root, a point or a drive on?
pub(super) fn is_path(text: &[u8]) -> bool {
    let begins = match text {
        [b'/' | b'\\' | b'.' | b'~', ..] => true,
        [drive, b':', b'/' | b'\\', ..] => drive.is_ascii_alphabetic(),
        _ => false,
    };
    begins
        && text.len() <= 512
        && !text.iter().any(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | b'"' | b'<'))
}
