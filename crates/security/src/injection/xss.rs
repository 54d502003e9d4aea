//! Markup and addresses that run in somebody's browser.

use super::judge::Judge;
use super::lex::{END, Gap, NUMBER, WORD};
use super::rules::Id;
use super::words::{self, Word};

/// Tokens within which a tag's attributes are looked for.
const TAG: usize = 40;

impl Judge<'_> {
    /// A word that means something to a browser.
    pub(super) fn xss_word(&mut self, at: usize) {
        let word = self.look.word(at);
        if word.is(words::EVENT) {
            self.xss_event(at);
        }
        if word.is(words::JS_CALL) {
            self.xss_call(at);
        }
        if word.is(words::JS_OBJECT) {
            self.xss_object(at);
        }
        self.xss_scheme(at);
    }

    /// `<`.
    pub(super) fn xss_open(&mut self, at: usize) {
        let look = self.look;
        if !look.adjoins(at + 1) {
            return;
        }
        match look.kind(at + 1) {
            b'!' => return self.xss_declared(at),
            b'?' => {
                if look.word(at + 2) == Word::Import {
                    self.say(Id::XssDeclaration, at, at + 3);
                }
                return;
            }
            _ => {}
        }
        let closing = look.joined(at + 1, b'/');
        let mut name = if closing { at + 2 } else { at + 1 };
        // Several browsers read `<<script>` and `<%00script>`.
        if look.kind(name) == b'/' {
            name += 1;
        }
        if look.kind(name) != WORD || !look.adjoins(name) {
            return;
        }
        // `<html:script`, `<x:script`: a name of another space.
        if look.joined(name + 1, b':')
            && look.word(name + 2).is(words::ACTIVE_TAG | words::TAG)
            && look.adjoins(name + 2)
        {
            name += 2;
        }
        let word = look.word(name);
        let ends =
            matches!(look.kind(name + 1), b'>' | b'/' | END | b'<') || look.at(name + 1).gap != Gap::Nothing;
        let typed = look.before(at).kind == WORD && look.adjoins(at);
        match word {
            Word::Script if closing => self.say(Id::XssClose, at, name + 1),
            // `Into<Script>` is a type; `name<script>` is not, as what follows tells.
            Word::Xss => self.say(Id::XssScript, at, name + 1),
            Word::Script if !typed && !self.is_told_of(at, name) => self.say(Id::XssScript, at, name + 1),
            _ if closing => {
                if word.is(words::TAG | words::ACTIVE_TAG)
                    && look.before(at).kind != WORD
                    && self.goes_on(name)
                {
                    self.say(Id::XssClose, at, name + 1);
                }
            }
            _ => {
                let twice = word == Word::Script;
                if word.is(words::ACTIVE_TAG) && ends && (!typed || twice) {
                    self.say(Id::XssActive, at, name + 1);
                } else if word.is(words::TAG | words::ACTIVE_TAG) && ends && !typed {
                    self.say(Id::XssTag, at, name + 1);
                }
                self.attributes(at, name);
            }
        }
    }

    /// Does a sentence speak of this element: blanks around it, and nothing in it?
    fn is_told_of(&self, at: usize, name: usize) -> bool {
        let look = self.look;
        let behind = look.at(name + 2);
        let around = look.at(at).gap != Gap::Nothing && !self.begins(at)
            || matches!(look.before(at).kind, b'`' | b'(' | b'"');
        around
            && look.kind(name + 1) == b'>'
            && (behind.gap != Gap::Nothing || matches!(behind.kind, b'.' | b',' | b'`' | b')' | b'"' | b'/'))
    }

    /// Does another element begin behind this closing one?
    fn goes_on(&self, name: usize) -> bool {
        self.look.kind(name + 1) == b'>'
            && self.look.kind(name + 2) == b'<'
            && self.look.word(name + 3).is(words::ACTIVE_TAG)
    }

    /// Inside of a tag: events, and sources.
    fn attributes(&mut self, open: usize, name: usize) {
        let look = self.look;
        for at in name + 1..name + TAG {
            match look.kind(at) {
                END | b'<' => return,
                b'>' => return,
                WORD => {}
                _ => continue,
            }
            // Browsers read over marks before the sign: `onload!#$=`.
            let mut sign = at + 1;
            let listed = look.word(at).is(words::EVENT);
            let mark = |sign: usize| match look.kind(sign) {
                WORD => look.text(sign) == b"_",
                NUMBER | END | b'=' | b'<' => false,
                _ => true,
            };
            while listed && mark(sign) && sign < at + 32 {
                sign += 1;
            }
            let equals = look.kind(sign) == b'=';
            let event = self.is_event(at) && equals;
            if event {
                return self.say(Id::XssEvent, open, at + 2);
            }
            let loads = matches!(
                look.word(at),
                Word::Src
                    | Word::Href
                    | Word::Data
                    | Word::Action
                    | Word::Formaction
                    | Word::Background
                    | Word::Dynsrc
                    | Word::Lowsrc
                    | Word::Srcdoc
                    | Word::Code
                    | Word::Content
            );
            if loads && equals {
                self.say(Id::XssSource, at, at + 2);
            }
        }
    }

    /// A name as events have them.
    fn is_event(&self, at: usize) -> bool {
        let text = self.look.text(at);
        text.len() > 4 && text[..2].eq_ignore_ascii_case(b"on") && text.iter().all(u8::is_ascii_alphabetic)
    }

    /// `=` behind an event nobody listed, with a script behind it.
    pub(super) fn xss_equals(&mut self, at: usize) {
        let look = self.look;
        let Some(name) = at.checked_sub(1).filter(|name| self.is_event(*name)) else { return };
        let proof =
            |place: usize| look.word(place).is(words::JS_CALL) && matches!(look.kind(place + 1), b'(' | b'`');
        if !look.word(name).is(words::EVENT) && (at + 1..at + 12).any(proof) {
            self.say(Id::XssAttribute, name, at + 1);
        }
    }

    /// `&{alert(1)}`, an entity of old that runs.
    pub(super) fn xss_entity(&mut self, at: usize) {
        let look = self.look;
        if look.joined(at + 1, b'{') && look.word(at + 2).is(words::JS_CALL) && look.kind(at + 3) == b'(' {
            self.say(Id::XssScheme, at, at + 4);
        }
    }

    /// `<!…`: entities, doctypes, server-side includes, CDATA.
    fn xss_declared(&mut self, at: usize) {
        let look = self.look;
        let text = look.text(at + 2);
        if text.eq_ignore_ascii_case(b"ENTITY") {
            self.say(Id::XssDeclaration, at, at + 3);
        }
        // `<!--#exec cmd="…"-->`
        let directive = look.kind(at + 2) == b'-' && look.kind(at + 3) == b'#' && look.kind(at + 4) == WORD;
        if directive {
            self.say(Id::CmdInclude, at, at + 5);
        }
        if look.kind(at + 2) == b'[' && look.text(at + 3).eq_ignore_ascii_case(b"CDATA") {
            self.say(Id::XssClose, at, at + 4);
        }
    }

    /// An event's name: behind a quotation mark or a blank, given a script, without a tag of its own.
    pub(super) fn xss_event(&mut self, at: usize) {
        let look = self.look;
        if look.kind(at + 1) != b'=' {
            return;
        }
        let quoted = (at.saturating_sub(6)..at).any(|place| matches!(look.kind(place), b'\'' | b'"' | b'`'));
        let value = look.kind(at + 2);
        let script = (at + 2..at + 12)
            .any(|place| look.word(place).is(words::JS_CALL | words::JS_OBJECT | words::SCHEME));
        if quoted || script || value == b'\'' || value == b'"' {
            self.say(Id::XssAttribute, at, at + 2);
        }
    }

    /// `alert(`, `eval(`, `String.fromCharCode(`.
    pub(super) fn xss_call(&mut self, at: usize) {
        let look = self.look;
        let word = look.word(at);
        let called = matches!(look.kind(at + 1), b'(' | b'`') && look.adjoins(at + 1);
        let indirect = look.kind(at + 1) == b')' && look.kind(at + 2) == b'(';
        if !called && !indirect {
            return;
        }
        self.say(Id::XssCall, at, at + 2);
        // `';alert(1)//`, `"-alert(1)-"`: behind the end of a string, or with nothing before.
        let before = look.before(at).kind;
        let inside = look.kind(at + 2);
        let proves = matches!(word, Word::Alert | Word::Prompt | Word::Confirm | Word::Eval)
            && matches!(inside, NUMBER | b'\'' | b'"' | b'/' | b'`' | b'&' | b'\\')
            || look.word(at + 2).is(words::JS_OBJECT)
            || look.word(at + 2) == Word::String;
        let broken = matches!(before, b'-' | b'+' | b';' | b'^' | b'*' | b'|' | b'&' | b'}' | b',')
            && (at.saturating_sub(4)..at).any(|place| matches!(look.kind(place), b'\'' | b'"' | b'}'));
        if proves && (broken || before == END && self.begins(at)) {
            self.say(Id::XssClose, at, at + 1);
        }
    }

    /// `document.cookie`, `window.location=`.
    pub(super) fn xss_object(&mut self, at: usize) {
        let look = self.look;
        let part = look.word(at + 2);
        let stolen = match look.word(at) {
            Word::Document => matches!(
                part,
                Word::Cookie
                    | Word::Location
                    | Word::Write
                    | Word::Writeln
                    | Word::Body
                    | Word::Createelement
                    | Word::Domain
            ),
            Word::Window => part.is(words::JS_CALL) || matches!(part, Word::Location | Word::Name),
            Word::Location => look.kind(at + 1) == b'=' && matches!(look.kind(at + 2), b'\'' | b'"'),
            _ => look.kind(at + 1) == b'.',
        };
        let dotted = look.joined(at + 1, b'.') || look.word(at) == Word::Location;
        if stolen && dotted {
            self.say(Id::XssObject, at, at + 3);
            // The page goes elsewhere.
            if part == Word::Location
                && look.kind(at + 3) == b'='
                && matches!(look.kind(at + 4), b'\'' | b'"')
            {
                self.say(Id::XssCall, at, at + 4);
            }
        }
    }

    /// `javascript:`, also with white space inside, and styles that run scripts.
    pub(super) fn xss_scheme(&mut self, at: usize) {
        let look = self.look;
        let colon = look.kind(at + 1) == b':';
        let split = matches!(look.word(at), Word::Java | Word::Jav) && look.at(at + 1).gap != Gap::Nothing;
        match look.word(at) {
            Word::Javascript | Word::Vbscript | Word::Livescript | Word::Jscript | Word::Mocha if colon => {
                let runs = look.at(at + 2).gap == Gap::Nothing || look.kind(at + 3) == b'(';
                if runs && !matches!(look.kind(at + 2), END | b':') {
                    self.say(Id::XssScheme, at, at + 2);
                }
            }
            Word::Java | Word::Jav if split => {
                let rest =
                    matches!(look.word(at + 1), Word::Script | Word::Ascript) && look.kind(at + 2) == b':';
                if rest {
                    self.say(Id::XssScheme, at, at + 3);
                }
            }
            Word::Data if colon => {
                let html = look.word(at + 2) == Word::Text
                    && look.kind(at + 3) == b'/'
                    && look.word(at + 4) == Word::Html;
                let image = look.word(at + 2) == Word::Image && look.word(at + 4) == Word::Svg;
                if html || image {
                    self.say(Id::XssScheme, at, at + 5);
                }
            }
            Word::Expression if look.joined(at + 1, b'(') && look.before(at).kind == b':' => {
                self.say(Id::XssStyle, at, at + 2);
            }
            Word::Import if look.before(at).kind == b'@' => {
                let from = matches!(look.kind(at + 1), b'\'' | b'"') || look.word(at + 1) == Word::Url;
                if from {
                    self.say(Id::XssStyle, at, at + 2);
                }
            }
            Word::Binding if look.before(at).kind == b'-' && colon => self.say(Id::XssStyle, at, at + 2),
            Word::Behavior | Word::Behaviour if colon && look.word(at + 2) == Word::Url => {
                self.say(Id::XssStyle, at, at + 3);
            }
            _ => {}
        }
    }

    /// A quotation mark and `>`: an attribute and its tag are closed.
    pub(super) fn xss_quote(&mut self, at: usize) {
        let look = self.look;
        let mut next = at + 1;
        while matches!(look.kind(next), b'\'' | b'"' | b'/') && next < at + 4 {
            next += 1;
        }
        if look.joined(next, b'>') && look.joined(next + 1, b'<') && look.kind(next + 2) != b'/' {
            self.say(Id::XssClose, at, next + 2);
        }
    }
}
