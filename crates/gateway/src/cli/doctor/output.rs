//! The output of `tricast doctor`: the result on standard output, each finding when it is known or
//! all as one JSON document; on a terminal also a line that shows what it does.

use std::{
    cell::RefCell,
    io::{self, Write as _},
    time::{Duration, Instant},
};

use tricast_doctor::{Diagnosis, Event};

use crate::settings::range::time_text;

/// Erases the status line.
const ERASE: &str = "\r\x1b[2K";

/// Prints an examination while it runs.
pub(super) struct Output {
    json: bool,
    /// Whether standard error is a terminal, which shows a status line.
    terminal: bool,
    status: RefCell<Status>,
}

/// What the examination does.
struct Status {
    text: String,
    since: Instant,
    /// How long this may take, if that is known.
    longest: Option<Duration>,
}

impl Output {
    pub(super) fn new(json: bool, terminal: bool) -> Self {
        let status = Status { text: "begins".to_owned(), since: Instant::now(), longest: None };
        Self { json, terminal, status: RefCell::new(status) }
    }

    pub(super) fn begin(&self, url: &str) -> io::Result<()> {
        if self.json { Ok(()) } else { self.print(url) }
    }

    pub(super) fn show(&self, event: Event<'_>) {
        match event {
            Event::Begins { check, wire } => {
                let text = [check, wire.unwrap_or_default()].join(" ").trim_end().to_owned();
                self.set_status(Status { text, since: Instant::now(), longest: None });
            }
            Event::Waits(longest) => self.status.borrow_mut().longest = Some(longest),
            Event::Watches(idle) => {
                self.clear_status();
                // Standard output is for the result alone, which may be a JSON document.
                eprintln!("watching silent streams for {}", time_text(idle));
                self.status.borrow_mut().longest = Some(idle);
            }
            Event::Found(finding) if !self.json => {
                self.clear_status();
                // A closed output does not matter until the end, which reports it.
                let _ = self.print(&finding.to_string());
            }
            _ => {}
        }
    }

    /// Prints what is left to print: the whole document, or the conclusion.
    pub(super) fn end(&self, diagnosis: &Diagnosis) -> anyhow::Result<()> {
        let text = match self.json {
            true => serde_json::to_string_pretty(diagnosis)?,
            false => diagnosis.conclusion(),
        };
        Ok(self.print(&text)?)
    }

    /// Prints lines at once, also into a pipe.
    fn print(&self, text: &str) -> io::Result<()> {
        let mut output = io::stdout().lock();
        writeln!(output, "{text}")?;
        output.flush()
    }

    fn set_status(&self, status: Status) {
        self.status.replace(status);
        self.draw_status();
    }

    /// Shows on a terminal what the examination does, and for how long.
    pub(super) fn draw_status(&self) {
        if !self.terminal {
            return;
        }
        let status = self.status.borrow();
        let seconds = status.since.elapsed().as_secs();
        let longest = status.longest.map(|time| format!(" of at most {} s", time.as_secs()));
        // The terminal may be closed.
        let _ = write!(
            io::stderr(),
            "{ERASE}  … {} ({seconds} s{})",
            status.text,
            longest.unwrap_or_default()
        );
    }

    pub(super) fn clear_status(&self) {
        if self.terminal {
            let _ = write!(io::stderr(), "{ERASE}");
        }
    }
}
