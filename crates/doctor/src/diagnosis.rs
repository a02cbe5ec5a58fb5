//! The result of an examination, for people and for programs.

use std::fmt;

use serde::Serialize;

use crate::wire::Wire;

/// The result of an examination.
#[derive(Clone, Debug, Serialize)]
pub struct Diagnosis {
    /// The URL that was examined.
    pub url: String,
    /// The proxy on the path, if one reveals itself.
    pub proxy: Option<String>,
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

    pub(crate) fn on(self, wire: Wire) -> Self {
        Self { wire: Some(wire.name()), ..self }
    }

    pub(crate) fn advise(self, advice: String) -> Self {
        Self { advice: Some(advice), ..self }
    }
}

impl Diagnosis {
    /// Whether everything works.
    pub fn is_good(&self) -> bool {
        self.findings.iter().all(|finding| finding.verdict != Verdict::Bad)
    }
}

impl fmt::Display for Diagnosis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.url)?;
        for finding in &self.findings {
            let mark = match finding.verdict {
                Verdict::Good => "ok",
                Verdict::Fair => "fair",
                Verdict::Bad => "BAD",
                Verdict::Unknown => "?",
            };
            let wire = finding.wire.unwrap_or_default();
            writeln!(f, "  {mark:<5}{:<12}{wire:<9}{}", finding.check, finding.said)?;
            if let Some(advice) = &finding.advice {
                writeln!(f, "{:28}→ {advice}", "")?;
            }
        }
        let bad = self.findings.iter().filter(|one| one.verdict == Verdict::Bad).count();
        match bad {
            0 => write!(f, "Streams work."),
            1 => write!(f, "One thing does not work."),
            _ => write!(f, "{bad} things do not work."),
        }
    }
}
