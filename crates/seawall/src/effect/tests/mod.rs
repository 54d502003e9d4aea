//! Stories of effects: who runs, what is lost on the way, and how often the far side is reached.

mod drops;
mod faults;
mod keeper;
mod races;
mod random;
mod reconcile;

use std::collections::HashMap;
use std::future::pending;
use std::sync::atomic::AtomicBool;

use seawall_core::effect::Note;
use seawall_core::event::Event;
use seawall_core::store::{Asked, Promise, Swept, Told};
use seawall_store::Memory;
use seawall_store::time::Time;

use super::*;

const KEY: &str = "7";

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// The far side: it counts whatever reaches it, and makes one of nothing.
#[derive(Clone, Default)]
struct Ledger(Arc<Mutex<Vec<Arc<str>>>>);

impl Ledger {
    fn apply(&self, cx: &Cx) {
        lock(&self.0).push(cx.downstream_key().clone());
    }

    fn count(&self) -> usize {
        lock(&self.0).len()
    }

    /// How many a far side would have made of it that knows keys.
    fn distinct(&self) -> usize {
        let mut all = lock(&self.0).clone();
        all.sort();
        all.dedup();
        all.len()
    }
}

/// What becomes of one question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    Fine,
    /// It never arrives, and an error says so.
    Refused,
    /// It arrives, and its reply is lost.
    Unheard,
    /// It arrives, and nothing is ever heard again.
    Hangs,
    /// Its reply is lost, and it arrives when others have.
    Late,
    Panics,
}

type Plan = Box<dyn FnMut(&Operation) -> Fault + Send>;

/// A line to a store that can be cut, or behaves as planned.
struct Line {
    store: Mutex<Arc<dyn Store>>,
    late: Mutex<Vec<Operation>>,
    plan: Mutex<Plan>,
    cut: AtomicBool,
    asked: Mutex<HashMap<&'static str, usize>>,
}

impl Line {
    fn to(store: &Arc<dyn Store>) -> Arc<Self> {
        Self::planned(store, |_| Fault::Fine)
    }

    fn planned(store: &Arc<dyn Store>, plan: impl FnMut(&Operation) -> Fault + Send + 'static) -> Arc<Self> {
        let plan: Mutex<Plan> = Mutex::new(Box::new(plan));
        let (cut, asked) = (AtomicBool::new(false), Mutex::default());
        let (store, late) = (Mutex::new(store.clone()), Mutex::default());
        Arc::new(Self { store, late, plan, cut, asked })
    }

    fn plan(&self, plan: impl FnMut(&Operation) -> Fault + Send + 'static) {
        *lock(&self.plan) = Box::new(plan);
    }

    fn cut(&self, cut: bool) {
        self.cut.store(cut, Ordering::SeqCst);
    }

    fn store(&self) -> Arc<dyn Store> {
        lock(&self.store).clone()
    }

    /// Everything that is late arrives.
    fn deliver(&self) {
        for operation in lock(&self.late).drain(..) {
            drop(self.store().ask(operation));
        }
    }

    fn asked(&self, what: &str) -> usize {
        lock(&self.asked).get(what).copied().unwrap_or_default()
    }
}

fn word(operation: &Operation) -> &'static str {
    match operation {
        Operation::Begin(_) => "begin",
        Operation::Renew { .. } => "renew",
        Operation::Complete { .. } => "complete",
        Operation::Reconcile { .. } => "reconcile",
        Operation::Resolve { .. } => "resolve",
        Operation::Force { .. } => "force",
        Operation::Peek { .. } => "peek",
    }
}

/// What memory answers, it answers at once.
fn drain<T>(asked: Asked<'_, T>) -> Result<T, StoreError> {
    use std::task::{Context, Poll, Waker};
    match { asked }.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(answer) => answer,
        Poll::Pending => Err(StoreError::Unavailable("not at once".into())),
    }
}

fn lost<T: Send + 'static>() -> Asked<'static, T> {
    Box::pin(std::future::ready(Err(StoreError::Unavailable("as planned".into()))))
}

