//! Whoever sits between us and the mail server, and words that would be headers or commands.

use super::*;

/// Sends one notice through a server of these manners. Yields what it saw.
async fn through(hospital: &Hospital, manners: Manners, change: impl FnOnce(&mut Mail)) -> server::Seen {
    let server = Server::start(manners).await;
    let mut mail = server.mail(hospital.dir.path());
    change(&mut mail);
    hospital.queue(a_key()).await;
    notice::hurry(&hospital.db, hospital.clock.now()).await.unwrap();
    assert_eq!(hospital.node(&mail).deliver_due().await.unwrap(), 1);
    std::mem::take(&mut server.seen.lock().unwrap())
}

/// Nothing was sent, nor a password, and the notice waits.
async fn nothing_was_said(hospital: &Hospital, seen: &server::Seen) {
    assert!(seen.received.is_empty());
    for line in &seen.in_the_clear {
        assert!(line.starts_with("EHLO") || line == "STARTTLS" || line == "QUIT", "{line}");
    }
    assert_eq!(hospital.waiting().await, 1);
    let [waits] =
        notice::older_than(&hospital.db, hospital.clock.now(), 9).await.unwrap().try_into().unwrap();
    assert!(
        notice::done(&hospital.db, waits.id, &(&trail(&hospital.clock).event(Kind::NoticeSent)).into())
            .await
            .unwrap()
    );
}

#[tokio::test]
async fn nothing_goes_to_a_server_that_offers_no_tls() {
    Hospital::on_both(async |hospital| {
        // Somebody on the way can take the offer out of the answer (RFC 3207 §6).
        let seen = through(&hospital, Manners { offers: false, ..Manners::default() }, |_| {}).await;
        nothing_was_said(&hospital, &seen).await;
    })
    .await;
}

#[tokio::test]
async fn nothing_goes_to_a_server_whose_certificate_does_not_hold() {
    Hospital::on_both(async |hospital| {
        let other_host = Manners { host: "smtp.evil.example", ..Manners::default() };
        nothing_was_said(&hospital, &through(&hospital, other_host, |_| {}).await).await;
        let unknown = through(&hospital, Manners::default(), |mail| mail.ca_file = None).await;
        nothing_was_said(&hospital, &unknown).await;
        let implicit = Manners { host: "smtp.evil.example", tls: MailTls::Implicit, ..Manners::default() };
        let seen = through(&hospital, implicit, |mail| mail.tls = MailTls::Implicit).await;
        nothing_was_said(&hospital, &seen).await;
    })
    .await;
}

#[tokio::test]
async fn words_in_the_clear_are_not_taken_for_answers_under_tls() {
    Hospital::on_both(async |hospital| {
        // Somebody on the way answers for the server, before TLS begins, all that is about to be asked: the last of it would
        // lose the mail for good.
        let injected = "250-localhost\r\n250 AUTH PLAIN\r\n235 in\r\n250 ok\r\n550 5.1.1 no such user\r\n";
        let seen = through(&hospital, Manners { injected, ..Manners::default() }, |_| {}).await;
        nothing_was_said(&hospital, &seen).await;
    })
    .await;
}

#[tokio::test]
async fn what_keeps_a_connection_from_being_protected_is_told_as_that() {
    let dir = tempfile::tempdir().unwrap();
    let tried = async |manners: Manners, change: fn(&mut Mail)| {
        let server = Server::start(manners).await;
        let mut mail = server.mail(dir.path());
        change(&mut mail);
        Smtp::open(&mail, "x").unwrap().try_connection().await
    };
    let good = Manners::default;
    assert_eq!(tried(Manners { offers: false, ..good() }, |_| {}).await, Err(SendError::Tls));
    assert_eq!(tried(Manners { host: "smtp.evil.example", ..good() }, |_| {}).await, Err(SendError::Tls));
    assert_eq!(tried(good(), |mail| mail.ca_file = None).await, Err(SendError::Tls));
    let nobody = nobody(free_port().await, dir.path());
    assert_eq!(Smtp::open(&nobody, "x").unwrap().try_connection().await, Err(SendError::Unreachable));
}

#[tokio::test]
async fn words_cannot_become_headers_recipients_or_commands() {
    Hospital::on_both(async |hospital| {
        let server = Server::start(Manners::default()).await;
        let mail = server.mail(hospital.dir.path());
        let node = hospital.node(&mail);
        // No page lets them in; where they are in the database all the same, they stay words.
        let role = "desk\r\n.\r\nMAIL FROM:<evil@evil.example>\r\nBcc: evil@evil.example\r\n..";
        hospital.queue(Told::RoleGranted { role: role.into() }).await;
        assert_eq!(node.deliver_due().await.unwrap(), 1);
        let received = server.received();
        assert_eq!(received.len(), 1);
        let sent = read(&received[0]);
        assert!(
            sent.text.contains(".\r\nMAIL FROM:<evil@evil.example>\r\nBcc: evil@evil.example\r\n.."),
            "{}",
            sent.text
        );
        assert!(sent.headers.iter().all(|(name, _)| !name.eq_ignore_ascii_case("bcc")));

        hospital.address("kit@chu.example\r\nRCPT TO:<evil@evil.example>", "fr").await;
        hospital.queue(a_key()).await;
        assert_eq!(node.deliver_due().await.unwrap(), 1);
        assert_eq!((server.received().len(), hospital.waiting().await), (1, 0));
        assert!(hospital.outcomes().await.iter().any(|(_, code)| code.as_deref() == Some("MAIL-009")));

        let front = Url::parse("https://id.chu.example").unwrap();
        let hostile = Mail { from: "A\r\nBcc: evil@evil.example <a@chu.example>".into(), ..mail };
        if let Ok(letterhead) = Letterhead::new(&hostile, "", &front, "/means") {
            let id = crate::ids::NoticeId::new(hospital.clock.now(), &SystemRandom);
            let letter = letterhead.trial(id, ADDRESS, hospital.clock.now()).unwrap();
            let raw = String::from_utf8(letter.formatted()).unwrap();
            assert!(raw.lines().all(|line| !line.to_ascii_lowercase().starts_with("bcc")), "{raw}");
        }
    })
    .await;
}
