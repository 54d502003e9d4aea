//! A mail, as text and as HTML.

use std::fmt::Write as _;
use std::time::Duration;

use lettre::message::{Mailbox, Mailboxes, MultiPart, header};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, Tls as Wire, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use lettre::{AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor};
use seawall_core::secret::Secret;

use super::{Channel, Delivering, Failure, Tls};
use crate::alerts::{Item, Kind, Notice, timestamp};

/// For one exchange with the server.
const PATIENCE: Duration = Duration::from_secs(20);

/// Alerts written out in one mail.
const ALERTS: usize = 200;

pub(super) struct Email {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
    to: Mailboxes,
}

/// A server that takes mail.
pub(super) struct Server<'s> {
    pub(super) host: &'s str,
    pub(super) port: u16,
    pub(super) tls: Tls,
    pub(super) ca: Option<&'s [u8]>,
    pub(super) login: Option<(String, Secret)>,
}

impl Email {
    pub(super) fn new(server: Server<'_>, from: Mailbox, to: Mailboxes) -> Result<Self, String> {
        let mut parameters = TlsParameters::builder(server.host.to_owned());
        if let Some(pem) = server.ca {
            let wrong = |error| format!("not a PEM certificate: {error}");
            parameters = parameters.add_root_certificate(Certificate::from_pem(pem).map_err(wrong)?);
        }
        let secured = || parameters.build().map_err(|error| error.to_string());
        let wire = match server.tls {
            Tls::Implicit => Wire::Wrapper(secured()?),
            Tls::Starttls => Wire::Required(secured()?),
            Tls::None => Wire::None,
        };
        let mut transport = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(server.host)
            .port(server.port)
            .tls(wire)
            .timeout(Some(PATIENCE))
            .hello_name(ClientId::Domain("seawall".to_owned()));
        if let Some((user, password)) = server.login {
            transport = transport.credentials(Credentials::new(user, password.expose().to_owned()));
        }
        Ok(Self { transport: transport.build(), from, to })
    }

    fn message(&self, notice: &Notice) -> Result<Message, Failure> {
        let host = self.from.email.domain();
        let mut message = Message::builder()
            .from(self.from.clone())
            .subject(notice.headline())
            .message_id(Some(format!("<{}@{host}>", notice.id)))
            .header(header::MIME_VERSION_1_0);
        for to in self.to.iter() {
            message = message.to(to.clone());
        }
        let body = MultiPart::alternative_plain_html(text(notice), html(notice));
        message
            .multipart(body)
            .map_err(|error| Failure::refused(format!("the mail cannot be written: {error}")))
    }
}

/// The mail for those who read text.
pub(super) fn text(notice: &Notice) -> String {
    let mut out = String::new();
    for item in notice.items.iter().take(ALERTS) {
        let _ = writeln!(
            out,
            "{}\r\n  {}\r\n  {}\r\n  since {}\r\n\r",
            item.headline(),
            item.summary,
            item.why,
            timestamp(item.since)
        );
    }
    if notice.items.len() > ALERTS {
        let _ = writeln!(out, "and {} more\r\n\r", notice.items.len() - ALERTS);
    }
    let _ = writeln!(out, "-- \r\nseawall, {}, notice {}\r", timestamp(notice.at), notice.id);
    out
}

/// The mail for everybody else. No picture and no link: nothing is fetched when it is opened.
pub(super) fn html(notice: &Notice) -> String {
    let mut rows = String::new();
    for item in notice.items.iter().take(ALERTS) {
        let cells = [&item.headline(), &item.summary, &item.why].map(|text| escaped(text));
        let [headline, summary, why] = cells;
        let (colour, since) = (colour(item), timestamp(item.since));
        let _ = write!(
            rows,
            "<tr><td style=\"border-left:6px solid {colour};padding:8px 12px\"><b>{headline}</b><br>{summary}<br>\
             <small>{why}<br>since {since}</small></td></tr>"
        );
    }
    if notice.items.len() > ALERTS {
        let _ = write!(rows, "<tr><td>and {} more</td></tr>", notice.items.len() - ALERTS);
    }
    let (title, foot) = (
        escaped(&notice.headline()),
        escaped(&format!("seawall, {}, notice {}", timestamp(notice.at), notice.id)),
    );
    format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>{title}</title></head>\
         <body style=\"font-family:sans-serif\"><table style=\"border-spacing:0 8px\">{rows}</table>\
         <p><small>{foot}</small></p></body></html>"
    )
}

fn colour(item: &Item) -> &'static str {
    use seawall_policy::alert::Severity;
    match (item.kind, item.severity) {
        (Kind::Resolved | Kind::Test, _) => "#2e7d32",
        (_, Severity::Info) => "#1565c0",
        (_, Severity::Warning) => "#b26a00",
        (_, Severity::Error | Severity::Critical) => "#b3261e",
    }
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            c => out.push(c),
        }
    }
    out
}

impl Channel for Email {
    fn deliver<'a>(&'a self, notice: &'a Notice) -> Delivering<'a> {
        Box::pin(async move {
            let message = self.message(notice)?;
            match self.transport.send(message).await {
                Ok(answer) => Ok(answer.code().to_string()),
                Err(error) => Err(judge(&error)),
            }
        })
    }

    fn kind(&self) -> &'static str {
        "email"
    }
}

/// What a server said; never what was said to it.
fn judge(error: &lettre::transport::smtp::Error) -> Failure {
    match error.status() {
        // 535 and its like are about the login, and may be mended while the notice waits.
        Some(code) if error.is_permanent() && !matches!(u16::from(code), 530..=538) => {
            Failure::refused(format!("the server answered {code}"))
        }
        Some(code) => Failure::later(format!("the server answered {code}")),
        None if error.is_timeout() => Failure::unknown("the server did not answer in time"),
        None if error.is_tls() => Failure::later("TLS with the server failed"),
        None => Failure::unknown("the server cannot be reached, or does not speak SMTP"),
    }
}
