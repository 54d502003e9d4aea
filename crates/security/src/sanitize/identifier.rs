//! The name of a table or a column, which no parameter can stand for.

use super::Refused;

seawall_core::words! {
    /// Whose SQL it is.
    Dialect {
        /// Standard SQL, as PostgreSQL, SQLite, Oracle and DuckDB read it: `"name"`.
        Standard = "standard",
        /// MySQL and MariaDB: `` `name` ``.
        MySql = "mysql",
        /// SQL Server: `[name]`.
        SqlServer = "sql-server",
    }
}

/// PostgreSQL cuts longer names without a word, and two that differ only behind that become one.
const LONGEST: usize = 63;

/// A text as one name in an SQL statement, quoted: it may be a word of the language, and nothing ends it.
///
/// Refuses an empty name, a control character, and more than 63 bytes: PostgreSQL would cut it short, and the name would
/// mean another column. A quoted name is compared as it is spelled, capitals included. A point is part of the name: quote
/// schema and table by themselves.
///
/// ```
/// use seawall_security::sanitize::{Dialect, identifier};
///
/// assert_eq!(identifier("order", Dialect::Standard).unwrap(), r#""order""#);
/// assert_eq!(identifier("a`b", Dialect::MySql).unwrap(), "`a``b`");
/// assert!(identifier("", Dialect::SqlServer).is_err());
/// ```
pub fn identifier(name: &str, dialect: Dialect) -> Result<String, Refused> {
    if name.is_empty() {
        return Err(Refused("a name is empty: write one"));
    }
    if name.len() > LONGEST {
        return Err(Refused("a name is longer than 63 bytes: write a shorter one"));
    }
    if name.chars().any(char::is_control) {
        return Err(Refused("a name holds a control character: leave it out"));
    }
    let (open, close) = match dialect {
        Dialect::Standard => ('"', '"'),
        Dialect::MySql => ('`', '`'),
        Dialect::SqlServer => ('[', ']'),
    };
    let doubled: String = [close, close].iter().collect();
    Ok(format!("{open}{}{close}", name.replace(close, &doubled)))
}
