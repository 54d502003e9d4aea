//! Connections that stop speaking HTTP.

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::server::*;
use crate::upstream::Upgraded;

#[tokio::test]
async fn an_upgraded_connection_leaves_the_pool_and_speaks_for_itself() {
    let server = serve(|_, mut peer| async move {
        peer.request().await;
        peer.say("HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\nwelcome ")
            .await;
        let mut stream = peer.into_stream();
        let (mut reader, mut writer) = stream.split();
        let _ = tokio::io::copy(&mut reader, &mut writer).await;
    })
    .await;
    let pool = pool(&server);
    let mut asking = request("GET", "/", full(""));
    asking.headers_mut().insert("connection", "upgrade".parse().unwrap());
    asking.headers_mut().insert("upgrade", "echo".parse().unwrap());
    let mut answer = send(&pool, asking).await.unwrap();
    assert_eq!(answer.status(), 101);
    let upgraded = answer.extensions_mut().remove::<Upgraded>().unwrap();
    assert_eq!(read(answer).await.unwrap().0, "");
    let mut line = upgraded.take().unwrap();
    assert!(upgraded.take().is_none());
    line.write_all(b"and back").await.unwrap();
    let mut heard = [0; 16];
    line.read_exact(&mut heard).await.unwrap();
    assert_eq!(&heard, b"welcome and back");
    assert_eq!((pool.idle(), pool.open_connections()), (0, 1));
    drop(line);
    eventually("closed with it", || pool.open_connections() == 0).await;
}
