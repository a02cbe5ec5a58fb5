//! `tricast token`: creates and inspects tokens.

use std::{io::Read as _, path::PathBuf, time::Duration};

use anyhow::{Context as _, bail};
use clap::Args;
use tricast_admission::{
    Algorithm, HookMeters, Inspection, ModelNames, Signer, TokenSpec, inspect,
};
use tricast_core::{ChannelPattern, UserId, unix_millis};

use crate::{
    lifecycle::gatekeeper,
    settings::{
        Settings,
        range::{DAY, SECOND, check_time, parse_time},
    },
};

/// The seconds of a year.
const YEAR_SECONDS: f64 = 365.25 * 86_400.0;

/// The flags of `tricast token`.
#[derive(Debug, Args)]
pub struct TokenArgs {
    /// The user of the token
    #[arg(long, value_name = "USER")]
    sub: Option<UserId>,
    /// A pattern of channels that the user may subscribe to; repeatable
    #[arg(long, value_name = "PATTERN")]
    subscribe: Vec<ChannelPattern>,
    /// A pattern of channels that the user may publish to; repeatable
    #[arg(long, value_name = "PATTERN")]
    publish: Vec<ChannelPattern>,
    /// A pattern of channels in which the user may prompt models; repeatable
    #[arg(long, value_name = "PATTERN")]
    prompt: Vec<ChannelPattern>,
    /// A model that the user may ask; repeatable. Without it, all that the namespace allows
    #[arg(long = "model", value_name = "NAME")]
    models: Vec<String>,
    /// The lifetime of the token, as in 15m
    #[arg(long, value_name = "TIME", default_value = "1h", value_parser = lifetime)]
    ttl: Duration,
    /// Data about the user that presence shows to other subscribers
    #[arg(long, value_name = "JSON", value_parser = json)]
    info: Option<serde_json::Value>,
    /// Sign with this private key (PEM) instead of tokens.secret
    #[arg(long, value_name = "FILE", requires = "algorithm")]
    key: Option<PathBuf>,
    /// The algorithm of the private key: RS256, ES256 or EdDSA
    #[arg(long, requires = "key", value_parser = algorithm)]
    algorithm: Option<Algorithm>,
    /// The key id (kid) in the token's header
    #[arg(long, value_name = "KID")]
    id: Option<String>,
    /// Inspect a token instead: show its claims, and whether these settings accept it. Without
    /// TOKEN, or with -, it is read from standard input
    #[arg(long, value_name = "TOKEN", num_args = 0..=1, default_missing_value = "-",
          conflicts_with_all =
              ["sub", "subscribe", "publish", "prompt", "models", "info", "key", "id"])]
    inspect: Option<String>,
    /// A token that stands where only options do
    #[arg(hide = true, value_name = "TOKEN")]
    misplaced: Option<String>,
}

fn lifetime(text: &str) -> Result<Duration, String> {
    let time = parse_time(text)?;
    check_time("the lifetime", time, SECOND..=3650 * DAY).map_err(|error| error.to_string())?;
    Ok(time)
}

fn json(text: &str) -> Result<serde_json::Value, String> {
    serde_json::from_str(text).map_err(|error| error.to_string())
}

fn algorithm(text: &str) -> Result<Algorithm, String> {
    let read = serde_json::from_value(text.into());
    read.map_err(|_| "write RS256, ES256 or EdDSA".to_owned())
}

/// Prints a new token and nothing else, or the contents of a given one.
///
/// # Errors
/// When no key to sign with is set, or the given token is not valid.
pub fn token(settings: &Settings, args: &TokenArgs) -> anyhow::Result<()> {
    // It is not repeated, because it may be a token nevertheless.
    match &args.misplaced {
        Some(text) if text.starts_with("eyJ") => bail!(
            "to read a token, write --inspect before it, or pass it on standard input to --inspect"
        ),
        Some(_) => bail!(
            "an option takes one value; repeat it, as in --subscribe 'orders.*' --subscribe chat; \
             the user is written --sub USER"
        ),
        None => {}
    }
    match &args.inspect {
        Some(text) => inspect_token(settings, text),
        None => {
            println!("{}", sign_token(settings, args)?);
            Ok(())
        }
    }
}

fn sign_token(settings: &Settings, args: &TokenArgs) -> anyhow::Result<String> {
    let signer = match (&args.key, args.algorithm) {
        (Some(file), Some(algorithm)) => {
            let named = || format!("--key {}", file.display());
            let pem = std::fs::read(file).with_context(named)?;
            let signer = Signer::new(algorithm, &pem, args.id.clone());
            signer.with_context(|| format!("{} is not a private key for {algorithm:?}", named()))?
        }
        _ if settings.tokens.secret.is_empty() => bail!(
            "no key to sign with: set tokens.secret (openssl rand -hex 32), or give --key FILE \
             --algorithm RS256|ES256|EdDSA"
        ),
        _ => {
            settings.tokens.read_keys()?;
            let secret = settings.tokens.secret.expose().as_bytes();
            Signer::new(Algorithm::HS256, secret, args.id.clone())?
        }
    };
    let named = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let grant = TokenSpec {
        sub: args.sub.clone(),
        subscribe: args.subscribe.clone(),
        publish: args.publish.clone(),
        prompt: args.prompt.clone(),
        models: models(&args.models)?,
        info: args.info.clone(),
        aud: named(&settings.tokens.audience),
        iss: named(&settings.tokens.issuer),
        ..TokenSpec::default()
    };
    Ok(signer.sign(&grant.valid_for(args.ttl.as_secs()))?)
}

/// Returns the models of repeated options; none of them means all.
pub(super) fn models(names: &[String]) -> anyhow::Result<Option<ModelNames>> {
    let named = (!names.is_empty()).then(|| ModelNames::parse(names.to_vec()));
    named.transpose().map_err(|error| anyhow::anyhow!("--model: {error}"))
}

/// Says when a token expires; a time that cannot be meant is remarked on.
fn expiry(exp: f64) -> String {
    let left = exp - unix_millis() as f64 / 1000.0;
    match left {
        _ if exp <= 0.0 => "expired: its exp is 1970-01-01 or earlier".to_owned(),
        ..=0.0 => format!("expired {:.0} s ago", left.abs()),
        _ if left > 100.0 * YEAR_SECONDS => {
            "expires in more than 100 years; is exp in milliseconds? It counts seconds since 1970"
                .to_owned()
        }
        _ => format!("expires in {left:.0} s"),
    }
}

fn inspect_token(settings: &Settings, text: &str) -> anyhow::Result<()> {
    let mut token = text.to_owned();
    if text == "-" {
        token.clear();
        std::io::stdin().read_to_string(&mut token).context("cannot read standard input")?;
    }
    let token = token.trim();
    let Ok(Inspection { header, claims }) = inspect(token) else {
        bail!("this is not a JSON Web Token, which is three parts of base64url joined by dots");
    };
    println!("header {header}");
    println!("claims {claims}");
    if let Some(exp) = claims["exp"].as_f64() {
        println!("{}", expiry(exp));
    }
    let gatekeeper = gatekeeper::build(settings, HookMeters::new())?.0;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    match runtime.block_on(gatekeeper.claims(token)) {
        Ok(_) => println!("valid with these settings"),
        Err(denied) => bail!("not valid with these settings: {denied}"),
    }
    Ok(())
}
