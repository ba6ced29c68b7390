//! Signatures that are none: of another length, in another encoding, with numbers out of range, with another padding or
//! hash (RFC 7518 §3.3 to §3.5, RFC 8032 §5.1.7, FIPS 186-5 §6.4.2).

use openssl::bn::{BigNum, BigNumContext};
use openssl::ec::EcGroup;
use openssl::ecdsa::EcdsaSig;
use openssl::hash::{MessageDigest, hash};
use openssl::nid::Nid;
use openssl::rsa::Padding;
use openssl::sign::{RsaPssSaltlen, Signer};

use super::Reader::Signed;
use super::*;

pub(super) fn rows(bench: &Bench) -> Vec<Row> {
    let Bench { rs, ps, es, ed, .. } = bench;
    let of_each = [rs, ps, es, ed].into_iter().flat_map(|key| of_every_algorithm(bench, key));
    of_each.chain(ecdsa(bench)).chain(eddsa(bench)).chain(rsa(bench)).collect()
}

fn of_every_algorithm(bench: &Bench, key: &SigningKey) -> Vec<Row> {
    let (good, name) = (bench.good(key), key.algorithm().name());
    let (input, bytes) = taken_apart(&good);
    let other = bench.token(key, json!({ "cty": "another" }));
    let flipped = |at: usize| {
        let mut bytes = bytes.clone();
        bytes[at] ^= 1;
        bytes
    };
    let (length, last) = (bytes.len(), bytes.len() - 1);
    [
        ("nothing", vec![], JwsError::SignatureLength),
        ("one byte", vec![0], JwsError::SignatureLength),
        ("without its last byte", bytes[..last].to_vec(), JwsError::SignatureLength),
        ("without its first byte", bytes[1..].to_vec(), JwsError::SignatureLength),
        ("its first half", bytes[..length / 2].to_vec(), JwsError::SignatureLength),
        ("and a zero", [&bytes[..], &[0]].concat(), JwsError::SignatureLength),
        ("after a zero", [&[0], &bytes[..]].concat(), JwsError::SignatureLength),
        ("twice", [&bytes[..], &bytes].concat(), JwsError::SignatureLength),
        ("zeros", vec![0; length], JwsError::BadSignature),
        ("ones", vec![0xFF; length], JwsError::BadSignature),
        ("its first bit changed", flipped(0), JwsError::BadSignature),
        ("its last bit changed", flipped(last), JwsError::BadSignature),
        ("of another token", taken_apart(&other).1, JwsError::BadSignature),
    ]
    .into_iter()
    .map(|(what, signature, why)| {
        refused(format!("{name} signature: {what}"), Signed, with_signature(input, &signature), why)
    })
    .collect()
}

