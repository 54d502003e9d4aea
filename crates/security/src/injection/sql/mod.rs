//! Fragments of SQL that change the statement they are put into.
//!
//! A fragment is recognised by how it leaves the place it was meant for (behind a quotation mark, a number, a
//! parenthesis) and by what it does there. Neither is enough where both are ordinary: `O'Brien and sons` leaves a
//! string, and `1=1` is arithmetic.

mod expression;

use super::judge::Judge;
use super::lex::{BANG, CLOSE, END, Gap, NUMBER, OPEN, WORD};
use super::rules::Id;
use super::words::{self, Word};
use expression::Operand;

/// A text up to so many bytes may be a whole answer to a question: a name, a number, a search.
const SHORT: usize = 120;

impl Judge<'_> {
    /// A word that means something to a database.
    pub(super) fn sql_word(&mut self, at: usize) {
        let word = self.look.word(at);
        if word.is(words::LOGIC) {
            self.condition(at, at);
        }
        if word.is(words::STATEMENT) {
            self.statement(at);
        }
        if word.is(words::DB_FUNCTION | words::COMMON_FUNCTION | words::DELAY | words::LEAK) {
            self.function(at);
        }
        if word.is(words::CATALOG) {
            self.catalog(at);
        }
        match word {
            Word::Union | Word::Except | Word::Intersect | Word::Minus => self.union(at),
            Word::Order | Word::Group => self.order(at),
            Word::Limit => self.limit(at),
            Word::Into => self.into(at),
            Word::Procedure => self.procedure(at),
            Word::Case => self.case(at),
            Word::Rdb if self.look.joined(at + 1, b'$') => self.say(Id::SqlCatalog, at, at + 2),
            _ => {}
        }
    }

    /// Does the place before this one look like the end of what the fragment was meant to be?
    fn leaves(&self, at: usize) -> bool {
        let Some(before) = self.look.ahead(at) else { return self.begins(at) };
        match self.look.kind(before) {
            b'\'' | b'"' | b'`' | b')' | NUMBER | BANG | OPEN => true,
            // Behind a comment of one line, or of several.
            _ => self.look.word(before).is(words::CONSTANT) || self.look.kind(at - 1) == CLOSE,
        }
    }

    /// Was there a quotation mark before, or a parenthesis that closes nothing?
    fn breaks(&self, at: usize) -> bool {
        self.look.ahead(at).is_some_and(|before| matches!(self.look.kind(before), b'\'' | b'"' | b')' | b'`'))
    }

    /// `AND …`, `OR …`, `|| …`: from the first token of the word or mark to its last.
    pub(super) fn condition(&mut self, first: usize, last: usize) {
        let look = self.look;
        let next = look.after(last);
        let leaves = self.leaves(first);
        if look.queries(next) {
            let query = look.word(first) != Word::When || leaves;
            if query {
                self.say(Id::SqlConditionQuery, first, next + 1);
            }
            return;
        }
        let Some((left, end)) = look.operand(next) else { return };
        let Some((behind, word)) = look.comparison(end) else {
            let over = look.is_over(end);
            let over = over && (!look.is_comment(end) || self.is_last(end));
            if leaves && over && self.breaks(first) && (left.is_literal() || left == Operand::Call) {
                self.say(Id::SqlConstant, first, end);
                if !matches!(left, Operand::OpenText) && look.is_comment(end) {
                    self.say(Id::SqlQuote, first, end);
                }
            }
            if left == Operand::Query {
                self.say(Id::SqlConditionQuery, first, end);
            }
            return;
        };
        let Some((right, end)) = look.operand(behind) else { return };
        let shell = look.kind(first) != WORD && !self.breaks(first) && !leaves;
        if right == Operand::Query {
            return self.say(Id::SqlConditionQuery, first, end);
        }
        if left.is_literal() && right.is_literal() && !shell {
            // `5 > 3 and 2 < 4` is arithmetic.
            let sum = self.look.ahead(first).and_then(|number| look.ahead(number));
            if sum.is_some_and(|mark| matches!(look.kind(mark), b'<' | b'>'))
                && matches!(look.kind(look.ahead(behind).unwrap_or(0)), b'<' | b'>')
            {
                return;
            }
            let plain = word && (!leaves || !self.compares_truly(end, behind));
            if !plain {
                self.say(Id::SqlTautology, first, end);
            }
            return;
        }
        if word && left == Operand::Name && right == Operand::Name {
            return;
        }
        if self.breaks(first) && first == 1 && self.begins(0) {
            self.say(Id::SqlQuote, first - 1, first + 1);
        }
        if self.breaks(first) || leaves && (left == Operand::Call || look.is_over(end)) {
            self.say(Id::SqlCondition, first, end);
        }
    }

    /// Is a comparison by a word complete: `BETWEEN … AND`, `IN (`, `IS NULL`, `LIKE '`?
    fn compares_truly(&self, end: usize, behind: usize) -> bool {
        let look = self.look;
        match look.word(look.ahead(behind).unwrap_or(behind)) {
            Word::Between => look.word(end) == Word::And,
            Word::In => look.kind(behind) == b'(',
            Word::Is | Word::Not => look.word(behind).is(words::CONSTANT),
            _ => true,
        }
    }

    fn union(&mut self, at: usize) {
        let look = self.look;
        let mut next = look.after(at);
        for _ in 0..6 {
            match look.kind(next) {
                b'(' => next = look.after(next),
                WORD if matches!(look.word(next), Word::All | Word::Distinct | Word::Distinctrow) => {
                    next = look.after(next);
                }
                _ => break,
            }
        }
        let selects = look.word(next) == Word::Select;
        if selects && (look.selects(look.after(next)) || look.is_over(look.after(next))) {
            self.say(Id::SqlUnion, at, next + 1);
        }
    }

    fn order(&mut self, at: usize) {
        let look = self.look;
        let by = look.after(at);
        if look.word(by) != Word::By {
            return;
        }
        let key = look.after(by);
        if look.kind(key) == NUMBER || look.kind(key) == b'(' && look.queries(key) {
            self.say(Id::SqlOrder, at, key + 1);
            if look.is_comment(look.after(key)) {
                self.say(Id::SqlComment, key, key + 2);
            }
        } else if self.breaks(at) && look.kind(key) == WORD {
            self.say(Id::SqlOrder, at, key + 1);
        }
    }

    fn limit(&mut self, at: usize) {
        let look = self.look;
        let count = look.after(at);
        if look.kind(count) == NUMBER && self.leaves(at) {
            let next = look.after(count);
            if matches!(look.kind(next), b',') || look.word(next) == Word::Offset || look.is_comment(next) {
                self.say(Id::SqlFunction, at, next + 1);
            }
        }
    }

    fn into(&mut self, at: usize) {
        let file = self.look.after(at);
        if matches!(self.look.word(file), Word::Outfile | Word::Dumpfile) {
            self.say(Id::SqlOutfile, at, file + 1);
        }
    }

    fn procedure(&mut self, at: usize) {
        let name = self.look.after(at);
        if self.look.word(name) == Word::Analyse {
            self.say(Id::SqlProcedure, at, name + 1);
        }
    }

    fn case(&mut self, at: usize) {
        let look = self.look;
        let mut next = look.after(at);
        if look.word(next) != Word::When {
            // CASE value WHEN.
            next = match look.operand(next) {
                Some((_, end)) if look.word(end) == Word::When => end,
                _ => return,
            };
        }
        let begins = look.after(next);
        let expression =
            matches!(look.kind(begins), b'(' | NUMBER | b'\'') || self.look.before(at).kind == b'(';
        let then = (next..next + 48).any(|place| look.word(place) == Word::Then);
        if then && expression {
            self.say(Id::SqlCase, at, next + 1);
        }
    }

    fn function(&mut self, at: usize) {
        let look = self.look;
        let word = look.word(at);
        if word.is(words::LEAK) {
            let called = matches!(look.kind(look.after(at)), b'(' | b'.' | b'\'');
            let procedure = look.text(at).get(2) == Some(&b'_');
            if called || procedure {
                self.say(Id::SqlLeak, at, at + 1);
            }
            return;
        }
        let open = look.after(at);
        if look.kind(open) != b'('
            || look.at(open).gap != Gap::Nothing && word.is(words::COMMON_FUNCTION | words::PLAIN_COMMAND)
        {
            return;
        }
        if word.is(words::DELAY) {
            return self.delay(at, open);
        }
        let coded = matches!(word, Word::Char | Word::Chr | Word::Nchar | Word::Ascii);
        let inside = look.after(open);
        if coded && look.kind(inside) == NUMBER {
            let again = (inside..inside + 6).any(|place| {
                look.kind(place) == b',' || look.kind(place) == b'|' || look.word(look.after(place)) == word
            });
            if again {
                return self.say(Id::SqlCharacters, at, inside + 1);
            }
        }
        if word == Word::Ascii && look.word(inside).is(words::COMMON_FUNCTION) || look.queries(inside) {
            return self.say(Id::SqlFunction, at, inside + 1);
        }
        if matches!(word, Word::If | Word::Elt | Word::Iif | Word::MakeSet) {
            let Some((left, end)) = look.operand(inside) else { return };
            let compared = look.comparison(end).and_then(|(behind, _)| look.operand(behind));
            if let Some((right, end)) = compared.filter(|(_, end)| look.kind(*end) == b',') {
                let decided = left.is_literal() && right.is_literal();
                self.say(if decided { Id::SqlDecision } else { Id::SqlFunction }, at, end);
            }
            return;
        }
        let id = if word.is(words::DB_FUNCTION) { Id::SqlFunction } else { Id::SqlCommonFunction };
        self.say(id, at, open + 1);
    }

    fn delay(&mut self, at: usize, open: usize) {
        let look = self.look;
        let inside = look.after(open);
        let word = look.word(at);
        let timed = match word {
            Word::Sleep => {
                // Every language sleeps; a database does so inside of an expression.
                let expression =
                    look.kind(inside) == NUMBER || look.kind(inside) == b'(' || look.word(inside) == Word::If;
                expression && look.before(at).kind != b'.'
            }
            Word::Benchmark => look.kind(look.after(inside)) == b',' || look.kind(inside) == NUMBER,
            _ => true,
        };
        if timed {
            self.say(Id::SqlDelay, at, inside + 1);
            if self.breaks(at) || look.is_over(look.closed(open).unwrap_or(0)) && !self.begins(at) {
                self.say(Id::SqlQuote, at, inside + 1);
            }
        }
    }

    fn catalog(&mut self, at: usize) {
        let look = self.look;
        let before = look.ahead(at).map_or(Word::Other, |before| look.word(before));
        let sourced = matches!(before, Word::From | Word::Into | Word::Update | Word::Table)
            || look.before(at).kind == b'.';
        let parted = look.kind(look.after(at)) == b'.';
        if look.word(at) != Word::Dual && (sourced || parted)
            || look.word(at) == Word::Dual && before == Word::From
        {
            self.say(Id::SqlCatalog, at, at + 1);
        }
    }

    /// A statement of its own: behind a semicolon, a quotation mark, or at the beginning.
    fn statement(&mut self, at: usize) {
        let look = self.look;
        if !self.is_statement(at) {
            return;
        }
        let before = look.ahead(at);
        let kind = before.map_or(END, |before| look.kind(before));
        let opened = before.is_none() && self.begins(at);
        match kind {
            // A file of statements has each on a line of its own.
            b';' if look.at(at).gap == Gap::Line => self.say(Id::SqlStatement, at, at + 2),
            b';' => self.say(Id::SqlStacked, at, at + 2),
            b'(' if look.word(at) == Word::Select => self.say(Id::SqlSubquery, at, at + 2),
            b'\'' | b'"' | b')' | NUMBER | BANG => {
                self.say(Id::SqlStatement, at, at + 2);
                if matches!(kind, NUMBER | b')' | BANG) {
                    self.say(Id::SqlQuote, at, at + 1);
                }
            }
            _ if opened || matches!(look.word(at), Word::Exec | Word::Execute | Word::Declare) => {
                self.say(Id::SqlStatement, at, at + 2);
            }
            _ if before.is_some_and(|before| {
                matches!(look.word(before), Word::Begin | Word::Do | Word::Then | Word::Else)
            }) =>
            {
                self.say(Id::SqlStatement, at, at + 2);
            }
            _ => {}
        }
    }

    fn is_statement(&self, at: usize) -> bool {
        let look = self.look;
        let next = look.after(at);
        let word = look.word(next);
        let over = |place| look.is_over(place);
        match look.word(at) {
            Word::Select => look.selects(next),
            Word::Insert | Word::Replace | Word::Merge => word == Word::Into,
            Word::Delete => word == Word::From && look.stands(look.after(next)),
            Word::Update => look.kind(next) == WORD && look.word(look.after(next)) == Word::Set,
            Word::Drop | Word::Truncate | Word::Alter => matches!(
                word,
                Word::Table
                    | Word::Database
                    | Word::View
                    | Word::Index
                    | Word::Function
                    | Word::Procedure
                    | Word::Login
                    | Word::User
                    | Word::Role
                    | Word::Schema
                    | Word::Column
                    | Word::Trigger
            ),
            Word::Create => matches!(
                word,
                Word::Table
                    | Word::Database
                    | Word::View
                    | Word::Function
                    | Word::Procedure
                    | Word::Login
                    | Word::User
                    | Word::Or
                    | Word::Role
                    | Word::Trigger
            ),
            Word::Exec | Word::Execute => {
                word == Word::Immediate
                    || word == Word::Master
                    || word.is(words::LEAK)
                    || matches!(look.kind(next), b'(' | b'@') && look.before(at).kind != b'.'
            }
            Word::Declare => {
                look.kind(next) == b'@' || look.kind(look.after(next)) == WORD && look.before(at).kind == b';'
            }
            Word::Waitfor => matches!(word, Word::Delayed | Word::Time),
            Word::Shutdown => over(next) || word == Word::With,
            Word::Grant | Word::Revoke => {
                (next..next + 12).any(|place| matches!(look.word(place), Word::To | Word::From))
                    && (next..next + 6)
                        .any(|place| look.word(place) == Word::On || look.word(place) == Word::All)
            }
            Word::Call | Word::Perform => {
                look.kind(look.after(next)) == b'(' || look.kind(look.after(next)) == b'.'
            }
            Word::Begin | Word::Do => {
                matches!(word, Word::Declare | Word::Execute | Word::Perform)
                    || (next..next + 4).any(|place| look.word(place).is(words::LEAK | words::DELAY))
            }
            Word::Copy => {
                (next..next + 6).any(|place| look.word(place) == Word::To || look.word(place) == Word::From)
                    && (next..next + 8).any(|place| look.kind(place) == b'\'')
            }
            Word::Backup | Word::Restore => matches!(word, Word::Database),
            Word::Prepare => look.word(look.after(next)) == Word::From,
            Word::Desc | Word::Describe => {
                look.kind(next) == WORD && over(look.after(next)) && look.before(at).kind == b';'
            }
            Word::Show => matches!(word, Word::Tables | Word::Databases | Word::Grant),
            _ => false,
        }
    }

    /// A quotation mark: is a string closed here, and does something go on behind it that no sentence has?
    pub(super) fn sql_quote(&mut self, at: usize) {
        let look = self.look;
        let mut next = look.read(at + 1);
        for _ in 0..4 {
            if !matches!(look.kind(next), b')' | b';') {
                break;
            }
            next = look.after(next);
        }
        // `admin'--`, `') #`
        let comment = if look.kind(at + 1) == OPEN { at + 1 } else { next };
        // `admin' -- anything`
        let named =
            at == 1 && self.begins(0) && look.kind(0) == WORD && look.kind(at) == b'\'' && self.whole() <= 64;
        if look.is_comment(comment) && (self.is_last(comment) || named) && self.whole() <= SHORT {
            // The end of a quotation, and who said it.
            let sentence = matches!(look.before(at).kind, b'.' | b',' | b'!' | b'?') && look.adjoins(at);
            let unread = look.at(comment).gap != Gap::Line && self.odd(at) && !sentence;
            if unread {
                self.say(Id::SqlBreak, at, comment + 1);
            }
        }
    }

    /// Does next to nothing come behind this comment: one short token at the most?
    fn is_last(&self, comment: usize) -> bool {
        let look = self.look;
        look.kind(comment + 1) == END || look.kind(comment + 2) == END && look.at(comment + 1).len() <= 8
    }

    /// Is this mark the first of its kind within reach, or the third, or the fifth?
    fn odd(&self, at: usize) -> bool {
        let mark = self.look.kind(at);
        (0..at).filter(|place| self.look.kind(*place) == mark).count() % 2 == 0
    }

    /// `/*!50000` and `/**/` between words.
    pub(super) fn sql_comment(&mut self, at: usize) {
        let look = self.look;
        let next = look.word(look.after(at));
        let keyword = next.is(words::LOGIC | words::STATEMENT | words::CLAUSE | words::COMPARE)
            || matches!(next, Word::All | Word::By | Word::As | Word::Not | Word::Distinct);
        if look.kind(at) == BANG {
            return self.say(Id::SqlVersioned, at, at + 1);
        }
        let before = look.before(at);
        let joined = look.adjoins(at) && before.kind != END;
        let closed = look.at(at).jump;
        if keyword && joined && closed > 0 && look.adjoins(at + usize::from(closed) + 1) {
            self.say(Id::SqlInline, at, at + usize::from(closed) + 1);
        }
    }

    /// `--` or `#` as the end of everything, behind something that could be a value.
    pub(super) fn sql_cut(&mut self, at: usize) {
        let look = self.look;
        if !look.is_comment(at) || !self.is_last(at) || look.at(at).gap == Gap::Line {
            return;
        }
        let before = look.before(at).kind;
        if matches!(before, NUMBER | b'\'' | b'"' | b')' | b'`' | b';')
            || before == WORD && look.kind(at) != b'#'
        {
            self.say(Id::SqlComment, at, at + 1);
        }
    }

    /// `@@version`, `@@global.x`.
    pub(super) fn sql_variable(&mut self, at: usize) {
        let look = self.look;
        if !look.joined(at + 1, b'@') || !look.joined(at + 2, WORD) {
            return;
        }
        self.say(Id::SqlVariable, at, at + 3);
        let told = matches!(
            look.word(at + 2),
            Word::Version | Word::Servername | Word::Hostname | Word::Datadir | Word::Basedir
        );
        // Ruby has such variables of its own, and gives them values.
        if told && look.kind(at + 3) != b'=' {
            self.say(Id::SqlCatalog, at, at + 3);
        }
    }

    /// `1234=1234`, anywhere.
    pub(super) fn sql_equals(&mut self, at: usize) {
        let look = self.look;
        let (left, right) = (look.before(at), look.at(at + 1));
        if left.kind == NUMBER && right.kind == NUMBER && at > 0 {
            self.say(Id::SqlCompare, at - 1, at + 2);
            if left.len() > 2 && look.text(at - 1) == look.text(at + 1) {
                self.say(Id::SqlSame, at - 1, at + 2);
            }
        }
    }
}
