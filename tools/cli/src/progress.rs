// SPDX-License-Identifier: GPL-2.0

//! Progress on stderr, of what takes longer than two seconds.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::{
    io::{self, IsTerminal},
    time::{Duration, Instant},
};

/// How long something may take before its progress is shown.
const PATIENCE: Duration = Duration::from_secs(2);

/// How often a line is printed where a bar cannot be drawn.
const LINE_EVERY: Duration = Duration::from_secs(2);

/// How progress is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Style {
    /// Not at all.
    Off,
    /// As a bar that is redrawn.
    Bar,
    /// As lines, for a log.
    Lines,
}

/// Progress of one piece of work.
#[derive(Debug)]
pub struct Progress {
    bar: ProgressBar,
    what: String,
    style: Style,
    started: Instant,
    shown: bool,
    last_line: Instant,
}

impl Progress {
    /// Starts to watch work of `total` steps, or of unknown length if 0. Shows something only on a
    /// terminal, or if `forced`.
    pub fn new(what: &str, total: u64, forced: bool) -> Self {
        let style = match (io::stderr().is_terminal(), forced) {
            (true, _) => Style::Bar,
            (false, true) => Style::Lines,
            (false, false) => Style::Off,
        };
        let bar = ProgressBar::with_draw_target(
            (total > 0).then_some(total),
            ProgressDrawTarget::hidden(),
        );
        let template = if total > 0 {
            "{msg} [{bar:30}] {percent:>3} % {elapsed}, {eta} left"
        } else {
            "{msg} {spinner} {elapsed}"
        };
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style.progress_chars("=> "));
        }
        bar.set_message(what.to_owned());
        let now = Instant::now();
        Self {
            bar,
            what: what.to_owned(),
            style,
            started: now,
            shown: false,
            last_line: now,
        }
    }

    /// Says how far the work has come.
    pub fn set(&mut self, position: u64) {
        if self.style == Style::Off {
            return;
        }
        self.bar.set_position(position);
        let now = Instant::now();
        if now.duration_since(self.started) < PATIENCE {
            return;
        }
        match self.style {
            Style::Bar if !self.shown => self.bar.set_draw_target(ProgressDrawTarget::stderr()),
            Style::Lines if !self.shown || now.duration_since(self.last_line) >= LINE_EVERY => {
                self.last_line = now;
                match self.bar.length() {
                    Some(total) if total > 0 => {
                        eprintln!("{}: {} %", self.what, position.min(total) * 100 / total);
                    }
                    _ => eprintln!("{}: {} s", self.what, self.started.elapsed().as_secs()),
                }
            }
            _ => {}
        }
        self.shown = true;
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
