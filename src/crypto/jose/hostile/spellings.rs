//! A second spelling of a good token, and what is no token (RFC 7515 §2, §5.2, §7.1, RFC 8259, RFC 8725 §2.4).

use super::Reader::Signed;
use super::*;

pub(super) fn rows(bench: &Bench) -> Vec<Row> {
    [parts(bench), base64(bench), headers(bench), payloads(bench)].into_iter().flatten().collect()
}

fn parts(bench: &Bench) -> Vec<Row> {
    let good = bench.good(&bench.es);
    let parts: Vec<_> = good.split('.').collect();
    let [header, payload, signature] = parts[..] else { panic!("{good}") };
    let flattened = json!({ "protected": header, "payload": payload, "signature": signature });
    let general =
        json!({ "payload": payload, "signatures": [{ "protected": header, "signature": signature }] });
    let mut rows = vec![
        refused("JSON, flattened", Signed, flattened.to_string(), JwsError::Malformed),
        refused("JSON, general", Signed, general.to_string(), JwsError::Malformed),
        refused(
            "JSON with a compact token within",
            Signed,
            json!({ "token": good }).to_string(),
            JwsError::NotBase64url,
        ),
        refused("a token after a scheme", Signed, format!("Bearer {good}"), JwsError::NotBase64url),
        refused("too long", Signed, format!("{good}{}", "A".repeat(8192)), JwsError::TooLong),
        refused("a detached payload", Signed, format!("{header}..{signature}"), JwsError::BadSignature),
        refused("no header", Signed, format!(".{payload}.{signature}"), JwsError::Header(JsonFault::Syntax)),
    ];
    for sent in [
        "",
        ".",
        "a",
        "a.b",
        "a.b.c.d",
        "....",
        "e30.e30.e30.e30.e30",
        "....................",
        "null",
        "{}",
        "[]",
    ] {
        rows.push(refused(format!("not three parts: {sent:?}"), Signed, sent.into(), JwsError::Malformed));
    }
    for (what, sent) in
        [("a dot at the end", format!("{good}.")), ("a dot at the beginning", format!(".{good}"))]
    {
        rows.push(refused(what, Signed, sent, JwsError::Malformed));
    }
    rows.push(refused("two dots", Signed, "..".into(), JwsError::Header(JsonFault::Syntax)));
    rows
}

/// What is done to a part.
type Change = Box<dyn Fn(&str) -> String>;

/// One token has one text: whoever compares or stores tokens must not be told two of them.
fn base64(bench: &Bench) -> Vec<Row> {
    // Each part of a length that leaves bits unused.
    let header = header(&bench.es).to_string();
    let text = format!("{header}{}", " ".repeat((4 - header.len() % 3) % 3));
    assert_eq!(text.len() % 3, 1, "{text}");
    let good = signed(&bench.es, &text, b"{ } ");
    let parts: Vec<_> = good.split('.').map(str::to_owned).collect();
    let with = |at: usize, change: &dyn Fn(&str) -> String| {
        let mut parts = parts.clone();
        parts[at] = change(&parts[at]);
        parts.join(".")
    };
    let mut rows = vec![accepted("a token with bits unused", Signed, good.clone())];
    for (at, part) in ["header", "payload", "signature"].into_iter().enumerate() {
        let stray = |text: &str| {
            const ALPHABET: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
            let (rest, last) = text.split_at(text.len() - 1);
            let next = ALPHABET.find(last).unwrap() | 1;
            format!("{rest}{}", &ALPHABET[next..=next])
        };
        let in_the_middle =
            |sign: &'static str| move |text: &str| format!("{}{sign}{}", &text[..2], &text[2..]);
        let changes: [(&str, Change); 16] = [
            ("padding", Box::new(|text| format!("{text}=="))),
            ("one sign of padding", Box::new(|text| format!("{text}="))),
            ("a bit that is not used", Box::new(stray)),
            ("+ of the other alphabet", Box::new(in_the_middle("+"))),
            ("/ of the other alphabet", Box::new(in_the_middle("/"))),
            ("a space", Box::new(in_the_middle(" "))),
            ("a line end", Box::new(in_the_middle("\n"))),
            ("a carriage return", Box::new(in_the_middle("\r\n"))),
            ("a tab", Box::new(in_the_middle("\t"))),
            ("a NUL", Box::new(in_the_middle("\0"))),
            ("a question mark", Box::new(in_the_middle("?"))),
            ("a percent sign", Box::new(in_the_middle("%2D"))),
            ("a letter with an accent", Box::new(in_the_middle("é"))),
            ("a space before", Box::new(|text| format!(" {text}"))),
            ("a line end behind", Box::new(|text| format!("{text}\n"))),
            ("a letter too many", Box::new(|text| format!("{text}AAA"))),
        ];
        for (what, change) in changes {
            rows.push(refused(
                format!("{what}, in the {part}"),
                Signed,
                with(at, &*change),
                JwsError::NotBase64url,
            ));
        }
    }
    rows
}

