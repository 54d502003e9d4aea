//! One connection to the server, for as long as it works.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Cmd, ErrorKind, RedisConnectionInfo, RedisError, Value};
use seawall_core::store::StoreError;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::{Mutex, Notify};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};

use super::link::SIDE_BY_SIDE;
use super::shared::Shared;
use super::{examine, scripts, wire};

/// A connection that works, as far as is known. When one answer does not come in time, none behind it does: then the
/// whole connection is given up.
pub(super) struct Live {
    line: MultiplexedConnection,
    /// Its own, because whoever waits for replicas holds up everybody behind.
    grants: Option<MultiplexedConnection>,
    broken: Notify,
    /// How often the scripts were loaded.
    loads: AtomicU64,
    loading: Mutex<()>,
}

impl fmt::Debug for Live {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Live").finish_non_exhaustive()
    }
}

impl Live {
    /// A new connection, its scripts loaded and its server looked over, and what keeps it going.
    pub(super) async fn connect(shared: &Shared) -> Result<(Arc<Self>, JoinSet<()>), StoreError> {
        let deadline = Instant::now() + shared.options.timeout;
        let mut drivers = JoinSet::new();
        let opened = async {
            let line = open(shared, &mut drivers).await?;
            match shared.options.wait {
                Some(_) => Ok((line, Some(open(shared, &mut drivers).await?))),
                None => Ok((line, None)),
            }
        };
        let (line, grants) = timeout_at(deadline, opened).await.map_err(|_| silent(shared))??;
        let broken = Notify::new();
        let live =
            Arc::new(Self { line, grants, broken, loads: AtomicU64::new(0), loading: Mutex::default() });
        // First of all: a server that may not be used says so before it refuses a script.
        examine::look(shared, &live).await?;
        if !shared.looking {
            live.load(shared, 0, deadline).await?;
        }
        Ok((live, drivers))
    }

    /// Nothing it says is waited for any longer.
    pub(super) fn give_up(&self) {
        self.broken.notify_one();
    }

    /// When that has happened.
    pub(super) async fn given_up(&self) {
        self.broken.notified().await;
    }

    /// One step, and what it answered.
    pub(super) async fn step(
        &self,
        shared: &Shared,
        number: u32,
        command: &Cmd,
        deadline: Instant,
    ) -> Result<Vec<u8>, StoreError> {
        let mut line = self.line.clone();
        let seen = self.loads.load(Ordering::Relaxed);
        let mut said = self.within(shared, deadline, line.send_packed_command(command)).await?;
        if unloaded(&said) {
            self.load(shared, seen, deadline).await?;
            said = self.within(shared, deadline, line.send_packed_command(command)).await?;
        }
        let said = checked(said).inspect_err(|_| shared.look.notify_one())?;
        unread(number, said, self)
    }

    /// Several commands at once; each answer by itself, the server's errors included.
    pub(super) async fn batch(
        &self,
        shared: &Shared,
        commands: &[Cmd],
        deadline: Instant,
    ) -> Result<Vec<Value>, StoreError> {
        let seen = self.loads.load(Ordering::Relaxed);
        let mut said = self.all(shared, self.line.clone(), commands, deadline).await?;
        // Scripts the server does not know did nothing; the others are not run twice.
        let places: Vec<_> = (0..said.len()).filter(|place| unloaded(&said[*place])).collect();
        if !places.is_empty() {
            self.load(shared, seen, deadline).await?;
            let again: Vec<_> = places.iter().map(|place| commands[*place].clone()).collect();
            let answers = self.all(shared, self.line.clone(), &again, deadline).await?;
            for (place, answer) in places.into_iter().zip(answers) {
                said[place] = answer;
            }
        }
        Ok(said)
    }

