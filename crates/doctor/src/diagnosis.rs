//! The result of an examination, for people and for programs.

use std::fmt;

use serde::Serialize;

use crate::{observer::Event, wire::Wire};

/// The result of an examination.
#[derive(Clone, Debug, Serialize)]
pub struct Diagnosis {
    /// The URL that was examined.
    pub url: String,
    /// The proxies that were detected on the path, the nearest to the client first.
    pub proxy: Option<String>,
    /// Whether all checks were made.
    pub complete: bool,
    /// The findings, in the order of the checks.
    pub findings: Vec<Finding>,
}

/// The result of one check.
#[derive(Clone, Debug, Serialize)]
pub struct Finding {
    /// The name of the check.
    pub check: &'static str,
    /// The wire, if the check is about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wire: Option<&'static str>,
    /// The verdict.
    pub verdict: Verdict,
    /// The finding in plain words.
    pub said: String,
    /// The advice: which setting to change.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub advice: Option<String>,
}

/// The verdict of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Everything is as it should be.
    Good,
    /// It works, and could be better.
    Fair,
    /// It does not work.
    Bad,
    /// The check could not be made.
    Unknown,
}

impl Finding {
    pub(crate) fn new(check: &'static str, verdict: Verdict, message: impl Into<String>) -> Self {
        Self { check, wire: None, verdict, said: message.into(), advice: None }
    }

    /// Reports that the examination was stopped at `stage`.
    pub(crate) fn stopped(stage: &str, reason: &str) -> Self {
        let message = format!("{reason} while checking {stage}");
        let advice = "the findings above are complete; run it again to get the others".to_owned();
        Self::new("breaks-off", Verdict::Unknown, message).advise(advice)
    }

    pub(crate) fn on(self, wire: Wire) -> Self {
        Self { wire: Some(wire.name()), ..self }
    }

    pub(crate) fn advise(self, advice: String) -> Self {
        Self { advice: Some(advice), ..self }
    }
}

impl Diagnosis {
    /// Whether everything was checked and works.
    pub fn is_good(&self) -> bool {
        self.complete && self.count_bad() == 0
    }

    fn count_bad(&self) -> usize {
        self.findings.iter().filter(|finding| finding.verdict == Verdict::Bad).count()
    }

    /// An examination that was stopped before it had found anything.
    pub(crate) fn stopped(url: String, reason: &str, observe: &dyn Fn(Event<'_>)) -> Self {
        let finding = Finding::stopped("whether the gateway answers", reason);
        observe(Event::Found(&finding));
        Self { url, proxy: None, complete: false, findings: vec![finding] }
    }

    /// Returns the sentence at the end of the findings.
    pub fn conclusion(&self) -> String {
        let bad = match self.count_bad() {
            0 => "Streams work.".to_owned(),
            1 => "One thing does not work.".to_owned(),
            bad => format!("{bad} things do not work."),
        };
        match (self.complete, self.count_bad()) {
            (true, _) => bad,
            (false, 0) => "Not everything was checked.".to_owned(),
            (false, _) => format!("{bad} Not everything was checked."),
        }
    }
}

impl fmt::Display for Diagnosis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.url)?;
        for finding in &self.findings {
            writeln!(f, "{finding}")?;
        }
        f.write_str(&self.conclusion())
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mark = match self.verdict {
            Verdict::Good => "ok",
            Verdict::Fair => "fair",
            Verdict::Bad => "BAD",
            Verdict::Unknown => "?",
        };
        let wire = self.wire.unwrap_or_default();
        write!(f, "  {mark:<5}{:<12}{wire:<9}{}", self.check, self.said)?;
        match &self.advice {
            Some(advice) => write!(f, "\n{:28}→ {advice}", ""),
            None => Ok(()),
        }
    }
}
