//! `kc_idp_hint`: kept where it is a plain name, and for nothing refused.

use super::*;
use crate::store::login_transaction;

async fn kept(stand: &Stand, more: &str) -> Value {
    let begun = stand.get(&format!("/auth?{}{more}", super::super::stand::query(&[])), &[]).await;
    let path = begun.location();
    let id = path.strip_prefix("/login/").unwrap_or_else(|| panic!("{path}")).parse().unwrap();
    login_transaction::by_id(&stand.db, id).await.unwrap().unwrap().request["idp_hint"].clone()
}

#[tokio::test]
async fn a_hint_that_is_no_plain_name_or_comes_twice_is_not_taken_and_nobody_is_refused_for_it() {
    Stand::on_both(async |stand: Stand| {
        assert_eq!(kept(&stand, "&kc_idp_hint=DPI_ch-saint-aubin").await, "DPI_ch-saint-aubin");
        let long = format!("&kc_idp_hint={}", "x".repeat(65));
        let garbage = ["", "&kc_idp_hint=", "&kc_idp_hint=a%26prompt%3Dnone", "&kc_idp_hint=%0D%0AX", &long];
        for more in garbage.into_iter().chain(["&kc_idp_hint=a&kc_idp_hint=b"]) {
            assert_eq!(kept(&stand, more).await, Value::Null, "{more}");
        }
    })
    .await;
}