impl Store for Line {
    fn ask(&self, operation: Operation) -> Asked<'_, Told> {
        if self.cut.load(Ordering::SeqCst) {
            return lost();
        }
        *lock(&self.asked).entry(word(&operation)).or_default() += 1;
        let fault = lock(&self.plan)(&operation);
        let store = self.store();
        // What is late comes after one that was not.
        let late = lock(&self.late).pop();
        let answer: Asked<'_, Told> = match fault {
            Fault::Fine => {
                let asked = drain(store.ask(operation));
                Box::pin(std::future::ready(asked))
            }
            Fault::Refused => lost(),
            Fault::Late => {
                lock(&self.late).push(operation);
                lost()
            }
            Fault::Unheard => {
                drop(store.ask(operation));
                lost()
            }
            Fault::Hangs => {
                drop(store.ask(operation));
                Box::pin(pending())
            }
            Fault::Panics => panic!("as planned"),
        };
        if let Some(late) = late {
            drop(store.ask(late));
        }
        answer
    }

    fn sweep(&self, limit: usize) -> Asked<'_, Swept> {
        if self.cut.load(Ordering::SeqCst) {
            return lost();
        }
        Box::pin(std::future::ready(drain(self.store().sweep(limit))))
    }

    fn list(&self, wanted: Wanted) -> Asked<'_, Page> {
        if self.cut.load(Ordering::SeqCst) {
            return lost();
        }
        Box::pin(std::future::ready(drain(self.store().list(wanted))))
    }

    fn promise(&self) -> Promise {
        self.store().promise()
    }
}

impl fmt::Debug for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Line")
    }
}

/// A plan that answers one kind of question in this way so often, and then all is fine.
fn first(what: &'static str, fault: Fault, mut times: usize) -> impl FnMut(&Operation) -> Fault + Send {
    move |operation| {
        if word(operation) == what && times > 0 {
            times -= 1;
            return fault;
        }
        Fault::Fine
    }
}

/// A store whose clock stands still until it is told to move.
fn memory() -> (Arc<dyn Store>, Time) {
    let time = Time::manual(Stamp(1_700_000_000_000));
    (Arc::new(Memory::with(time.clone())), time)
}

/// A process: a guard of its own over a line to the store.
fn process(line: &Arc<Line>, options: Options) -> Kind {
    Guard::new("shop", line.clone()).unwrap().kind("order", options).unwrap()
}

fn over(store: &Arc<dyn Store>, options: Options) -> Kind {
    process(&Line::to(store), options)
}

fn wish() -> Wish<'static> {
    Wish { id: KEY, scope: &[], occurrence: 0, print: Fingerprint::of(&[]), age: None }
}

/// An operation that takes place and answers.
async fn order(kind: &Kind, ledger: &Ledger) -> Result<Done<u32, String>, Undone<String>> {
    let ledger = ledger.clone();
    kind.once(KEY)
        .run(move |cx| async move {
            tokio::task::yield_now().await;
            ledger.apply(&cx);
            Outcome::<u32, String>::Applied(42)
        })
        .await
}

fn done(replayed: bool) -> Result<Done<u32, String>, Undone<String>> {
    Ok(Done { value: Ok(42), replayed, durability: Durability::Kept })
}

/// A sink that keeps the notes it is told.
#[derive(Clone, Default)]
struct Notes(Arc<Mutex<Vec<Note>>>);

impl Notes {
    fn sink(&self) -> Option<Arc<dyn Sink>> {
        let notes = self.0.clone();
        Some(Arc::new(move |event: Event| {
            if let Fact::Effect { note, label } = event.fact {
                assert!(label.starts_with("shop:effect:order:"), "{label}");
                lock(&notes).push(note);
            }
        }))
    }

    fn all(&self) -> Vec<Note> {
        lock(&self.0).clone()
    }
}