fn ecdsa(bench: &Bench) -> Vec<Row> {
    let good = bench.good(&bench.es);
    let (input, bytes) = taken_apart(&good);
    let private = private(&bench.es);
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
    let (mut order, mut prime) = (BigNum::new().unwrap(), BigNum::new().unwrap());
    group.order(&mut order, &mut BigNumContext::new().unwrap()).unwrap();
    let (mut a, mut b) = (BigNum::new().unwrap(), BigNum::new().unwrap());
    group.components_gfp(&mut prime, &mut a, &mut b, &mut BigNumContext::new().unwrap()).unwrap();
    let number = |number: &BigNum| number.to_vec_padded(32).unwrap();
    let small = |value: u32| number(&BigNum::from_u32(value).unwrap());
    let (order_bytes, prime) = (number(&order), number(&prime));
    let (r, s) = (bytes[..32].to_vec(), bytes[32..].to_vec());
    let mut minus_s = BigNum::new().unwrap();
    minus_s.checked_sub(&order, &BigNum::from_slice(&s).unwrap()).unwrap();
    let der = |r: &[u8], s: &[u8]| {
        let (r, s) = (BigNum::from_slice(r).unwrap(), BigNum::from_slice(s).unwrap());
        EcdsaSig::from_private_components(r, s).unwrap().to_der().unwrap()
    };
    let by = |digest| {
        let mut signer = Signer::new(digest, &private).unwrap();
        let signature = EcdsaSig::from_der(&signer.sign_oneshot_to_vec(input.as_bytes()).unwrap()).unwrap();
        [signature.r().to_vec_padded(32).unwrap(), signature.s().to_vec_padded(32).unwrap()].concat()
    };
    let mut rows: Vec<_> = [
        ("r is 0", [small(0), s.clone()]),
        ("s is 0", [r.clone(), small(0)]),
        ("r and s are 0", [small(0), small(0)]),
        ("r and s are 1", [small(1), small(1)]),
        ("r is the order", [order_bytes.clone(), s.clone()]),
        ("s is the order", [r.clone(), order_bytes.clone()]),
        ("r is the order, s is 0", [order_bytes.clone(), small(0)]),
        ("r is the prime of the curve", [prime.clone(), s.clone()]),
        ("r is 0, s is the order", [small(0), order_bytes]),
        ("r is 2²⁵⁶ − 1", [vec![0xFF; 32], s.clone()]),
        ("r and s changed places", [s.clone(), r.clone()]),
    ]
    .into_iter()
    .map(|(what, parts)| {
        let token = with_signature(input, &parts.concat());
        refused(format!("ES256: {what}"), Signed, token, JwsError::BadSignature)
    })
    .collect();
    for (what, signature, why) in [
        ("as DER", der(&r, &s), JwsError::SignatureLength),
        ("as DER with r and s 0", der(&[], &[]), JwsError::SignatureLength),
        (
            "numbers of 48 bytes, as of P-384",
            [vec![0; 16], r.clone(), vec![0; 16], s].concat(),
            JwsError::SignatureLength,
        ),
        ("of the SHA-1 of it", by(MessageDigest::sha1()), JwsError::BadSignature),
        ("of the SHA-384 of it", by(MessageDigest::sha384()), JwsError::BadSignature),
    ] {
        rows.push(refused(format!("ES256: {what}"), Signed, with_signature(input, &signature), why));
    }
    // (r, s) and (r, n − s) are both signatures: RFC 7518 §3.4 asks for neither. Nothing here takes a token for another
    // because its signature differs: what is used once is found by its `jti` or its hash of a secret of ours.
    let other = [r, number(&minus_s)].concat();
    rows.push(accepted("ES256: n − s for s", Signed, with_signature(input, &other)));
    rows
}

fn eddsa(bench: &Bench) -> Vec<Row> {
    // The order of the group, RFC 8032 §5.1, little-endian.
    const ORDER: [u8; 32] = [
        0xED, 0xD3, 0xF5, 0x5C, 0x1A, 0x63, 0x12, 0x58, 0xD6, 0x9C, 0xF7, 0xA2, 0xDE, 0xF9, 0xDE, 0x14, 0, 0,
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
    ];
    let good = bench.good(&bench.ed);
    let (input, bytes) = taken_apart(&good);
    let (r, s) = bytes.split_at(32);
    let mut carry = 0;
    let sum: Vec<u8> = s
        .iter()
        .zip(ORDER)
        .map(|(a, b)| {
            let sum = u16::from(*a) + u16::from(b) + carry;
            carry = sum >> 8;
            u8::try_from(sum & 0xFF).unwrap()
        })
        .collect();
    let mut high_bit = s.to_vec();
    high_bit[31] |= 0x80;
    let mut identity = [0; 32];
    identity[0] = 1;
    [
        ("S and the order", [r, &sum].concat()),
        ("S with its highest bit", [r, &high_bit].concat()),
        ("S is the order", [r, &ORDER].concat()),
        ("S is 0, R is nothing", [&identity[..], &[0; 32]].concat()),
        ("R is no point", [&[0xFF; 32][..], s].concat()),
        ("R and S changed places", [s, r].concat()),
    ]
    .into_iter()
    .map(|(what, signature)| {
        refused(format!("EdDSA: {what}"), Signed, with_signature(input, &signature), JwsError::BadSignature)
    })
    .collect()
}

