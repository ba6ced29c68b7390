//! Pictures of every page, in both languages, on a desk and on a phone: `target/screenshots/`. They are for people to
//! look at; what a program can judge of a page (no scrolling sideways, no message of the accessibility checker) it does.

use sceau_hw_tests::isolation::isolated;

use crate::harness::browser::{Browser, DESK, FRENCH, PHONE};
use crate::harness::run;

#[test]
fn of_every_page() {
    isolated(|| {
        run(async {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = format!("http://{}", listener.local_addr().unwrap());
            tokio::spawn(async { axum::serve(listener, sceau::web::samples::router()).await });
            let browser = Browser::start(FRENCH).await;
            for (name, size) in [("desk", DESK), ("phone", PHONE)] {
                browser.size(size).await;
                for (page, _) in sceau::web::samples::ALL {
                    for language in ["fr", "en"] {
                        browser.open(&format!("{address}/{language}/{page}")).await;
                        browser.picture(&format!("page-{page}-{language}-{name}")).await;
                        let wide = browser.script("return document.documentElement.scrollWidth").await;
                        assert!(wide.as_u64() <= Some(u64::from(size.0)), "{page} scrolls sideways: {wide}");
                        let faults = browser.accessibility_faults().await;
                        assert!(faults.is_empty(), "{page} in {language} on a {name}: {faults:#?}");
                    }
                }
            }
        });
    });
}
