use std::time::Duration;

use seawall_core::effect::{Begin, Fingerprint, Keep, Nature, Nonce as Wish, Truth};

use super::*;
use crate::conformance;
use crate::memory::Memory;
use crate::time::Time;

fn key(letter: &str) -> SealKey {
    SealKey::new(&Secret::new(letter.repeat(32))).unwrap()
}

fn effect(n: u32) -> Key {
    Key::of("test", "order", &n.to_be_bytes(), 0)
}

fn wish(n: u32) -> Operation {
    Operation::Begin(Begin {
        key: effect(n),
        label: format!("test:effect:order:{n}").into(),
        print: Fingerprint::of(&[&n.to_be_bytes()]),
        nonce: Wish(u128::from(n) + 1),
        nature: Nature::Opaque,
        age: None,
        lease: Duration::from_secs(30),
        call: Duration::from_secs(20),
        settle: Duration::from_secs(90),
        max_attempts: 3,
        keep: Keep::default(),
    })
}

async fn ask(store: &dyn Store, operation: Operation) -> Answer {
    store.ask(operation).await.unwrap().answer
}

/// Runs an effect, and says twice how it ended.
async fn done(store: &dyn Store, n: u32, result: &[u8]) {
    let Answer::Run(token) = ask(store, wish(n)).await else { panic!("not granted") };
    let outcome = Outcome::Ended(Truth::Applied, Some(result.into()));
    let complete = Operation::Complete { key: effect(n), token, outcome };
    assert_eq!(ask(store, complete.clone()).await, Answer::Ok);
    assert_eq!(ask(store, complete).await, Answer::Already, "the same word is the same bytes");
}

async fn found(store: &dyn Store, n: u32) -> Option<Arc<[u8]>> {
    match ask(store, Operation::Peek { key: effect(n) }).await {
        Answer::Found(Some(record)) => match record.state {
            State::Done(done) => done.result,
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_sealed_store_conforms() {
    let time = Time::manual(conformance::BEGAN);
    let store = Sealed::new(Arc::new(Memory::with(time.clone())), key("k"));
    let walked = conformance::walk(&store, &time, 5, 20_000).await;
    assert!(walked.every_answer_was_given(), "{walked:?}");
}

#[tokio::test]
async fn what_is_remembered_is_unreadable_and_given_again_as_it_was() {
    let memory: Arc<dyn Store> = Arc::new(Memory::new());
    let store = Sealed::new(memory.clone(), key("k"));
    for (n, result) in [(1, &b"order 8f0c, 3 pieces"[..]), (2, b""), (3, b"order 8f0c, 3 pieces")] {
        done(&store, n, result).await;
        assert_eq!(ask(&store, wish(n)).await, Answer::Replay(Truth::Applied, Some(result.into())));
        assert_eq!(found(&store, n).await.as_deref(), Some(result));
        let kept = found(&*memory, n).await.unwrap();
        assert_eq!(kept.len(), result.len() + 32);
        assert!(kept.starts_with(&LAYOUT) && !kept.windows(4).any(|part| part == b"8f0c"));
    }
    assert_ne!(
        found(&*memory, 1).await,
        found(&*memory, 3).await,
        "the same result of two effects is not the same"
    );
    let wanted = Wanted { state: None, after: None, limit: 10 };
    let page = store.list(wanted).await.unwrap();
    let all: Vec<_> = page.records.iter().map(|(_, record)| record.state.clone()).collect();
    assert!(
        all.iter().any(|state| matches!(state, State::Done(done) if done.result.as_deref() == Some(b"")))
    );
}

#[tokio::test]
async fn under_another_key_or_with_none_it_is_not_kept_and_never_runs_again() {
    let memory: Arc<dyn Store> = Arc::new(Memory::new());
    let (mine, other) = (Sealed::new(memory.clone(), key("k")), Sealed::new(memory.clone(), key("x")));
    done(&mine, 1, b"mine").await;
    done(&*memory, 2, b"in the clear").await;
    assert_eq!(ask(&other, wish(1)).await, Answer::Replay(Truth::Applied, None));
    assert_eq!(
        ask(&mine, wish(2)).await,
        Answer::Replay(Truth::Applied, None),
        "anybody could have written that"
    );
    assert_eq!(ask(&mine, wish(1)).await, Answer::Replay(Truth::Applied, Some(b"mine".as_slice().into())));
}

#[test]
fn whatever_is_changed_or_moved_opens_nowhere() {
    let (mine, result) = (key("k"), b"order 8f0c");
    let sealed = mine.seal(effect(1), result).unwrap();
    assert_eq!(mine.open(effect(1), &sealed).as_deref(), Some(&result[..]));
    assert_eq!(mine.open(effect(2), &sealed), None);
    for place in 0..sealed.len() {
        let mut changed = sealed.to_vec();
        changed[place] ^= 1;
        assert_eq!(mine.open(effect(1), &changed), None, "byte {place}");
        assert_eq!(mine.open(effect(1), &sealed[..place]), None, "cut at {place}");
    }
    assert_eq!(format!("{mine:?}"), "[secret]");
    assert!(SealKey::new(&Secret::new("x".repeat(31))).unwrap_err().contains("32"));
}
