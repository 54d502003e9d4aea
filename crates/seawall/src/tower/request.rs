//! What a request can be asked before it goes: may it go again, and on what terms.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use seawall_core::verdict::Seen;
use seawall_core::{Effects, Verdict};

use crate::Priority;
use crate::classify::{self, Classify};
use crate::pipeline::{Cx, Keys};

/// Says how a request is had a second time. A closure `Fn(&Req) -> Option<Req>` is one.
#[diagnostic::on_unimplemented(
    message = "nothing says how `{Req}` is sent a second time",
    note = "a request that is not `Clone` wants `.once()`, or `.repeat(|request: &{Req}| …)` that makes another"
)]
pub trait Repeat<Req> {
    /// Another one just like it, or nothing where that cannot be.
    fn repeat(&self, request: &Req) -> Option<Req>;
}

impl<Req, F: Fn(&Req) -> Option<Req>> Repeat<Req> for F {
    fn repeat(&self, request: &Req) -> Option<Req> {
        self(request)
    }
}

/// A request is cloned.
#[derive(Debug, Clone, Copy, Default)]
pub struct Cloned;

impl<Req: Clone> Repeat<Req> for Cloned {
    fn repeat(&self, request: &Req) -> Option<Req> {
        Some(request.clone())
    }
}

/// A request goes once.
#[derive(Debug, Clone, Copy, Default)]
pub struct Never;

impl<Req> Repeat<Req> for Never {
    fn repeat(&self, _: &Req) -> Option<Req> {
        None
    }
}

/// Reads off a request on what terms its call is made. A closure `Fn(&Req) -> Terms` is one.
pub trait Read<Req> {
    /// The terms of this request's call, asked once.
    fn terms(&self, request: &Req) -> Terms;

    /// The request is about to go, in the attempt `cx` tells of: the place to write into it what the other side may know,
    /// such as [`Cx::downstream_key`] or [`Cx::remaining`]. By default nothing.
    fn stamp(&self, _request: &mut Req, _cx: &Cx) {}
}

impl<Req, F: Fn(&Req) -> Terms> Read<Req> for F {
    fn terms(&self, request: &Req) -> Terms {
        self(request)
    }
}

/// Every call on the pipeline's own terms.
#[derive(Debug, Clone, Copy, Default)]
pub struct AsBuilt;

impl<Req> Read<Req> for AsBuilt {
    fn terms(&self, _: &Req) -> Terms {
        Terms::default()
    }
}

/// One call's own settings, where they differ from the pipeline's: the words of [`Call`](crate::pipeline::Call).
#[derive(Default)]
pub struct Terms {
    /// How safe repeating is. Default the pipeline's word.
    pub effects: Option<Effects>,
    /// For the whole call, from the first poll of its future. Default the pipeline's deadline.
    pub deadline: Option<Duration>,
    /// Attempts the caller has already made itself. Default 0.
    pub fewer_attempts: u32,
    /// Whose credential the provider sees: its pauses hold only those who share it. Default 0, everybody's.
    pub credential: u64,
    /// Who goes first where calls wait. Default normal.
    pub priority: Priority,
    /// Whose call this is, under limits that are per key. Default none: it shares the key of all who have none.
    pub key: Option<Arc<str>>,
    /// The same, where different limits have different keys. Default none.
    pub keys: Option<Box<dyn Keys + Send>>,
    /// The caller's own id of what it intends, for [`Cx::downstream_key`]. Default none: one is drawn.
    pub idempotency_key: Option<Arc<str>>,
}

impl Terms {
    /// The pipeline's own terms, and this key under limits that are per key.
    pub fn keyed(key: impl Into<Arc<str>>) -> Self {
        Self { key: Some(key.into()), ..Self::default() }
    }
}

impl From<Effects> for Terms {
    fn from(effects: Effects) -> Self {
        Self { effects: Some(effects), ..Self::default() }
    }
}

impl fmt::Debug for Terms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Terms")
            .field("effects", &self.effects)
            .field("deadline", &self.deadline)
            .finish_non_exhaustive()
    }
}

/// HTTP by its own words: the method says how safe repeating is, status and headers what an answer means.
///
/// An `Err` of the service is taken as a lost reply. A client that knows better, because it could not even connect, is
/// heard with [`PipelineLayer::classify`](super::PipelineLayer::classify).
#[derive(Debug, Clone, Copy, Default)]
pub struct Http;

impl<B> Read<http::Request<B>> for Http {
    fn terms(&self, request: &http::Request<B>) -> Terms {
        classify::effects_of(request.method()).into()
    }
}

impl<B, E> Classify<http::Response<B>, E> for Http {
    fn classify(&self, outcome: &Result<http::Response<B>, E>) -> Verdict {
        match outcome {
            Ok(answer) => classify::http(answer.status(), answer.headers()),
            Err(_) => Verdict::of(Seen::ReplyLost),
        }
    }
}
