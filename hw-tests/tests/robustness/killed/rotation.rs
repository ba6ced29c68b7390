//! Killed while it rotates a signing key.

use sceau_hw_tests::isolation::isolated;
use serde_json::Value;

use super::killed_at_each;
use crate::harness::installation::Installation;

/// The keys of tokens by their state: next, current, retired.
fn keys(installation: &Installation) -> [Vec<String>; 3] {
    let all: Value = serde_json::from_str(&installation.sceau(&["keys", "list", "--json"])).unwrap();
    let of = |state: &str| {
        let fits = |key: &&Value| key["purpose"] == "token" && key["state"] == state;
        all.as_array().unwrap().iter().filter(fits).map(|key| key["kid"].to_string()).collect()
    };
    [of("next"), of("current"), of("retired")]
}

#[test]
fn a_rotation_leaves_one_current_and_one_next_key_wherever_it_is_killed() {
    isolated(|| {
        let installation = Installation::on_sqlite();
        for call in ["pwrite64", "fsync,fdatasync"] {
            let before = keys(&installation);
            let [next, current, _] = &before;
            let events = installation.events("key.rotated").len();
            let times = killed_at_each(
                &installation,
                call,
                |place| place + 1,
                &["keys", "rotate", "--at-once"],
                |place| {
                    let after = keys(&installation);
                    let recorded = installation.events("key.rotated").len();
                    if after == before {
                        assert_eq!(recorded, events, "{call} {place}");
                    } else {
                        let [after_next, after_current, after_retired] = after;
                        assert_eq!(&after_current, next, "{call} {place}");
                        // Beside those of earlier rotations.
                        assert!(current.iter().all(|key| after_retired.contains(key)), "{call} {place}");
                        assert_eq!((after_next.len(), recorded), (1, events + 1), "{call} {place}");
                    }
                    installation.assert_audit_verifies();
                },
            );
            assert!(times > 0, "{call} was never made: nothing was tried");
        }
        installation.sceau(&["keys", "rotate", "--at-once"]);
        assert_eq!(keys(&installation)[0].len(), 1);
    });
}
