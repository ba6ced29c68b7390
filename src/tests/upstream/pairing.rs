//! An account of Pro Santé Connect that is paired, where it lists several national identifiers.

use super::delegation::{answers_pairing, both, goes_on, signs_in};
use super::*;
use crate::tests::spec::stand::{DOCTOR, STRANGER};

const PSI: &str = "f81d4fae-7dec-11d0-a765-00a0c91e6bf6";
const OTHER_RPPS: &str = "810000000001";

#[tokio::test]
async fn one_of_them_has_to_be_of_whoever_pairs_and_none_of_somebody_else() {
    let psc = Psc::start().await;
    let there = psc.stand.sign_in().await;
    let confirmed = Upstream { link: UpstreamLink::Confirmed, ..psc.settings() };
    for (first, all, is_paired) in [
        (PSI, &[PSI, DOCTOR][..], true),
        (DOCTOR, &[DOCTOR], true),
        // Of a colleague here, or none of theirs at all; and nobody has two RPPS numbers.
        (DOCTOR, &[DOCTOR, STRANGER], false),
        (PSI, &[PSI], false),
        (DOCTOR, &[DOCTOR, OTHER_RPPS], false),
    ] {
        psc.calls(first, all);
        Hospital::on_both(&confirmed, async |hospital| {
            let begun = hospital.begin(&[]).await;
            let back = hospital.by(&psc, &begun, &there).await;
            assert_eq!(back.location(), begun.page, "{}", back.body);
            let own = signs_in(&hospital, &begun, DOCTOR, None).await;
            let asked = hospital.get(&begun.page, &both(&begun, &own)).await.location();
            let page = hospital.get(&asked, &both(&begun, &own)).await;
            if is_paired {
                let answer = answers_pairing(&hospital, &begun, &own, "pair").await;
                assert!(goes_on(&begun, &answer), "{all:?}: {}", answer.body);
            } else {
                assert!(page.body.contains("UPSTREAM-046"), "{all:?}: {}", page.body);
            }
            assert_eq!(hospital.links().await.is_empty(), !is_paired, "{all:?}");
        })
        .await;
        psc.answers_again();
    }
}
