//! A mail server that takes everything and remembers it.

use seawall_core::secret::Secret;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncWrite, AsyncWriteExt as _, BufReader};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::*;
use crate::alerts::channel::options::Options;

#[derive(Clone, Copy, PartialEq)]
enum Speaks {
    Plainly,
    Starttls,
    Implicit,
    /// Takes no mail for anybody.
    Refuses,
}

/// Everything a client said, over one connection, TLS or not.
async fn serve(listener: TcpListener, speaks: Speaks, tls: TlsAcceptor) -> Vec<String> {
    let (tcp, _) = listener.accept().await.unwrap();
    let mut said = Vec::new();
    if speaks == Speaks::Implicit {
        if let Ok(stream) = tls.accept(tcp).await {
            converse(stream, speaks, true, &mut said).await;
        }
        return said;
    }
    let Some(tcp) = converse(tcp, speaks, speaks != Speaks::Starttls, &mut said).await else { return said };
    if let Ok(stream) = tls.accept(tcp).await {
        said.push("-- tls --".to_owned());
        converse(stream, Speaks::Plainly, false, &mut said).await;
    }
    said
}

/// Talks until the client leaves, or asks for TLS.
async fn converse<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    speaks: Speaks,
    greet: bool,
    said: &mut Vec<String>,
) -> Option<S> {
    let mut stream = BufReader::new(stream);
    if greet || speaks == Speaks::Starttls {
        stream.write_all(b"220 test\r\n").await.ok()?;
    }
    let mut data = false;
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await.ok()? == 0 {
            return None;
        }
        let line = line.trim_end_matches(['\r', '\n']).to_owned();
        let answer = match (data, line.split(' ').next().unwrap_or("")) {
            (true, ".") => {
                data = false;
                "250 taken\r\n"
            }
            (true, _) => "",
            (_, "EHLO") if speaks == Speaks::Starttls => "250-test\r\n250 STARTTLS\r\n",
            (_, "EHLO") => "250-test\r\n250 AUTH PLAIN LOGIN\r\n",
            (_, "AUTH") => "235 welcome\r\n",
            (_, "RCPT") if speaks == Speaks::Refuses => "550 nobody here\r\n",
            (_, "DATA") => {
                data = true;
                "354 go on\r\n"
            }
            (_, "QUIT") => "221 bye\r\n",
            _ => "250 ok\r\n",
        };
        stream.write_all(answer.as_bytes()).await.ok()?;
        let upgrade = line == "STARTTLS";
        said.push(line);
        if upgrade {
            return Some(stream.into_inner());
        }
    }
}

async fn mailed(
    speaks: Speaks,
    change: impl FnOnce(&mut Options<Secret>),
) -> (Result<String, Failure>, Vec<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let pair = certificate();
    let home = tempfile::tempdir().unwrap();
    let ca = home.path().join("ca.pem");
    std::fs::write(&ca, &pair.0).unwrap();
    let serving = tokio::spawn(serve(listener, speaks, acceptor(&pair)));
    let mut options = Options {
        email: Some("Ann <ann@example.com>, bob@example.com".to_owned()),
        smtp: Some(format!("127.0.0.1:{port}")),
        ca: Some(ca),
        tls: Some(match speaks {
            Speaks::Plainly | Speaks::Refuses => Tls::None,
            Speaks::Starttls => Tls::Starttls,
            Speaks::Implicit => Tls::Implicit,
        }),
        ..Options::default()
    };
    change(&mut options);
    let say: Say = Arc::new(|_| {});
    let outlet = options.outlet("mail", &say).unwrap();
    let delivered = outlet.channel.deliver(&one()).await;
    drop(outlet);
    (delivered, serving.await.unwrap())
}

#[tokio::test]
async fn a_mail_arrives_in_both_forms_over_tls_and_with_a_login() {
    for speaks in [Speaks::Starttls, Speaks::Implicit] {
        let (delivered, said) = mailed(speaks, |options| {
            options.user = Some("ann".to_owned());
            options.password = Some(Secret::new("canary".to_owned()));
        })
        .await;
        assert_eq!(delivered, Ok("250".to_owned()));
        let all = said.join("\n");
        for part in [
            "MAIL FROM:<seawall@example.com>",
            "RCPT TO:<ann@example.com>",
            "RCPT TO:<bob@example.com>",
            "Subject: [critical] exchange_down:exchange is active",
            "Message-ID: <0190-a@example.com>",
            "Content-Type: multipart/alternative",
            "Content-Type: text/plain",
            "Content-Type: text/html",
            "the exchange is down",
        ] {
            assert!(all.contains(part), "{part} is not in\n{all}");
        }
        let login = said.iter().position(|line| line.starts_with("AUTH PLAIN")).unwrap();
        if speaks == Speaks::Starttls {
            let tls = said.iter().position(|line| line == "-- tls --").unwrap();
            assert!(tls < login, "nothing that matters is said before: {said:?}");
        }
    }
}

#[tokio::test]
async fn a_server_that_does_not_take_it_or_is_not_trusted_is_named() {
    let (refused, _) = mailed(Speaks::Refuses, |_| {}).await;
    let refused = refused.unwrap_err();
    assert_eq!((refused.why.as_str(), refused.refused), ("the server answered 550", true));
    let (stranger, said) = mailed(Speaks::Implicit, |options| options.ca = None).await;
    let stranger = stranger.unwrap_err();
    assert!(!stranger.refused && said.is_empty(), "{stranger:?} {said:?}");
    let (downgraded, said) = mailed(Speaks::Plainly, |options| options.tls = Some(Tls::Starttls)).await;
    assert!(downgraded.is_err());
    assert!(said.iter().all(|line| !line.starts_with("MAIL")), "nothing is said in the clear: {said:?}");
}
