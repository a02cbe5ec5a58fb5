//! Valid and invalid settings, the reference, and the rules that follow from settings.

use std::time::Duration;

use tricast_admission::AccessLevel;

use super::*;

fn with(text: &str) -> Result<Settings, String> {
    Settings::from_toml(text).map_err(|error| format!("{error:#}"))
}

#[test]
fn the_reference_is_good_and_names_every_key() {
    let settings = with("").expect("the built-in gateway.toml is good");
    let value = serde_json::to_value(&settings).expect("serializes");
    let sections = value.as_object().expect("a table");
    for (section, value) in sections {
        for key in value.as_object().into_iter().flat_map(|keys| keys.keys()) {
            let text = REFERENCE.split(&format!("[{section}]")).nth(1).expect(section);
            let text = text.split("\n[").next().unwrap_or_default();
            assert!(text.contains(&format!("\n{key} = ")), "{section}.{key}");
        }
    }
}

#[test]
fn a_presence_channel_is_explained_by_the_channel_it_is_about() {
    let settings = with("[[namespace]]\npattern = \"orders.*\"\npresence = true");
    let settings = settings.expect("is good");
    let explain = |name: &str| settings.explain(&name.parse().expect("a channel"));
    let own = explain("orders.42");
    assert!(own.contains("presence             visible to subscribers, in ~orders.42"), "{own}");
    assert_eq!(
        explain("~orders.42"),
        format!("~orders.42 carries the presence of orders.42\n{own}")
    );
    assert!(explain("other").contains("presence             hidden"));
}

#[test]
fn the_dashboard_is_served_on_local_addresses_only() {
    let cases = [
        ("", true),
        ("bind = \"[::1]:0\"", true),
        ("bind = \"0.0.0.0:0\"", false),
        ("bind = \"192.0.2.1:80\"", false),
        ("bind = \"0.0.0.0:0\"\ndashboard = \"on\"", true),
        ("dashboard = \"off\"", false),
    ];
    for (text, served) in cases {
        let settings = with(&format!("insecure = true\n{text}")).expect(text);
        assert_eq!(settings.serves_dashboard(), served, "{text}");
    }
}

