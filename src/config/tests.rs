use std::path::Path;

use chrono::TimeDelta;
use secrecy::ExposeSecret as _;

use super::*;

const ISSUER: &str = "[server]\nissuer = \"https://auth.example.org/auth/realms/esante-wallet\"\n";

fn parse(text: &str) -> Result<Config, ConfigError> {
    Config::parse(text, Path::new("/etc/sceau/sceau.toml"))
}

fn faults(text: &str) -> Vec<String> {
    parse(text).unwrap_err().faults.iter().map(ToString::to_string).collect()
}

#[test]
fn one_key_is_enough() {
    let config = parse(ISSUER).unwrap();
    assert_eq!(config.server.front_url.as_str(), "https://auth.example.org/");
    assert_eq!(config.server.listen.to_string(), "127.0.0.1:8080");
    assert!(
        matches!(config.database, Database::Sqlite(path) if path == Path::new("/var/lib/sceau/sceau.db"))
    );
    assert_eq!(config.session.idle, TimeDelta::minutes(30));
    assert!(!config.card.accept_test_cards);
    assert!(config.tls.is_none());
}

#[test]
fn an_unknown_key_is_refused_with_its_line_and_the_nearest_known_one() {
    assert_eq!(
        faults(&format!("config_version = 1\n{ISSUER}listne = \"127.0.0.1:80\"\n\n[cards]\n")),
        [
            "line 4: server.listne is unknown; did you mean \"listen\"? (CONF-003)",
            "line 6: cards is unknown; did you mean \"card\"? (CONF-003)",
        ]
    );
    let [fault] = faults(&format!("{ISSUER}[session]\nforever = true\n")).try_into().unwrap();
    assert_eq!(
        fault,
        "line 4: session.forever is unknown; known are: card_out, idle, lease, lifetime, shared_card_out, \
         shared_idle (CONF-003)"
    );
}

#[test]
fn every_fault_is_found_in_one_run() {
    let text =
        "[server]\nlisten = 8080\n[session]\nlifetime = \"5 h\"\n[card]\naccept_test_cards = \"yes\"\n";
    assert_eq!(
        faults(text),
        [
            "line 1: server.issuer is missing; write the address under which relying parties know this provider, \
             such as issuer = \"https://auth.hopital.example/auth/realms/esante-wallet\" (CONF-004)",
            "line 2: server.listen must be a text in quotes, not integer (CONF-005)",
            "line 4: session.lifetime must be between 1 min and 4 h (CONF-006)",
            "line 6: card.accept_test_cards must be true or false, not string (CONF-005)",
        ]
    );
}

#[test]
fn what_is_not_toml_says_where() {
    let [fault] = faults(&format!("{ISSUER}node = \n")).try_into().unwrap();
    assert!(fault.starts_with("line 3: this is not TOML: "), "{fault}");
}

#[test]
fn a_file_of_another_version_is_refused() {
    let [fault] = faults(&format!("config_version = 2\n{ISSUER}")).try_into().unwrap();
    assert!(fault.starts_with("line 1: config_version is 2, but this program reads version 1"), "{fault}");
}

#[test]
fn a_missing_file_says_what_to_do() {
    let error = Config::read(Path::new("/nonexistent/sceau.toml")).unwrap_err();
    assert_eq!(error.code(), "CONF-001");
    assert!(error.to_string().contains("--config"), "{error}");
}

#[test]
fn addresses_that_would_be_insecure_or_ambiguous_are_refused() {
    for bad in [
        "http://auth.example.org",
        "https://auth.example.org/",
        "https://u@auth.example.org/x",
        "https://a/b?c",
        "ftp://a/b",
        "x",
    ] {
        let error = parse(&format!("[server]\nissuer = \"{bad}\"\n")).unwrap_err();
        assert_eq!(error.code(), "CONF-006", "{bad}");
    }
    assert!(parse("[server]\nissuer = \"http://localhost:8080/auth/realms/esante-wallet\"\n").is_ok());
    assert!(parse(&format!("{ISSUER}front_url = \"https://login.example.org/x\"\n")).is_err());
}

