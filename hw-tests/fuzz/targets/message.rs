//! What an agent and a server tell each other: a JWS whose payload may be any of the messages, read as each of them. What
//! is a message says one thing: written and read again, it is the same.

#![no_main]

use libfuzzer_sys::fuzz_target;
use sceau::card::protocol::{
    AgentNotice, CardAnswer, CardRequest, EnrolmentGrant, EnrolmentRequest, Invitation, RequestKeys,
    WebOrigin,
};
use sceau::crypto::jose;

macro_rules! means_one_thing {
    ($input:expr, $($message:ty),*) => {
        $(if let Ok(message) = <$message>::from_payload($input) {
            let meant = message.to_payload();
            let again = <$message>::from_payload(meant.to_string().as_bytes()).map(|again| again.to_payload());
            assert_eq!(again.as_ref(), Ok(&meant), stringify!($message));
        })*
    };
}

fuzz_target!(|input: &[u8]| {
    means_one_thing!(
        input,
        AgentNotice,
        CardAnswer,
        CardRequest,
        EnrolmentGrant,
        EnrolmentRequest,
        RequestKeys
    );
    let Ok(text) = std::str::from_utf8(input) else { return };
    let _payload = jose::unverified_payload(text);
    let _claims = jose::unverified_claims(text);
    let _code = Invitation::parse(text);
    if let Ok(origin) = WebOrigin::parse(text) {
        assert_eq!(WebOrigin::parse(origin.as_str()), Ok(origin));
    }
    let _typed = WebOrigin::of_address(text);
});
