//! A provider that does not answer, answers something else, or comes back.

use std::sync::atomic::AtomicUsize;

use axum::routing::any;

use super::*;

/// A server that answers everything with this, and how often it was asked.
async fn answering(status: StatusCode, body: &'static str) -> (String, Arc<AtomicUsize>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&asked);
    let router = Router::new().fallback(any(move || {
        counted.fetch_add(1, Ordering::Relaxed);
        async move { (status, body) }
    }));
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    (origin, asked)
}

fn at(origin: &str, psc: &Psc) -> Upstream {
    let discovery = Url::parse(&format!("{origin}/document")).unwrap();
    Upstream { discovery, ..psc.settings() }
}

#[tokio::test]
async fn a_provider_that_is_gone_or_answers_html_leaves_the_page_with_the_other_means() {
    let psc = Psc::start().await;
    for (status, body) in [(StatusCode::OK, "<html>Maintenance</html>"), (StatusCode::BAD_GATEWAY, "")] {
        let (origin, asked) = answering(status, body).await;
        Hospital::on_both(&at(&origin, &psc), async |hospital| {
            asked.store(0, Ordering::Relaxed);
            for _ in 0..6 {
                let begun = hospital.begin(&[]).await;
                let answer = hospital.sent(&begun).await;
                assert_eq!(answer.location(), begun.page, "back to the page");
                assert!(hospital.notice(&begun).await.contains("UPSTREAM-007"));
            }
            assert_eq!(asked.load(Ordering::Relaxed), 3, "then it is left in peace");
            let begun = hospital.begin(&[]).await;
            let page = hospital.get(&begun.page, &begun.cookie).await.body;
            assert!(page.contains("Pro Santé Connect ne répond pas"), "{page}");
        })
        .await;
    }
}

#[tokio::test]
async fn nobody_is_sent_to_a_provider_that_has_gone_since_and_it_is_offered_again_by_itself() {
    let psc = Psc::start().await;
    let there = psc.stand.sign_in().await;
    Hospital::on_both(&psc.settings(), async |hospital| {
        let provider = &hospital.upstreams.providers()[0];
        let begun = hospital.begin(&[]).await;
        let left_before = hospital.sent(&begun).await.location();
        let back = psc.answers(&left_before, &there).await;

        // Gone, while somebody is there: they come back to the page with the other means.
        psc.gone.store(true, Ordering::Relaxed);
        assert_eq!(hospital.get(&back, &begun.cookie).await.location(), begun.page);
        assert!(hospital.notice(&begun).await.contains("UPSTREAM-007"));
        // Its documents are good for an hour: whoever comes now is not sent there all the same.
        hospital.stand.advance(3);
        for _ in 0..2 {
            let begun = hospital.begin(&[]).await;
            assert_eq!(hospital.sent(&begun).await.location(), begun.page);
        }
        assert!(!provider.answers());
        hospital.upstreams.look().await;
        assert!(!provider.answers(), "it is looked for, and not found");

        psc.gone.store(false, Ordering::Relaxed);
        hospital.upstreams.look().await;
        assert!(!provider.answers(), "not before its time");
        hospital.stand.advance(10);
        hospital.upstreams.look().await;
        assert!(provider.answers());
        let begun = hospital.begin(&[]).await;
        let page = hospital.get(&begun.page, &begun.cookie).await.body;
        assert!(!page.contains("ne répond pas"), "{page}");
    })
    .await;
}

#[tokio::test]
async fn the_document_of_another_issuer_is_not_believed() {
    let (psc, other) = (Psc::start().await, Psc::start().await);
    let settings = Upstream { discovery: other.settings().discovery, ..psc.settings() };
    Hospital::on_both(&settings, async |hospital| {
        let begun = hospital.begin(&[]).await;
        assert_eq!(hospital.sent(&begun).await.location(), begun.page);
        assert!(hospital.notice(&begun).await.contains("UPSTREAM-007"));
    })
    .await;
}