#[test]
fn an_unknown_key_or_a_bad_value_is_named() {
    let cases = [
        ("[stream]\nheartbit = \"1s\"", "heartbit"),
        ("[stream]\nheartbeat = \"soon\"", "heartbeat"),
        ("[stream]\nheartbeat = \"0s\"", "stream.heartbeat"),
        ("[stream]\nstall_timeout = \"30days\"", "stream.stall_timeout"),
        ("[stream]\nretry = \"40days\"", "stream.retry"),
        ("[limits]\nhead_timeout = \"1000000years\"", "limits.head_timeout"),
        ("[history]\nmessages = 0", "history.messages"),
        ("[history]\nage = \"0s\"", "history.age"),
        ("[cors]\norigins = [\"https://app.example/\"]", "cors.origins"),
        ("base_path = \"/{x}\"", "base_path"),
        ("base_path = \"/a/*b\"", "base_path"),
        ("[stream]\nslow_reader = \"shrug\"", "shrug"),
        ("[typo]\na = 1", "typo"),
        ("[presence]\ngrace = \"2h\"", "presence.grace"),
        ("[presence]\ninterval = \"0s\"", "presence.interval"),
        ("[[namespace]]\npattern = \"@*\"\npresence = true", "presence"),
        ("delivery = \"fast\"", "fast"),
        ("shards = 257", "shards"),
        ("[admin]\ntoken = \"fifteen-letters\"", "admin.token"),
        ("[admin]\nhosts = [\"a b\"]", "admin.hosts"),
        ("[admin]\nhosts = [\"a.example:9090\"]", "admin.hosts"),
        ("[admin]\nhosts = [\"http://a.example\"]", "admin.hosts"),
        ("[admin]\nhosts = [\"*.example\"]", "admin.hosts"),
        ("[admin]\nhosts = [\"\"]", "admin.hosts"),
        ("bind = \"nowhere\"", "bind"),
        ("bind = \"0.0.0.0:1\"", "insecure = true"),
        (
            "[tls]\nbind = \"0.0.0.0:1\"\ncertificate = \"a\"\nkey = \"b\"",
            "tls.bind = \"0.0.0.0:1\" is not",
        ),
        ("[admin]\ntoken = \"sixteen-letters-\\n\"", "control character"),
        ("[logging]\nlevel = \"\"", "logging.level"),
        ("[logging]\nlevel = \"inof\"", "logging.level"),
        ("[logging]\nlevel = \"info,tricast\"", "logging.level"),
        (&format!("bind = \"unix:/{}\"", "x".repeat(108)), "shorter"),
        ("base_path = \"x/\"", "base_path"),
        ("[history]\nbytes = 5", "history.bytes"),
        ("[limits]\nhead_bytes = \"1KiB\"", "head_bytes"),
        ("[hook]\nurl = \"shop.example/hook\"\non = [\"connect\"]", "hook.url"),
        ("[hook]\nurl = \"https://shop.example/\"", "hook.on"),
        ("[hook]\non = [\"connect\"]", "hook.url"),
        ("[hook]\non = [\"look\"]", "hook.on"),
        ("[hook]\nheaders = [\"a b\"]", "hook.headers"),
        ("[hook]\nsecret = \"short\"", "hook.secret"),
        ("[hook]\ntimeout = \"0s\"", "hook.timeout"),
        ("[hook]\nretries = 11", "hook.retries"),
        ("[hook]\nat_once = 0", "hook.at_once"),
        ("[events]\non = [\"gone\"]", "events.url"),
        ("[events]\nbatch = 0", "events.batch"),
        ("[events]\nqueue = 99", "events.queue"),
        ("[events]\ninterval = \"2h\"", "events.interval"),
        ("[cors]\norigins = [\"*\"]\n[hook]\nurl = \"https://a/\"\non = [\"connect\"]", "cookie"),
        ("[access]\nprompt = \"all\"", "access.prompt"),
        ("[access]\nprompt = \"token\"", "[tokens]"),
        ("[relay]\nbusy = \"wait\"", "relay.busy"),
        ("[relay]\norphan = \"2d\"", "relay.orphan"),
        ("[relay]\nanswer_bytes = \"1GiB\"", "relay.answer_bytes"),
        ("[[namespace]]\npattern = \"a\"\norphan = \"2d\"", "orphan"),
        ("[[namespace]]\npattern = \"a\"\nmodels = [\"\"]", "models"),
    ];
    for (text, word) in cases {
        let error = with(text).expect_err(text);
        assert!(error.contains(word), "{text}: {error}");
    }
    assert!(with("bind = \"0.0.0.0:1\"\ninsecure = true").is_ok());
    let hook = "bind = \"0.0.0.0:1\"\n[hook]\nurl = \"https://a/\"\non = ";
    assert!(with(&format!("{hook}[\"publish\"]")).is_ok(), "somebody is kept out");
    assert!(with(&format!("{hook}[\"connect\"]")).is_err(), "a POST connects to nothing");
}

/// Safe by default: a public address must not admit everybody.
#[test]
fn a_public_address_needs_keys_and_no_open_namespace() {
    let secret = "[tokens]\nsecret = \"0123456789abcdef0123456789abcdef\"\n";
    let key = format!("[[key]]\nname = \"k\"\nhash = \"sha256:{}\"\n", "0".repeat(64));
    let public = |text: &str| with(&format!("bind = \"0.0.0.0:1\"\n{text}"));
    assert!(public(secret).is_ok());
    assert!(public(&key).is_ok(), "with a key nobody else publishes");
    let open = "[[namespace]]\npattern = \"chat\"\npublish = \"anyone\"\n";
    let error = public(&format!("{open}{secret}")).expect_err("chat is open");
    assert!(error.contains("[[namespace]] 1 (\"chat\")"), "{error}");
    let error = public("[access]\npublish = \"anyone\"").expect_err("all is open");
    assert!(error.contains("[access]"), "{error}");
    let error = public("[access]\npublish = \"nobody\"").expect_err("no key");
    assert!(error.contains("no key is set"), "{error}");
}

