//! Phones through the real router, on both databases: paired, asked, answering, refused.

mod attacks;
mod ciba;
mod notices;
mod pairing;
mod push;
mod push_service;
mod sign_in;
mod waiting;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::StatusCode;
use openssl::ec::{EcGroup, EcKey};
use openssl::ecdsa::EcdsaSig;
use openssl::nid::Nid;
use openssl::pkey::Private;
use serde_json::{Value, json};

use super::security_keys::authenticator::SoftKey;
use super::security_keys::{FRONT, Hospital, code};
use super::spec::stand::{Answer, SignedIn};
use crate::clock::Clock as _;
use crate::crypto::digest::sha256;

/// The application on a phone, in software: everything that it says can be said wrongly.
#[derive(Clone)]
pub(super) struct SoftPhone {
    pub(super) passkey: SoftKey,
    installation: EcKey<Private>,
    /// Its row in the registry, once it is paired.
    pub(super) id: String,
    /// The cookie of its browser.
    pub(super) cookie: String,
    server: String,
    /// How far its clock is off, in seconds.
    off: i64,
}

impl SoftPhone {
    pub(super) fn new() -> Self {
        let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
        Self {
            passkey: SoftKey::new(),
            installation: EcKey::generate(&group).unwrap(),
            id: String::new(),
            cookie: "__Host-browser=phone".into(),
            server: FRONT.into(),
            off: 0,
        }
    }

    fn jwk(&self) -> Value {
        let (mut x, mut y) = (openssl::bn::BigNum::new().unwrap(), openssl::bn::BigNum::new().unwrap());
        let mut context = openssl::bn::BigNumContext::new().unwrap();
        let key = &self.installation;
        key.public_key().affine_coordinates(key.group(), &mut x, &mut y, &mut context).unwrap();
        let part = |number: &openssl::bn::BigNum| URL_SAFE_NO_PAD.encode(number.to_vec_padded(32).unwrap());
        json!({"kty": "EC", "crv": "P-256", "x": part(&x), "y": part(&y)})
    }

    /// A message of its installation (JWS, ES256).
    fn signed(&self, typ: &str, claims: &Value) -> String {
        let mut header = json!({"alg": "ES256", "typ": typ});
        if !self.id.is_empty() {
            header["kid"] = json!(self.id);
        }
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", part(&header), part(claims));
        let signature = EcdsaSig::sign(&sha256(signed.as_bytes()), &self.installation).unwrap();
        let [r, s] = [signature.r(), signature.s()].map(|number| number.to_vec_padded(32).unwrap());
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode([r, s].concat()))
    }
}

/// What a phone is shown.
#[derive(Clone)]
pub(super) struct Shown {
    question: String,
    context: String,
    handle: String,
    options: Value,
}

impl Shown {
    fn of(opened: &Answer) -> Self {
        assert_eq!(opened.status, StatusCode::OK, "{}", opened.body);
        let said = opened.json();
        let text = |name: &str| said[name].as_str().unwrap().to_owned();
        Self {
            question: text("question"),
            context: text("context"),
            handle: text("handle"),
            options: said["options"].clone(),
        }
    }

    fn context(&self) -> Value {
        serde_json::from_str(&self.context).unwrap()
    }
}

impl Hospital {
    /// What a phone asks for.
    pub(super) async fn phone_asks(&self, phone: &SoftPhone, path: &str, more: Value) -> Answer {
        let iat = self.stand.clock.now().timestamp() + phone.off;
        let mut claims = json!({"aud": phone.server, "iat": iat});
        for (name, value) in more.as_object().unwrap() {
            claims[name] = value.clone();
        }
        let message = phone.signed("sceau-phone-ask+jwt", &claims);
        self.say(path, &json!({"message": message}), &phone.cookie).await
    }

    async fn opens(&self, phone: &SoftPhone, more: Value) -> Answer {
        self.phone_asks(phone, "/phone/question", more).await
    }

    /// The only question that waits, as the phone is shown it.
    pub(super) async fn opened(&self, phone: &SoftPhone) -> Shown {
        let listed = self.phone_asks(phone, "/phone/list", json!({})).await.json();
        let waiting = listed["waiting"].as_array().unwrap().clone();
        assert_eq!(waiting.len(), 1, "{listed}");
        Shown::of(&self.opens(phone, json!({"question": waiting[0]["question"]})).await)
    }

    /// What the application posts when its person approves.
    pub(super) async fn approves(
        &self,
        phone: &mut SoftPhone,
        shown: &Shown,
        digits: Option<&str>,
    ) -> Answer {
        let mut claims = decision(phone, shown, "approve");
        claims["challenge"] = shown.options["challenge"].clone();
        if let Some(digits) = digits {
            claims["digits"] = json!(digits);
        }
        self.answers(phone, shown, &claims).await
    }

    async fn answers(&self, phone: &mut SoftPhone, shown: &Shown, claims: &Value) -> Answer {
        let message = phone.signed("sceau-phone-answer+jwt", claims);
        let credential = phone.passkey.get(&shown.options);
        let words = json!({"message": message, "handle": shown.handle, "credential": credential});
        self.say("/phone/answer", &words, &phone.cookie).await
    }

