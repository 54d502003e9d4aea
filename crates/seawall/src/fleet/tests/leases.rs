use super::*;
use crate::fleet::Taken;

const SPAN: Duration = Duration::from_secs(30);

async fn take(fleet: &Fleet) -> Lease {
    match fleet.lease("leader", SPAN).await.unwrap() {
        Taken::Mine(lease) => lease,
        Taken::Busy(wait) => panic!("busy for {wait:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_name_is_kept_until_it_is_let_go_of() {
    let store = Store::new();
    let [one, two] = members::<2>(&store).await;
    let lease = take(&one).await;
    for _ in 0..10 {
        sleep(SPAN / 2).await;
        assert!(lease.is_held() && lease.left() <= SPAN);
        assert!(matches!(two.lease("leader", SPAN).await.unwrap(), Taken::Busy(left) if left <= SPAN));
        assert!(matches!(two.lease("other", SPAN).await.unwrap(), Taken::Mine(_)));
    }
    let first = lease.epoch();
    drop(lease);
    assert!(take(&two).await.epoch() > first);
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_cannot_be_renewed_is_held_no_longer_than_its_span() {
    let store = Store::new();
    let [one, two] = members::<2>(&store).await;
    let lease = take(&one).await;
    store.answers(Answers::Never);
    let began = Then::now();
    while lease.is_held() {
        sleep(Duration::from_secs(1)).await;
    }
    assert!(began.elapsed() <= SPAN, "{:?}", began.elapsed());
    assert!(one.lease("leader", SPAN).await.is_err(), "nobody can know");
    store.answers(Answers::AtOnce);
    sleep(SPAN).await;
    let other = take(&two).await;
    assert!(other.epoch() > lease.epoch() && !lease.is_held(), "it is not had again by itself");
    drop(lease);
    assert!(
        matches!(one.lease("leader", SPAN).await.unwrap(), Taken::Busy(_)),
        "an old right lets go of nothing"
    );
}

#[tokio::test(start_paused = true)]
async fn a_claim_that_is_granted_too_late_is_let_go_of() {
    let store = Store::new();
    let [one, two] = members::<2>(&store).await;
    store.answers(Answers::Late(150));
    assert!(one.lease("leader", SPAN).await.is_err());
    store.answers(Answers::AtOnce);
    sleep(Duration::from_secs(1)).await;
    assert!(take(&two).await.is_held());
}
