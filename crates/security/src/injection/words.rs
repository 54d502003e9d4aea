//! The words that mean something to a database, a browser, a shell or a file system, and how they are found.

/// Combines two conditions: both sides may be shell, SQL or JavaScript.
pub(super) const LOGIC: u32 = 1;
/// Compares.
pub(super) const COMPARE: u32 = 1 << 1;
/// A constant.
pub(super) const CONSTANT: u32 = 1 << 2;
/// Begins an SQL statement.
pub(super) const STATEMENT: u32 = 1 << 3;
/// A function of databases that is hardly anything else.
pub(super) const DB_FUNCTION: u32 = 1 << 4;
/// A function of databases that programs and people have too.
pub(super) const COMMON_FUNCTION: u32 = 1 << 5;
/// Makes a database wait.
pub(super) const DELAY: u32 = 1 << 6;
/// Reads files, runs commands or lets errors speak.
pub(super) const LEAK: u32 = 1 << 7;
/// Where a database keeps what it knows about itself.
pub(super) const CATALOG: u32 = 1 << 8;
/// Goes on with an SQL statement.
pub(super) const CLAUSE: u32 = 1 << 9;
/// An element of HTML that loads or runs something.
pub(super) const ACTIVE_TAG: u32 = 1 << 10;
/// Another element of HTML.
pub(super) const TAG: u32 = 1 << 11;
/// An event of HTML.
pub(super) const EVENT: u32 = 1 << 12;
/// A function of JavaScript that an attack proves itself with.
pub(super) const JS_CALL: u32 = 1 << 13;
/// What scripts steal or change.
pub(super) const JS_OBJECT: u32 = 1 << 14;
/// A command that is no English word.
pub(super) const COMMAND: u32 = 1 << 15;
/// A command that is an English word, or a common name.
pub(super) const PLAIN_COMMAND: u32 = 1 << 16;
/// A function of PHP, Perl or Python that runs code or commands.
pub(super) const CODE_CALL: u32 = 1 << 17;
/// A file that attackers ask for.
pub(super) const FILE: u32 = 1 << 18;
/// A folder at the root of a system.
pub(super) const ROOT: u32 = 1 << 19;
/// A scheme that reads files or runs code.
pub(super) const SCHEME: u32 = 1 << 20;
/// Runs other commands.
pub(super) const SHELL: u32 = 1 << 21;

