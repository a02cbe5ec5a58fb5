//! What was found, for people and for programs.

use std::fmt;

use serde::Serialize;

use crate::wire::Wire;

/// What an examination has found.
#[derive(Clone, Debug, Serialize)]
pub struct Diagnosis {
    /// What was examined.
    pub url: String,
    /// The proxy that it seems to be, if one shows itself.
    pub proxy: Option<String>,
    /// Everything that was looked at.
    pub findings: Vec<Finding>,
}

/// One thing that was looked at.
#[derive(Clone, Debug, Serialize)]
pub struct Finding {
    /// What, in a word.
    pub check: &'static str,
    /// On which wire, if on one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wire: Option<&'static str>,
    /// How it is.
    pub verdict: Verdict,
    /// In plain words.
    pub said: String,
    /// What to change.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub advice: Option<String>,
}

/// How something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// As it should be.
    Good,
    /// It works, and could be better.
    Fair,
    /// It does not work.
    Bad,
    /// It could not be looked at.
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
            0 => write!(f, "Streams get through."),
            1 => write!(f, "One thing does not work."),
            _ => write!(f, "{bad} things do not work."),
        }
    }
}
