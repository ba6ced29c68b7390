//! Mail servers that are down, slow or refuse; nodes that stop, and nodes that share a queue.

use std::time::Duration;

use super::*;

#[tokio::test]
async fn a_server_that_is_down_delays_a_mail_and_loses_none() {
    Hospital::on_both(async |hospital| {
        let port = free_port().await;
        hospital.queue(a_key()).await;
        let node = hospital.node(&nobody(port, hospital.dir.path()));
        assert_eq!(node.deliver_due().await.unwrap(), 1);
        assert_eq!(node.deliver_due().await.unwrap(), 0, "not at once");
        let waiting = notice::waiting(&hospital.db).await.unwrap();
        assert_eq!((waiting.count, waiting.failed, waiting.since), (1, 1, Some(hospital.clock.now())));
        // Each pause is longer than the one before.
        for seconds in [30, 120, 480] {
            hospital.clock.advance(TimeDelta::seconds(seconds - 1));
            assert_eq!(node.deliver_due().await.unwrap(), 0, "{seconds}");
            hospital.clock.advance(TimeDelta::seconds(1));
            assert_eq!(node.deliver_due().await.unwrap(), 1, "{seconds}");
        }
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", port)).await.unwrap();
        let server = Server::on(listener, Manners::default());
        assert_eq!(notice::hurry(&hospital.db, hospital.clock.now()).await.unwrap(), 1);
        assert_eq!(node.deliver_due().await.unwrap(), 1);
        assert_eq!((server.received().len(), hospital.waiting().await), (1, 0));
        assert!(
            read(&server.received()[0]).text.contains("21/11/2026 12:00 UTC"),
            "when it happened, not when it was sent"
        );
    })
    .await;
}

#[tokio::test]
async fn what_cannot_be_sent_for_a_day_is_given_up_in_the_audit() {
    Hospital::on_both(async |hospital| {
        let node = hospital.node(&nobody(free_port().await, hospital.dir.path()));
        hospital.queue(a_key()).await;
        let began = hospital.clock.now();
        let mut attempts = 0;
        while hospital.waiting().await > 0 {
            attempts += node.deliver_due().await.unwrap();
            hospital.clock.advance(TimeDelta::minutes(10));
            assert!(hospital.clock.now() - began <= PATIENCE, "still tried after a day");
        }
        assert!((8..=15).contains(&attempts), "{attempts}");
        assert_eq!(hospital.outcomes().await[0], ("failure".to_owned(), Some("MAIL-007".to_owned())));
    })
    .await;
}

#[tokio::test]
async fn without_a_mail_server_old_notices_go() {
    Hospital::on_both(async |hospital| {
        hospital.queue(a_key()).await;
        let trail = trail(&hospital.clock);
        let old = async || give_up_old(&hospital.db, &trail, hospital.clock.now()).await.unwrap();
        assert_eq!(old().await, 0);
        hospital.clock.advance(PATIENCE);
        assert_eq!((old().await, old().await, hospital.waiting().await), (1, 0, 0));
        assert_eq!(hospital.outcomes().await[0].1.as_deref(), Some("MAIL-007"));
    })
    .await;
}

#[tokio::test]
async fn a_server_that_says_nothing_holds_nobody_up_for_long() {
    Hospital::on_both(async |hospital| {
        let server = Server::start(Manners { silent: true, ..Manners::default() }).await;
        let mail = server.mail(hospital.dir.path());
        let hasty = |smtp: Smtp| smtp.hasty(Duration::from_millis(200));
        hospital.queue(a_key()).await;
        assert_eq!(hospital.node_with(&mail, hasty).deliver_due().await.unwrap(), 1);
        assert_eq!(hospital.waiting().await, 1);
        let slow = Smtp::open(&mail, "x").unwrap().hasty(Duration::from_millis(200)).try_connection().await;
        assert_eq!(slow, Err(SendError::Slow));
    })
    .await;
}

#[tokio::test]
async fn a_refusal_for_now_is_tried_again_and_an_address_that_is_none_is_not() {
    Hospital::on_both(async |hospital| {
        let refusals = vec!["451 4.7.1 greylisted", "552 5.2.2 full", "550 5.1.1 no such user"];
        let server = Server::start(Manners { refusals, ..Manners::default() }).await;
        let node = hospital.node(&server.mail(hospital.dir.path()));
        hospital.queue(a_key()).await;
        for pause in [30, 120] {
            assert_eq!(node.deliver_due().await.unwrap(), 1);
            assert_eq!(hospital.waiting().await, 1);
            hospital.clock.advance(TimeDelta::seconds(pause));
        }
        assert_eq!(node.deliver_due().await.unwrap(), 1);
        assert_eq!((hospital.waiting().await, server.received().len()), (0, 0));
        assert_eq!(hospital.outcomes().await[0], ("failure".to_owned(), Some("MAIL-006".to_owned())));
        hospital.queue(a_key()).await;
        assert_eq!(node.deliver_due().await.unwrap(), 1);
        assert_eq!(server.received().len(), 1, "the next one is taken");
    })
    .await;
}

