//! `seawall trade`: what an exchange's answer means, and what to do about it.

use std::process::ExitCode;

use clap::{Args, Subcommand, ValueEnum};
use seawall_core::{Certainty, Code};
use seawall_packs::binance::{self, Explanation, Remedy};

use crate::output::{Failure, Paint, data, json, painted};

/// What an exchange's answer means, and what to do about it.
#[derive(Debug, Args)]
pub(super) struct Trade {
    #[command(subcommand)]
    about: About,
}

#[derive(Debug, Subcommand)]
enum About {
    /// What a code or a status of Binance means for an order, a question or a cancel
    Explain(Explain),
    /// Not available yet: check orders against an exchange's filters before they are sent
    Validate(Later),
    /// Not available yet: mirror orders to a model without sending them
    Shadow(Later),
}

#[derive(Debug, Args)]
struct Explain {
    /// The code, by number or name, or the HTTP status: -1006, TIMEOUT, 503
    #[arg(value_name = "CODE", allow_negative_numbers = true)]
    code: String,
    /// What was asked of the exchange
    #[arg(long, value_name = "OP", value_enum, default_value_t = Op::Order)]
    op: Op,
    /// The message beside it: some codes mean what it says
    #[arg(
        long,
        value_name = "TEXT",
        default_value = "",
        hide_default_value = true,
        allow_hyphen_values = true
    )]
    message: String,
    /// Answer in one JSON value
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Op {
    /// Something that places or changes an order
    Order,
    /// Something that only reads
    Query,
    /// Something that cancels an order
    Cancel,
}

#[derive(Debug, Args)]
struct Later {
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, hide = true)]
    rest: Vec<String>,
}

impl Trade {
    pub(super) fn run(self) -> Result<ExitCode, Failure> {
        match self.about {
            About::Explain(explain) => explain.run(),
            About::Validate(later) => Err(later.refuse("validate")),
            About::Shadow(later) => Err(later.refuse("shadow")),
        }
    }
}

impl Explain {
    fn run(self) -> Result<ExitCode, Failure> {
        let op = match self.op {
            Op::Order => binance::Op::Order,
            Op::Query => binance::Op::Query,
            Op::Cancel => binance::Op::Cancel,
        };
        let told = binance::explain(&self.code, op, &self.message).map_err(Failure::bad_input)?;
        match self.json {
            true => json(&told.json())?,
            false => data(&tell(&told))?,
        }
        Ok(ExitCode::SUCCESS)
    }
}

impl Later {
    fn refuse(&self, name: &str) -> Failure {
        Failure::bad_input(format_args!(
            "{} `seawall trade {name}` is not available yet: there is `seawall trade explain`",
            Code::NotAvailableYet
        ))
    }
}

fn tell(told: &Explanation) -> String {
    let paint = match told.certainty {
        Certainty::NotDone | Certainty::Done | Certainty::AlreadyDone => Paint::Odd,
        Certainty::Unknown | Certainty::Partial => Paint::Bad,
    };
    let certainty = match told.certainty {
        Certainty::NotDone => "it did not take place",
        Certainty::Unknown => "nobody knows whether it took place",
        Certainty::Partial => "a part of it took place",
        Certainty::Done | Certainty::AlreadyDone => "it took place before",
    };
    let again = match told.remedy {
        Remedy::Wait => "may be sent again, after a pause",
        Remedy::Resign => "may be sent again, with a new timestamp and signature",
        Remedy::QueryFirst => "not to be sent again: ask what became of it",
        Remedy::Never => "not to be sent again",
    };
    format!(
        "{} {}  to {}\n  {}\n  {}, {}: {certainty}; {again}\n  {}\n  {} (read {})\n",
        painted(&told.code.to_string(), Paint::Bold),
        told.name,
        match told.op {
            binance::Op::Order => "an order",
            binance::Op::Query => "a query",
            binance::Op::Cancel => "a cancel",
        },
        told.says,
        told.class,
        painted(told.certainty.as_str(), paint),
        told.advice,
        told.source.page,
        told.source.read,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_are_told_what_it_was_what_is_known_and_what_to_do() {
        let told = tell(&binance::explain("-1006", binance::Op::Order, "").unwrap());
        let lines: Vec<&str> = told.lines().collect();
        assert_eq!(lines[0], "-1006 UNEXPECTED_RESP  to an order");
        assert_eq!(
            lines[2],
            "  overloaded, unknown: nobody knows whether it took place; not to be sent again: ask what became of it"
        );
        assert!(
            lines[3].contains("do not send it again") && lines[3].contains("origClientOrderId"),
            "{told}"
        );
        assert!(lines[4].starts_with("  https://github.com/binance/") && lines.len() == 5, "{told}");
    }
}
