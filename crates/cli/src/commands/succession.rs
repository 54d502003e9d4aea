//! Sockets that were there before this process, and the process that comes after it.

use std::time::Duration;

use listenfd::ListenFd;
use seawall_gateway::handover::{Successor, take_over};
use seawall_gateway::plan::Plan;
use seawall_gateway::{Gateway, Sockets};
use tokio::sync::mpsc::{Receiver, channel};
use tokio::time::{Instant, sleep};

use crate::output::{Failure, note};

/// How long callers who keep a connection have to send their next request on it, and be told that it is the last.
const LINGER: Duration = Duration::from_secs(1);
/// What the one before may take beyond a drain as long as ours.
const BEYOND: Duration = Duration::from_secs(60);
/// How often a successor's life is looked at.
const LOOK: Duration = Duration::from_millis(50);

/// Sockets of this process that it did not make.
#[derive(Default)]
pub(super) struct Inherited {
    pub(super) sockets: Sockets,
    /// Whoever passed them in has them still when this process has gone.
    pub(super) outlive: bool,
}

/// What there is: from whoever started this process, or from the one it takes over from. Then that one has gone when this
/// returns; nothing where nobody is there. Blocks.
pub(super) fn inherited(plan: &Plan, takes_over: bool) -> Result<Inherited, Failure> {
    let given = given(plan)?;
    if !given.listen.is_empty() || !takes_over {
        let outlive = !given.listen.is_empty();
        return Ok(Inherited { sockets: given, outlive });
    }
    if plan.listen.port() == 0 {
        return Err(Failure::bad_input("--take-over needs a port to take over: listen is on port 0"));
    }
    match take_over(plan.listen).map_err(Failure::failed)? {
        None => {
            note(format_args!("seawall: nobody serves {} yet, nothing is taken over", plan.listen));
            Ok(Inherited { sockets: given, outlive: false })
        }
        Some(taken) => {
            note(format_args!("seawall: taking over {}: whoever serves it lets its calls end", plan.listen));
            let sockets = taken.wait(plan.drain.saturating_mul(2) + BEYOND).map_err(Failure::failed)?;
            Ok(Inherited { sockets, outlive: false })
        }
    }
}

/// The sockets systemd, or whoever else starts programs that way (`LISTEN_FDS`), passed in. Which is which, their
/// addresses say.
fn given(plan: &Plan) -> Result<Sockets, Failure> {
    let mut sockets = Sockets::default();
    let mut passed = ListenFd::from_env();
    for place in 0..passed.len() {
        let unfit = |why: String| Failure::bad_input(format_args!("socket {place} of LISTEN_FDS {why}"));
        let listener = passed.take_tcp_listener(place).map_err(|why| unfit(format!("is unfit: {why}")))?;
        let Some(listener) = listener else { continue };
        let bound = listener.local_addr().map_err(|why| unfit(format!("has no address: {why}")))?;
        match bound {
            bound if bound == plan.listen => sockets.listen.push(listener),
            bound if bound == plan.admin && sockets.admin.is_none() => sockets.admin = Some(listener),
            bound => {
                return Err(unfit(format!(
                    "is bound to {bound}, which is neither listen ({}) nor admin ({}): write that address in both places",
                    plan.listen, plan.admin
                )));
            }
        }
    }
    Ok(sockets)
}

/// Those who come to take over, each when it is ready.
pub(super) fn successors(gateway: &mut Gateway) -> Result<Receiver<Successor>, Failure> {
    let (tell, successors) = channel(1);
    if let Some(way) = gateway.take_way() {
        std::thread::Builder::new()
            .name("seawall-way".to_owned())
            .spawn(move || while tell.blocking_send(way.next()).is_ok() {})
            .map_err(|why| Failure::failed(format_args!("cannot start: {why}")))?;
    }
    Ok(successors)
}

/// Lets callers go before the sockets are somebody else's.
pub(super) async fn linger(gateway: &Gateway) {
    gateway.part();
    sleep(LINGER).await;
}

/// Lets callers go before `successor` goes on. False where it died meanwhile: then all is as it was.
pub(super) async fn part(gateway: &Gateway, successor: &Successor) -> bool {
    let pid = successor.pid();
    note(format_args!("seawall: process {pid} takes over"));
    gateway.part();
    let until = Instant::now() + LINGER;
    while Instant::now() < until {
        if successor.has_gone() {
            gateway.carry_on();
            note(format_args!("seawall: process {pid} has gone, this one goes on"));
            return false;
        }
        sleep(LOOK).await;
    }
    true
}