#[tokio::test(start_paused = true)]
async fn it_runs_once_and_its_result_is_replayed() {
    let (store, _) = memory();
    let (ledger, kind) = (Ledger::default(), over(&store, Options::default()));
    assert_eq!(order(&kind, &ledger).await, done(false));
    assert_eq!(order(&kind, &ledger).await, done(true));
    assert_eq!(order(&over(&store, Options::default()), &ledger).await, done(true), "another process");
    assert_eq!(ledger.count(), 1);
    let stats = kind.stats();
    assert_eq!((stats.runs, stats.replays, stats.applied), (1, 1, 1));
    assert_eq!(kind.guard().stats(), [(Arc::from("order"), stats)]);
}

#[tokio::test(start_paused = true)]
async fn what_is_refused_for_good_is_a_result_and_what_was_not_sent_frees_the_key() {
    let (store, _) = memory();
    let kind = over(&store, Options::default());
    let not_sent = kind.once("a").run(|_| async { Outcome::<u32, String>::NotApplied("no route".into()) });
    assert_eq!(not_sent.await, Err(Undone::NotApplied("no route".into())));
    let refused = kind.once("a").run(|cx| async move {
        assert_eq!(cx.attempt(), 2);
        Outcome::<u32, String>::Rejected("no funds".into())
    });
    let refused = refused.await.unwrap();
    assert_eq!((refused.value, refused.replayed), (Err("no funds".into()), false));
    let again = kind.once("a").run(|_| async { Outcome::<u32, String>::Applied(1) }).await.unwrap();
    assert_eq!((again.value, again.replayed), (Err("no funds".into()), true));
}