#[test]
fn a_secret_may_stand_in_a_file_of_its_own_and_is_never_shown() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("url"), "postgres://sceau:hush@db/sceau\n").unwrap();
    let path = dir.path().join("sceau.toml");
    let config = Config::parse(&format!("{ISSUER}[database]\nurl_file = \"url\"\n"), &path).unwrap();
    let Database::Postgres(url) = &config.database else { panic!("{:?}", config.database) };
    assert_eq!(url.expose_secret(), "postgres://sceau:hush@db/sceau");
    assert!(!format!("{config:?}").contains("hush"));

    let both = format!("{ISSUER}[database]\nurl = \"postgres://sceau:hush@db/x\"\nurl_file = \"url\"\n");
    let error = Config::parse(&both, &path).unwrap_err();
    assert_eq!(error.code(), "CONF-009");
    assert!(!error.to_string().contains("hush"));

    let absent = Config::parse(&format!("{ISSUER}[database]\nurl_file = \"absent\"\n"), &path).unwrap_err();
    assert_eq!(absent.code(), "CONF-008");
    let wrong = parse(&format!("{ISSUER}[database]\nurl = \"mysql://u:hush@h/d\"\n")).unwrap_err();
    assert!(!wrong.to_string().contains("hush"), "{wrong}");
}

#[test]
fn networks_and_hosts_are_told_apart() {
    let config = parse(&format!(
        "{ISSUER}trusted_proxies = [\"10.0.0.4\", \"fd00::/8\"]\n[egress]\nallow = [\"10.1.0.0/16\", \"DPI.example\"]\n"
    ))
    .unwrap();
    assert_eq!(config.server.trusted_proxies.len(), 2);
    assert_eq!(
        config.egress.allow,
        [Destination::Network("10.1.0.0/16".parse().unwrap()), Destination::Host("dpi.example".into())]
    );
    assert!(parse(&format!("{ISSUER}[egress]\nallow = [\"http://x\"]\n")).is_err());
}

#[test]
fn what_happens_without_an_answer_is_said_for_all_cards_and_for_kinds() {
    let fallback = |keys: &str| parse(&format!("{ISSUER}[card]\n{keys}")).unwrap().card.fallback;
    assert_eq!(fallback(""), CardFallback::default());
    let hours = |hours| Fallback::Younger(TimeDelta::hours(hours));
    let set = fallback("revocation_fallback = \"24 h\"\nrevocation_fallback_cpe = \"refuse\"\n");
    assert_eq!((set.all, set.cpe, set.cps), (hours(24), Some(Fallback::Refuse), None));
    // The keys of before still mean what they meant.
    assert_eq!(fallback("revocation_required = false\n").all, Fallback::Accept);
    assert_eq!(fallback("revocation_grace = \"2 d\"\n").all, Fallback::Overdue(TimeDelta::days(2)));
    for bad in [
        "revocation_fallback = \"accept\"",
        "revocation_fallback = \"5 min\"",
        "revocation_fallback_cps = \"400 d\"",
        "revocation_fallback = \"24 h\"\nrevocation_grace = \"2 d\"",
        "revocation_fallback = \"refuse\"\nrevocation_required = false",
        "crl_urls = [\"ldap://annuaire-igc.esante.gouv.fr/cn=AC\"]",
        "ocsp_url = \"file:///etc/passwd\"",
    ] {
        assert_eq!(parse(&format!("{ISSUER}[card]\n{bad}\n")).unwrap_err().code(), "CONF-006", "{bad}");
    }
}

/// With a TLS handshake nobody but the certificate says which side of the card answered.
#[test]
fn the_contactless_key_cannot_be_let_in_where_certificates_sign_in() {
    let host = "[card.tls]\nurl = \"https://carte.hopital.example\"\nlisten = \"127.0.0.1:8443\"\nproxies = [\"127.0.0.1\"]\n";
    assert!(parse(&format!("{ISSUER}[card]\n{host}")).is_ok());
    let lax = "[card]\nrequire_smartcard_logon = false\n";
    assert!(parse(&format!("{ISSUER}{lax}")).is_ok());
    let [fault] = faults(&format!("{ISSUER}{lax}{host}")).try_into().unwrap();
    assert!(fault.contains("card.require_smartcard_logon must be true where [card.tls] stands"), "{fault}");
}

