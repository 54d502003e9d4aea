//! Whoever does effects: a kind of process that can be started, told what to do, listened to, and killed.
//!
//! Workers do them with the library, [gateways](super::gateway) for whoever calls them. Whatever else implements
//! [`Doer`] joins a campaign: it starts a process, turns [`Order`]s into what that understands, and says in [`Said`]
//! what became of them.

use std::io;
use std::path::PathBuf;
use std::process::Stdio;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::mpsc;

use crate::words::{Order, Said, line};

/// Starts processes that do effects.
pub trait Doer: Send + Sync + 'static {
    /// Starts one for that slot; the one before it there is dead.
    fn start(&self, slot: usize) -> io::Result<Hand>;
}

/// A process that does effects.
#[derive(Debug)]
pub struct Hand {
    /// The process. It is killed when this is dropped.
    pub child: Child,
    /// What it is told.
    pub orders: mpsc::UnboundedSender<Order>,
    /// What it says; ends when all is heard that it said before it died.
    pub said: mpsc::UnboundedReceiver<Said>,
    /// One that ends before it is up is started again, as whoever supervises a service does it: its store may be gone
    /// just then. Otherwise that is the end of the run.
    pub supervised: bool,
}

/// Workers of this program.
#[derive(Debug, Clone)]
pub struct Workers {
    /// This program.
    pub program: PathBuf,
    /// The arguments of each slot.
    pub args: Vec<Vec<String>>,
    /// What is set in their environment.
    pub env: Vec<(String, String)>,
}

impl Doer for Workers {
    fn start(&self, slot: usize) -> io::Result<Hand> {
        let mut command = Command::new(&self.program);
        command.arg("worker").args(&self.args[slot]).envs(self.env.iter().map(|(name, value)| (name, value)));
        hand(command)
    }
}

/// Starts a process that is told by its input and says by its output, a line each.
pub fn hand(mut command: Command) -> io::Result<Hand> {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn()?;
    let (orders, mut told) = mpsc::unbounded_channel::<Order>();
    let (say, said) = mpsc::unbounded_channel();
    if let Some(mut input) = child.stdin.take() {
        tokio::spawn(async move {
            while let Some(order) = told.recv().await {
                if input.write_all(line(&order).as_bytes()).await.is_err() {
                    return;
                }
            }
        });
    }
    if let Some(output) = child.stdout.take() {
        tokio::spawn(async move {
            let mut lines = BufReader::new(output).lines();
            while let Ok(Some(line)) = lines.next_line().await {
                // Half a line is what a death in the middle of a word leaves: nobody has heard it.
                if let Ok(said) = serde_json::from_str::<Said>(&line)
                    && say.send(said).is_err()
                {
                    return;
                }
            }
        });
    }
    Ok(Hand { child, orders, said, supervised: false })
}
