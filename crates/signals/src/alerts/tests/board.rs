use seawall_core::event::Fact;

use super::*;
use crate::alerts::Unsilenced;
use crate::alerts::lane::QUEUE;

const DOWN: &str = "breaker_open{upstream='exchange'} > 0";

fn exchange() -> World {
    World::new(vec![rule("exchange_down", DOWN, 30)], &[outlet("ops")])
}

const ID: &str = "exchange_down:exchange";

#[test]
fn an_outage_is_told_once_and_its_end_once_and_the_trace_says_why() {
    let mut w = exchange();
    let open = w.gauge("exchange");
    w.step();
    assert_eq!((w.alert("exchange_down").state.as_str(), w.alert("exchange_down").value), ("ok", Some(0.0)));
    open.set(1.0);
    w.pass(10);
    let pending = w.alert(ID);
    assert_eq!((pending.state.as_str(), pending.fires_in_seconds), ("pending", Some(21.0)));
    assert_eq!(w.said(), [] as [&str; 0]);
    w.pass(21);
    let told = w.deliver();
    assert_eq!(told.len(), 1);
    let item = &told[0].items[0];
    assert_eq!(
        (item.rule.as_str(), item.value, item.summary.as_str()),
        ("exchange_down", Some(1.0), "the exchange is down")
    );
    assert_eq!(item.why, "breaker_open{upstream='exchange'} > 0 holds (1)");
    assert_eq!(w.alert(ID).since.as_deref(), Some("2027-01-15T08:00:31Z"));
    w.pass(600);
    assert_eq!(w.said(), [] as [&str; 0], "once is enough");
    open.set(0.0);
    w.pass(1);
    assert_eq!(w.said(), ["[resolved] exchange_down:exchange is over"]);
    assert_eq!(
        w.why(ID),
        [
            "pending: breaker_open{upstream='exchange'} > 0 holds (1), it fires when that lasts 30s",
            "active: breaker_open{upstream='exchange'} > 0 has held for 30s (1)",
            "ops: a notice is on its way",
            "ops: told (200, 0s)",
            "resolved: all is well (0)",
            "ops: a notice is on its way",
            "ops: told (200, 0s)",
        ]
    );
    let moves: Vec<&str> = (w.told.iter())
        .filter_map(|event| match &event.fact {
            Fact::Alert { to, .. } => Some(*to),
            _ => None,
        })
        .collect();
    assert_eq!(moves, ["pending", "active", "resolved"]);
}

#[test]
fn a_rule_without_its_metric_has_no_data_and_says_so() {
    let mut w = exchange();
    w.pass(100);
    let alert = w.alert("exchange_down");
    assert_eq!((alert.state.as_str(), alert.send.as_slice()), ("no-data", &["ops".to_owned()][..]));
    assert_eq!(w.said(), [] as [&str; 0]);
}

#[test]
fn silence_hides_an_alert_says_who_and_why_and_ends() {
    let mut w = exchange();
    let open = w.gauge("exchange");
    open.set(1.0);
    w.pass(20);
    let now = w.at();
    let unknown = w.board.silence("nobody", secs(60), ("ann", "lunch"), now).unwrap_err();
    assert_eq!(unknown.to_string(), "no alert is called \"nobody\": there are exchange_down");
    let long = w.board.silence(ID, secs(90 * 86_400), ("ann", "lunch"), now).unwrap_err();
    assert_eq!(long, Unsilenced::TooLong(secs(90 * 86_400)));
    w.board.silence("exchange_down", secs(3600), ("ann", "it is being mended"), now).unwrap();
    w.pass(100);
    assert_eq!(w.said(), [] as [&str; 0]);
    let alert = w.alert(ID);
    let silenced = alert.silenced.unwrap();
    assert_eq!((alert.state.as_str(), silenced.by.as_str()), ("silenced", "ann"));
    assert!(w.why(ID).contains(&"ops: not told: it is silenced".to_owned()), "{:?}", w.why(ID));
    assert!(w.why(ID).contains(&"silenced for 1h by ann: it is being mended".to_owned()));
    w.pass(3500);
    assert_eq!(w.said(), ["[warning] exchange_down:exchange is active"], "still so when the silence is over");
    let now = w.at();
    w.board.silence(ID, secs(3600), ("bob", "again"), now).unwrap();
    open.set(0.0);
    w.pass(10);
    assert_eq!(w.said(), [] as [&str; 0]);
    let now = w.at();
    w.board.silence(ID, secs(0), ("bob", "done"), now).unwrap();
    w.pass(1);
    assert_eq!(w.said(), ["[resolved] exchange_down:exchange is over"]);
}

#[test]
fn a_channel_that_is_down_for_an_hour_is_told_everything_in_order_when_it_is_back() {
    let mut w = exchange();
    let open = w.gauge("exchange");
    open.set(1.0);
    let mut attempts = 0;
    for second in 0..3600 {
        w.pass(1);
        attempts += u32::from(w.fail("no answer in time"));
        if second == 1800 {
            open.set(0.0);
        }
    }
    assert!((10..40).contains(&attempts), "{attempts} attempts in an hour");
    let channel = &w.board.view().channels[0];
    assert_eq!((channel.state.as_str(), channel.waiting), ("failing", 2));
    w.pass(300);
    assert_eq!(
        w.said(),
        ["[warning] exchange_down:exchange is active", "[resolved] exchange_down:exchange is over"]
    );
    assert_eq!(w.board.view().channels[0].state, "ok");
    let why = w.why(ID);
    assert!(why.contains(&"ops: attempt 1 failed: no answer in time".to_owned()), "{why:?}");
    let troubles = w.told.iter().filter(|event| matches!(event.fact, Fact::AlertTrouble { .. })).count();
    assert_eq!(troubles, 1, "that it is failing is told once");
}