/// The name that a client asks for in the handshake tells the hosts of one address apart: that takes a handshake of ours.
#[test]
fn the_host_of_services_shares_the_address_of_the_pages_where_both_handshakes_are_ours() {
    let tls = "[tls]\ncertificate_file = \"id.pem\"\nkey_file = \"id.key\"\n";
    let host = "[oidc.mtls]\nurl = \"https://mtls.example.org\"\n";
    let ours = "certificate_file = \"mtls.pem\"\nkey_file = \"mtls.key\"\n";
    let by_proxy = "proxies = [\"127.0.0.1\"]\n";
    let own = "listen = \"127.0.0.1:8444\"\n";
    let listens = |text: &str| parse(text).unwrap().oidc.mtls.unwrap().listen.map(|listen| listen.port());
    assert_eq!(listens(&format!("{ISSUER}{tls}{host}{ours}")), None);
    for text in [
        format!("{ISSUER}{tls}{host}{ours}{own}"),
        format!("{ISSUER}{tls}{host}{by_proxy}{own}"),
        format!("{ISSUER}{host}{ours}{own}"),
    ] {
        assert_eq!(listens(&text), Some(8444), "{text}");
    }
    for text in [format!("{ISSUER}{host}{ours}"), format!("{ISSUER}{tls}{host}{by_proxy}")] {
        let [fault] = faults(&text).try_into().unwrap();
        assert!(
            fault.contains("oidc.mtls.listen is missing: server.listen answers for this host only"),
            "{fault}"
        );
    }
    let taken = format!("{ISSUER}{tls}{host}{ours}listen = \"127.0.0.1:8080\"\n");
    let [fault] = faults(&taken).try_into().unwrap();
    assert!(fault.contains("leave it out"), "{fault}");
}

#[test]
fn the_authority_of_computers_is_not_that_of_cards() {
    let machines = "[workstations.machine_certificates]\nanchors_dir = \"/etc/sceau/machines\"\n";
    let config = parse(&format!("{ISSUER}{machines}")).unwrap();
    assert!(config.workstations.machine_certificates.is_some_and(|machines| machines.crl_dir.is_none()));
    let same = format!("{ISSUER}[card]\nanchors_dir = \"/etc/sceau/machines\"\n{machines}");
    let [fault] = faults(&same).try_into().unwrap();
    assert!(fault.contains("must not be card.anchors_dir"), "{fault}");
    let [fault] = faults(&format!("{ISSUER}[workstations.machine_certificates]\n")).try_into().unwrap();
    assert!(fault.contains("anchors_dir must be there"), "{fault}");
}

#[test]
fn mail_goes_over_tls_but_to_this_machine() {
    let mail = |more: &str| {
        let needed =
            "server = \"smtp.chu.example\"\nfrom = \"Sceau <a@chu.example>\"\ncontact = \"b@chu.example\"\n";
        parse(&format!("{ISSUER}[mail]\n{needed}{more}"))
    };
    assert!(parse(ISSUER).unwrap().mail.is_none());
    let config = mail("").unwrap().mail.unwrap();
    assert_eq!((config.port, config.tls), (587, crate::config::MailTls::StartTls));
    assert_eq!(mail("tls = \"implicit\"\n").unwrap().mail.unwrap().port, 465);
    let fault = |more: &str| mail(more).unwrap_err().to_string();
    assert!(fault("tls = \"none\"\n").contains("only where server is this machine"));
    assert!(fault("user = \"sceau\"\n").contains("goes with password_file"));
    for (server, taken) in [
        ("smtp.chu.example:25", false),
        ("[::1]", false),
        ("smtp chu", false),
        ("2001:db8::25", true),
        ("192.0.2.25", true),
    ] {
        let text = format!(
            "{ISSUER}[mail]\nserver = \"{server}\"\nfrom = \"a@chu.example\"\ncontact = \"b@chu.example\"\n"
        );
        assert_eq!(parse(&text).is_ok(), taken, "{server}");
    }
    let local = "[mail]\nserver = \"127.0.0.1\"\ntls = \"none\"\nfrom = \"a@chu.example\"\ncontact = \"b\"\n";
    assert_eq!(parse(&format!("{ISSUER}{local}")).unwrap().mail.unwrap().port, 25);
    let [fault] = faults(&format!("{ISSUER}{}", local.replace("contact", "#contact"))).try_into().unwrap();
    assert!(fault.contains("mail.contact is missing"), "{fault}");
    let two_lines = local.replace("a@chu.example", "a@chu.example\\nBcc: all@chu.example");
    assert!(faults(&format!("{ISSUER}{two_lines}"))[0].contains("one line"));
}

#[test]
fn tls_needs_both_files() {
    let [fault] = faults(&format!("{ISSUER}[tls]\ncertificate_file = \"server.pem\"\n")).try_into().unwrap();
    assert!(fault.contains("tls.key_file is missing"), "{fault}");
}

