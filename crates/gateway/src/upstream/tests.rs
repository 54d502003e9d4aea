//! Loopback upstreams that do exactly what a test tells them, and what the pool makes of them.

mod desync;
mod framing;
mod h2;
mod honesty;
mod random;
mod reuse;
mod server;
mod tls;
mod upgrade;