#[test]
fn what_waited_for_too_long_is_dropped_with_a_note_and_what_is_still_so_is_told_anew() {
    let mut ops = outlet("ops");
    ops.delivery.expire = secs(600);
    let mut w = World::new(vec![rule("exchange_down", DOWN, 0)], &[ops]);
    let open = w.gauge("exchange");
    open.set(1.0);
    for _ in 0..650 {
        w.pass(1);
        w.fail("no answer in time");
    }
    let lost = "ops: dropped undelivered: it could not be delivered for 10m: no answer in time";
    assert!(w.why(ID).contains(&lost.to_owned()), "{:?}", w.why(ID));
    assert_eq!(w.board.view().channels[0].dropped, 1);
    w.pass(300);
    assert_eq!(w.said(), ["[warning] exchange_down:exchange is active"]);
    // And once more, with the end within the time in which nothing arrives: nobody heard of it, so nobody hears of its end.
    open.set(0.0);
    w.pass(1);
    assert_eq!(w.said().len(), 1);
    open.set(1.0);
    for second in 0..650 {
        w.pass(1);
        w.fail("no answer in time");
        if second == 300 {
            open.set(0.0);
        }
    }
    w.pass(200);
    assert_eq!(w.said(), [] as [&str; 0]);
}

#[test]
fn one_notice_that_is_refused_does_not_hold_up_the_others() {
    let mut w = World::new(vec![rule("any_down", "breaker_open > 0", 0)], &[outlet("ops")]);
    w.gauge("a").set(1.0);
    w.gauge("b").set(1.0);
    w.pass(1);
    for _ in 0..3 {
        let now = w.at();
        let notice = w.next().unwrap();
        assert_eq!(notice.items[0].id, "any_down:a");
        w.board.ended(0, &notice.id, &Err(Failure::refused("it answered 400")), (0.0, secs(0)), now);
        w.pass(20);
    }
    assert!(w.why("any_down:a").contains(&"ops: given up after 3 attempts: it answered 400".to_owned()));
    assert_eq!(w.deliver()[0].items[0].id, "any_down:b");
}

#[test]
fn a_queue_is_bounded_and_the_oldest_leaves() {
    let mut w = World::new(vec![rule("any_down", "breaker_open > 0", 0)], &[outlet("ops")]);
    for n in 0..QUEUE + 7 {
        w.gauge(&format!("u{n}")).set(1.0);
    }
    w.pass(1);
    let channel = &w.board.view().channels[0];
    assert_eq!((channel.waiting, channel.dropped), (QUEUE as u64, 7));
    w.pass(1);
    assert_eq!(
        w.board.view().channels[0].dropped,
        14,
        "what is still so is told again, and takes another's place"
    );
}

#[test]
fn a_channel_may_ask_for_everything_that_is_bad_enough() {
    let mut all = outlet("all");
    all.all = Some(seawall_policy::alert::Severity::Critical);
    let mut loud = rule("loud", "breaker_open > 0", 0);
    loud.severity = seawall_policy::alert::Severity::Critical;
    let quiet = rule("quiet", "breaker_open > 0", 0);
    let mut w = World::new(vec![loud, quiet], &[all]);
    w.gauge("a").set(1.0);
    w.pass(1);
    assert_eq!(w.said(), ["[critical] loud:a is active"]);
}

#[test]
fn a_test_goes_to_its_channel_alone() {
    let mut w = exchange();
    let now = w.at();
    assert!(!w.board.test("nobody", "ann", now));
    assert!(w.board.test("ops", "ann", now));
    w.board.written = w.board.changed;
    assert_eq!(w.said(), ["[test] ops works"]);
}

#[test]
fn a_rule_that_is_gone_is_told_to_be_over() {
    let mut w = exchange();
    w.gauge("exchange").set(1.0);
    w.pass(40);
    assert_eq!(w.said().len(), 1);
    let saved = w.board.save(w.at());
    w.board = Board::restored(vec![rule("other", "x > 0", 0)], &[outlet("ops")], &saved, w.at()).unwrap();
    w.pass(1);
    let told = w.deliver();
    assert_eq!(told[0].headline(), "[resolved] exchange_down:exchange is over");
    assert_eq!(told[0].items[0].why, "its rule or its metric is gone");
    w.pass(1);
    assert!(w.board.traces.is_empty(), "nothing is remembered of it");
}

#[test]
fn the_same_rule_with_another_condition_goes_on() {
    let mut w = exchange();
    w.gauge("exchange").set(1.0);
    w.pass(40);
    assert_eq!(w.said().len(), 1);
    let saved = w.board.save(w.at());
    let longer = rule("exchange_down", DOWN, 3600);
    w.board = Board::restored(vec![longer], &[outlet("ops")], &saved, w.at()).unwrap();
    w.pass(10);
    assert_eq!((w.alert(ID).state.as_str(), w.said().len()), ("active", 0));
}