macro_rules! vocabulary {
    ($($(#[$meta:meta])* $name:ident = $text:literal, $flags:expr;)+) => {
        /// One of the words, or none of them.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[repr(u16)]
        pub(super) enum Word { Other, $($name,)+ }

        const TEXTS: &[&str] = &["", $($text,)+];
        const FLAGS: &[u32] = &[0, $($flags,)+];
        const WORDS: &[Word] = &[Word::Other, $(Word::$name,)+];
    };
}

vocabulary! {
    // Databases.
    And = "and", LOGIC; Or = "or", LOGIC; Xor = "xor", LOGIC; Having = "having", LOGIC | CLAUSE;
    Where = "where", LOGIC | CLAUSE; When = "when", LOGIC; Not = "not", 0; Div = "div", TAG; Mod = "mod", 0;
    Like = "like", COMPARE; Rlike = "rlike", COMPARE | LOGIC; Regexp = "regexp", COMPARE;
    Between = "between", COMPARE; In = "in", COMPARE; Is = "is", COMPARE; Glob = "glob", COMPARE;
    Sounds = "sounds", COMPARE; Similar = "similar", COMPARE; Ilike = "ilike", COMPARE;
    Null = "null", CONSTANT; True = "true", CONSTANT; False = "false", CONSTANT;
    Select = "select", STATEMENT | TAG; Insert = "insert", STATEMENT; Update = "update", STATEMENT;
    Delete = "delete", STATEMENT; Drop = "drop", STATEMENT; Alter = "alter", STATEMENT;
    Create = "create", STATEMENT; Truncate = "truncate", STATEMENT; Exec = "exec", STATEMENT | CODE_CALL;
    Execute = "execute", STATEMENT; Declare = "declare", STATEMENT; Shutdown = "shutdown", STATEMENT;
    Waitfor = "waitfor", STATEMENT; Merge = "merge", STATEMENT; Replace = "replace", STATEMENT;
    Grant = "grant", STATEMENT; Revoke = "revoke", STATEMENT; Begin = "begin", STATEMENT;
    Call = "call", STATEMENT; Copy = "copy", STATEMENT | PLAIN_COMMAND; If = "if", COMMON_FUNCTION;
    Backup = "backup", STATEMENT; Restore = "restore", STATEMENT; Handler = "handler", STATEMENT;
    Prepare = "prepare", STATEMENT; Use = "use", 0; Perform = "perform", STATEMENT; Do = "do", STATEMENT;
    Union = "union", CLAUSE; From = "from", CLAUSE; Order = "order", CLAUSE; Group = "group", CLAUSE;
    Limit = "limit", CLAUSE; Offset = "offset", CLAUSE; Into = "into", CLAUSE;
    Procedure = "procedure", CLAUSE; Values = "values", CLAUSE; All = "all", 0; Distinct = "distinct", 0;
    Distinctrow = "distinctrow", 0; By = "by", 0; Set = "set", PLAIN_COMMAND; Table = "table", TAG;
    Tables = "tables", 0; Database = "database", COMMON_FUNCTION; Databases = "databases", 0;
    View = "view", 0; Index = "index", 0; Function = "function", 0; Login = "login", 0; Role = "role", 0;
    Trigger = "trigger", 0; Schema = "schema", COMMON_FUNCTION; Column = "column", 0; Then = "then", 0;
    Else = "else", 0; Case = "case", 0; Ended = "end", 0; As = "as", 0; Exists = "exists", 0;
    Top = "top", PLAIN_COMMAND; Binary = "binary", 0; Any = "any", 0; Some = "some", 0;
    Cascade = "cascade", 0; Desc = "desc", STATEMENT; Describe = "describe", STATEMENT;
    Show = "show", STATEMENT; Outfile = "outfile", 0; Dumpfile = "dumpfile", 0; Delayed = "delay", 0;
    Time = "time", PLAIN_COMMAND; Immediate = "immediate", 0; Language = "language", 0;
    Returns = "returns", 0; Analyse = "analyse", 0; On = "on", 0; To = "to", 0; With = "with", 0;
    Nowait = "nowait", 0; For = "for", 0; Master = "master", 0; Dual = "dual", CATALOG; Offs = "fetch", 0;
    Escape = "escape", 0; Minus = "minus", 0; Except = "except", 0; Intersect = "intersect", 0;
    Concat = "concat", COMMON_FUNCTION; ConcatWs = "concat_ws", DB_FUNCTION;
    GroupConcat = "group_concat", DB_FUNCTION; Char = "char", COMMON_FUNCTION; Nchar = "nchar", DB_FUNCTION;
    Chr = "chr", COMMON_FUNCTION; Ascii = "ascii", COMMON_FUNCTION; Substr = "substr", COMMON_FUNCTION;
    Substring = "substring", COMMON_FUNCTION; Mid = "mid", COMMON_FUNCTION; Ord = "ord", COMMON_FUNCTION;
    Hex = "hex", COMMON_FUNCTION; Unhex = "unhex", DB_FUNCTION; Cast = "cast", COMMON_FUNCTION;
    Convert = "convert", COMMON_FUNCTION; Ifnull = "ifnull", DB_FUNCTION;
    Isnull = "isnull", COMMON_FUNCTION; Nullif = "nullif", DB_FUNCTION; Coalesce = "coalesce", DB_FUNCTION;
    Elt = "elt", COMMON_FUNCTION; MakeSet = "make_set", DB_FUNCTION; Iif = "iif", COMMON_FUNCTION;
    Greatest = "greatest", COMMON_FUNCTION; Least = "least", COMMON_FUNCTION;
    Floor = "floor", COMMON_FUNCTION; Rand = "rand", COMMON_FUNCTION; Count = "count", COMMON_FUNCTION;
    User = "user", COMMON_FUNCTION; CurrentUser = "current_user", DB_FUNCTION;
    SessionUser = "session_user", DB_FUNCTION; SystemUser = "system_user", DB_FUNCTION;
    Version = "version", COMMON_FUNCTION; Length = "length", COMMON_FUNCTION; Len = "len", COMMON_FUNCTION;
    Lower = "lower", COMMON_FUNCTION; Upper = "upper", COMMON_FUNCTION; Left = "left", COMMON_FUNCTION;
    Right = "right", COMMON_FUNCTION; Exp = "exp", COMMON_FUNCTION; Bin = "bin", COMMON_FUNCTION | ROOT;
    Conv = "conv", COMMON_FUNCTION; Instr = "instr", DB_FUNCTION;
    Locate = "locate", COMMON_FUNCTION | COMMAND; Md5 = "md5", COMMON_FUNCTION;
    Sha1 = "sha1", COMMON_FUNCTION; Randomblob = "randomblob", DB_FUNCTION;
    Zeroblob = "zeroblob", DB_FUNCTION; Quarter = "quarter", 0;
    GenerateSeries = "generate_series", DB_FUNCTION; CurrentSetting = "current_setting", DB_FUNCTION;
    UserName = "user_name", DB_FUNCTION; DbName = "db_name", DB_FUNCTION;
    SuserSname = "suser_sname", DB_FUNCTION; IsSrvrolemember = "is_srvrolemember", DB_FUNCTION;
    Servername = "servername", 0; Datadir = "datadir", 0; Basedir = "basedir", 0; Rownum = "rownum", 0;
    Extract = "extract", 0; Lpad = "lpad", DB_FUNCTION; Rpad = "rpad", DB_FUNCTION;
    JsonKeys = "json_keys", DB_FUNCTION; Gtid = "gtid_subset", LEAK; Polygon = "polygon", COMMON_FUNCTION;
    Multipoint = "multipoint", LEAK; Linestring = "linestring", COMMON_FUNCTION;
    CurrentDatabase = "current_database", DB_FUNCTION; ConnectionId = "connection_id", DB_FUNCTION;
    RowCount = "row_count", DB_FUNCTION; NameConst = "name_const", LEAK;
    Sleep = "sleep", DELAY | PLAIN_COMMAND; Benchmark = "benchmark", DELAY; PgSleep = "pg_sleep", DELAY;
    ReceiveMessage = "receive_message", DELAY; DbmsLock = "dbms_lock", LEAK; DbmsPipe = "dbms_pipe", LEAK;
    DbmsUtility = "dbms_utility", LEAK; DbmsSql = "dbms_sql", LEAK; DbmsXmlgen = "dbms_xmlgen", LEAK;
    GetLock = "get_lock", DELAY; RegexpSubstring = "regexp_substring", DB_FUNCTION;
    Extractvalue = "extractvalue", LEAK; Updatexml = "updatexml", LEAK; LoadFile = "load_file", LEAK;
    LoExport = "lo_export", LEAK; LoImport = "lo_import", LEAK; PgReadFile = "pg_read_file", LEAK;
    PgLsDir = "pg_ls_dir", LEAK; XpCmdshell = "xp_cmdshell", LEAK; XpDirtree = "xp_dirtree", LEAK;
    XpRegread = "xp_regread", LEAK; XpFileexist = "xp_fileexist", LEAK;
    XpLoginconfig = "xp_loginconfig", LEAK; XpServicecontrol = "xp_servicecontrol", LEAK;
    XpAvailablemedia = "xp_availablemedia", LEAK; XpEnumdsn = "xp_enumdsn", LEAK;
    XpMakecab = "xp_makecab", LEAK; XpNtsec = "xp_ntsec_enumdomains", LEAK;
    XpTerminate = "xp_terminate_process", LEAK; XpRegwrite = "xp_regwrite", LEAK;
    XpRegdelete = "xp_regdeletekey", LEAK; XpRegadd = "xp_regaddmultistring", LEAK;
    XpRegenum = "xp_regenumkeys", LEAK; XpRegvalue = "xp_regdeletevalue", LEAK;
    XpRegenumvalues = "xp_regenumvalues", LEAK; XpWebserver = "xp_webserver", LEAK;
    XpDisplay = "xp_displayparamstmt", LEAK; SpOacreate = "sp_oacreate", LEAK;
    SpExecutesql = "sp_executesql", LEAK; SpConfigure = "sp_configure", LEAK;
    SpMakewebtask = "sp_makewebtask", LEAK; SpPassword = "sp_password", LEAK;
    SpAddextended = "sp_addextendedproc", LEAK; SpHelp = "sp_help", LEAK; SpWho = "sp_who", LEAK;
    SpWho2 = "sp_who2", LEAK; SpAddlogin = "sp_addlogin", LEAK;
    SpAddsrvrolemember = "sp_addsrvrolemember", LEAK; SpSqlexec = "sp_sqlexec", LEAK;
    Openrowset = "openrowset", LEAK; Opendatasource = "opendatasource", LEAK; Openquery = "openquery", LEAK;
    UtlHttp = "utl_http", LEAK; UtlInaddr = "utl_inaddr", LEAK; UtlFile = "utl_file", LEAK;
    Httpuritype = "httpuritype", LEAK; Ctxsys = "ctxsys", LEAK; Drithsx = "drithsx", LEAK;
    Xmltype = "xmltype", LEAK; Ordsys = "ordsys", LEAK; LoadExtension = "load_extension", LEAK;
    DatabaseToXml = "database_to_xml", LEAK; QueryToXml = "query_to_xml", LEAK;
    FnTracefile = "fn_get_sql", LEAK; FnXe = "fn_xe_file_target_read_file", LEAK; Dblink = "dblink", LEAK;
    InformationSchema = "information_schema", CATALOG; Sysobjects = "sysobjects", CATALOG;
    Syscolumns = "syscolumns", CATALOG; Sysusers = "sysusers", CATALOG; Syslogins = "syslogins", CATALOG;
    Sysdatabases = "sysdatabases", CATALOG; Sysprocesses = "sysprocesses", CATALOG;
    Msysaccess = "msysaccessobjects", CATALOG; Msysobjects = "msysobjects", CATALOG;
    SqliteMaster = "sqlite_master", CATALOG; PgCatalog = "pg_catalog", CATALOG; PgUser = "pg_user", CATALOG;
    PgShadow = "pg_shadow", CATALOG; PgTables = "pg_tables", CATALOG; AllTables = "all_tables", CATALOG;
    UserTables = "user_tables", CATALOG; AllUsers = "all_users", CATALOG;
    AllObjects = "all_objects", CATALOG; UserObjects = "user_objects", CATALOG; Sysibm = "sysibm", CATALOG;
    Sysdummy = "sysdummy1", CATALOG; Syscat = "syscat", CATALOG; Sysmaster = "sysmaster", CATALOG;
    Rdb = "rdb", 0; Domain = "domain", 0; Name = "name", 0; HsqlUsers = "system_users", CATALOG;
    UserUsers = "user_users", CATALOG; UserTabColumns = "user_tab_columns", CATALOG;
    AllTabColumns = "all_tab_columns", CATALOG; UserDbLinks = "user_db_links", CATALOG;

    // Browsers.
    Script = "script", ACTIVE_TAG; Iframe = "iframe", ACTIVE_TAG; Frame = "frame", ACTIVE_TAG;
    Frameset = "frameset", ACTIVE_TAG; Object = "object", ACTIVE_TAG; Embed = "embed", ACTIVE_TAG;
    Applet = "applet", ACTIVE_TAG; Svg = "svg", ACTIVE_TAG; Math = "math", ACTIVE_TAG;
    Meta = "meta", ACTIVE_TAG; Link = "link", ACTIVE_TAG | TAG; Base = "base", ACTIVE_TAG;
    Style = "style", ACTIVE_TAG; Layer = "layer", ACTIVE_TAG; Ilayer = "ilayer", ACTIVE_TAG;
    Bgsound = "bgsound", ACTIVE_TAG; Isindex = "isindex", ACTIVE_TAG; Xss = "xss", ACTIVE_TAG;
    Xml = "xml", ACTIVE_TAG; Animate = "animate", ACTIVE_TAG; Foreignobject = "foreignobject", ACTIVE_TAG;
    Handlertag = "listener", 0; Xmlns = "xmlns", 0; Img = "img", TAG; Image = "image", TAG;
    Body = "body", TAG; Html = "html", TAG; Head = "head", TAG | PLAIN_COMMAND; A = "a", TAG;
    Input = "input", TAG; Form = "form", TAG; Button = "button", TAG; Video = "video", TAG;
    Audio = "audio", TAG; Source = "source", TAG; Details = "details", TAG; Marquee = "marquee", TAG;
    Textarea = "textarea", TAG; Td = "td", TAG; Th = "th", TAG; Tr = "tr", TAG; Br = "br", TAG;
    P = "p", TAG; Span = "span", TAG; B = "b", TAG; I = "i", TAG; U = "u", TAG; H1 = "h1", TAG;
    Hr = "hr", TAG; Ul = "ul", TAG; Li = "li", TAG; Pre = "pre", TAG; Title = "title", TAG;
    Noscript = "noscript", TAG; Keygen = "keygen", TAG; Template = "template", TAG; Canvas = "canvas", TAG;
    Label = "label", TAG; Option_ = "option", TAG; Blink = "blink", TAG; Font = "font", TAG;
    Center = "center", TAG; Area = "area", TAG; Map = "map", TAG; Param = "param", TAG;
    Track = "track", TAG; Dialog = "dialog", TAG; Fieldset = "fieldset", TAG; Comment = "comment", TAG;
    Plaintext = "plaintext", TAG; Xmp = "xmp", TAG; Import = "import", 0; Src = "src", 0; Href = "href", 0;
    Action = "action", 0; Formaction = "formaction", 0; Background = "background", 0; Dynsrc = "dynsrc", 0;
    Lowsrc = "lowsrc", 0; Data = "data", SCHEME; Srcdoc = "srcdoc", 0; Content = "content", 0;
    Code = "code", TAG; Expression = "expression", 0; Behavior = "behavior", 0; Behaviour = "behaviour", 0;
    Moz = "moz", 0; Binding = "binding", 0; Url = "url", 0; HttpEquiv = "http", SCHEME; Equiv = "equiv", 0;
    Xlink = "xlink", 0; Autofocus = "autofocus", 0; Onclick = "onclick", EVENT;
    Ondblclick = "ondblclick", EVENT; Onmouseover = "onmouseover", EVENT; Onmouseout = "onmouseout", EVENT;
    Onmousemove = "onmousemove", EVENT; Onmousedown = "onmousedown", EVENT; Onmouseup = "onmouseup", EVENT;
    Onmouseenter = "onmouseenter", EVENT; Onmouseleave = "onmouseleave", EVENT;
    Onmousewheel = "onmousewheel", EVENT; Onwheel = "onwheel", EVENT; Onload = "onload", EVENT;
    Onunload = "onunload", EVENT; Onerror = "onerror", EVENT; Onfocus = "onfocus", EVENT;
    Onblur = "onblur", EVENT; Onchange = "onchange", EVENT; Onsubmit = "onsubmit", EVENT;
    Onreset = "onreset", EVENT; Onselect = "onselect", EVENT; Onkeydown = "onkeydown", EVENT;
    Onkeypress = "onkeypress", EVENT; Onkeyup = "onkeyup", EVENT; Onabort = "onabort", EVENT;
    Onresize = "onresize", EVENT; Onscroll = "onscroll", EVENT; Ontoggle = "ontoggle", EVENT;
    Onstart = "onstart", EVENT; Onfinish = "onfinish", EVENT; Onbounce = "onbounce", EVENT;
    Onpageshow = "onpageshow", EVENT; Onhashchange = "onhashchange", EVENT;
    Onbeforeunload = "onbeforeunload", EVENT; Oninput = "oninput", EVENT; Oninvalid = "oninvalid", EVENT;
    Oncopy = "oncopy", EVENT; Oncut = "oncut", EVENT; Onpaste = "onpaste", EVENT; Ondrag = "ondrag", EVENT;
    Ondrop = "ondrop", EVENT; Onplay = "onplay", EVENT; Onpropertychange = "onpropertychange", EVENT;
    Onreadystatechange = "onreadystatechange", EVENT; Onanimationstart = "onanimationstart", EVENT;
    Onbegin = "onbegin", EVENT; Onpointerover = "onpointerover", EVENT;
    Ontransitionend = "ontransitionend", EVENT; Onfocusin = "onfocusin", EVENT;
    Onloadstart = "onloadstart", EVENT; Oncanplay = "oncanplay", EVENT;
    Onanimationend = "onanimationend", EVENT; Oncontextmenu = "oncontextmenu", EVENT;
    Onpopstate = "onpopstate", EVENT; Onmessage = "onmessage", EVENT; Onshow = "onshow", EVENT;
    Ontouchstart = "ontouchstart", EVENT; Onpointerenter = "onpointerenter", EVENT;
    Onpointerdown = "onpointerdown", EVENT; Alert = "alert", JS_CALL; Prompt = "prompt", JS_CALL;
    Confirm = "confirm", JS_CALL; Eval = "eval", JS_CALL | CODE_CALL;
    Fromcharcode = "fromcharcode", JS_CALL; Settimeout = "settimeout", JS_CALL;
    Setinterval = "setinterval", JS_CALL; Unescape = "unescape", JS_CALL; Atob = "atob", JS_CALL;
    Execscript = "execscript", JS_CALL; Msgbox = "msgbox", JS_CALL; Writeln = "writeln", 0;
    Write = "write", 0; Document = "document", JS_OBJECT; Window = "window", JS_OBJECT;
    Cookie = "cookie", 0; Location = "location", JS_OBJECT; Localstorage = "localstorage", JS_OBJECT;
    Self_ = "self", 0; Innerhtml = "innerhtml", 0; Outerhtml = "outerhtml", 0;
    Createelement = "createelement", 0; Xmlhttprequest = "xmlhttprequest", 0;
    Getelementbyid = "getelementbyid", 0; Constructor = "constructor", 0; Parent = "parent", 0;
    String = "string", 0; This = "this", 0; Javascript = "javascript", SCHEME;
    Vbscript = "vbscript", SCHEME; Livescript = "livescript", SCHEME; Mocha = "mocha", SCHEME;
    Jscript = "jscript", SCHEME; Java = "java", PLAIN_COMMAND; Jav = "jav", 0; Ascript = "ascript", 0;
    Text = "text", 0;

    // Shells.
    Whoami = "whoami", COMMAND; Wget = "wget", COMMAND; Curl = "curl", COMMAND;
    Ifconfig = "ifconfig", COMMAND; Ipconfig = "ipconfig", COMMAND; Netstat = "netstat", COMMAND;
    Uname = "uname", COMMAND; Chmod = "chmod", COMMAND; Chown = "chown", COMMAND;
    Nslookup = "nslookup", COMMAND; Traceroute = "traceroute", COMMAND; Tftp = "tftp", COMMAND;
    Ls = "ls", COMMAND; Cp = "cp", COMMAND; Mv = "mv", COMMAND; Rm = "rm", COMMAND; Ps = "ps", COMMAND;
    Nc = "nc", COMMAND; Ncat = "ncat", COMMAND; Netcat = "netcat", COMMAND; Telnet = "telnet", COMMAND;
    Ssh = "ssh", COMMAND; Scp = "scp", COMMAND; Pwd = "pwd", COMMAND; Sed = "sed", COMMAND;
    Awk = "awk", COMMAND; Grep = "grep", COMMAND; Egrep = "egrep", COMMAND; Xterm = "xterm", COMMAND;
    Mkdir = "mkdir", COMMAND; Rmdir = "rmdir", COMMAND; Tac = "tac", COMMAND; Nl = "nl", COMMAND;
    Gcc = "gcc", COMMAND; Crontab = "crontab", COMMAND; Useradd = "useradd", COMMAND;
    Sudo = "sudo", COMMAND; Mkfifo = "mkfifo", COMMAND; Hostname = "hostname", COMMAND;
    Nmap = "nmap", COMMAND; Systeminfo = "systeminfo", COMMAND; Tasklist = "tasklist", COMMAND;
    Certutil = "certutil", COMMAND; Bitsadmin = "bitsadmin", COMMAND; Rundll32 = "rundll32", COMMAND;
    Printenv = "printenv", COMMAND; Wmic = "wmic", COMMAND; Dir = "dir", COMMAND; Env = "env", COMMAND;
    Ping = "ping", PLAIN_COMMAND; Cat = "cat", PLAIN_COMMAND; Echo = "echo", PLAIN_COMMAND;
    Id = "id", PLAIN_COMMAND; Who = "who", PLAIN_COMMAND; W = "w", PLAIN_COMMAND;
    Find = "find", PLAIN_COMMAND; Kill = "kill", PLAIN_COMMAND; Mail = "mail", PLAIN_COMMAND;
    Sort = "sort", PLAIN_COMMAND; Tail = "tail", PLAIN_COMMAND; More = "more", PLAIN_COMMAND;
    Less = "less", PLAIN_COMMAND; Touch = "touch", PLAIN_COMMAND; Type = "type", PLAIN_COMMAND;
    Net = "net", PLAIN_COMMAND; Host = "host", PLAIN_COMMAND; Dig = "dig", PLAIN_COMMAND;
    Cut = "cut", PLAIN_COMMAND; Tee = "tee", PLAIN_COMMAND; Make = "make", PLAIN_COMMAND;
    Mount = "mount", PLAIN_COMMAND; Ftp = "ftp", PLAIN_COMMAND | SCHEME; Finger = "finger", PLAIN_COMMAND;
    Date = "date", PLAIN_COMMAND; Printf = "printf", PLAIN_COMMAND; Test = "test", PLAIN_COMMAND;
    Del = "del", PLAIN_COMMAND; Reboot = "reboot", PLAIN_COMMAND; Export = "export", PLAIN_COMMAND;
    Ver = "ver", PLAIN_COMMAND; Start = "start", PLAIN_COMMAND; Od = "od", PLAIN_COMMAND;
    Strings = "strings", PLAIN_COMMAND; Rev = "rev", PLAIN_COMMAND; Xargs = "xargs", COMMAND;
    Timeout = "timeout", PLAIN_COMMAND; Read = "read", PLAIN_COMMAND; Last = "last", PLAIN_COMMAND;
    Lynx = "lynx", PLAIN_COMMAND; Fetch = "passthru", CODE_CALL; Sh = "sh", COMMAND | SHELL;
    Bash = "bash", COMMAND | SHELL; Zsh = "zsh", COMMAND | SHELL; Ksh = "ksh", COMMAND | SHELL;
    Csh = "csh", COMMAND | SHELL; Tcsh = "tcsh", COMMAND | SHELL; Dash = "dash", PLAIN_COMMAND | SHELL;
    Busybox = "busybox", COMMAND | SHELL; Perl = "perl", COMMAND | SHELL;
    Python = "python", COMMAND | SHELL; Python3 = "python3", COMMAND | SHELL;
    Ruby = "ruby", PLAIN_COMMAND | SHELL; Php = "php", COMMAND | SHELL | SCHEME;
    Node = "node", PLAIN_COMMAND | SHELL; Lua = "lua", PLAIN_COMMAND | SHELL;
    Cmd = "cmd", PLAIN_COMMAND | SHELL; Command_ = "command", 0; Powershell = "powershell", COMMAND | SHELL;
    Pwsh = "pwsh", COMMAND | SHELL; Exe = "exe", 0; Ifs = "ifs", 0; System = "system", CODE_CALL;
    ShellExec = "shell_exec", CODE_CALL; Popen = "popen", CODE_CALL; ProcOpen = "proc_open", CODE_CALL;
    PcntlExec = "pcntl_exec", CODE_CALL; Phpinfo = "phpinfo", CODE_CALL; Assert = "assert", CODE_CALL;
    Print = "print", CODE_CALL; Include = "include", CODE_CALL; Require = "require", CODE_CALL;
    BuiltinImport = "__import__", CODE_CALL; Response = "response", 0;
    FileGetContents = "file_get_contents", CODE_CALL; Readfile = "readfile", CODE_CALL;
    Highlight = "highlight_file", CODE_CALL; PhpUname = "php_uname", CODE_CALL;
    Base64Decode = "base64_decode", CODE_CALL; Die = "die", CODE_CALL; Exit = "exit", CODE_CALL;
    Getenv = "getenv", CODE_CALL; CreateFunction = "create_function", CODE_CALL;
    CallUserFunc = "call_user_func", CODE_CALL; Jndi = "jndi", 0; Runtime = "runtime", 0;
    Getruntime = "getruntime", CODE_CALL; Processbuilder = "processbuilder", CODE_CALL; Esi = "esi", 0;
    Tcp = "tcp", 0;

    // Files.
    Etc = "etc", ROOT; Usr = "usr", ROOT; Var = "var", ROOT; Proc = "proc", ROOT; Tmp = "tmp", ROOT;
    Dev = "dev", ROOT; Root = "root", ROOT; Home = "home", ROOT; Opt = "opt", ROOT; Sbin = "sbin", ROOT;
    Windows = "windows", ROOT; Winnt = "winnt", ROOT; Inetpub = "inetpub", ROOT; Passwd = "passwd", FILE;
    Shadow = "shadow", FILE; Hosts = "hosts", FILE; Boot = "boot", ROOT; Win = "win", FILE;
    Htaccess = "htaccess", FILE; Htpasswd = "htpasswd", FILE; Environ = "environ", FILE;
    Networks = "networks", FILE; Services = "services", FILE; Ini = "ini", 0; Conf = "conf", 0;
    Issue = "issue", FILE; Motd = "motd", FILE; Fstab = "fstab", FILE; Cmdline = "cmdline", FILE;
    System32 = "system32", ROOT; Sam = "sam", FILE; Webinf = "inf", 0; Git = "git", 0; Log = "log", 0;
    Access = "access", 0; Error = "error", 0; Web = "web", 0; Config = "config", 0;
    AccessLog = "access_log", FILE; ErrorLog = "error_log", FILE; IdRsa = "id_rsa", FILE;
    BashHistory = "bash_history", FILE; SshFolder = "authorized_keys", FILE; GroupFile = "gshadow", FILE;
    Sudoers = "sudoers", FILE; Status = "status", 0; Version_ = "kallsyms", FILE; Apache2 = "apache2", 0;
    FileScheme = "file", SCHEME | COMMAND; Expect = "expect", SCHEME; Phar = "phar", SCHEME;
    Zip = "zip", SCHEME; Gopher = "gopher", SCHEME; Dict = "dict", SCHEME; Ldap = "ldap", SCHEME;
    Glob_ = "netdoc", SCHEME; Jar = "jar", SCHEME; Https = "https", SCHEME; Compress = "compress", 0;
    Filter = "filter", 0; Stdin = "stdin", 0; Resource = "resource", 0; Rot13 = "rot13", 0;
    Base64 = "base64", COMMAND;
}

impl Word {
    /// Every meaning it has.
    pub(super) fn flags(self) -> u32 {
        FLAGS[self as usize]
    }

    /// Has it one of these meanings?
    pub(super) fn is(self, flags: u32) -> bool {
        self.flags() & flags != 0
    }
}

/// Every word fits; longer runs of letters are none of them.
const LONGEST: usize = 28;
/// A power of two, several times as many as there are words: few unknown words need a comparison.
const PLACES: usize = 4096;
/// The bytes a hash is made of, at the beginning and at the end of a word.
const ENDS: usize = 8;
/// Makes capitals small, and other bytes something else that is always the same.
const SMALL: u64 = 0x2020_2020_2020_2020;

/// Where a word is looked for first, given its first and its last eight bytes (fewer with zeros behind) and its length.
const fn place(first: u64, last: u64, length: usize) -> usize {
    let mixed = (first | SMALL).wrapping_mul(0x9e37_79b9_7f4a_7c15)
        ^ (last | SMALL).wrapping_mul(0xc2b2_ae3d_27d4_eb4f);
    ((mixed ^ length as u64).wrapping_mul(0x1656_67b1_9e37_79f9) >> 52) as usize & (PLACES - 1)
}

/// Up to eight bytes from there on, as a number.
const fn eight(text: &[u8], from: usize, to: usize) -> u64 {
    let (mut number, mut at) = (0, from);
    while at < to && at < from + ENDS {
        number |= (text[at] as u64) << (8 * (at - from));
        at += 1;
    }
    number
}

/// Open addressing: where each word stands, 0 where none does.
static TABLE: [u16; PLACES] = {
    let mut table = [0u16; PLACES];
    let mut word = 1;
    while word < TEXTS.len() {
        let text = TEXTS[word].as_bytes();
        let length = text.len();
        assert!(length <= LONGEST, "a word is longer than those that are looked for");
        let back = length.saturating_sub(ENDS);
        let mut free = place(eight(text, 0, length), eight(text, back, length), length);
        while table[free] != 0 {
            free = (free + 1) & (PLACES - 1);
        }
        table[free] = word as u16;
        word += 1;
    }
    table
};

/// The word from there to there.
pub(super) fn find(text: &[u8], start: usize, end: usize) -> Word {
    let length = end - start;
    if length > LONGEST {
        return Word::Other;
    }
    let (first, last) = match (text.get(start..start + ENDS), text.get(end.saturating_sub(ENDS)..end)) {
        (Some(front), Some(back)) => {
            let number = |bytes: &[u8]| bytes.try_into().map_or(0, u64::from_le_bytes);
            match length {
                0..ENDS => {
                    let first = number(front) & ((1 << (8 * length)) - 1);
                    (first, first)
                }
                _ => (number(front), number(back)),
            }
        }
        // At the very end of the text.
        _ => (eight(text, start, end), eight(text, end.saturating_sub(ENDS).max(start), end)),
    };
    let mut at = place(first, last, length);
    loop {
        let known = usize::from(TABLE[at]);
        if known == 0 {
            return Word::Other;
        }
        if TEXTS[known].as_bytes().eq_ignore_ascii_case(&text[start..end]) {
            return WORDS[known];
        }
        at = (at + 1) & (PLACES - 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn looked_up(text: &str) -> Word {
        let found = find(text.as_bytes(), 0, text.len());
        for (before, behind) in [("", " and more"), ("before the ", ""), ("before ", " and behind it")] {
            let all = format!("{before}{text}{behind}");
            assert_eq!(find(all.as_bytes(), before.len(), before.len() + text.len()), found, "{all}");
        }
        found
    }

    #[test]
    fn every_word_is_found_in_either_case_and_stands_once() {
        for (place, text) in TEXTS.iter().enumerate().skip(1) {
            assert_eq!(looked_up(text), WORDS[place], "{text} is listed twice or not found");
            assert_eq!(looked_up(&text.to_uppercase()), WORDS[place], "{text}");
        }
        assert_eq!(looked_up("wall"), Word::Other);
        assert_eq!(looked_up(&"a".repeat(100)), Word::Other);
    }
}
