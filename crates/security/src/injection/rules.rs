//! Every rule: its name, what it is about, how much it says, and why.

seawall_core::words! {
    /// What an injection is aimed at.
    Category {
        /// A database that takes SQL.
        Sql = "sql",
        /// Somebody's browser.
        Xss = "xss",
        /// Files beyond those that are offered.
        Traversal = "traversal",
        /// A shell, or an interpreter of another language.
        Command = "command",
    }
}

/// A reason to take a text for an attack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    /// What reports, exclusions and people call it: `sql/union`.
    pub name: &'static str,
    /// What the attack would be aimed at.
    pub category: Category,
    /// How much it says, from 1 (next to nothing) to 10 (there is no other explanation).
    pub weight: u8,
    /// Why it says so, in a few words.
    pub why: &'static str,
}

macro_rules! rules {
    ($($name:ident = $category:ident $text:literal $weight:literal $why:literal;)+) => {
        /// The place of a rule among all rules.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[repr(u8)]
        pub(super) enum Id { $($name,)+ }

        /// Every place, in order.
        pub(super) const IDS: &[Id] = &[$(Id::$name,)+];

        /// Every rule, in the order of categories.
        pub const RULES: &[Rule] = &[$(Rule {
            name: $text,
            category: Category::$category,
            weight: $weight,
            why: $why,
        },)+];
    };
}

rules! {
    SqlUnion = Sql "sql/union" 6 "a second SELECT is appended with UNION";
    SqlTautology = Sql "sql/tautology" 5 "a comparison of two constants is added to a condition";
    SqlCondition = Sql "sql/condition" 3 "a condition is added behind a quotation mark, a number or a parenthesis";
    SqlConditionQuery = Sql "sql/condition-query" 5 "a condition is added that asks a query of its own";
    SqlConstant = Sql "sql/constant" 3 "a condition is added that is a constant";
    SqlStacked = Sql "sql/stacked" 6 "a second statement follows a semicolon";
    SqlStatement = Sql "sql/statement" 3 "it reads as a whole statement";
    SqlSubquery = Sql "sql/subquery" 4 "a query stands in parentheses";
    SqlDelay = Sql "sql/delay" 4 "the database is made to wait";
    SqlLeak = Sql "sql/leak" 4 "a function or procedure that reads files, runs commands or speaks through errors";
    SqlCatalog = Sql "sql/catalog" 3 "a table in which databases describe themselves";
    SqlFunction = Sql "sql/function" 2 "a function that only databases have";
    SqlCommonFunction = Sql "sql/common-function" 1 "a function that databases have too";
    SqlCharacters = Sql "sql/characters" 3 "text is put together from character codes";
    SqlCase = Sql "sql/case" 4 "a CASE WHEN … THEN expression";
    SqlDecision = Sql "sql/decision" 6 "a function decides by comparing constants";
    SqlSame = Sql "sql/same" 4 "a number is compared with itself";
    SqlComment = Sql "sql/comment" 2 "the rest of the statement is cut off by a comment";
    SqlBreak = Sql "sql/break-out" 5 "a string is closed and the rest cut off by a comment";
    SqlQuote = Sql "sql/quote" 2 "a string is closed and an expression goes on behind it";
    SqlOrder = Sql "sql/order" 3 "columns are counted by ordering or grouping";
    SqlOutfile = Sql "sql/outfile" 5 "a result is written to a file";
    SqlInline = Sql "sql/inline-comment" 3 "keywords are separated by comments";
    SqlVersioned = Sql "sql/versioned-comment" 4 "a comment that MySQL executes";
    SqlVariable = Sql "sql/variable" 3 "a variable of the server";
    SqlCompare = Sql "sql/compare" 1 "two constants are compared";
    SqlProcedure = Sql "sql/procedure" 5 "PROCEDURE ANALYSE, which answers with errors";

    XssScript = Xss "xss/script" 6 "a script element";
    XssActive = Xss "xss/active" 4 "an element that loads or runs something";
    XssTag = Xss "xss/tag" 1 "an element of HTML";
    XssEvent = Xss "xss/event" 5 "an event of an element is given a script";
    XssAttribute = Xss "xss/attribute" 5 "an attribute is closed and an event added";
    XssScheme = Xss "xss/scheme" 5 "an address that is a script";
    XssCall = Xss "xss/call" 3 "a function that scripts prove themselves with";
    XssObject = Xss "xss/object" 3 "what scripts steal or change";
    XssStyle = Xss "xss/style" 5 "a style that runs a script";
    XssSource = Xss "xss/source" 3 "an element that loads something from somewhere";
    XssClose = Xss "xss/close" 3 "an element or attribute is closed to begin another";
    XssDeclaration = Xss "xss/declaration" 5 "a declaration that loads or runs something";

    PathClimb = Traversal "traversal/climb" 3 "a step up";
    PathClimbTwice = Traversal "traversal/climb-twice" 4 "two steps up, one after the other";
    PathClimbFar = Traversal "traversal/climb-far" 6 "three steps up or more";
    PathEncoded = Traversal "traversal/encoded" 5 "a step up is hidden by an encoding";
    PathFile = Traversal "traversal/file" 3 "a file that attackers ask for";
    PathAbsolute = Traversal "traversal/absolute" 5 "the value is the path of a file that attackers ask for";
    PathMixed = Traversal "traversal/mixed" 3 "both kinds of slash side by side";
    PathScheme = Traversal "traversal/scheme" 5 "an address that reads a file or runs code";
    PathNull = Traversal "traversal/null" 3 "a zero byte that cuts off what is appended";
    PathStream = Traversal "traversal/stream" 5 "the stream of a file that holds its source";

    CmdSeparated = Command "command/separated" 5 "a command follows a separator";
    CmdSeparatedPlain = Command "command/separated-word" 2 "a word that is a command too follows a separator";
    CmdBegins = Command "command/begins" 3 "the value begins with a separator and a command";
    CmdSubstitution = Command "command/substitution" 5 "a command is to be replaced by what it says";
    CmdBinary = Command "command/binary" 3 "the path of a program";
    CmdPipeShell = Command "command/pipe-shell" 5 "something is handed to a shell";
    CmdRedirect = Command "command/redirect" 2 "output is sent elsewhere";
    CmdDevTcp = Command "command/dev-tcp" 6 "a connection made by the shell itself";
    CmdInclude = Command "command/server-include" 6 "a directive of server-side includes";
    CmdCode = Command "command/code" 4 "a function that runs code or commands";
    CmdCodeTag = Command "command/code-tag" 5 "code of the server's language";
    CmdInterpolated = Command "command/interpolated" 5 "an expression that a template or a logger evaluates";
    CmdFunction = Command "command/function" 6 "a shell function in the place of a value";
    CmdOptions = Command "command/options" 2 "options or paths of a command";
    CmdWindows = Command "command/windows" 5 "a command of Windows";
}

impl Id {
    pub(super) fn rule(self) -> &'static Rule {
        &RULES[self as usize]
    }
}
