//! A settings file: its bytes, and their place in errors.

use std::{
    fs,
    os::unix::fs::FileTypeExt as _,
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use toml::Table;

/// A settings file that is TOML.
#[derive(Debug)]
pub(crate) struct SettingsFile {
    pub(super) path: PathBuf,
    pub(super) table: Table,
}

impl SettingsFile {
    /// Reads the bytes of a file, or what comes through a pipe.
    ///
    /// # Errors
    /// When it cannot be read, or is a folder or a pipe through which nothing comes.
    pub(super) fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
        let named = || path.display().to_string();
        let kind = fs::metadata(path).with_context(named)?.file_type();
        anyhow::ensure!(!kind.is_dir(), "{}: this is a folder; name a file in it", named());
        let bytes = fs::read(path).with_context(named)?;
        // Nothing would mean the defaults. A pipe that was read before is empty.
        anyhow::ensure!(
            !kind.is_fifo() || !bytes.is_empty(),
            "{}: this pipe is empty; a pipe can be read only once",
            named()
        );
        Ok(bytes)
    }

    /// Checks that the file can be read once more, for a reload or by a successor: what came
    /// through a pipe has gone.
    ///
    /// # Errors
    /// When it is a pipe.
    pub(crate) fn check_rereadable(path: &Path) -> anyhow::Result<()> {
        anyhow::ensure!(
            !fs::metadata(path).is_ok_and(|metadata| metadata.file_type().is_fifo()),
            "{}: settings that came through a pipe cannot be read again; start the gateway with a \
             file if it has to reload",
            path.display()
        );
        Ok(())
    }

    /// Parses the bytes of a file.
    ///
    /// # Errors
    /// When they are not TOML. The error has no line of the file.
    pub(super) fn parse(path: &Path, bytes: &[u8]) -> anyhow::Result<Self> {
        let named = path.display();
        let text = std::str::from_utf8(bytes).map_err(|error| {
            let Position { line, column } = Position::of(&bytes[..error.valid_up_to()]);
            anyhow::anyhow!(
                "{named}, line {line}, column {column}: this is not UTF-8, which TOML has to be; \
                 save the file as UTF-8 (a secret of other bytes can be written in base64 or \
                 hexadecimal digits; the digits are then the secret)"
            )
        })?;
        // The error leaves out the line itself, because it may contain a secret.
        let table = text.parse::<Table>().map_err(|error| {
            let start = error.span().map_or(0, |span| span.start.min(text.len()));
            let Position { line, column } = Position::of(&bytes[..start]);
            let message = match error.message() {
                // The message of the library would show the value.
                message if message.starts_with("invalid type") => "this is not a TOML value",
                message => message,
            };
            anyhow::anyhow!("{named}, line {line}, column {column}: {message}")
        })?;
        Ok(Self { path: path.to_owned(), table })
    }
}

/// A position in a text, counted from one.
struct Position {
    line: usize,
    /// The column in characters.
    column: usize,
}

impl Position {
    /// Returns the position after `before`.
    fn of(before: &[u8]) -> Self {
        let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
        let start = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |newline| newline + 1);
        Self { line, column: String::from_utf8_lossy(&before[start..]).chars().count() + 1 }
    }
}