#[tokio::test]
async fn a_notice_that_cannot_be_read_waits_for_a_node_that_can_and_holds_up_no_other() {
    Hospital::on_both(async |hospital| {
        let server = Server::start(Manners::default()).await;
        let node = hospital.node(&server.mail(hospital.dir.path()));
        hospital.queue(a_key()).await;
        assert_eq!(notice::spoil(&hospital.db).await.unwrap(), 1);
        hospital.queue(a_key()).await;
        assert_eq!(node.deliver_due().await.unwrap(), 2);
        assert_eq!((server.received().len(), hospital.waiting().await), (1, 1));
        hospital.clock.advance(PATIENCE);
        assert_eq!(node.deliver_due().await.unwrap(), 1);
        assert_eq!((server.received().len(), hospital.waiting().await), (1, 0));
        assert_eq!(hospital.outcomes().await[0], ("failure".to_owned(), Some("MAIL-007".to_owned())));
        // Nor does it keep the clean-up from its work, where nothing sends.
        hospital.queue(a_key()).await;
        assert_eq!(notice::spoil(&hospital.db).await.unwrap(), 1);
        hospital.clock.advance(PATIENCE);
        let given_up = give_up_old(&hospital.db, &trail(&hospital.clock), hospital.clock.now()).await;
        assert_eq!((given_up.unwrap(), hospital.waiting().await), (1, 0));
    })
    .await;
}

/// Many servers answer 550 where they do not relay for us, or do not like our sender: the address may be good.
#[tokio::test]
async fn only_what_is_said_of_the_address_itself_makes_it_a_bad_one() {
    Hospital::on_both(async |hospital| {
        let refusals = vec![
            "550 5.7.1 Unable to relay",
            "550 no such user here",
            "553 5.1.8 sender domain does not exist",
            "553 5.1.7 bad sender",
            "554 5.1.10 null MX",
        ];
        let last = refusals.len() - 1;
        let server = Server::start(Manners { refusals, ..Manners::default() }).await;
        let node = hospital.node(&server.mail(hospital.dir.path()));
        hospital.queue(a_key()).await;
        for attempt in 0..last {
            assert_eq!(node.deliver_due().await.unwrap(), 1);
            assert_eq!(hospital.waiting().await, 1, "{attempt}");
            hospital.clock.advance(TimeDelta::hours(4));
        }
        assert_eq!(node.deliver_due().await.unwrap(), 1);
        assert_eq!(hospital.waiting().await, 0);
        assert_eq!(hospital.outcomes().await[0].1.as_deref(), Some("MAIL-006"));
    })
    .await;
}

#[tokio::test]
async fn two_nodes_send_each_notice_once() {
    Hospital::on_both(async |hospital| {
        let server = Server::start(Manners::default()).await;
        let mail = server.mail(hospital.dir.path());
        for n in 0..20 {
            hospital.queue(Told::RoleGranted { role: format!("role-{n}") }).await;
        }
        let nodes = [hospital.node(&mail), hospital.node(&mail)];
        let drain = async |node: &Outbox| while node.deliver_due().await.unwrap() > 0 {};
        tokio::join!(drain(&nodes[0]), drain(&nodes[1]));
        let ids: std::collections::BTreeSet<_> =
            server.received().iter().map(|mail| read(mail).header("Message-ID").to_owned()).collect();
        assert_eq!((server.received().len(), ids.len(), hospital.waiting().await), (20, 20, 0));
    })
    .await;
}

#[tokio::test]
async fn a_node_that_stops_in_the_middle_is_replaced_after_its_lease() {
    Hospital::on_both(async |hospital| {
        let server = Server::start(Manners::default()).await;
        hospital.queue(a_key()).await;
        let taken = notice::take_due(&hospital.db, BATCH, LEASE, hospital.clock.now()).await.unwrap();
        assert_eq!(taken.len(), 1, "and the node that took it stops");
        let other = hospital.node(&server.mail(hospital.dir.path()));
        assert_eq!(other.deliver_due().await.unwrap(), 0);
        hospital.clock.advance(LEASE);
        assert_eq!(other.deliver_due().await.unwrap(), 1);
        let sent = read(&server.received()[0]);
        assert!(sent.header("Message-ID").contains(&taken[0].id.to_string()), "the same mail");
        // The first node comes back, and has sent it too: the second end is recorded by nobody.
        let event = (&trail(&hospital.clock).event(Kind::NoticeSent)).into();
        assert!(!notice::done(&hospital.db, taken[0].id, &event).await.unwrap());
    })
    .await;
}

#[tokio::test]
async fn a_code_that_is_no_longer_good_is_not_sent() {
    Hospital::on_both(async |hospital| {
        let server = Server::start(Manners::default()).await;
        let code = ContactCodeId::new(hospital.clock.now(), &SystemRandom);
        hospital.queue(Told::AddressCode { code }).await;
        hospital.clock.advance(code::LIFETIME);
        assert_eq!(hospital.node(&server.mail(hospital.dir.path())).deliver_due().await.unwrap(), 1);
        assert_eq!((server.received().len(), hospital.waiting().await), (0, 0));
    })
    .await;
}