    async fn denies(&self, phone: &SoftPhone, shown: &Shown, how: &str) -> Answer {
        let message = phone.signed("sceau-phone-answer+jwt", &decision(phone, shown, how));
        self.say("/phone/answer", &json!({"message": message}), &phone.cookie).await
    }

    /// A code on the page of means: the handle of the page, and the secret that the phone finds in it.
    async fn code_of(&self, browser: &SignedIn) -> (String, String) {
        let begun = self.say("/means/phone", &json!({}), &browser.cookie).await;
        assert_eq!(begun.status, StatusCode::OK, "{}", begun.body);
        let begun = begun.json();
        let address = scanned(&begun["code"]);
        let secret = address.strip_prefix("http://localhost:8080/phone#pair=").expect("our own address");
        (begun["pairing"].as_str().unwrap().to_owned(), secret.to_owned())
    }

    /// What a phone brings that took the code: the answer holds the digits that it shows.
    pub(super) async fn brings(&self, phone: &mut SoftPhone, taken: &Value) -> Answer {
        let proof = json!({"aud": phone.server, "handle": taken["handle"], "jwk": phone.jwk()});
        let words = json!({
            "handle": taken["handle"],
            "credential": phone.passkey.create(&taken["options"]),
            "installation": phone.signed("sceau-phone-pairing+jwt", &proof),
            "label": "Téléphone de service",
        });
        self.say("/phone/pair/bring", &words, &phone.cookie).await
    }

    async fn takes(&self, secret: &str) -> Answer {
        self.takes_in("", secret).await
    }

    /// As [`Self::takes`], in a browser with this cookie.
    pub(super) async fn takes_in(&self, cookie: &str, secret: &str) -> Answer {
        self.say("/phone/pair/take", &json!({"code": secret}), cookie).await
    }

    async fn confirms(&self, browser: &SignedIn, pairing: &str, digits: &str) -> Answer {
        self.say("/means/phone/confirm", &json!({"pairing": pairing, "digits": digits}), &browser.cookie)
            .await
    }

    /// Pairs a phone in the session of `browser`, as page and application do.
    async fn pair(&self, browser: &SignedIn) -> SoftPhone {
        let mut phone = SoftPhone::new();
        let (pairing, secret) = self.code_of(browser).await;
        let taken = self.takes(&secret).await.json();
        let brought = self.brings(&mut phone, &taken).await.json();
        let answer = self.confirms(browser, &pairing, brought["digits"].as_str().unwrap()).await;
        assert_eq!(answer.json(), json!({"state": "done"}));
        self.learns(&mut phone, &taken).await;
        phone
    }

    /// The phone learns that its digits were typed.
    pub(super) async fn learns(&self, phone: &mut SoftPhone, taken: &Value) {
        let credential = URL_SAFE_NO_PAD.encode(&phone.passkey.id);
        let words = json!({"handle": taken["handle"], "credential": credential});
        let paired = self.say("/phone/pair/brought", &words, &phone.cookie).await.json();
        assert_eq!(paired["state"], "done");
        phone.id = paired["phone"].as_str().unwrap().to_owned();
    }

    /// The number that the sign-in page shows for whoever typed this.
    pub(super) async fn number(&self, begun: &super::security_keys::Begun, identifier: &str) -> String {
        let words = json!({"txn": begun.txn, "identifier": identifier});
        let asked = self.say("/login/phone/ask", &words, &begun.cookie).await;
        assert_eq!(asked.status, StatusCode::OK, "{}", asked.body);
        asked.json()["number"].as_str().unwrap().to_owned()
    }

    pub(super) async fn finishes(&self, begun: &super::security_keys::Begun) -> Answer {
        self.say("/login/phone/finish", &json!({"txn": begun.txn}), &begun.cookie).await
    }
}

/// What the key of the installation signs, but for what approving adds.
fn decision(phone: &SoftPhone, shown: &Shown, how: &str) -> Value {
    json!({
        "aud": phone.server, "question": shown.question, "decision": how,
        "context": URL_SAFE_NO_PAD.encode(sha256(shown.context.as_bytes())),
    })
}

/// What a camera reads in a code.
pub(super) fn scanned(code: &Value) -> String {
    let size = usize::try_from(code["size"].as_u64().unwrap()).unwrap();
    let modules: Vec<bool> = code["modules"].as_str().unwrap().chars().map(|module| module == '1').collect();
    let mut image = rqrr::PreparedImage::prepare_from_greyscale((size + 8) * 4, (size + 8) * 4, |x, y| {
        let (x, y) = ((x / 4).wrapping_sub(4), (y / 4).wrapping_sub(4));
        let dark = x < size && y < size && modules[y * size + x];
        if dark { 0 } else { 255 }
    });
    let (_, text) = image.detect_grids().remove(0).decode().unwrap();
    text
}
