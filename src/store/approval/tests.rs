use super::*;
use crate::audit::Kind;
use crate::clock::{Clock as _, MockClock};
use crate::ids::CountingRandom;
use crate::store::notice::{self, Place, Told};
use crate::store::session::tests::{card_session, somebody};
use crate::store::testing::on_both;

/// A question to somebody, or to nobody.
pub(crate) fn question(
    person_id: Option<PersonId>,
    way: Way,
    now: Time,
    random: &CountingRandom,
) -> Approval {
    Approval {
        id: ApprovalId::new(now, random),
        way,
        channel: Channel::Phone,
        person_id,
        client_id: "rp".into(),
        transaction_id: None,
        browser: None,
        source: None,
        is_known: false,
        context: Context {
            application: "Dossier".into(),
            is_inside: true,
            is_program: false,
            browser: "Firefox (Linux)".into(),
            is_new_browser: false,
            digits: if way == Way::Scan { 0 } else { 6 },
        },
        digits: (way != Way::Scan).then(|| "042137".into()),
        state: State::Waiting,
        authentication: None,
        created_at: now,
        expires_at: now + LIFETIME,
    }
}

#[tokio::test]
async fn a_question_is_answered_once_in_time_by_whom_it_is_for() {
    on_both(async |db| {
        let (clock, random) = (MockClock::default(), CountingRandom::default());
        let now = clock.now();
        let [one, other] = [somebody(&db, now, &random).await, somebody(&db, now, &random).await];
        let event = crate::store::client::tests::event(Kind::SignIn, &clock);
        let proved = card_session(one, 1, now, &random).authentication;
        let approve = Answer::Approve(proved.clone());
        let asked = question(Some(one), Way::Number, now, &random);
        assert!(ask(&db, &asked).await.unwrap());
        assert_eq!(by_id(&db, asked.id).await.unwrap().as_ref(), Some(&asked));
        let waiting = waiting_for(&db, one, Channel::Phone, now).await.unwrap();
        assert_eq!(waiting, std::slice::from_ref(&asked));
        assert!(waiting_for(&db, other, Channel::Phone, now).await.unwrap().is_empty());
        assert!(waiting_for(&db, one, Channel::Card, now).await.unwrap().is_empty());
        assert!(!answer(&db, asked.id, other, &approve, None, &event, now).await.unwrap(), "another person");
        let late = now + LIFETIME;
        assert!(!answer(&db, asked.id, one, &approve, None, &event, late).await.unwrap(), "too late");
        assert!(answer(&db, asked.id, one, &approve, None, &event, now).await.unwrap());
        assert!(!answer(&db, asked.id, one, &Answer::Refuse, None, &event, now).await.unwrap(), "once");
        let kept = by_id(&db, asked.id).await.unwrap().unwrap();
        assert_eq!((kept.state, kept.authentication), (State::Approved, Some(proved)));
        assert!(!withdraw(&db, asked.id).await.unwrap());
        assert_eq!(delete_expired(&db, late, 10).await.unwrap(), 1);
    })
    .await;
}

#[tokio::test]
async fn what_was_scanned_becomes_whose_phone_scanned_it_and_what_is_for_nobody_nobodys() {
    on_both(async |db| {
        let (clock, random) = (MockClock::default(), CountingRandom::default());
        let now = clock.now();
        let person = somebody(&db, now, &random).await;
        let event = crate::store::client::tests::event(Kind::SignIn, &clock);
        let scan_it =
            async |id, person, shown: &Context| super::scan(&db, id, person, shown, now).await.unwrap();
        let [scan, decoy] = [Way::Scan, Way::Number].map(|way| question(None, way, now, &random));
        for asked in [&scan, &decoy] {
            assert!(ask(&db, asked).await.unwrap());
        }
        assert!(!answer(&db, decoy.id, person, &Answer::Mistype, None, &event, now).await.unwrap());
        assert!(
            !answer(&db, scan.id, person, &Answer::Refuse, None, &event, now).await.unwrap(),
            "not scanned"
        );
        let shown = Context { is_new_browser: true, ..scan.context.clone() };
        assert!(!scan_it(decoy.id, person, &shown).await, "no code");
        assert!(scan_it(scan.id, person, &shown).await);
        let other = somebody(&db, now, &random).await;
        assert!(!scan_it(scan.id, other, &shown).await, "once");
        let kept = by_id(&db, scan.id).await.unwrap().unwrap();
        assert_eq!((kept.person_id, kept.context), (Some(person), shown));
        assert!(!answer(&db, scan.id, other, &Answer::Refuse, None, &event, now).await.unwrap());
        assert!(answer(&db, scan.id, person, &Answer::Refuse, None, &event, now).await.unwrap());
    })
    .await;
}

