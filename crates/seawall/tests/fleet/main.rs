//! A fleet of real processes and a real server, which is killed on the way.

mod server;
mod worker;

use std::time::Duration;

use server::Server;
use worker::{Line, Worker};

/// What the fleet may let through: so many in each span.
const COUNT: usize = 40;
const SPAN: Duration = Duration::from_millis(200);

/// At most so many grants fit into this much time, wherever its spans begin; a part of a span at each end, and a hundredth
/// of a second for the way from the store to the clock of the process.
fn most(time: Duration) -> usize {
    COUNT * ((time + Duration::from_millis(10)).as_millis().div_ceil(SPAN.as_millis()) as usize + 1)
}

fn passed(lines: &[Line], from: Duration, to: Duration) -> usize {
    lines.iter().filter(|line| line.what == "passed" && (from..to).contains(&line.at)).count()
}

fn both_say(workers: &[Worker; 2], what: &str, after: Duration) {
    for worker in workers {
        worker.waits_for(what, after);
    }
}

fn pause(time: Duration) {
    let (wait, mutex) = (std::sync::Condvar::new(), std::sync::Mutex::new(()));
    let guard = mutex.lock().expect("nobody else has it");
    drop(wait.wait_timeout_while(guard, time, |()| true));
}

#[test]
fn two_processes_keep_one_limit_together() {
    let Some(server) = Server::start() else { return };
    let workers = [Worker::start(&server), Worker::start(&server)];
    let from = workers.iter().map(Worker::ready).max().expect("two");
    pause(SPAN * 6);
    let ended = workers.map(Worker::end);
    let to = from + SPAN * 5;
    let each = ended.each_ref().map(|lines| passed(lines, from, to));
    let all: usize = each.iter().sum();
    assert!(all <= most(to - from), "{all} of {}", most(to - from));
    // And they do not only keep to it: they use it.
    assert!(all >= COUNT * 3, "{each:?}");
    assert!(each.iter().all(|one| *one > 0), "{each:?}");
}

#[test]
fn when_the_server_is_killed_each_takes_its_share_and_when_it_is_back_they_share_again() {
    let Some(mut server) = Server::start() else { return };
    let workers = [Worker::start(&server), Worker::start(&server)];
    both_say(&workers, "size 2", Duration::ZERO);
    pause(SPAN);
    let killed = worker::now();
    server.kill();
    both_say(&workers, "local", killed);
    let lost = worker::now();
    pause(SPAN * 5);
    let found = worker::now();
    server.start_again();
    both_say(&workers, "shared", found);
    let back = worker::now();
    pause(SPAN * 4);
    let ended = workers.map(Worker::end);
    for lines in &ended {
        // Its half, and what the edges of the first and the last span may add.
        let alone = passed(lines, lost, found);
        let spans = most(found - lost) / COUNT;
        assert!(alone <= COUNT / 2 * spans, "{alone} in {spans} spans");
        // In the first span it may have spent its half already.
        assert!(alone >= COUNT / 2 * 2, "{alone} in {spans} spans");
        let slowest = lines.iter().filter_map(Line::took).max().expect("calls");
        assert!(slowest < Duration::from_millis(250), "a call waited {slowest:?}");
    }
    // The first span is whatever each had left.
    let (from, to) = (back + SPAN, back + SPAN * 4);
    let all: usize = ended.iter().map(|lines| passed(lines, from, to)).sum();
    assert!(all <= most(to - from), "{all}");
    assert!(all >= COUNT, "{all}");
}

/// What a worker does; run by the others in a process of its own.
#[test]
#[ignore = "a part of the other tests"]
fn worker() {
    worker::run();
}
