//! Cells of a memory as the values that stand in them, changed by comparing until nobody was faster.

use std::time::Duration;

use seawall_core::job::Key;
use seawall_core::store::StoreError;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Retrier;

/// Somebody else is faster so often only where a store is broken.
const TRIES: usize = 10_000;

impl Retrier {
    pub(super) async fn read<T: DeserializeOwned>(&self, key: &Key) -> Result<Option<T>, StoreError> {
        match self.0.state.read(key).await? {
            Some(cell) => parse(key, &cell.text).map(Some),
            None => Ok(None),
        }
    }

    /// Changes a value, or nothing where `step` gives none for what it found; then gives the default answer. `step` may
    /// be asked several times, each time with what is there.
    pub(super) async fn change<T, R>(
        &self,
        key: &Key,
        keep: Duration,
        mut step: impl FnMut(&mut T) -> Option<R>,
    ) -> Result<R, StoreError>
    where
        T: Serialize + DeserializeOwned + Default,
        R: Default,
    {
        for _ in 0..TRIES {
            let cell = self.0.state.read(key).await?;
            let mut value = match &cell {
                Some(cell) => parse(key, &cell.text)?,
                None => T::default(),
            };
            let Some(answer) = step(&mut value) else { return Ok(R::default()) };
            let text =
                serde_json::to_string(&value).map_err(|error| StoreError::Broken(error.to_string()))?;
            if self.0.state.swap(key, cell.map(|cell| cell.version), text, keep).await? {
                return Ok(answer);
            }
            tokio::task::yield_now().await;
        }
        Err(StoreError::Unavailable(format!("{key} is changed by others all the time")))
    }
}

fn parse<T: DeserializeOwned>(key: &Key, text: &str) -> Result<T, StoreError> {
    serde_json::from_str(text).map_err(|error| StoreError::Unreadable(format!("{key}: {error}")))
}