/// Whoever asks everybody in the house fills no mailbox: the security contact hears of so many an hour.
#[tokio::test]
async fn the_security_contact_hears_of_ten_an_hour() {
    on_both(async |db| {
        let (clock, random) = (MockClock::default(), CountingRandom::default());
        let disown = async |now: Time| {
            let event = crate::store::client::tests::event(Kind::SignIn, &clock);
            let person = somebody(&db, now, &random).await;
            let asked = question(Some(person), Way::Number, now, &random);
            assert!(ask(&db, &asked).await.unwrap());
            let notice = |told| NewNotice::new(person, told, now, &random);
            let place = Place::default();
            let alarm = Told::Alarm { event: event.id, place: place.clone() };
            let disowned = Disowned {
                until: now + TimeDelta::days(1),
                told: notice(Told::Disowned { place }),
                alarm: Some((notice(alarm), "securite@chu.example".to_owned())),
            };
            let said = Answer::Disown(disowned);
            assert!(answer(&db, asked.id, person, &said, None, &event, now).await.unwrap());
        };
        let alarms = async |now| notice::older_than(&db, now, 100).await.unwrap().len() as i64;
        for _ in 0..MOST_ALARMS + 3 {
            disown(clock.now()).await;
        }
        // None of these people has an address.
        assert_eq!(alarms(clock.now()).await, MOST_ALARMS);
        clock.advance(ALARMS_WITHIN);
        disown(clock.now()).await;
        assert_eq!(alarms(clock.now()).await, MOST_ALARMS + 1);
    })
    .await;
}

/// Whose questions wait for a person, by the source that asked: oldest first.
async fn sources(db: &Db, person: PersonId, now: Time) -> Vec<u8> {
    let waiting = waiting_for(db, person, Channel::Phone, now).await.unwrap();
    waiting.iter().map(|one| one.source.as_ref().map_or(0, |source| source[0])).collect()
}

#[tokio::test]
async fn nobody_is_asked_more_often_than_they_can_look() {
    on_both(async |db| {
        let (clock, random) = (MockClock::default(), CountingRandom::default());
        let now = clock.now();
        let person = somebody(&db, now, &random).await;
        let of = |source: u8| Approval {
            source: Some(vec![source; 32]),
            ..question(Some(person), Way::Number, now, &random)
        };
        let all: Vec<_> = (0..12).map(of).collect();
        futures_util::future::join_all(all.iter().map(|one| ask(&db, one))).await;
        assert_eq!(sources(&db, person, now).await.len(), 5, "also all at once");
    })
    .await;
}

/// A stranger holds two of five, and gives way to whoever comes later; the person's own browser always has a place.
#[tokio::test]
async fn a_source_has_its_share_and_the_oldest_stranger_gives_way() {
    on_both(async |db| {
        let (clock, random) = (MockClock::default(), CountingRandom::default());
        let person = somebody(&db, clock.now(), &random).await;
        let asks = async |source: u8, is_known: bool| {
            clock.advance(TimeDelta::milliseconds(10));
            let new = question(Some(person), Way::Number, clock.now(), &random);
            let new = Approval { source: Some(vec![source; 32]), is_known, ..new };
            (new.id, ask(&db, &new).await.unwrap())
        };
        let mut first = Vec::new();
        for _ in 0..9 {
            let (id, theirs) = asks(1, false).await;
            assert!(theirs, "the newest of a source stay");
            first.push(id);
        }
        assert_eq!(sources(&db, person, clock.now()).await, [1, 1]);
        let pushed = by_id(&db, first[0]).await.unwrap().unwrap();
        assert_eq!((pushed.person_id, pushed.state), (None, State::Waiting), "it waits on, for nobody");

        // Somebody has many addresses: whoever comes later has a place all the same.
        for source in [2, 2, 3, 3] {
            asks(source, false).await;
        }
        assert_eq!(sources(&db, person, clock.now()).await, [1, 2, 2, 3, 3]);
        assert!(asks(9, true).await.1, "the person's own browser");
        assert_eq!(sources(&db, person, clock.now()).await, [2, 2, 3, 3, 9]);
        for source in 10..20 {
            asks(source, false).await;
        }
        assert_eq!(
            sources(&db, person, clock.now()).await,
            [9, 16, 17, 18, 19],
            "it is never pushed out by strangers"
        );
        for source in [30, 31, 32, 33] {
            asks(source, true).await;
        }
        assert_eq!(sources(&db, person, clock.now()).await, [9, 30, 31, 32, 33]);
        assert!(!asks(20, false).await.1, "strangers wait where the person's own browsers ask");
        assert!(asks(34, true).await.1);
        assert_eq!(sources(&db, person, clock.now()).await, [30, 31, 32, 33, 34]);
    })
    .await;
}

