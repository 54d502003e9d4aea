//! Fetching a value: alone, first of many, or by waiting for somebody else who does.

use std::future::Future;
use std::hash::Hash;
use std::time::Duration;

use seawall_core::{Certainty, Code, Error, Instant, Rejection};

use super::{Cache, Ended, Found, Landing, Lead, Served, Source, Turn};
use crate::classify::{Classify, Plain};
use crate::timeout::within;

impl<K: Hash + Eq + Clone, V: Clone> Cache<K, V> {
    /// Gives the fresh value of a key, or runs the operation to make one: once for all who ask meanwhile.
    ///
    /// The others wait, each until its own deadline. A leader that is dropped, panics or runs into its deadline hands
    /// over to the next in line; one that fails has failed for all. Where the value is stale and
    /// [`stale_while_revalidate`](Options::stale_while_revalidate) allows it, it is given at once, and the operation
    /// runs in a task of its own, until this caller's deadline; outside a tokio runtime it runs here first. Where no
    /// value can be made and [`stale_if_error`](Options::stale_if_error) allows it, the old one is given; every error
    /// of the operation's own counts as a failure, unless [`Cache::classified`] knows better.
    ///
    /// Errors are never kept. An error that is not `Clone` fits into an [`Arc`].
    pub async fn get_or_run<E, F, Fut>(
        &self,
        key: K,
        deadline: Instant,
        operation: F,
    ) -> Result<Served<V>, Error<E>>
    where
        K: Send + 'static,
        V: Send + 'static,
        E: Clone + Send + Sync + 'static,
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future<Output = Result<V, Error<E>>> + Send + 'static,
    {
        self.classified(key, deadline, &Plain, operation).await
    }

    /// The same; what an error of the operation's own means is what `classify` says.
    pub async fn classified<E, C, F, Fut>(
        &self,
        key: K,
        deadline: Instant,
        classify: &C,
        operation: F,
    ) -> Result<Served<V>, Error<E>>
    where
        K: Send + 'static,
        V: Send + 'static,
        E: Clone + Send + Sync + 'static,
        C: Classify<V, E>,
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future<Output = Result<V, Error<E>>> + Send + 'static,
    {
        let made = |value, source| Served { value, source, age: Duration::ZERO };
        let lead = match self.enter(&key) {
            Turn::Fresh(Found { value, age, .. }) => return Ok(Served { value, source: Source::Fresh, age }),
            Turn::Stale(Found { value, age, .. }, None) => {
                return Ok(Served { value, source: Source::StaleRevalidating, age });
            }
            Turn::Stale(Found { value, age, .. }, Some(lead)) => {
                let Ok(runtime) = tokio::runtime::Handle::try_current() else {
                    return self.lead(&key, lead, deadline, classify, operation()).await;
                };
                let left = self.0.clock.now().until(deadline);
                runtime.spawn(async move {
                    match within(operation(), left).await {
                        Ok(Ok(value)) => _ = lead.land(value),
                        Ok(Err(error)) => lead.fail(error),
                        Err(_) => drop(lead),
                    }
                });
                return Ok(Served { value, source: Source::StaleRevalidating, age });
            }
            Turn::Lead(lead) => lead,
            Turn::Wait(waiting) => {
                let left = self.0.clock.now().until(deadline);
                match within(waiting.landing(), left).await {
                    Ok(Landing::Value(value)) => return Ok(made(value, Source::Joined)),
                    Ok(Landing::Lead(lead)) => lead,
                    Ok(Landing::Failed(failure)) => match failure.get::<Error<E>>() {
                        Some(error) => return self.or_stale(&key, classify, error.clone()),
                        // Somebody's operation on this key has errors of another type.
                        None => return self.alone(&key, deadline, classify, operation()).await,
                    },
                    Ok(Landing::Scattered) => return self.alone(&key, deadline, classify, operation()).await,
                    // This call sent nothing; the one it waited for is still under way.
                    Err(_) => {
                        let late = Rejection::new(Code::DeadlineExceeded);
                        return self.or_stale(&key, classify, Error::Rejected(late));
                    }
                }
            }
        };
        self.lead(&key, lead, deadline, classify, operation()).await
    }

    async fn lead<E: Clone + Send + Sync + 'static>(
        &self,
        key: &K,
        lead: Lead<K, V>,
        deadline: Instant,
        classify: &impl Classify<V, E>,
        operation: impl Future<Output = Result<V, Error<E>>>,
    ) -> Result<Served<V>, Error<E>> {
        match within(operation, self.0.clock.now().until(deadline)).await {
            Ok(Ok(value)) => {
                lead.land(value.clone());
                Ok(Served { value, source: Source::Miss, age: Duration::ZERO })
            }
            Ok(Err(error)) => {
                lead.fail(error.clone());
                self.or_stale(key, classify, error)
            }
            Err(_) => {
                // Those who wait may have more time.
                drop(lead);
                self.or_stale(key, classify, Error::Rejected(out_of_time()))
            }
        }
    }

    async fn alone<E: Clone>(
        &self,
        key: &K,
        deadline: Instant,
        classify: &impl Classify<V, E>,
        operation: impl Future<Output = Result<V, Error<E>>>,
    ) -> Result<Served<V>, Error<E>> {
        match within(operation, self.0.clock.now().until(deadline)).await {
            Ok(Ok(value)) => Ok(Served { value, source: Source::Miss, age: Duration::ZERO }),
            Ok(Err(error)) => self.or_stale(key, classify, error),
            Err(_) => self.or_stale(key, classify, Error::Rejected(out_of_time())),
        }
    }

    /// An old value in the place of an error, where that is allowed.
    fn or_stale<E: Clone>(
        &self,
        key: &K,
        classify: &impl Classify<V, E>,
        error: Error<E>,
    ) -> Result<Served<V>, Error<E>> {
        let stale = match &error {
            Error::Rejected(rejection) => self.stale(key, &Ended::Refused(rejection)),
            Error::Inner(inner) => self.stale(key, &Ended::Outcome(classify.classify(&Err(inner.clone())))),
        };
        match stale {
            Some((Found { value, age, .. }, why)) => {
                Ok(Served { value, source: Source::StaleError(why), age })
            }
            None => Err(error),
        }
    }
}

fn out_of_time() -> Rejection {
    Rejection::new(Code::DeadlineExceeded).certainty(Certainty::Unknown)
}