/// The commented example and the production example are what an administrator starts from: they must be right, and
/// the commented one must name every key there is.
#[test]
fn a_zone_says_in_what_it_differs() {
    let zones = "[zones.urgences]\nshared = true\nidle = \"5 min\"\n[zones.bureaux]\ncard_out = \"ignore\"\nbadge_window = \"2 h\"\n";
    let config = parse(&format!("{ISSUER}[session]\ncard_out = \"end\"\n{zones}"));
    let config = config.unwrap();
    let names: Vec<_> = config.zones.keys().map(String::as_str).collect();
    assert_eq!(names, ["bureaux", "urgences"]);
    assert_eq!(config.zones["urgences"].idle, Some(TimeDelta::minutes(5)));
    assert!(config.zones["urgences"].shared && !config.zones["bureaux"].shared);
    assert_eq!(config.zones["bureaux"].card_out, Some(CardOut::Ignore));
    assert_eq!(config.zones["bureaux"].badge_window, Some(TimeDelta::hours(2)));
    assert_eq!(config.zones["urgences"].badge_window, None, "a badge alone opens nothing by default");
    assert!(!faults(&format!("{ISSUER}[zones.x]\nbadge_window = \"5 h\"\n")).is_empty());
    assert!(
        !faults(&format!("{ISSUER}[session]\nbadge_window = \"1 h\"\n")).is_empty(),
        "of a named zone only"
    );
    assert_eq!((config.session.card_out, config.session.lease), (CardOut::End, TimeDelta::seconds(90)));
    assert_eq!(
        faults(&format!("{ISSUER}[zones.urgences]\nshare = true\n[zones.x]\ncard_out = \"shut\"\n")),
        [
            "line 4: zones.urgences.share is unknown; did you mean \"shared\"? (CONF-003)",
            "line 6: zones.x.card_out must be \"ignore\", \"lock\" or \"end\" (CONF-006)",
        ]
    );
}

#[test]
fn keys_rotate_by_themselves_or_not_and_an_hsm_is_named_whole() {
    let config = parse(ISSUER).unwrap();
    assert_eq!(config.keys.rotation, Some(TimeDelta::days(180)));
    assert!(config.keys.pkcs11.is_none());
    assert_eq!(parse(&format!("{ISSUER}[keys]\nrotation = \"off\"\n")).unwrap().keys.rotation, None);
    let ninety = parse(&format!("{ISSUER}[keys]\nrotation = \"90 d\"\n")).unwrap();
    assert_eq!(ninety.keys.rotation, Some(TimeDelta::days(90)));
    assert_eq!(faults(&format!("{ISSUER}[keys]\nrotation = \"1 h\"\n")).len(), 1);
    let whole = "pkcs11_module = \"/usr/lib/hsm.so\"\npkcs11_token = \"sceau\"\npkcs11_pin = \"271828\"\n";
    let config = parse(&format!("{ISSUER}[keys]\n{whole}")).unwrap();
    assert!(!format!("{config:?}").contains("271828"));
    assert_eq!(config.keys.pkcs11.unwrap().token, "sceau");
    for missing in whole.lines() {
        let part: String =
            whole.lines().filter(|line| *line != missing).flat_map(|line| [line, "\n"]).collect();
        let found = faults(&format!("{ISSUER}[keys]\n{part}"));
        assert!(matches!(found.as_slice(), [one] if one.contains("all of them, or none")), "{found:?}");
    }
}

#[test]
fn a_population_of_security_keys_names_somebody_and_what_proves_a_model_is_there() {
    let keys = |text: &str| format!("{ISSUER}[security_keys]\n{text}");
    let population = "[security_keys.populations.soignants]\n";
    let good = format!("{population}professions = [\"10\", \"60\"]\nsynced = false\n");
    let own = parse(&keys(&good)).unwrap().security_keys.populations.remove(0);
    assert_eq!((own.professions.len(), own.synced, own.allow), (2, Some(false), None));
    for (text, said) in [
        (population.to_owned(), "names nobody"),
        (format!("{population}professions = [\"médecin\"]\n"), "two digits"),
        (format!("{good}attestation = \"required\"\n"), "attestation_anchors_dir"),
        ("attestation = \"required\"\n".to_owned(), "attestation_anchors_dir"),
        ("second_factor_level = \"eidas3\"\n".to_owned(), "no card and PIN"),
        ("attested_certification = \"L1\"\n".to_owned(), "metadata_file or metadata_url"),
        ("metadata_file = \"a\"\n".to_owned(), "name the file of the root"),
        ("metadata_file = \"a\"\nmetadata_url = \"https://a.example\"\n".to_owned(), "keep one"),
        ("metadata_anchor = \"a\"\n".to_owned(), "metadata_anchor needs metadata_file or metadata_url"),
        ("metadata_signer = \"a\"\n".to_owned(), "metadata_signer needs metadata_file or metadata_url"),
        ("metadata_stale = \"refuse\"\n".to_owned(), "metadata_stale needs metadata_file or metadata_url"),
        (format!("{good}attested_certification = \"L2\"\n"), "name metadata_file or metadata_url"),
    ] {
        let found = faults(&keys(&text));
        assert!(found.iter().any(|fault| fault.contains(said)), "{text}: {found:?}");
    }
}