    /// Several wishes, and how many replicas have received what they wrote.
    pub(super) async fn acknowledged(
        &self,
        shared: &Shared,
        commands: &[Cmd],
        deadline: Instant,
    ) -> Result<(Vec<Result<Value, StoreError>>, u32), StoreError> {
        let (Some(line), Some(wait)) = (self.grants.clone(), shared.options.wait) else {
            let said = self.batch(shared, commands, deadline).await?;
            return Ok((said.into_iter().map(checked).collect(), 0));
        };
        let mut together = commands.to_vec();
        let mut waiting = redis::cmd("WAIT");
        // Zero would wait for ever.
        let within = u64::try_from(wait.within.as_millis()).unwrap_or(u64::MAX).max(1);
        waiting.arg(wait.replicas).arg(within);
        together.push(waiting);
        let seen = self.loads.load(Ordering::Relaxed);
        let mut said = self.all(shared, line.clone(), &together, deadline + wait.within).await?;
        if said.iter().any(unloaded) {
            // The wait came too early for those: everything once more. A wish said twice is granted once.
            self.load(shared, seen, deadline).await?;
            said = self.all(shared, line, &together, deadline + wait.within).await?;
        }
        let replicas = match said.pop() {
            Some(Value::Int(replicas)) => u32::try_from(replicas).unwrap_or(0),
            _ => 0,
        };
        Ok((said.into_iter().map(checked).collect(), replicas))
    }

    /// Loads the scripts, unless somebody did since there were `seen` loads.
    async fn load(&self, shared: &Shared, seen: u64, deadline: Instant) -> Result<(), StoreError> {
        let one = self.loading.lock().await;
        if self.loads.load(Ordering::Relaxed) > seen {
            return Ok(());
        }
        let load = |source: &str| {
            let mut command = redis::cmd("SCRIPT");
            command.arg("LOAD").arg(source);
            command
        };
        let commands = scripts::ALL.map(load);
        let said = self.all(shared, self.line.clone(), &commands, deadline).await?;
        let digests = said.into_iter().map(|value| match checked(value)? {
            Value::BulkString(digest) => Ok(String::from_utf8_lossy(&digest).into_owned()),
            _ => Err(StoreError::Unavailable("the server did not load the scripts".into())),
        });
        if let Ok(digests) = digests.collect::<Result<Vec<_>, _>>()?.try_into() {
            // The same at every load: digests of the text.
            shared.digests.get_or_init(|| scripts::Digests(digests));
        }
        self.loads.fetch_add(1, Ordering::Relaxed);
        drop(one);
        Ok(())
    }

    async fn all(
        &self,
        shared: &Shared,
        mut line: MultiplexedConnection,
        commands: &[Cmd],
        deadline: Instant,
    ) -> Result<Vec<Value>, StoreError> {
        if commands.is_empty() {
            return Ok(Vec::new());
        }
        let mut together = redis::pipe();
        for command in commands {
            together.add_command(command.clone());
        }
        let sent = line.send_packed_commands(&together, 0, commands.len());
        let said = self.within(shared, deadline, sent).await?;
        match said.len() == commands.len() {
            true => Ok(said),
            false => {
                self.give_up();
                Err(StoreError::Unavailable("the server did not answer what it was asked".into()))
            }
        }
    }

    async fn within<T>(
        &self,
        shared: &Shared,
        deadline: Instant,
        said: impl Future<Output = Result<T, RedisError>>,
    ) -> Result<T, StoreError> {
        match timeout_at(deadline, said).await {
            Ok(Ok(said)) => Ok(said),
            Ok(Err(error)) => Err(failed(&error)),
            Err(_) => {
                self.give_up();
                Err(late(shared))
            }
        }
    }
}

async fn open(shared: &Shared, drivers: &mut JoinSet<()>) -> Result<MultiplexedConnection, StoreError> {
    let address = &shared.address;
    let unreached = |error: io::Error| StoreError::Unavailable(format!("{address}: {error}"));
    let stream = TcpStream::connect((address.host.as_str(), address.port)).await.map_err(unreached)?;
    stream.set_nodelay(true).map_err(unreached)?;
    let Some(tls) = &shared.tls else { return speak(shared, stream, drivers).await };
    let stream = tls.connector.connect(tls.name.clone(), stream).await.map_err(unreached)?;
    speak(shared, stream, drivers).await
}

