//! For every check of a certificate, the attack that it stops.

use std::cell::RefCell;

use chrono::TimeDelta;
use openssl::x509::X509;
use sceau_certs::extension::{EMAIL_PROTECTION, EXTENDED_KEY_USAGE, Extension};

use super::stand::{
    Authorities, SUBJECT, establishment, issue, on_both, outcome, register, template, with_alternatives,
};
use crate::crypto::x509::test_pki::{authentication, now};
use crate::oidc::mtls::Mtls;
use crate::store::client::{AuthMethod, Metadata};
use crate::tests::spec::stand::{Stand, TOKEN, secret_of};

fn known_by_subject() -> Metadata {
    Metadata { tls_client_auth_subject_dn: Some(SUBJECT.into()), ..Metadata::default() }
}

#[tokio::test]
async fn a_certificate_that_is_not_trusted_authenticates_nobody() {
    let authorities = Authorities::installed(&[]);
    let service = || template("service");
    let self_made = crate::web::tls::tests::certificate("service").unwrap().0.to_der().unwrap();
    let mut expired = service();
    (expired.not_before, expired.not_after) = (now() - TimeDelta::days(9), now() - TimeDelta::days(1));
    let mut early = service();
    early.not_before = now() + TimeDelta::days(1);
    let for_mail =
        service().without(EXTENDED_KEY_USAGE).with(Extension::extended_key_usage(&[EMAIL_PROTECTION]));
    on_both(&authorities, async |stand| {
        let metadata = Metadata {
            tls_client_auth_subject_dn: Some("CN=service,O=EDITEUR,C=FR".into()),
            ..Metadata::default()
        };
        register(&stand, "service", metadata).await;
        assert_eq!(outcome(&stand, "service", Some(&issue(&service()))).await, "let in");
        for (der, code) in [
            (self_made.clone(), "CERT-004"),
            (issue(&expired), "CERT-002"),
            (issue(&early), "CERT-003"),
            (issue(&for_mail), "CERT-006"),
            // A person's card: its authority is none of services.
            (authentication("good"), "CERT-004"),
            (b"nonsense".to_vec(), "CERT-001"),
        ] {
            assert_eq!(outcome(&stand, "service", Some(&der)).await, code);
        }
        assert_eq!(outcome(&stand, "service", None).await, "OIDC-156");
    })
    .await;
}

#[tokio::test]
async fn a_revoked_certificate_is_refused_and_so_is_one_of_which_nothing_is_known() {
    let der = establishment();
    let serial = X509::from_der(&der).unwrap().serial_number().to_bn().unwrap().to_vec();
    // Each engine begins with a list that revokes nothing.
    let authorities = RefCell::new(Authorities::installed(&[]));
    let anew = || {
        authorities.replace(Authorities::installed(&[]));
        Some(std::sync::Arc::new(authorities.borrow().mtls()))
    };
    Stand::on_both_asking(anew, async |stand| {
        register(&stand, "dpi", known_by_subject()).await;
        assert_eq!(outcome(&stand, "dpi", Some(&der)).await, "let in");
        authorities.borrow().publish(2, std::slice::from_ref(&serial));
        stand.provider.authorities_of_clients().unwrap().reload(now()).unwrap();
        assert_eq!(outcome(&stand, "dpi", Some(&der)).await, "CERT-005");
    })
    .await;
    let authorities = authorities.into_inner();
    let without = || Some(std::sync::Arc::new(authorities.mtls_with(None)));
    Stand::on_both_asking(without, async |stand| {
        register(&stand, "dpi", known_by_subject()).await;
        assert_eq!(outcome(&stand, "dpi", Some(&der)).await, "CERT-010");
    })
    .await;
}

#[tokio::test]
async fn a_list_that_should_have_been_replaced_says_nothing() {
    let authorities = Authorities::installed(&[]);
    on_both(&authorities, async |stand| {
        register(&stand, "dpi", known_by_subject()).await;
        stand.advance(8 * 86_400);
        assert_eq!(outcome(&stand, "dpi", Some(&establishment())).await, "CERT-011");
    })
    .await;
}

/// Another customer of the same authority.
#[tokio::test]
async fn a_certificate_of_somebody_else_is_no_use() {
    let authorities = Authorities::installed(&[]);
    let evil = with_alternatives(
        SUBJECT,
        &[(2, b"*.hopital.example"), (2, b"dpi.hopital.example.evil.example"), (6, b"dpi.hopital.example")],
    );
    on_both(&authorities, async |stand| {
        register(&stand, "dpi", known_by_subject()).await;
        let metadata =
            Metadata { tls_client_auth_san_dns: Some("dpi.hopital.example".into()), ..Metadata::default() };
        register(&stand, "dns", metadata).await;
        for client in ["dpi", "dns"] {
            assert_eq!(outcome(&stand, client, Some(&evil)).await, "OIDC-158", "{client}");
        }
        // A registration that names nobody, or two, lets nobody in.
        register(&stand, "none", Metadata::default()).await;
        let both = Metadata { tls_client_auth_san_dns: Some("x.example".into()), ..known_by_subject() };
        register(&stand, "both", both).await;
        for client in ["none", "both"] {
            assert_eq!(outcome(&stand, client, Some(&establishment())).await, "OIDC-157", "{client}");
        }
        assert_eq!(outcome(&stand, "nobody", Some(&establishment())).await, "OIDC-043");
    })
    .await;
}

/// A service with a certificate is not one with a secret, and a certificate makes no other client.
#[tokio::test]
async fn a_certificate_is_one_way_of_several_and_the_registered_one_counts() {
    let authorities = Authorities::installed(&[]);
    on_both(&authorities, async |stand| {
        register(&stand, "dpi", known_by_subject()).await;
        let form = format!("grant_type=x&client_id=dpi&client_secret={}", secret_of("dpi"));
        assert_eq!(stand.post(TOKEN, &form, &[]).await.error(), "invalid_client");
        assert_eq!(outcome(&stand, "rp", Some(&establishment())).await, "OIDC-042", "it has a secret");
    })
    .await;
}

/// Where no authorities are installed for services, nobody is believed: not the card's, not the system's.
#[tokio::test]
async fn without_authorities_nobody_is_known_by_name() {
    let mtls = || Some(std::sync::Arc::new(Mtls::new(&super::stand::url(), None)));
    Stand::on_both_asking(mtls, async |stand| {
        register(&stand, "dpi", known_by_subject()).await;
        assert_eq!(outcome(&stand, "dpi", Some(&establishment())).await, "OIDC-157");
        let methods = crate::tests::spec::stand::REALM.to_owned() + "/.well-known/openid-configuration";
        let document = stand.get(&methods, &[]).await.json();
        let methods = document["token_endpoint_auth_methods_supported"].as_array().unwrap();
        assert!(!methods.contains(&AuthMethod::TlsClientAuth.as_str().into()));
    })
    .await;
}