#[test]
fn a_provider_of_others_is_trusted_with_no_more_than_is_said() {
    let read = |text: &str| Config::parse(&format!("{ISSUER}{text}"), Path::new("/etc/sceau/sceau.toml"));
    let good =
        "[upstream.psc]\nissuer = \"https://psc.example/realm/\"\nclient_id = \"h\"\nclient_secret = \"s\"\n";
    let config = read(good).unwrap();
    let psc = &config.upstreams["psc"];
    assert_eq!(psc.discovery.as_str(), "https://psc.example/realm/.well-known/wallet-openid-configuration");
    assert_eq!((psc.label.as_str(), psc.link), ("Pro Santé Connect", UpstreamLink::Automatic));
    assert!(psc.application.is_none(), "off unless it is said");
    let asks = read(&format!("{good}ciba = true\nchannels = [\"MOBILE\", \"CARD\"]\n")).unwrap();
    let application = asks.upstreams["psc"].application.clone().unwrap();
    assert_eq!(application, UpstreamApplication { name: "e-CPS".into(), mobile: true, card: true });
    let standard = read(&format!("{good}profile = \"standard\"\nlabel = \"Groupe\"\n")).unwrap();
    let standard = &standard.upstreams["psc"];
    assert_eq!((standard.level, standard.link), (CardAcr::Eidas1, UpstreamLink::Desk));
    assert!(standard.identifier_claim.is_none(), "nobody knows what its claims mean");
    assert!(psc.exchange.is_empty(), "no service brings its tokens unless it is said");
    let brings =
        read(&format!("{good}[upstream.psc.exchange]\n\"serveur.api\" = [\"lps-1\", \"lps-2\"]\n")).unwrap();
    let brings = &brings.upstreams["psc"].exchange;
    assert_eq!(brings["serveur.api"], ["lps-1", "lps-2"].map(str::to_owned).into());
    for (text, said) in [
        (format!("{good}exchange = [\"api\"]\n"), "upstream.psc.exchange"),
        (format!("{good}[upstream.psc.exchange]\napi = 1\n"), "upstream.psc.exchange.api"),
        (format!("{good}[upstream.psc.exchange]\napi = [\"\"]\n"), "must not be empty"),
        (good.replace("https", "http"), "must begin with https://"),
        (good.replace("client_secret = \"s\"\n", ""), "upstream.psc.client_secret_file"),
        (format!("{good}client_certificate = \"c\"\n"), "stands beside a certificate"),
        (format!("{good}{}", good.replace("psc]", "other]")), "is that of another section"),
        (format!("{good}subject_claim = \"oid\"\n"), "upstream.psc.tenant"),
        (good.replace("client_secret", "client_key"), "are needed together"),
        (good.replace("upstream.psc", "upstream.PSC"), "a-z, 0-9 and hyphens"),
        (format!("{good}profile = \"standard\"\n"), "upstream.psc.label"),
        (
            format!("{good}profile = \"standard\"\nlabel = \"G\"\nlink = \"automatic\"\n"),
            "needs identifier_claim",
        ),
        (format!("{good}level = \"high\"\n"), "must be \"eidas1\""),
        (format!("{good}identifier_claim = \"email\"\n"), "must hold a national identifier"),
        (format!("{good}ciba = true\nchannels = [\"SMS\"]\n"), "must be \"MOBILE\" or \"CARD\""),
        (format!("{good}ciba = true\nchannels = []\n"), "upstream.psc.channels"),
        (
            format!("{good}profile = \"standard\"\nlabel = \"G\"\nciba = true\nchannels = [\"CARD\"]\n"),
            "of the profile \"psc\" alone",
        ),
        (format!("{good}profile = \"standard\"\nlabel = \"G\"\nciba = true\n"), "needs identifier_claim"),
    ] {
        let error = read(&text).unwrap_err().to_string();
        assert!(error.contains(said), "{text}: {error}");
    }
}

