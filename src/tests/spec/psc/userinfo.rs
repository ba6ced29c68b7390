//! Userinfo, and who may ask for it.

use crate::crypto::keys::{Algorithm, SigningKey};
use crate::crypto::{jose, jose::base64url};
use crate::tests::spec::stand::{Stand, USERINFO, claims, stable};

#[tokio::test]
async fn everything_with_scope_all_by_get_and_post() {
    let stand = Stand::new().await;
    let browser = stand.sign_in().await;
    let tokens = stand.tokens(&browser).await;
    let token = tokens["access_token"].as_str().unwrap();
    let answer = stand.userinfo(token).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(answer.headers["content-type"], "application/json");
    assert_eq!(answer.headers["cache-control"], "no-store");
    assert_eq!(answer.headers["access-control-allow-origin"], "*");
    assert_eq!(answer.json()["sub"], claims(&tokens["id_token"])["sub"]);
    insta::assert_snapshot!(stable(&answer.json()), @r#"
    {
      "Secteur_Activite": "SA07^1.2.250.1.71.4.2.4",
      "sub": "f:550dc1c8-d97b-4b1e-ac8c-8eb4471cf9dd:899700427885",
      "SubjectOrganization": "CABINET M DOC0042788",
      "Mode_Acces_Raison": "",
      "preferred_username": "899700427885",
      "given_name": "KIT",
      "Acces_Regulation_Medicale": "FAUX",
      "UITVersion": "1.0",
      "authMode": "CARD",
      "Palier_Authentification": "APPPRIP3^1.2.250.1.213.1.5.1.1.1",
      "SubjectRefPro": {
        "codeCivilite": "M",
        "exercices": [
          {
            "codeProfession": "10",
            "codeCategorieProfessionnelle": "C",
            "codeCiviliteDexercice": "DR",
            "nomDexercice": "DOC0042788",
            "prenomDexercice": "KIT",
            "codeTypeSavoirFaire": "S",
            "codeSavoirFaire": "SM26",
            "activities": [
              {
                "codeModeExercice": "L",
                "codeSecteurDactivite": "SA07",
                "codeSectionPharmacien": "",
                "codeRole": "",
                "codeGenreActivite": "",
                "numeroSiretSite": "",
                "numeroSirenSite": "",
                "numeroFinessSite": "",
                "numeroFinessetablissementJuridique": "",
                "identifiantTechniqueDeLaStructure": "R102671",
                "raisonSocialeSite": "CABINET M DOC0042788",
                "enseigneCommercialeSite": "",
                "complementDestinataire": "",
                "complementPointGeographique": "",
                "numeroVoie": "",
                "indiceRepetitionVoie": "",
                "codeTypeDeVoie": "",
                "libelleVoie": "",
                "mentionDistribution": "",
                "bureauCedex": "",
                "codePostal": "75009",
                "codeCommune": "",
                "codePays": "99000",
                "telephone": "",
                "telephone2": "",
                "telecopie": "",
                "adresseEMail": "",
                "codeDepartement": "",
                "ancienIdentifiantDeLaStructure": "",
                "autoriteDenregistrement": "CNOM/CNOM/CNOM"
              }
            ]
          }
        ]
      },
      "SubjectOrganizationID": "R102671",
      "SubjectRole": [
        "10^1.2.250.1.213.1.1.5.5"
      ],
      "PSI_Locale": "1.2.250.1.213.1.3.1.1",
      "otherIds": [
        {
          "identifiant": "899700427885",
          "origine": "RPPS",
          "qualite": 1
        }
      ],
      "SubjectNameID": "899700427885",
      "family_name": "DOC0042788",
      "codeCivilite": "M",
      "codeGenreActivite": ""
    }
    "#);
    let bearer = format!("bearer {token}");
    for answer in [
        stand.post(USERINFO, "", &[("authorization", &bearer)]).await,
        stand.post(USERINFO, &format!("access_token={token}"), &[]).await,
    ] {
        assert_eq!(answer.status, 200);
    }
}

#[tokio::test]
async fn without_scope_all_nothing_of_the_profession() {
    let stand = Stand::new().await;
    let browser = stand.sign_in().await;
    let code = stand.code(&[("scope", "openid")], &browser).await;
    let tokens = stand.redeem(&code).await.json();
    let answer = stand.userinfo(tokens["access_token"].as_str().unwrap()).await;
    insta::assert_snapshot!(stable(&answer.json()), @r#"
    {
      "sub": "f:550dc1c8-d97b-4b1e-ac8c-8eb4471cf9dd:899700427885",
      "preferred_username": "899700427885",
      "given_name": "KIT",
      "SubjectNameID": "899700427885",
      "family_name": "DOC0042788"
    }
    "#);
}

#[tokio::test]
async fn a_page_may_ask_with_its_token() {
    let stand = Stand::new().await;
    let request = http::Request::options(USERINFO)
        .header("origin", "https://rp.example")
        .header("access-control-request-headers", "authorization")
        .body(axum::body::Body::empty())
        .unwrap();
    let answer = stand.send(request).await;
    assert_eq!(answer.status, 204);
    assert_eq!(answer.headers["access-control-allow-headers"], "authorization, content-type, dpop");
    assert!(!answer.headers.contains_key("access-control-allow-credentials"));
}

#[tokio::test]
async fn only_a_running_access_token_of_ours_opens_it() {
    let stand = Stand::new().await;
    let browser = stand.sign_in().await;
    let tokens = stand.tokens(&browser).await;
    let access = tokens["access_token"].as_str().unwrap();
    let payload = access.split('.').nth(1).unwrap();
    let unsigned = |header: &str| format!("{}.{payload}.", base64url::encode(header));
    let foreign = SigningKey::generate(Algorithm::Rs256).unwrap();
    let es256 = SigningKey::generate(Algorithm::Es256).unwrap();
    let own = claims(&tokens["access_token"]);
    for (what, token) in [
        ("an ID token", tokens["id_token"].as_str().unwrap().to_owned()),
        ("a refresh token", tokens["refresh_token"].as_str().unwrap().to_owned()),
        ("no signature", unsigned(r#"{"alg":"none","typ":"JWT"}"#)),
        ("another algorithm", unsigned(r#"{"alg":"HS256","typ":"JWT"}"#)),
        ("a foreign key", jose::sign(&foreign, "JWT", &own).unwrap()),
        ("a key of another kind", jose::sign(&es256, "JWT", &own).unwrap()),
        ("a changed signature", format!("{}AAAA", &access[..access.len() - 4])),
        ("nonsense", "nonsense".to_owned()),
    ] {
        let answer = stand.userinfo(&token).await;
        assert_eq!((answer.status.as_u16(), answer.error().as_str()), (401, "invalid_token"), "{what}");
        let challenge = answer.headers["www-authenticate"].to_str().unwrap();
        assert!(challenge.starts_with("Bearer realm=") && challenge.contains("error=\"invalid_token\""));
    }
    assert_eq!(stand.userinfo(access).await.status, 200);
    stand.advance(120);
    assert_eq!(stand.userinfo(access).await.status, 401, "expired");
}

#[tokio::test]
async fn a_token_stands_in_one_place() {
    let stand = Stand::new().await;
    let browser = stand.sign_in().await;
    let tokens = stand.tokens(&browser).await;
    let token = tokens["access_token"].as_str().unwrap();
    let nothing = stand.get(USERINFO, &[]).await;
    assert_eq!(nothing.status, 401);
    assert_eq!(nothing.headers["www-authenticate"], "Bearer realm=\"sceau\"");
    let in_query = stand.get(&format!("{USERINFO}?access_token={token}"), &[]).await;
    assert_eq!(in_query.status, 401, "never in an address");
    let bearer = format!("Bearer {token}");
    let twice = stand.post(USERINFO, &format!("access_token={token}"), &[("authorization", &bearer)]).await;
    assert_eq!((twice.status.as_u16(), twice.error().as_str()), (400, "invalid_request"));
}
