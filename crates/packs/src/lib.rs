//! What particular providers do their own way: a table each, behind the provider port.
//!
//! The gateway knows only [`Provider`]; it asks here once, by the word in the configuration, and plain HTTP
//! (`seawall_core::provider::Http`) is everything that has no table. [`rules`] are a user's own rows, before anybody's.

pub mod ai;
pub mod binance;
mod path;
pub mod rules;
mod said;
pub mod stripe;
pub mod table;

use std::sync::Arc;

use seawall_core::provider::Provider;

/// The words for these providers in the configuration.
pub const NAMES: &[&str] = &["openai", "anthropic", "stripe", "binance"];

/// The provider of that name; `None` for plain HTTP and for words nobody knows.
pub fn provider(name: &str) -> Option<Arc<dyn Provider>> {
    match name {
        "openai" => Some(Arc::new(ai::OpenAi)),
        "anthropic" => Some(Arc::new(ai::Anthropic)),
        "stripe" => Some(Arc::new(stripe::Stripe)),
        "binance" => Some(Arc::new(binance::Binance)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_has_a_provider_that_answers_to_it() {
        for name in NAMES {
            assert_eq!(provider(name).unwrap().name(), *name);
        }
        for stranger in ["", "http", "OpenAI", "openai ", "BINANCE"] {
            assert!(provider(stranger).is_none(), "{stranger}");
        }
    }
}