#[tokio::test]
async fn two_questions_of_one_sign_in_at_once_leave_one() {
    on_both(async |db| {
        let (clock, random) = (MockClock::default(), CountingRandom::default());
        let now = clock.now();
        let transaction = TransactionId::new(now, &random);
        for _ in 0..4 {
            let asked: Vec<Approval> = (0..8)
                .map(|_| Approval {
                    transaction_id: Some(transaction),
                    ..question(None, Way::Number, now, &random)
                })
                .collect();
            let kept = futures_util::future::join_all(asked.iter().map(|one| ask(&db, one))).await;
            assert!(kept.iter().all(Result::is_ok), "{kept:?}");
            let left = of_transaction(&db, transaction).await.unwrap().unwrap();
            let place = asked.iter().position(|one| one.id == left.id).expect("one of them");
            assert!(*kept[place].as_ref().unwrap(), "whoever is told that theirs was kept is right");
        }
    })
    .await;
}

#[tokio::test]
async fn each_change_has_the_next_number_and_what_was_only_asked_has_none() {
    on_both(async |db| {
        let (clock, random) = (MockClock::default(), CountingRandom::default());
        let now = clock.now();
        let person = somebody(&db, now, &random).await;
        let event = crate::store::client::tests::event(Kind::SignIn, &clock);
        let transaction = TransactionId::new(now, &random);
        let begun = last_move(&db).await.unwrap();
        let [first, second] = [0, 1].map(|_| Approval {
            transaction_id: Some(transaction),
            ..question(None, Way::Scan, now, &random)
        });
        ask(&db, &first).await.unwrap();
        assert_eq!((last_move(&db).await.unwrap(), moves_since(&db, begun).await.unwrap()), (begun, vec![]));
        ask(&db, &second).await.unwrap();
        let replaced = Move { number: begun + 1, id: second.id, transaction_id: Some(transaction) };
        assert_eq!(moves_since(&db, begun).await.unwrap(), [replaced]);
        assert!(super::scan(&db, second.id, person, &second.context, now).await.unwrap());
        assert!(!super::scan(&db, second.id, person, &second.context, now).await.unwrap());
        assert_eq!(last_move(&db).await.unwrap(), begun + 2, "what changes nothing has no number");
        let others = [0, 1].map(|_| question(Some(person), Way::Ciba, now, &random));
        for other in &others {
            ask(&db, other).await.unwrap();
        }
        let told = Told::Disowned { place: Place::default() };
        let told = NewNotice::new(person, told, now, &random);
        let refuse = Answer::Disown(Disowned { until: now, told, alarm: None });
        assert!(answer(&db, others[0].id, person, &refuse, None, &event, now).await.unwrap());
        let heard = moves_since(&db, begun + 2).await.unwrap();
        let mut ids: Vec<_> = heard.iter().map(|heard| heard.id.0).collect();
        ids.sort();
        let mut expected = vec![second.id.0, others[0].id.0, others[1].id.0];
        expected.sort();
        assert_eq!(ids, expected, "what is withdrawn with it is heard of too");
        assert!(heard.iter().all(|heard| heard.number == begun + 3));
        assert!(!withdraw(&db, second.id).await.unwrap());
    })
    .await;
}

#[tokio::test]
async fn changes_at_once_are_seen_in_the_order_of_their_numbers() {
    on_both(async |db| {
        let (clock, random) = (MockClock::default(), CountingRandom::default());
        let now = clock.now();
        let asked: Vec<Approval> = (0..40).map(|_| question(None, Way::Scan, now, &random)).collect();
        for one in &asked {
            ask(&db, one).await.unwrap();
        }
        let begun = last_move(&db).await.unwrap();
        let changes = futures_util::future::join_all(asked.iter().map(|one| withdraw(&db, one.id)));
        // Whoever looks meanwhile, and goes on from the last number that it saw, misses none.
        let looks = async {
            let (mut heard, mut from) = (Vec::new(), begun);
            while heard.len() < asked.len() {
                let last = last_move(&db).await.unwrap();
                let moves = moves_since(&db, from).await.unwrap();
                heard.extend(moves.iter().filter(|heard| heard.number <= last).map(|heard| heard.id));
                from = last;
            }
            heard
        };
        let (changed, heard) = tokio::join!(changes, looks);
        assert!(changed.into_iter().all(|changed| changed.unwrap()));
        assert_eq!(heard.len(), asked.len());
        assert!(asked.iter().all(|one| heard.contains(&one.id)));
    })
    .await;
}