#[test]
fn the_examples_are_valid_and_complete() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("config");
    let example = std::fs::read_to_string(root.join("sceau.example.toml")).unwrap();
    let production = std::fs::read_to_string(root.join("sceau.production.toml")).unwrap();
    Config::parse(&example, Path::new("/etc/sceau/sceau.toml")).unwrap();
    Config::parse(&production, Path::new("/etc/sceau/sceau.toml")).unwrap();

    // With every commented key in force it is still valid: only secrets exclude their file, and that is not there.
    let in_force: String = example
        .lines()
        .map(|line| match line.strip_prefix('#') {
            Some(key) if key.contains(" = ") && !key.starts_with(' ') && !key.contains("_file") => key,
            Some(section) if section.starts_with('[') => section,
            _ => line,
        })
        .flat_map(|line| [line, "\n"])
        .collect();
    let config = Config::parse(&in_force, Path::new("/etc/sceau/sceau.toml"));
    let faults = config.err().map(|error| error.faults).unwrap_or_default();
    let lacks_its_file = |key: &str| {
        key.starts_with("tls.")
            || ["keys.pkcs11_module", "mail.user", "upstream.psc.client_secret_file"].contains(&key)
    };
    let faults: Vec<_> = faults.iter().filter(|fault| !lacks_its_file(&fault.key)).collect();
    assert!(faults.is_empty(), "{faults:?}");

    for file in std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/config")).unwrap() {
        let file = file.unwrap().path();
        if matches!(file.file_stem().and_then(|stem| stem.to_str()), Some("tests" | "reader" | "mod")) {
            continue;
        }
        let code = std::fs::read_to_string(&file).unwrap();
        for call in [".text(\"", ".list(\"", ".flag(\"", ".span(\"", ".path_of(\"", ".number(\""] {
            for (place, _) in code.match_indices(call) {
                let key = code[place + call.len()..].split('"').next().unwrap();
                assert!(
                    example.contains(&format!("{key} = ")),
                    "{key} of {} is not in the example",
                    file.display()
                );
            }
        }
    }
}

#[test]
fn what_faces_the_internet_has_an_address_that_no_other_of_ours_covers() {
    let host = |name: &str, listen: &str| {
        format!(
            "[{name}]\nurl = \"https://{}.example\"\nlisten = \"{listen}\"\nproxies = [\"127.0.0.1\"]\n",
            &name[..4]
        )
    };
    let with = |server: &str, more: &str, listen: &str| {
        let proxies = "trusted_proxies = [\"10.0.0.4\"]";
        parse(&format!(
            "{ISSUER}listen = \"{server}\"\n{proxies}\n{more}[delegation]\nlisten = \"{listen}\"\n"
        ))
    };
    for (server, more, listen, key) in [
        ("192.0.2.10:443", String::new(), "192.0.2.10:443", "server.listen (192.0.2.10:443)"),
        ("0.0.0.0:443", String::new(), "192.0.2.10:443", "server.listen (0.0.0.0:443)"),
        ("[::]:443", String::new(), "192.0.2.10:443", "server.listen ([::]:443)"),
        ("10.0.0.1:443", String::new(), "0.0.0.0:443", "server.listen (10.0.0.1:443)"),
        ("10.0.0.1:443", host("card.tls", "[::]:8443"), "192.0.2.10:8443", "card.tls.listen ([::]:8443)"),
        (
            "10.0.0.1:443",
            host("oidc.mtls", "0.0.0.0:8444"),
            "192.0.2.10:8444",
            "oidc.mtls.listen (0.0.0.0:8444)",
        ),
    ] {
        let faults = with(server, &more, listen).unwrap_err().faults;
        let [fault] = faults.as_slice() else { panic!("{faults:?}") };
        let fault = fault.to_string();
        assert!(fault.contains(&format!("delegation.listen is taken by {key}")), "{fault}");
    }
    for (server, listen) in [
        ("0.0.0.0:8443", "192.0.2.10:443"),
        ("10.0.0.1:443", "192.0.2.10:443"),
        ("0.0.0.0:443", "[2001:db8::1]:443"),
        ("127.0.0.1:0", "127.0.0.1:0"),
    ] {
        assert!(with(server, "", listen).is_ok(), "{server} {listen}");
    }
}