#[test]
fn bad_admission_is_named() {
    let hash = format!("sha256:{}", "0".repeat(64));
    let keys = |name: &str| format!("[[key]]\nname = \"{name}\"\nhash = \"{hash}\"\n");
    let cases = [
        ("[tokens]\ncookie = \"a b\"".to_owned(), "tokens.cookie"),
        ("[tokens]\njwks_url = \"http://login.example/keys\"".to_owned(), "tokens.jwks_url"),
        ("[tokens]\njwks_url = \"login.example\"".to_owned(), "tokens.jwks_url"),
        ("[tokens]\njwks_refresh = \"0s\"".to_owned(), "tokens.jwks_refresh"),
        ("[[tokens.keys]]\nalgorithm = \"none\"\nfile = \"x\"".to_owned(), "algorithm"),
        (format!("{}{}", keys("a"), keys("a")), "key.name"),
        (keys("a b"), "key.name"),
        ("[[key]]\nname = \"a\"\nhash = \"secret\"".to_owned(), "sha256:"),
        (format!("{}publish = [\"a/b\"]", keys("a")), "a/b"),
        ("[[namespace]]\npattern = \"a*\"".to_owned(), "a*"),
        ("[[namespace]]\npattern = \"a\"\nsubscribers = -1".to_owned(), "subscribers"),
        ("[[namespace]]\npattern = \"a\"\nread = \"anyone\"".to_owned(), "read"),
        ("[[namespace]]\npattern = \"a\"\nsubscribe = \"all\"".to_owned(), "all"),
        ("[[namespace]]\npattern = \"a\"\nhistory = { messages = 0 }".to_owned(), "history"),
        ("[[namespace]]\npattern = \"a\"\nhistory = { bytes = 5 }".to_owned(), "history"),
        ("[[namespace]]\npattern = \"a\"\npublish = \"backend\"".to_owned(), "tricast key"),
        ("[access]\nsubscribe = \"token\"".to_owned(), "[tokens]"),
        ("[rates]\nbytes_per_user = \"1KiB\"".to_owned(), "rates.bytes_per_user"),
        ("[proxy]\ntrusted = [\"10.0.0.0/33\"]".to_owned(), "proxy.trusted"),
        ("[limits]\nbody_memory = \"1KiB\"".to_owned(), "limits.body_memory"),
        ("[limits]\nanswer_memory = \"1MiB\"".to_owned(), "limits.answer_memory"),
        ("[cors]\norigins = [\"*\"]\n[tokens]\ncookie = \"a\"".to_owned(), "cors.origins"),
    ];
    for (text, word) in cases {
        let error = with(&text).expect_err(&text);
        assert!(error.contains(word), "{text}: {error}");
    }
    let short = with("[tokens]\nsecret = \"short\"").expect("a text").tokens.read_keys();
    let error = format!("{:#}", short.expect_err("too short"));
    assert!(error.contains("tokens.secret") && error.contains("32 bytes"), "{error}");
    let shown = format!("{:?}", with("[tokens]\nsecret = \"shown to nobody\""));
    assert!(!shown.contains("shown to nobody"), "{shown}");
}

