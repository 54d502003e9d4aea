//! Text that a shell, or another interpreter, would run.

use super::decode::Encodings;
use super::judge::Judge;
use super::lex::{END, Gap, NUMBER, WORD};
use super::rules::Id;
use super::words::{self, Word};

impl Judge<'_> {
    /// What separates commands: `;`, `|`, `&`, a backtick, `$(`, the end of a line. `next` is behind it.
    pub(super) fn separated(&mut self, at: usize, next: usize) {
        let look = self.look;
        let name = self.program(next);
        let word = look.word(name);
        // `{cat,/etc/passwd}`, `/???/c?t`
        let listed = look.kind(next) == b'{' && look.joined(next + 2, b',');
        let listed = listed && look.word(next + 1).is(words::COMMAND | words::PLAIN_COMMAND);
        let guessed = look.kind(next) == b'/' && look.joined(next + 1, b'?') && look.joined(next + 2, b'?');
        if listed || guessed {
            return self.say(Id::CmdSeparated, at, next + 3);
        }
        if !word.is(words::COMMAND | words::PLAIN_COMMAND | words::CODE_CALL) {
            return;
        }
        // `|name|`, `|name)` and `|NAME"` are closures and alternatives; `(&name` and ` &name` are references.
        let tight = look.adjoins(name + 1) && look.adjoins(next) && !self.begins(at);
        let bar = match look.kind(at) {
            b'|' => tight && matches!(look.kind(name + 1), b'|' | b')' | b'\'' | b'"' | b'`' | b']'),
            b'&' => {
                look.adjoins(next)
                    && !self.begins(at)
                    && (!look.adjoins(at) || look.before(at).kind != WORD && look.before(at).kind != NUMBER)
            }
            _ => false,
        };
        if bar && look.kind(at) == b'|' && self.path && look.kind(name + 1) == b'|' {
            return self.say(Id::CmdSeparated, at, name + 1);
        }
        if bar && look.kind(at) == b'&' {
            return;
        }
        if word.is(words::SHELL) && look.kind(at) == b'|' && !bar && self.is_fed(name) {
            return self.say(Id::CmdPipeShell, at, name + 1);
        }
        if word.is(words::COMMAND)
            && (matches!(word, Word::Sh | Word::Bash) || !word.is(words::SHELL))
            && !bar
            && self.goes_on_as_command(name, true)
        {
            return self.say(Id::CmdSeparated, at, name + 1);
        }
        if word.is(words::PLAIN_COMMAND | words::SHELL) && self.goes_on_as_command(name, false) {
            // A sentence has a blank behind its semicolon, and no path of the system behind its verb.
            let joined =
                look.adjoins(next) && matches!(look.kind(name + 1), NUMBER | b'-' | b'/' | b'\\' | b'$');
            let rooted = look.kind(name + 1) == b'/' && look.word(name + 2).is(words::ROOT);
            if joined || rooted {
                return self.say(Id::CmdSeparated, at, name + 1);
            }
            self.say(Id::CmdSeparatedPlain, at, name + 1);
            self.say(Id::CmdOptions, name, name + 1);
        }
        // The whole value is a path and a command, or a command behind a quotation mark.
        let appended = self.path && look.adjoins(at) && matches!(look.kind(name + 1), END | b'|' | b';');
        let quoted = look.adjoins(at) && matches!(look.before(at).kind, b'\'' | b'"') && self.whole() <= 64;
        let begins = self.begins(at) || appended || quoted && look.kind(at) == b';';
        let begun = self.begins(at) && look.kind(name + 1) == END
            || self.begins(at) && matches!(word, Word::Echo | Word::Net | Word::Type | Word::Printf);
        if begun && word.is(words::PLAIN_COMMAND) {
            self.say(Id::CmdSeparatedPlain, at, name + 1);
        }
        if begins && word.is(words::COMMAND | words::PLAIN_COMMAND) {
            self.say(Id::CmdBegins, at, name + 1);
        }
        if name > next && word.is(words::COMMAND | words::PLAIN_COMMAND) {
            self.say(Id::CmdSeparated, at, name + 1);
        }
    }

    /// Behind a pipe: is it a shell that is fed, rather than one name of several?
    fn is_fed(&self, name: usize) -> bool {
        let look = self.look;
        let options =
            look.kind(name + 1) == b'-' && look.at(name + 1).gap == Gap::Space && look.adjoins(name + 2);
        let shell =
            matches!(look.word(name), Word::Sh | Word::Bash | Word::Powershell | Word::Cmd | Word::Php);
        options || shell && matches!(look.kind(name + 1), END | b';' | b'&' | b'`' | b'>' | b'/')
    }

    /// A value that begins with the end of a line, and a command behind it.
    pub(super) fn first_line(&mut self, at: usize) {
        let look = self.look;
        let name = self.program(at);
        let word = look.word(name);
        let command = word.is(words::COMMAND) || name > at && word.is(words::PLAIN_COMMAND);
        if look.at(at).gap == Gap::Line && command && self.goes_on_as_command(name, true) {
            self.say(Id::CmdSeparated, at, name + 1);
        }
    }

    /// The last name of a path, or the word itself.
    fn program(&self, at: usize) -> usize {
        let look = self.look;
        let mut name = at;
        for _ in 0..6 {
            if !matches!(look.kind(name), b'/' | b'\\') && !look.word(name).is(words::ROOT) {
                break;
            }
            if name > at && !look.adjoins(name) {
                return at;
            }
            name += 1;
        }
        if name > at && !look.adjoins(name) { at } else { name }
    }

    /// Is what comes behind a command's name what a command takes?
    fn goes_on_as_command(&self, name: usize, rare: bool) -> bool {
        let look = self.look;
        let next = look.at(name + 1);
        let after = look.at(name + 2);
        match next.kind {
            END => rare && self.stands_alone(name) || !rare && look.adjoins(name),
            b'-' => {
                next.gap != Gap::Nothing && next.len() <= 2 && after.gap == Gap::Nothing && after.kind == WORD
            }
            b'/' | b'~' | b'$' => next.gap == Gap::Space,
            b'\\' => next.gap == Gap::Space,
            b';' | b'|' | b'`' | b'#' | b'&' | b')' => {
                rare && self.stands_alone(name) || !rare && next.gap == Gap::Nothing
            }
            b'<' | b'>' => rare || next.gap == Gap::Nothing,
            b'\'' | b'"' => next.gap == Gap::Space && (rare || look.word(name) == Word::Printf),
            b'.' => rare && next.gap == Gap::Space,
            NUMBER => {
                next.gap == Gap::Space
                    && matches!(look.kind(name + 2), END | b';' | b'|' | b'&' | b'`' | b')' | b'#')
            }
            WORD => rare && self.is_argument(name + 1),
            _ => false,
        }
    }

    /// Does this command do something without being told what with?
    fn stands_alone(&self, name: usize) -> bool {
        matches!(
            self.look.word(name),
            Word::Whoami
                | Word::Id
                | Word::Ifconfig
                | Word::Ipconfig
                | Word::Netstat
                | Word::Uname
                | Word::Ls
                | Word::Dir
                | Word::Ps
                | Word::Pwd
                | Word::Env
                | Word::Hostname
                | Word::Systeminfo
                | Word::Tasklist
                | Word::Printenv
        )
    }

    /// Is the word a file, a host or another command rather than a sentence?
    fn is_argument(&self, at: usize) -> bool {
        let look = self.look;
        let next = look.at(at + 1);
        next.kind == END
            || next.gap == Gap::Nothing
                && matches!(next.kind, b'.' | b'/' | b':' | b';' | b'|' | b'&' | b'-' | b'=')
    }

    /// `$(…)`, `` `…` ``: is a command inside?
    pub(super) fn substituted(&mut self, at: usize, inside: usize) {
        let look = self.look;
        let name = self.program(inside);
        let word = look.word(name);
        let rare = word.is(words::COMMAND) && self.goes_on_as_command(name, true);
        let plain = word.is(words::PLAIN_COMMAND) && self.goes_on_as_command(name, false);
        if rare || plain {
            let backtick = look.kind(at) == b'`';
            // In prose and in documentation, backticks stand around names.
            let close = (name..name + 24).find(|end| look.kind(*end) == b'`');
            let whole = || close.is_none_or(|close| look.kind(close + 1) == END);
            let quoted = backtick
                && (look.at(at).gap != Gap::Nothing || self.begins(at) || look.before(at).kind == b'`');
            let quoted = quoted && !(self.begins(at) && whole());
            self.say(if quoted { Id::CmdOptions } else { Id::CmdSubstitution }, at, name + 1);
        }
    }

    /// A word that means something to a shell or to another interpreter.
    pub(super) fn command_word(&mut self, at: usize) {
        let look = self.look;
        let word = look.word(at);
        if word.is(words::CODE_CALL) {
            self.called(at);
        }
        // A line of its own behind an end of line that came encoded: nobody types that.
        let line = look.at(at).gap == Gap::Line && !self.begins(at) && self.whole() <= 256;
        let hidden = self.how.has(Encodings::URL) && self.goes_on_as_command(at, true);
        if line && word.is(words::COMMAND) && (hidden || self.stands_alone(at) && look.kind(at + 1) == b';') {
            self.say(Id::CmdSeparated, at, at + 1);
        }
        if word == Word::Dev && look.kind(at + 1) == b'/' && look.word(at + 2) == Word::Tcp {
            self.say(Id::CmdDevTcp, at, at + 3);
        }
        if word == Word::Bin || word == Word::Sbin {
            self.binary(at);
        }
        if matches!(word, Word::Cmd | Word::Command_ | Word::Powershell) {
            self.windows(at);
        }
    }

    /// `system('…')`, `phpinfo()`.
    fn called(&mut self, at: usize) {
        let look = self.look;
        if !look.joined(at + 1, b'(') {
            return;
        }
        let inside = look.kind(at + 2);
        let word = look.word(at);
        let rare = matches!(
            word,
            Word::Phpinfo
                | Word::ShellExec
                | Word::Fetch
                | Word::PcntlExec
                | Word::ProcOpen
                | Word::BuiltinImport
                | Word::PhpUname
                | Word::Highlight
                | Word::CreateFunction
                | Word::Getruntime
        );
        let quoted = matches!(inside, b'\'' | b'"' | b'`' | b'$' | b'\\') || look.joined(at + 3, b'(');
        let before = look.before(at).kind;
        let joined = look.at(at).gap == Gap::Nothing;
        let broken = match before {
            b';' | b'@' | b'{' | b'\'' | b'"' | b'|' => joined,
            b'.' => joined && at >= 2 && matches!(look.kind(at - 2), b'\'' | b'"'),
            _ => self.begins(at),
        };
        if rare && (quoted || inside == b')') || broken && quoted {
            self.say(Id::CmdCode, at, at + 2);
            if broken && (joined || rare) {
                self.say(Id::CmdOptions, at, at + 1);
            }
        }
    }

    /// `/bin/sh`, `/usr/bin/id`.
    fn binary(&mut self, at: usize) {
        let look = self.look;
        let name = look.word(at + 2);
        if look.before(at).kind == b'/'
            && look.joined(at + 1, b'/')
            && name.is(words::COMMAND | words::PLAIN_COMMAND)
        {
            self.say(Id::CmdBinary, at, at + 3);
            if at == 1 && self.begins(0) && look.kind(at + 3) == b'-' {
                self.say(Id::CmdOptions, at, at + 4);
            }
        }
    }

    /// `cmd /c`, `cmd.exe`, `powershell -enc`.
    fn windows(&mut self, at: usize) {
        let look = self.look;
        let exe = look.joined(at + 1, b'.') && look.word(at + 2) == Word::Exe;
        let option = if exe { at + 3 } else { at + 1 };
        let slash = matches!(look.kind(option), b'/' | b'?')
            && look.joined(option + 1, WORD)
            && look.at(option + 1).len() == 1;
        let dash =
            look.word(at) == Word::Powershell && look.kind(option) == b'-' && look.joined(option + 1, WORD);
        if slash || dash || exe && look.kind(option) == b'?' {
            self.say(Id::CmdWindows, at, option + 2);
        }
    }

    /// `$(id)`, `${jndi:…}`, `${@print(…)}`.
    pub(super) fn dollar(&mut self, at: usize) {
        let look = self.look;
        match look.kind(at + 1) {
            b'(' if look.adjoins(at + 1) => self.substituted(at, at + 2),
            b'{' if look.adjoins(at + 1) => {
                let inside = look.word(at + 2);
                let logged = inside == Word::Jndi && look.kind(at + 3) == b':';
                let called = look.kind(at + 2) == b'@' && look.kind(at + 4) == b'(';
                let computed =
                    look.kind(at + 2) == NUMBER && look.kind(at + 3) == b'*' && look.kind(at + 4) == NUMBER;
                let nested = look.kind(at + 2) == b'$' && look.kind(at + 3) == b'{';
                if logged
                    || called
                    || computed
                    || nested
                    || inside.is(words::CODE_CALL) && look.kind(at + 3) == b'('
                {
                    self.say(Id::CmdInterpolated, at, at + 4);
                }
            }
            _ => {}
        }
    }

    /// `{{7*7}}`, `{{config.__class__}}`.
    pub(super) fn braces(&mut self, at: usize) {
        let look = self.look;
        let double = look.joined(at + 1, b'{') || look.joined(at + 1, b'%') || look.joined(at + 1, b'#');
        if !double {
            return;
        }
        let computed =
            look.kind(at + 2) == NUMBER && look.kind(at + 3) == b'*' && look.kind(at + 4) == NUMBER;
        let reached = (at + 2..at + 8).any(|place| look.word(place) == Word::Constructor);
        let reached = reached
            || (at + 2..at + 12)
                .any(|place| look.text(place).starts_with(b"__") && look.before(place).kind == b'.');
        if computed || reached {
            self.say(Id::CmdInterpolated, at, at + 5);
        }
    }

    /// `<?php`, `<%`.
    pub(super) fn code_tag(&mut self, at: usize) {
        let look = self.look;
        let computed = look.joined(at + 1, b'%') && look.kind(at + 3) == NUMBER && look.kind(at + 4) == b'*';
        if computed {
            self.say(Id::CmdInterpolated, at, at + 5);
        }
        if look.joined(at + 1, b'?') && (look.word(at + 2) == Word::Php || look.kind(at + 2) == b'=') {
            self.say(Id::CmdCodeTag, at, at + 3);
        }
    }

    /// `> /dev/tcp/…`, `>/tmp/x`, `2>&1`.
    pub(super) fn redirected(&mut self, at: usize) {
        let look = self.look;
        let to = if look.kind(at + 1) == b'>' { at + 2 } else { at + 1 };
        let path = look.kind(to) == b'/' && look.word(to + 1).is(words::ROOT);
        let joined = look.kind(to) == b'&' && look.kind(to + 1) == NUMBER && look.before(at).kind == NUMBER;
        if path || joined {
            self.say(Id::CmdRedirect, at, to + 2);
        }
    }

    /// `() { :; };`
    pub(super) fn shell_function(&mut self, at: usize) {
        let look = self.look;
        let shape = [b')', b'{', b':', b';'];
        if shape.iter().enumerate().all(|(step, mark)| look.kind(at + 1 + step) == *mark) {
            self.say(Id::CmdFunction, at, at + 5);
        }
    }
}
