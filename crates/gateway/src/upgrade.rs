//! A connection that stops being HTTP: bytes are passed both ways until either side is done.

use http::Extensions;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::io::copy_bidirectional;

use crate::body::{Ending, Watch};
use crate::upstream::Upgraded;
use crate::watch::AtEnd;

/// Joins the caller's connection and the upstream's, once both have switched. Holds what the call holds until they part.
pub(crate) fn join(caller: Option<OnUpgrade>, answer: &mut Extensions, at_end: Box<AtEnd>) {
    let upstream = answer.remove::<Upgraded>().and_then(|upgraded| upgraded.take());
    let (Some(caller), Some(mut upstream)) = (caller, upstream) else {
        at_end.ended(Ending::Cut, 0);
        return;
    };
    tokio::spawn(async move {
        let Ok(caller) = caller.await else {
            at_end.ended(Ending::Cut, 0);
            return;
        };
        let mut caller = TokioIo::new(caller);
        // How two parties part who no longer speak HTTP is their own business.
        let bytes = copy_bidirectional(&mut caller, &mut upstream).await.map_or(0, |(_, down)| down);
        at_end.ended(Ending::Complete, bytes);
    });
}