#[test]
fn a_bad_upstream_is_named() {
    let cases = [
        ("url = \"https://a/v1\"", "name"),
        ("name = \"Main\"\nurl = \"https://a/v1\"", "name"),
        ("name = \"m\"", "url"),
        ("name = \"m\"\nurl = \"llm.example/v1\"", "url"),
        ("name = \"m\"\nurl = \"ftp://a/\"", "url"),
        ("name = \"m\"\nurl = \"https://u:p@a/v1\"", "password"),
        ("name = \"m\"\nurl = \"https://a/v1?k=1\"", "query"),
        ("name = \"m\"\nurl = \"https://a\"\nkey = \"a\"\nkey_file = \"b\"", "key_file"),
        ("name = \"m\"\nurl = \"https://a\"\nkey = \"a\\nb\"", "key"),
        ("name = \"m\"\nurl = \"https://a\"\nkey = 7", "string"),
        ("name = \"m\"\nurl = \"https://a\"\nmodels = [7]", "models"),
        ("name = \"m\"\nurl = \"https://a\"\nmodels = [\"x\", \"x\"]", "twice"),
        ("name = \"m\"\nurl = \"https://a\"\nmodels = [{ name = \"x\" }]", "models"),
        ("name = \"m\"\nurl = \"https://a\"\nheaders = { authorization = \"x\" }", "headers"),
        ("name = \"m\"\nurl = \"https://a\"\nheaders = { \"a b\" = \"x\" }", "headers"),
        ("name = \"m\"\nurl = \"https://a\"\nfallback = [\"m\"]", "fallback"),
        ("name = \"m\"\nurl = \"https://a\"\nfallback = [\"n\"]", "fallback"),
        ("name = \"m\"\nurl = \"https://a\"\nretries = 11", "retries"),
        ("name = \"m\"\nurl = \"https://a\"\nat_once = 0", "at_once"),
        ("name = \"m\"\nurl = \"https://a\"\ntotal = \"2d\"", "total"),
        ("name = \"m\"\nurl = \"https://a\"\nfirst = \"1s\"", "first"),
        ("name = \"m\"\nurl = \"demo:\"\nkey = \"a\"", "demo"),
    ];
    for (text, word) in cases {
        let error = with(&format!("[[llm]]\n{text}")).expect_err(text);
        assert!(error.contains("llm") && error.contains(word), "{text}: {error}");
    }
    let upstream = "[[llm]]\nname = \"m\"\nurl = \"https://a\"\n";
    let small = "[[namespace]]\npattern = \"a\"\nhistory = { bytes = \"1MiB\" }\n";
    let sizes = |size: &str| format!("{upstream}{small}[relay]\nanswer_bytes = \"{size}\"");
    assert!(with(&sizes("512KiB")).is_ok());
    assert!(with(&sizes("513KiB")).expect_err("no room").contains("relay.answer_bytes"));
    let prompts = with(&format!("{upstream}[relay]\nprompt_bytes = \"65MiB\""));
    assert!(prompts.expect_err("no room").contains("relay.prompt_bytes"));
    let twice = "[[llm]]\nname = \"m\"\nurl = \"https://a\"\n".repeat(2);
    assert!(with(&twice).expect_err("twice").contains("same"));
    let shown = with("[[llm]]\nname = \"m\"\nurl = \"https://a\"\nkey = \"shown to nobody\"");
    let shown = format!("{shown:?} {}", serde_json::to_string(&shown).expect("JSON"));
    assert!(!shown.contains("shown to nobody"), "{shown}");
}

#[test]
fn nobody_runs_up_the_bill_of_a_key_without_bounds() {
    let upstream = "[[llm]]\nname = \"m\"\nurl = \"https://a\"\nmodels = [\"x\"]\n";
    let local = "[[llm]]\nname = \"n\"\nurl = \"http://127.0.0.1:1\"\nmodels = [\"y\"]\n";
    let keyed = format!("{upstream}key = \"sk-1\"\n{local}");
    let open = "[access]\nprompt = \"anyone\"\n";
    let bounded = "[relay]\nprompts_per_address = 5\nmax_tokens = 500\n";
    assert!(with(&format!("{upstream}{open}")).is_ok(), "a key that is not there costs nothing");
    let error = with(&format!("{keyed}{open}")).expect_err("anybody may spend");
    assert!(error.contains("relay.prompts_per_address"), "{error}");
    for half in ["[relay]\nprompts_per_address = 5\n", "[relay]\nmax_tokens = 500\n"] {
        assert!(with(&format!("{keyed}{open}{half}")).is_err(), "{half}");
    }
    assert!(with(&format!("{keyed}{open}{bounded}")).is_ok());
    let file = format!("{upstream}key_file = \"/run/key\"\n");
    assert!(with(&format!("{file}{open}")).is_err(), "a key in a file is one too");
    let namespace = |models: &str| {
        format!("[[namespace]]\npattern = \"a\"\nprompt = \"anyone\"\n{models}\n{keyed}")
    };
    assert!(with(&namespace("")).is_err());
    assert!(with(&namespace("models = [\"x\"]")).is_err());
    assert!(with(&namespace("models = [\"m/x\"]")).is_err(), "with its prefix");
    assert!(with(&namespace("models = [\"y\"]")).is_ok(), "that one has no key");
}

