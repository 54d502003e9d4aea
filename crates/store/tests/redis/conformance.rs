//! The suite every store must pass, and what is particular to records on a server.

use seawall_core::effect::Stamp;
use seawall_store::conformance;
use seawall_store::redis::{Redis, RedisOptions};
use seawall_store::time::Time;

use crate::server::{NOTHING, server};

/// Far ahead of the server's own time, so that it ends no record's life before the walk's clock does.
const FAR: Stamp = Stamp(4_000_000_000_000);

fn careless() -> RedisOptions {
    use seawall_store::redis::Check;
    RedisOptions { acknowledged: [Check::Persistence].into(), ..RedisOptions::default() }
}

#[tokio::test]
async fn redis_conforms() {
    let Some(server) = server(NOTHING).await else { return };
    let time = Time::manual(FAR);
    let steps = std::env::var("SEAWALL_WALK").ok().and_then(|steps| steps.parse().ok()).unwrap_or(12_000);
    let opened = Redis::open_at(&server.url(), careless(), time.clone()).await.expect("it opens");
    let walked = conformance::walk(&opened.store, &time, 7, steps).await;
    assert!(walked.every_answer_was_given(), "{walked:?}");
    conformance::lists(&opened.store).await;
}
