//! The terminal: taken whole, drawn over, and given back as it was.

use std::io::{self, Write};

use rustix::termios::{
    LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcgetwinsize, tcsetattr,
};

use super::draw::Line;
use crate::output::Failure;

/// The other screen, no cursor, no wrapped lines.
const TAKE: &str = "\u{1b}[?1049h\u{1b}[?25l\u{1b}[?7l\u{1b}[2J";
const GIVE_BACK: &str = "\u{1b}[?7h\u{1b}[?25h\u{1b}[?1049l";

/// The terminal while it is ours. Dropping it gives it back, a panic's unwinding included.
pub(super) struct Screen {
    before: Option<Termios>,
}

impl Screen {
    /// Takes it. Keys come one by one and unseen, Ctrl-C among them, where stdin is the terminal.
    pub(super) fn take() -> Result<Self, Failure> {
        let before = tcgetattr(io::stdin()).ok();
        if let Some(before) = &before {
            let mut ours = before.clone();
            ours.local_modes -= LocalModes::ICANON | LocalModes::ECHO | LocalModes::ISIG;
            ours.special_codes[SpecialCodeIndex::VMIN] = 1;
            ours.special_codes[SpecialCodeIndex::VTIME] = 0;
            tcsetattr(io::stdin(), OptionalActions::Now, &ours)
                .map_err(|why| Failure::failed(format_args!("the terminal cannot be used: {why}")))?;
        }
        let screen = Self { before };
        write(TAKE)?;
        Ok(screen)
    }

    /// Draws lines made for its present size over what is there.
    pub(super) fn show(&self, lines: impl Fn(usize, usize) -> Vec<Line>) -> Result<(), Failure> {
        let size = tcgetwinsize(io::stdout()).ok().filter(|size| size.ws_col > 0 && size.ws_row > 0);
        let (width, height) =
            size.map_or((80, 24), |size| (usize::from(size.ws_col), usize::from(size.ws_row)));
        let mut text = String::from("\u{1b}[H");
        let lines = lines(width, height);
        for (place, line) in lines.iter().take(height).enumerate() {
            if place > 0 {
                text.push_str("\r\n");
            }
            text.push_str(&line.shown(width));
            text.push_str("\u{1b}[K");
        }
        text.push_str("\u{1b}[J");
        write(&text)
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        // A terminal that is gone needs nothing back.
        let _ = write(GIVE_BACK);
        if let Some(before) = &self.before {
            let _ = tcsetattr(io::stdin(), OptionalActions::Now, before);
        }
    }
}

fn write(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())
        .and_then(|()| out.flush())
        .map_err(|why| Failure::failed(format_args!("the terminal cannot be written: {why}")))
}