#[tokio::test(start_paused = true)]
async fn an_error_alone_means_unknown_and_is_never_run_again() {
    let (store, _) = memory();
    let kind = over(&store, Options::default());
    let by_question_mark = kind.once(KEY).run(|_| async {
        let reply: Result<u32, String> = Err("reset".into());
        Ok::<u32, Failed<String>>(reply?)
    });
    assert_eq!(by_question_mark.await, Err(Undone::Unknown("reset".into())));
    let ledger = Ledger::default();
    let Err(Undone::InDoubt { reason: Reason::Unknown, quarantined: false, .. }) =
        order(&kind, &ledger).await
    else {
        panic!("not in doubt")
    };
    let not_sent = kind.once("b").run(|_| async {
        let port: u32 = "x".parse::<u32>().map_err(|error| error.to_string()).not_sent::<String>()?;
        Ok::<u32, Failed<String>>(port)
    });
    assert!(matches!(not_sent.await, Err(Undone::NotApplied(_))));
    assert_eq!(ledger.count(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_key_used_for_something_else_is_a_mistake() {
    let (store, _) = memory();
    let kind = over(&store, Options::default());
    let run =
        |args: &'static [u8]| kind.once("a").args(args).run(|_| async { Outcome::<u32, String>::Applied(1) });
    assert!(run(b"buy").await.is_ok());
    assert_eq!(run(b"sell").await, Err(Undone::Mismatch));
    let entity = |quantity| entity::order("X", entity::Side::Buy, quantity).intent("c-1").unwrap();
    let run = |id: Id| kind.once(id).run(|_| async { Outcome::<u32, String>::Applied(1) });
    assert!(run(entity("1.50")).await.is_ok());
    assert!(run(entity("1.5")).await.is_ok());
    let refused = run(entity("2")).await.unwrap_err();
    assert_eq!(refused.rejection().unwrap().code, Code::KeyReused);
    assert_eq!(kind.stats().mismatches, 2);
}

#[tokio::test(start_paused = true)]
async fn occurrences_tell_equal_wishes_apart_and_old_wishes_are_refused() {
    let (store, time) = memory();
    let kind = over(&store, Options::default());
    let run =
        |n, age| kind.once("a").occurrence(n).age(age).run(|_| async { Outcome::<u32, String>::Applied(1) });
    assert!(!run(0, secs(0)).await.unwrap().replayed);
    assert!(!run(1, secs(0)).await.unwrap().replayed);
    assert!(run(1, secs(0)).await.unwrap().replayed);
    time.advance(secs(73 * 3600));
    assert_eq!(run(1, secs(73 * 3600)).await, Err(Undone::Expired));
    let record = kind.guard().show(kind.key("a", 1)).await.unwrap();
    assert_eq!(record, None);
}

#[tokio::test(start_paused = true)]
async fn a_result_over_its_cap_is_not_kept_but_that_it_happened_is() {
    let (store, _) = memory();
    let kind = over(&store, Options { result: seawall_core::units::Size(10), ..Options::default() });
    let run = || kind.once("a").run(|_| async { Outcome::<String, String>::Applied("x".repeat(20)) });
    assert_eq!(run().await.unwrap().value.unwrap().len(), 20);
    assert_eq!(run().await, Err(Undone::ResultNotKept { truth: Truth::Applied }));
}

#[test]
fn a_name_for_people_has_at_most_512_bytes_and_tells_long_ids_apart() {
    let label = |id: &str| super::begin::label("shop", "order", id, 0, None);
    assert_eq!(&*label("7"), "shop:effect:order:7");
    assert_eq!(&*super::begin::label("shop", "order", "7", 2, None), "shop:effect:order:7#2");
    let (a, b) = (label(&"ü".repeat(300)), label(&format!("{}x", "ü".repeat(300))));
    assert!(a.len() <= 512 && b.len() <= 512 && a != b, "{a} {b}");
    assert!(a.starts_with("shop:effect:order:üü"));
    assert_ne!(label("a\nb"), label("a\rb"));
    assert!(!label("a\nb").contains('\n'));
    let key = Key::scoped("shop", "order", b"ann", b"7", 0);
    let scoped = super::begin::label("shop", "order", "7", 0, Some(key));
    assert_eq!(*scoped, *format!("shop:effect:order:7@{}", &key.to_string()[..8]));
}

#[test]
fn the_far_side_gets_a_uuid_that_follows_from_the_key_alone() {
    let text = super::ticket::downstream_key(Key::of("prod", "order", b"7", 0));
    let uuid = uuid::Uuid::try_parse(&text).unwrap();
    assert_eq!((uuid.get_version_num(), uuid.get_variant()), (8, uuid::Variant::RFC4122));
    assert_eq!(&*text, "77f8ff48-ce56-84f3-ba77-4d516b276618");
}

#[test]
fn names_that_would_not_read_back_are_refused() {
    let (store, _) = memory();
    assert_eq!(Guard::new("a:b", store.clone()).unwrap_err().key, "namespace");
    let guard = Guard::new("a", store).unwrap();
    assert!(guard.kind("", Options::default()).is_err());
    assert!(guard.kind("order", Options { attempts: 1001, ..Options::default() }).is_err());
}

#[tokio::test(start_paused = true)]
async fn a_person_decides_what_is_in_doubt_by_name_and_reason() {
    let (store, _) = memory();
    let notes = Notes::default();
    let guard = Guard::with("shop", store, default_clock(), notes.sink()).unwrap();
    let kind = guard.kind("order", Options::default()).unwrap();
    let key = kind.key(KEY, 0);
    let force = |by: &'static str, truth| {
        let guard = guard.clone();
        async move { guard.force(key, by, "seen on the statement", truth).await.map_err(|no| no.code) }
    };
    let applied = Resolution::Ended(Truth::Applied, Some(Arc::from(&b"42"[..])));
    assert_eq!(force("ana", applied.clone()).await, Err(Code::NoSuchThing));
    let run = kind.once(KEY).run(|_| async { Outcome::<u32, String>::Unknown("lost".into()) }).await;
    assert_eq!(run, Err(Undone::Unknown("lost".into())));
    assert_eq!(kind.stats().in_doubt, 1);
    let wanted = Wanted { state: Some("in-doubt".into()), after: None, limit: 10 };
    assert_eq!(guard.list(wanted).await.unwrap().records[0].0, key);
    assert_eq!(force(" ", applied.clone()).await, Err(Code::LeverUnsigned));
    assert_eq!(force("ana", applied).await, Ok(()));
    assert_eq!(order(&kind, &Ledger::default()).await, done(true));
    assert_eq!(kind.stats().in_doubt, 0);
    let cleared = Note::Cleared(seawall_core::effect::How::Forced);
    assert_eq!(notes.all(), [Note::InDoubt(Reason::Unknown), cleared]);
}
