//! Language models: what was paid for, where a stream ends, and errors that their clients understand.
//!
//! Both providers share three decisions.
//!
//! - **Only computing is billable.** A POST that computes an answer and keeps nothing but the bill is
//!   [`Billable`](seawall_core::verdict::Effects::Billable). A POST that makes something (a file, a batch, a
//!   fine-tuning job, an API key) or whose path is not known here keeps the method's own word, *guarded*: a 5xx does
//!   not say that nothing was made. A list of what is safe stays right when a provider adds paths.
//! - **An empty account is not a pace.** Waiting does not fill it, so it is final, and its `Retry-After` is dropped:
//!   it speaks of the pace, and a limiter that believed it would stay shut after the bill was paid.
//! - **An ending is named only where it is documented.** A wrong ending would call whole streams cut; an unknown one
//!   merely believes a clean end. A provider's own `error` event is an ending: its client has been told.

mod anthropic;
mod openai;

pub use anthropic::Anthropic;
pub use openai::OpenAi;

#[cfg(test)]
mod tests;