/// Says who we are, on a stream to the server.
async fn speak(
    shared: &Shared,
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    drivers: &mut JoinSet<()>,
) -> Result<MultiplexedConnection, StoreError> {
    let (address, options) = (&shared.address, &shared.options);
    let mut info = RedisConnectionInfo::default().set_db(i64::from(address.database));
    if let Some(username) = &options.username {
        info = info.set_username(username);
    }
    if let Some(password) = &options.password {
        info = info.set_password(password.expose());
    }
    // We keep the time ourselves, and have room for everything that may be under way.
    let config = AsyncConnectionConfig::new()
        .set_response_timeout(None)
        .set_pipeline_buffer_size(SIDE_BY_SIDE as usize);
    let opened = MultiplexedConnection::new_with_config(&info, stream, config).await;
    let (line, driver) = opened.map_err(|error| failed(&error))?;
    drivers.spawn(driver);
    Ok(line)
}

/// The bytes of an answer, once it is certain whose it is.
pub(super) fn unread(number: u32, value: Value, live: &Live) -> Result<Vec<u8>, StoreError> {
    match value {
        Value::BulkString(reply) if wire::number(&reply) == Some(number) => Ok(reply),
        _ => {
            // Answers out of step are everybody's.
            live.give_up();
            Err(StoreError::Unavailable("the server answered something else than it was asked".into()))
        }
    }
}

/// An answer, or the server's error as one of ours.
pub(super) fn checked(value: Value) -> Result<Value, StoreError> {
    match value {
        Value::ServerError(error) => Err(refused(error.code(), error.details())),
        value => Ok(value),
    }
}

fn unloaded(value: &Value) -> bool {
    matches!(value, Value::ServerError(error) if error.code() == "NOSCRIPT")
}

fn failed(error: &RedisError) -> StoreError {
    match error.code() {
        // The client keeps the server's word for it to itself.
        _ if error.kind() == ErrorKind::AuthenticationFailed => refused("WRONGPASS", None),
        Some(code) => refused(code, error.detail()),
        None => StoreError::Unavailable(format!("the connection failed: {error}; it may have been taken in")),
    }
}

fn refused(code: &str, detail: Option<&str>) -> StoreError {
    let text = format!("{code} {}", detail.unwrap_or_default());
    match code {
        "OOM" => StoreError::Full(text),
        "NOAUTH" => StoreError::Unavailable(format!(
            "the server asks for a password, and has been given none: {text}"
        )),
        "WRONGPASS" => StoreError::Unavailable(format!("the server knows another user or password: {text}")),
        "NOPERM" => StoreError::Unavailable(format!("the server allows this user too little: {text}")),
        "UNREADABLE" => StoreError::Unreadable(detail.unwrap_or_default().to_owned()),
        "WRONGTYPE" => StoreError::Unreadable(format!("something else is where records are kept: {text}")),
        // A script that cannot take a record apart.
        "ERR" if text.contains("data string too short") => {
            StoreError::Unreadable(format!("the record is damaged: {text}"))
        }
        _ => StoreError::Unavailable(format!("the server refused: {text}")),
    }
}

fn silent(shared: &Shared) -> StoreError {
    let (address, patience) = (&shared.address, shared.options.timeout);
    let hint = if address.tls { "; does it speak TLS?" } else { "" };
    StoreError::Unavailable(format!("{address}: no answer within {patience:?}{hint}"))
}

fn late(shared: &Shared) -> StoreError {
    StoreError::Unavailable(format!(
        "no answer within {:?}; it may have been taken in",
        shared.options.timeout
    ))
}