/// Each is signed by the client's own key, as it stands.
fn headers(bench: &Bench) -> Vec<Row> {
    let (key, kid) = (&bench.es, bench.es.kid());
    let good = header(key).to_string();
    let rest = &good[1..];
    let deep = format!(r#"{{"cty":{}{},{rest}"#, "[".repeat(400), "]".repeat(400));
    let faults = [
        ("alg twice, none first", format!(r#"{{"alg":"none",{rest}"#), JsonFault::DuplicateMember),
        (
            "alg twice, none last",
            format!(r#"{},"alg":"none"}}"#, &good[..good.len() - 1]),
            JsonFault::DuplicateMember,
        ),
        ("alg twice, once in escapes", format!(r#"{{"\u0061lg":"none",{rest}"#), JsonFault::DuplicateMember),
        ("kid twice", format!(r#"{{"kid":"{kid}",{rest}"#), JsonFault::DuplicateMember),
        (
            "a member twice within another",
            format!(r#"{{"cty":{{"a":1,"a":2}},{rest}"#),
            JsonFault::DuplicateMember,
        ),
        ("a list", format!("[{good}]"), JsonFault::NotAnObject),
        ("a text", r#""ES256""#.into(), JsonFault::NotAnObject),
        ("a number", "1".into(), JsonFault::NotAnObject),
        ("null", "null".into(), JsonFault::NotAnObject),
        ("nothing", String::new(), JsonFault::Syntax),
        ("no JSON", "alg=ES256".into(), JsonFault::Syntax),
        ("a NUL behind", format!("{good}\0"), JsonFault::Syntax),
        ("another object behind", format!("{good}{good}"), JsonFault::Syntax),
        ("a byte order mark before", format!("\u{feff}{good}"), JsonFault::Syntax),
        ("a comment", format!("{good}// none"), JsonFault::Syntax),
        ("a comma too many", format!("{},}}", &good[..good.len() - 1]), JsonFault::Syntax),
        ("single quotation marks", good.replace('"', "'"), JsonFault::Syntax),
        ("half a character", format!(r#"{{"cty":"\ud800",{rest}"#), JsonFault::Syntax),
        ("not closed", good[..good.len() - 1].to_owned(), JsonFault::Syntax),
        ("deeply nested", deep, JsonFault::TooDeep),
    ];
    let mut rows: Vec<_> = faults
        .into_iter()
        .map(|(what, header, fault)| {
            refused(format!("header: {what}"), Signed, signed(key, &header, b"{}"), JwsError::Header(fault))
        })
        .collect();
    // RFC 7515 §4: member names are compared as they are, once their escapes are read.
    let escaped = good.replace("\"alg\"", r#""\u0061lg""#);
    rows.push(accepted("header: alg in escapes, once", Signed, signed(key, &escaped, b"{}")));
    let utf16: Vec<u8> = good.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let token = signed(key, "x", b"{}").replacen(&base64url::encode("x"), &base64url::encode(utf16), 1);
    rows.push(refused("header: in UTF-16", Signed, token, JwsError::Header(JsonFault::Syntax)));
    rows
}

fn payloads(bench: &Bench) -> Vec<Row> {
    let (key, header) = (&bench.es, header(&bench.es).to_string());
    let nested = bench.good(key);
    let deep = format!(r#"{{"a":{}{}}}"#, "[".repeat(400), "]".repeat(400));
    let objects = format!("{}1{}", r#"{"a":"#.repeat(400), "}".repeat(400));
    let faults: Vec<(&str, Vec<u8>, JsonFault)> = vec![
        ("aud twice", br#"{"aud":"a","aud":"b"}"#.into(), JsonFault::DuplicateMember),
        ("sub twice, once in escapes", br#"{"sub":"a","\u0073ub":"b"}"#.into(), JsonFault::DuplicateMember),
        ("jkt twice in cnf", br#"{"cnf":{"jkt":"a","jkt":"b"}}"#.into(), JsonFault::DuplicateMember),
        ("a member twice in a list", br#"{"a":[{"b":1,"b":1}]}"#.into(), JsonFault::DuplicateMember),
        ("a list", b"[]".into(), JsonFault::NotAnObject),
        ("a text", b"\"text\"".into(), JsonFault::NotAnObject),
        ("a number", b"1".into(), JsonFault::NotAnObject),
        ("null", b"null".into(), JsonFault::NotAnObject),
        ("nothing", b"".into(), JsonFault::Syntax),
        ("another token", nested.into_bytes(), JsonFault::Syntax),
        ("two objects", b"{} {}".into(), JsonFault::Syntax),
        ("a number beyond all", br#"{"exp":1e999}"#.into(), JsonFault::Syntax),
        ("no number", br#"{"exp":NaN}"#.into(), JsonFault::Syntax),
        ("a number with a zero before it", br#"{"exp":01}"#.into(), JsonFault::Syntax),
        ("a line end in a text", b"{\"a\":\"\n\"}".into(), JsonFault::Syntax),
        ("bytes that are no UTF-8", b"{\"a\":\"\xC0\xAF\"}".into(), JsonFault::Syntax),
        ("compressed", vec![0x78, 0x9C, 0xAB, 0xAE, 5, 0, 1, 0x75, 0, 0xF9], JsonFault::Syntax),
        ("deep lists", deep.into_bytes(), JsonFault::TooDeep),
        ("deep objects", objects.into_bytes(), JsonFault::TooDeep),
    ];
    faults
        .into_iter()
        .map(|(what, payload, fault)| {
            refused(
                format!("payload: {what}"),
                Signed,
                signed(key, &header, &payload),
                JwsError::Payload(fault),
            )
        })
        .collect()
}