#[test]
fn the_demo_answers_anyone_and_only_here() {
    let demo = "[[llm]]\nname = \"demo\"\nurl = \"demo:\"\n[access]\nprompt = \"auto\"\n";
    let settings = with(demo).expect("is good");
    let rules = settings.namespace_rules();
    let rules = rules.for_channel(&"a".parse().expect("fits"));
    assert_eq!(rules.prompt, AccessLevel::Anyone);
    let models = rules.models.as_ref().expect("the demo alone");
    assert_eq!(models.iter().collect::<Vec<_>>(), ["demo-canned"]);
    let error = with(&format!("bind = \"0.0.0.0:1\"\ninsecure = true\n{demo}"));
    assert!(error.expect_err("public").contains("demo"));
    let none = with("[access]\nprompt = \"auto\"").expect("is good");
    let none = none.namespace_rules();
    assert_eq!(none.for_channel(&"a".parse().expect("fits")).prompt, AccessLevel::Nobody);
}

#[test]
fn the_key_of_an_upstream_comes_from_the_environment() {
    let file = "[[llm]]\nname = \"main\"\nurl = \"https://a\"\n[[llm]]\nname = \"big-one\"\n\
                url = \"https://b\"\nkey = \"sk-file\"\n";
    let load = |variables: &[(&str, &str)]| {
        let variables = variables.iter().map(|(name, value)| (name.into(), value.into()));
        let file = Some((std::path::Path::new("a.toml"), file.as_bytes()));
        let loaded = Settings::from_layers(file, variables);
        loaded.map(|loaded| loaded.settings.llm).map_err(|error| format!("{error:#}"))
    };
    let llm = load(&[("TRICAST__LLM__MAIN__KEY", "sk-1"), ("tricast__llm__big_one__key", "sk-2")]);
    let llm = llm.expect("is good");
    assert_eq!([llm[0].key.expose(), llm[1].key.expose()], ["sk-1", "sk-2"]);
    for (name, value, word) in [
        ("TRICAST__LLM__MIAN__KEY", "sk-1", "no [[llm]]"),
        ("TRICAST__LLM__MAIN__KEY", "", "empty"),
        ("TRICAST_LLM_MAIN_KEY", "sk-1", "TRICAST__LLM__MAIN__KEY"),
        ("TRICAST__LLM__MAIN__URL", "https://c", "llm"),
    ] {
        let error = load(&[(name, value)]).expect_err(name);
        assert!(error.contains(word) && !error.contains("sk-1"), "{name}: {error}");
    }
}

/// The examples in the comments of gateway.toml are valid too.
#[test]
fn the_examples_in_the_reference_are_good() {
    let hash = format!("sha256:{}", "0".repeat(64));
    let examples: Vec<&str> =
        REFERENCE.lines().filter_map(|line| line.strip_prefix("#   ")).collect();
    let text = examples.join("\n").replace("sha256:...", &hash);
    let settings = with(&format!("{text}\n[tokens]\nsecret = \"x\"")).expect(&text);
    let counts = (settings.key.len(), settings.namespace.len(), settings.llm.len());
    assert_eq!(counts, (1, 1, 1), "{text}");
    let defaults = Llm { name: "main".to_owned(), ..Llm::default() };
    let example = Llm {
        url: String::new(),
        models: Vec::new(),
        headers: Default::default(),
        ..settings.llm[0].clone()
    };
    assert_eq!(example, defaults, "the example has the defaults");
}

#[test]
fn what_a_namespace_does_not_set_is_inherited() {
    let settings = with(
        "[[namespace]]\npattern = \"a.*\"\nhistory = { messages = 5 }\nonline = false
         [history]\nage = \"2h\"\n[limits]\nsubscribers_per_channel = 7",
    )
    .expect("good");
    let rules = settings.channel_rules();
    let of = |name: &str| rules.for_channel(&name.parse().expect("fits"));
    let inside = of("a.b");
    assert_eq!((inside.history.messages, inside.online, inside.subscribers), (5, false, 7));
    assert_eq!(inside.history.age, Duration::from_secs(7200));
    assert_eq!((of("b").history.messages, of("b").online), (1000, true));
}

#[test]
fn a_network_of_ipv4_that_is_written_as_ipv6_is_one_of_ipv4() {
    let trusted = |text: &str| text.parse::<TrustedProxy>().map(|trusted| trusted.to_string());
    assert_eq!(trusted("::ffff:10.0.0.0/104").as_deref(), Ok("10.0.0.0/8"));
    assert_eq!(trusted("::ffff:192.0.2.7").as_deref(), Ok("192.0.2.7/32"));
    assert_eq!(trusted("2001:db8::/32").as_deref(), Ok("2001:db8::/32"));
}