fn rsa(bench: &Bench) -> Vec<Row> {
    let (either, ps) = (private(&bench.either), private(&bench.ps));
    let (rs_token, ps_token) = (bench.good(&bench.either), bench.good(&bench.ps));
    let ((rs_input, _), (ps_input, _)) = (taken_apart(&rs_token), taken_apart(&ps_token));
    let pkcs1 =
        |digest| Signer::new(digest, &either).unwrap().sign_oneshot_to_vec(rs_input.as_bytes()).unwrap();
    let pss = |digest, salt, mask| {
        let mut signer = Signer::new(digest, &ps).unwrap();
        signer.set_rsa_padding(Padding::PKCS1_PSS).unwrap();
        signer.set_rsa_pss_saltlen(salt).unwrap();
        signer.set_rsa_mgf1_md(mask).unwrap();
        signer.sign_oneshot_to_vec(ps_input.as_bytes()).unwrap()
    };
    let digest = hash(MessageDigest::sha256(), rs_input.as_bytes()).unwrap();
    // SHA-256 in a DigestInfo (RFC 8017 §9.2, note 1), and as it must not be.
    const INFO: [u8; 19] =
        [0x30, 0x31, 0x30, 0x0D, 6, 9, 0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 1, 5, 0, 4, 0x20];
    const INFO_WITHOUT_NULL: [u8; 17] =
        [0x30, 0x2F, 0x30, 0x0B, 6, 9, 0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 1, 4, 0x20];
    let key = either.rsa().unwrap();
    let size = usize::try_from(key.size()).unwrap();
    let padded = |content: &[u8], padding| {
        let mut signature = vec![0; size];
        key.private_encrypt(content, &mut signature, padding).unwrap();
        signature
    };
    let info = [&INFO[..], &digest].concat();
    // 00 01 FF…FF 00 DigestInfo and garbage: the forgery of 2006 against exponent 3.
    let mut garbage = vec![0, 1, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0];
    garbage.extend(&info);
    garbage.resize(size, 0xAB);
    let modulus = key.n().to_vec();
    let rs = |what, signature: Vec<u8>| {
        refused(
            format!("RS256: {what}"),
            Signed,
            with_signature(rs_input, &signature),
            JwsError::BadSignature,
        )
    };
    let of_ps = |what, signature: Vec<u8>| {
        refused(
            format!("PS256: {what}"),
            Signed,
            with_signature(ps_input, &signature),
            JwsError::BadSignature,
        )
    };
    let sha256 = MessageDigest::sha256();
    vec![
        accepted("RS256: made by hand", Signed, with_signature(rs_input, &padded(&info, Padding::PKCS1))),
        rs("DigestInfo without NULL", padded(&[&INFO_WITHOUT_NULL[..], &digest].concat(), Padding::PKCS1)),
        rs("the hash alone", padded(&digest, Padding::PKCS1)),
        rs("garbage after the hash", padded(&garbage, Padding::NONE)),
        rs("garbage within the padding", padded(&[&info[..], &[0]].concat(), Padding::PKCS1)),
        rs("SHA-1", pkcs1(MessageDigest::sha1())),
        rs("SHA-512", pkcs1(MessageDigest::sha512())),
        rs("the modulus", modulus),
        rs("1", [vec![0; size - 1], vec![1]].concat()),
        accepted(
            "PS256: made by hand",
            Signed,
            with_signature(ps_input, &pss(sha256, RsaPssSaltlen::DIGEST_LENGTH, sha256)),
        ),
        of_ps("no salt", pss(sha256, RsaPssSaltlen::custom(0), sha256)),
        of_ps("a salt of 20 bytes", pss(sha256, RsaPssSaltlen::custom(20), sha256)),
        of_ps("the longest salt", pss(sha256, RsaPssSaltlen::MAXIMUM_LENGTH, sha256)),
        of_ps("masked by SHA-1", pss(sha256, RsaPssSaltlen::DIGEST_LENGTH, MessageDigest::sha1())),
        of_ps("SHA-512", pss(MessageDigest::sha512(), RsaPssSaltlen::custom(32), MessageDigest::sha512())),
    ]
}
