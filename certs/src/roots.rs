//! The real authorities of IGC-Santé: what an administrator compares before trusting a downloaded file.
//!
//! Origin: the nine authority files shipped in the official Linux package of ANS's Cryptolib CPS 5.2.2
//! (`ansforge/dops-cryptolib`), fingerprints computed with OpenSSL 3.0. All are RSA 4096, SHA-256, valid from
//! 2013-06-25 to 2033-06-25 (roots) or 2033-06-24 (the others). The roots of the TEST family are not published with
//! them and hence not pinned.

/// One real authority.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RealAuthority {
    pub common_name: &'static str,
    /// Serial number, upper-case hexadecimal.
    pub serial: &'static str,
    /// SHA-256 of the certificate's DER, upper-case hexadecimal.
    pub sha256: &'static str,
    pub is_root: bool,
    /// Issues what CPS cards carry (directly or through the authority below).
    pub for_cards: bool,
}

const fn root(common_name: &'static str, serial: &'static str, sha256: &'static str) -> RealAuthority {
    RealAuthority { common_name, serial, sha256, is_root: true, for_cards: false }
}

const fn issuer(common_name: &'static str, serial: &'static str, sha256: &'static str) -> RealAuthority {
    RealAuthority { common_name, serial, sha256, is_root: false, for_cards: false }
}

const fn for_cards(authority: RealAuthority) -> RealAuthority {
    RealAuthority { for_cards: true, ..authority }
}

/// The authorities of IGC-Santé, roots first.
pub const IGC_SANTE: [RealAuthority; 9] = [
    for_cards(root(
        "AC RACINE IGC-SANTE FORT",
        "112020C84F7536BBAE89210DE3991F7E1E0A",
        "53D30A19570826BDE0C0762501F1F1C7A659F976C6C023123DF5239DF34A4EEA",
    )),
    root(
        "AC RACINE IGC-SANTE STANDARD",
        "11207F69865CDF9A675F3013640FE1A47805",
        "5891815E864506C662AFB32F8DE5B8DE38BFFA1AF721780B69E19A0C050386C3",
    ),
    root(
        "AC RACINE IGC-SANTE ELEMENTAIRE",
        "1120CE19F9346F9456FF270023D8529037B5",
        "2D9E22CA19F777C6B745257C723ECB8DF3C35FA6F1F6EC36B83600C97346967F",
    ),
    for_cards(issuer(
        "AC IGC-SANTE FORT PERSONNES",
        "1120679F809349701A181DE89148CB554116",
        "38284E4F6107456E70C7439C85DA7D564D0FE1FE1A968C9EB6D43E1FC0D63C3A",
    )),
    issuer(
        "AC IGC-SANTE FORT ORGANISATIONS",
        "1120D6066C2FFE33FC491F29E97642F64AFA",
        "23F69674002D1DD4B018BAECD908DC92687942BB48E5140FF895E2F56BC49C0D",
    ),
    issuer(
        "AC IGC-SANTE STANDARD PERSONNES",
        "112016654C36F13671B030541F6088EA44C2",
        "6C339EBCB3E1B0102B143C9694225C2A4AB2EF6FEDF7D364DA8DB305E7F7D997",
    ),
    issuer(
        "AC IGC-SANTE STANDARD ORGANISATIONS",
        "1120E40E43A49AD0B95B67756F3C1835F7E9",
        "C0520A2B14FB68836A807BF86AB2B3E07D1B6061D91BC9C7B86A6F8DE4B5638E",
    ),
    issuer(
        "AC IGC-SANTE ELEMENTAIRE PERSONNES",
        "1120B865608A8B226DF0A05D6A89D3577615",
        "19C1EAEAB477B6FBC233CDA3B53FBDBC3F4E9BF6CF6973E46F7DFAEF89C06C6C",
    ),
    issuer(
        "AC IGC-SANTE ELEMENTAIRE ORGANISATIONS",
        "1120653A6BF4AEA5CC3D38FA056223F5ACF1",
        "D834EE5B40686B73573F60547BF6052C6D404D942A5665CDB2C0B9137B5D27B2",
    ),
];

/// The real authority with this fingerprint, if it is one.
pub fn recognise(sha256: &[u8]) -> Option<&'static RealAuthority> {
    let fingerprint: String = sha256.iter().map(|byte| format!("{byte:02X}")).collect();
    IGC_SANTE.iter().find(|authority| authority.sha256 == fingerprint)
}
