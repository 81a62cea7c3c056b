//! An image is let through only as its signer signed it, for this program, in its time and in its order; whatever is the
//! matter with it has a name, and says what to do.

use std::fs;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hotswap::load::{
    Claims, Digest, Images, KeyError, LoadError, MemoryError, ParseKeyError, PublicKey, SecretKey, SignError, Trust,
    TrustError, head, sign,
};
use hotswap_tests::folder::Folder;
use hotswap_tests::tally;

const IMAGE: &[u8] = &[0xa5; 160];
/// When the images of these tests are made: by the clock of the machine they have expired long since.
const CREATED: u64 = 1_000_000_000;
/// How long they are good for.
const VALID: Duration = Duration::from_hours(1);

fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds)
}

fn key() -> SecretKey {
    SecretKey::generate().expect("random bytes")
}

fn claims(serial: u64) -> Claims {
    Claims::new("shop", serial).created_at(at(CREATED)).valid_for(VALID)
}

/// A signed image, and the trust that lets it through.
fn signed(serial: u64) -> (Vec<u8>, Trust) {
    let key = key();
    let file = sign(IMAGE, &key, &claims(serial)).expect("claims as they may be");
    (file, Trust::new("shop").key(key.public()))
}

/// Why it is refused, at a time at which it is good.
fn refused(trust: &Trust, file: &[u8]) -> TrustError {
    trust.verify_at(file, at(CREATED)).expect_err("refused")
}

#[test]
fn as_it_was_signed_it_is_let_through_with_what_was_said_of_it() {
    let key = key();
    let file = sign(IMAGE, &key, &claims(7).note("prices of may")).expect("claims as they may be");
    let verified = Trust::new("shop").key(key.public()).verify_at(&file, at(CREATED)).expect("as it was signed");
    assert_eq!(verified.image(), IMAGE);
    let said = verified.head();
    assert_eq!((said.claims.application.as_str(), said.claims.serial), ("shop", 7));
    assert_eq!((said.claims.created, said.claims.expires), (CREATED, CREATED + 3600));
    assert_eq!((said.claims.note.as_str(), said.length), ("prices of may", 160));
    assert_eq!((said.key, said.digest), (key.public().id(), Digest::of(IMAGE)));
    // it says the same to those who only look
    assert_eq!(&head(&file).expect("a whole envelope"), said);
}

#[test]
fn with_the_clock_of_the_machine_as_well() {
    let key = key();
    let file = sign(IMAGE, &key, &Claims::new("shop", 1)).expect("claims as they may be");
    Trust::new("shop").key(key.public()).verify(&file).expect("made now");
}

#[test]
fn what_is_no_envelope_is_called_what_it_is() {
    let (_, trust) = signed(1);
    for bytes in [&b""[..], b"#!/bin/sh", b"hotswap\0", &[0; 4096]] {
        assert!(matches!(refused(&trust, bytes), TrustError::NotAnEnvelope), "{bytes:?}");
    }
    let image = fs::read(std::env::current_exe().expect("this program")).expect("it can be read");
    let error = refused(&trust, &image);
    if cfg!(target_os = "linux") {
        assert!(matches!(error, TrustError::Unsigned), "{error}");
        assert_eq!(error.to_string(), "the image is not signed: sign it with `hotswap sign`");
    }
}

#[test]
fn another_format_is_not_guessed_at() {
    let (mut file, trust) = signed(1);
    file[8] = 2;
    assert!(matches!(refused(&trust, &file), TrustError::Format { found: 2, known: 1 }));
}

#[test]
fn cut_short_anywhere_it_is_cut_short() {
    let (file, trust) = signed(1);
    for end in 1..file.len() {
        match refused(&trust, &file[..end]) {
            TrustError::Truncated { bytes, expected } => {
                assert!(bytes == end as u64 && bytes < expected && expected <= file.len() as u64, "{bytes} {expected}");
            }
            error => panic!("cut to {end}: {error}"),
        }
    }
}

#[test]
fn nothing_comes_after_the_end() {
    let (mut file, trust) = signed(1);
    file.extend_from_slice(&[0; 3]);
    assert!(matches!(refused(&trust, &file), TrustError::TooLong { over: 3 }));
}

#[test]
fn a_key_that_was_not_given_is_named_with_those_that_were() {
    let (file, trust) = signed(1);
    let by = head(&file).expect("a whole envelope").key;
    match refused(&Trust::new("shop"), &file) {
        TrustError::UnknownKey { key, trusted } => assert_eq!((key, trusted), (by, vec![])),
        error => panic!("{error}"),
    }
    let other = key().public();
    let error = refused(&Trust::new("shop").key(other), &file);
    assert!(error.to_string().contains(&format!("key {by}, which is not trusted here (trusted: {})", other.id())));
    // any of several does
    trust.key(other).verify_at(&file, at(CREATED)).expect("one of its keys signed");
}

#[test]
fn who_writes_another_keys_name_on_it_has_not_signed_as_that_key() {
    let trusted = key();
    let mut file = sign(IMAGE, &key(), &claims(1)).expect("claims as they may be");
    let real = sign(IMAGE, &trusted, &claims(1)).expect("claims as they may be");
    file[12..20].copy_from_slice(&real[12..20]);
    let error = refused(&Trust::new("shop").key(trusted.public()), &file);
    assert!(matches!(error, TrustError::BadSignature { key } if key == trusted.public().id()), "{error}");
}

#[test]
fn for_another_application_it_is_not_for_this_one() {
    let key = key();
    let file = sign(IMAGE, &key, &claims(1)).expect("claims as they may be");
    match refused(&Trust::new("bank").key(key.public()), &file) {
        TrustError::WrongApplication { found, expected } => assert_eq!((&*found, &*expected), ("shop", "bank")),
        error => panic!("{error}"),
    }
}

#[test]
fn its_time_begins_five_minutes_before_it_was_made_and_ends_at_the_second_it_says() {
    let (file, trust) = signed(1);
    let verify = |seconds| trust.verify_at(&file, at(seconds));
    let early = verify(CREATED - 301).expect_err("too early");
    assert!(matches!(early, TrustError::NotYetValid { created: CREATED, now } if now == CREATED - 301), "{early}");
    verify(CREATED - 300).expect("clocks differ a little");
    verify(CREATED + 3599).expect("still good");
    let late = verify(CREATED + 3600).expect_err("expired");
    assert!(matches!(late, TrustError::Expired { expired, now } if expired == now), "{late}");
    assert_eq!(
        verify(CREATED + 3600 + 86_400).expect_err("expired").to_string(),
        "the image expired 1 day ago: sign it again"
    );
    // a clock that was never set
    let unset = trust.verify_at(&file, UNIX_EPOCH - Duration::from_secs(1)).expect_err("before all images");
    assert!(matches!(unset, TrustError::NotYetValid { now: 0, .. }), "{unset}");
}

#[test]
fn a_time_that_no_calendar_has_is_a_time_all_the_same() {
    let key = key();
    let claims = claims(u64::MAX).valid_for(Duration::MAX);
    let file = sign(IMAGE, &key, &claims).expect("claims as they may be");
    let trust = Trust::new("shop").key(key.public());
    let verified = trust.verify_at(&file, at(CREATED)).expect("good for ever");
    trust.accept(&verified).expect("the last serial there is");
    assert!(matches!(refused(&trust, &file), TrustError::Replayed { serial: u64::MAX, last: u64::MAX }));
}

#[test]
fn a_serial_is_used_up_by_accepting_and_not_by_verifying() {
    let key = key();
    let trust = Trust::new("shop").key(key.public());
    let file = |serial| sign(IMAGE, &key, &claims(serial)).expect("claims as they may be");
    let verify = |serial| trust.verify_at(&file(serial), at(CREATED));
    let fifth = verify(5).expect("the first of all");
    // its load failed; it is tried again, and something older is no replay yet
    verify(5).expect("nothing was accepted");
    let fourth = verify(4).expect("nothing was accepted");
    assert_eq!(trust.last_serial(), None);
    trust.accept(&fifth).expect("newer than nothing");
    trust.accept(&fifth).expect("the same again changes nothing");
    assert_eq!(trust.last_serial(), Some(5));
    for serial in [0, 4, 5] {
        let error = verify(serial).expect_err("not newer");
        assert!(matches!(error, TrustError::Replayed { serial: found, last: 5 } if found == serial), "{error}");
    }
    // verified in time, overtaken since
    let error = trust.accept(&fourth).expect_err("overtaken");
    assert!(matches!(error, TrustError::Replayed { serial: 4, last: 5 }), "{error}");
    verify(6).expect("newer");
}

#[test]
fn what_another_application_verified_is_not_accepted_by_this_one() {
    let (file, trust) = signed(1);
    let verified = trust.verify_at(&file, at(CREATED)).expect("as it was signed");
    let error = Trust::new("bank").accept(&verified).expect_err("of the shop");
    assert!(matches!(error, TrustError::WrongApplication { .. }), "{error}");
}

#[test]
fn after_a_restart_an_old_image_is_still_old_and_an_accepted_one_may_come_again() {
    let folder = Folder::new();
    let path = folder.path("accepted");
    let key = key();
    let start = || Trust::new("shop").key(key.public()).remember(&path).expect("its own file");
    let file = |serial, image| sign(image, &key, &claims(serial)).expect("claims as they may be");
    let (third, fifth, newer) = (file(3, b"third"), file(5, b"fifth"), file(6, b"sixth"));

    let trust = start();
    for file in [&third, &fifth] {
        trust.accept(&trust.verify_at(file, at(CREATED)).expect("newer")).expect("the file can be written");
    }
    drop(trust);

    let trust = start();
    assert_eq!(trust.last_serial(), Some(5));
    assert!(matches!(refused(&trust, &fifth), TrustError::Replayed { serial: 5, last: 5 }));
    assert!(matches!(refused(&trust, &third), TrustError::Replayed { serial: 3, last: 5 }));
    // both were accepted, and have expired since
    assert!(matches!(trust.verify(&fifth), Err(TrustError::Expired { .. })));
    for file in [&third, &fifth] {
        let again = trust.verify_again(file).expect("accepted before");
        trust.accept(&again).expect("accepted before");
    }
    assert_eq!(trust.last_serial(), Some(5));
    // the same serial with other bytes was not
    let error = trust.verify_again(&file(5, b"forged")).expect_err("another image");
    assert!(matches!(error, TrustError::Replayed { serial: 5, last: 5 }), "{error}");
    let error = trust.verify_again(&newer).expect_err("a new one");
    assert!(matches!(error, TrustError::NeverAccepted { serial: 6 }), "{error}");
    trust.verify_at(&newer, at(CREATED)).expect("a new one");
}

#[test]
fn whose_key_is_given_up_does_not_come_again() {
    let folder = Folder::new();
    let (file, trust) = signed(1);
    let trust = trust.remember(folder.path("accepted")).expect("its own file");
    trust.accept(&trust.verify_at(&file, at(CREATED)).expect("as it was signed")).expect("the file can be written");
    drop(trust);
    let trust = Trust::new("shop").key(key().public()).remember(folder.path("accepted")).expect("its own file");
    assert!(matches!(trust.verify_again(&file), Err(TrustError::UnknownKey { .. })));
}

#[test]
fn a_memory_is_one_programs_and_one_applications_and_whole() {
    let folder = Folder::new();
    let path = folder.path("accepted");
    let (file, trust) = signed(9);
    let trust = trust.remember(&path).expect("its own file");
    assert!(matches!(Trust::new("shop").remember(&path), Err(MemoryError::InUse { .. })));
    trust.accept(&trust.verify_at(&file, at(CREATED)).expect("as it was signed")).expect("the file can be written");
    drop(trust);
    let error = Trust::new("bank").remember(&path).expect_err("the shop's");
    assert!(matches!(error, MemoryError::OtherApplication { .. }), "{error}");

    let text = fs::read_to_string(&path).expect("it is there");
    assert_eq!(text.lines().next(), Some("hotswap-accepted:1:shop"));
    let cases = ["", "\n", "hotswap-accepted:1:shop\n", &text.replace("\n9 ", "\n1 "), &text[..text.len() - 2]];
    for damaged in cases {
        fs::write(&path, damaged).expect("a file");
        let error = Trust::new("shop").remember(&path).expect_err("damaged");
        assert!(matches!(error, MemoryError::Damaged { .. }), "{error}");
    }
    fs::write(&path, &text).expect("a file");
    assert_eq!(Trust::new("shop").remember(&path).expect("whole again").last_serial(), Some(9));
}

#[test]
fn what_cannot_be_remembered_is_not_accepted() {
    let folder = Folder::new();
    let inner = folder.path("inner");
    fs::create_dir(&inner).expect("a folder");
    let (file, trust) = signed(1);
    let trust = trust.remember(inner.join("accepted")).expect("its own file");
    let verified = trust.verify_at(&file, at(CREATED)).expect("as it was signed");
    fs::remove_dir_all(&inner).expect("its folder goes");
    let error = trust.accept(&verified).expect_err("nowhere to write");
    assert!(matches!(error, TrustError::Memory(MemoryError::Io { .. })), "{error}");
    assert_eq!(trust.last_serial(), None);
    // the folder is back: the same is accepted
    fs::create_dir(&inner).expect("a folder");
    trust.accept(&verified).expect("the file can be written");
}

#[test]
fn only_so_many_are_known_again_and_the_order_holds() {
    let key = key();
    let trust = Trust::new("shop").key(key.public());
    let file = |serial| sign(IMAGE, &key, &claims(serial)).expect("claims as they may be");
    for serial in 1..=1025 {
        trust.accept(&trust.verify_at(&file(serial), at(CREATED)).expect("newer")).expect("newer");
    }
    trust.verify_again(&file(2)).expect("among the last 1,024");
    let error = trust.verify_again(&file(1)).expect_err("before them");
    assert!(matches!(error, TrustError::Replayed { serial: 1, last: 1025 }), "{error}");
}

#[test]
fn a_changed_image_is_altered() {
    let (mut file, trust) = signed(1);
    *file.last_mut().expect("an image") ^= 1;
    match refused(&trust, &file) {
        TrustError::Altered { found, signed } => assert!(found != signed && signed == Digest::of(IMAGE)),
        error => panic!("{error}"),
    }
}

#[test]
fn every_byte_changed_to_every_other_is_noticed() {
    let (file, trust) = signed(1);
    let mut tried = 0;
    for at_byte in 0..file.len() {
        let mut changed = file.clone();
        for by in 1..=u8::MAX {
            changed[at_byte] = file[at_byte] ^ by;
            let _ = head(&changed);
            trust.verify_at(&changed, at(CREATED)).expect_err("changed");
            tried += 1;
        }
    }
    trust.verify_at(&file, at(CREATED)).expect("not changed");
    assert!(tried > 75_000, "{tried}");
}

#[test]
fn a_file_is_read_as_far_as_an_image_may_go() {
    let folder = Folder::new();
    let (file, trust) = signed(1);
    let path = folder.path("image");
    fs::write(&path, &file).expect("a file");
    assert_eq!(trust.read(&path).expect("small enough"), file);
    // what is around it counts for nothing: the image is 160 bytes
    let trust = trust.limit(160);
    trust.verify_at(&trust.read(&path).expect("small enough"), at(CREATED)).expect("just small enough");
    let trust = trust.limit(159);
    assert!(matches!(refused(&trust, &file), TrustError::TooBig { limit: 159 }));
    fs::write(&path, vec![0; 80_000]).expect("a file");
    assert!(matches!(trust.read(&path), Err(TrustError::TooBig { limit: 159 })));
    assert!(matches!(trust.read(folder.path("none")), Err(TrustError::Io { .. })));
    // neither waited for nor read for ever
    assert!(matches!(trust.read("/dev/zero"), Err(TrustError::Io { .. })));
}

#[test]
fn what_no_program_would_take_is_not_signed() {
    let key = key();
    let signing = |image: &[u8], claims: &Claims| sign(image, &key, claims).expect_err("of no use");
    let named = |name: &str| Claims::new(name, 1);
    assert_eq!(signing(IMAGE, &named("")), SignError::Application { bytes: 0 });
    assert_eq!(signing(IMAGE, &named(&"a".repeat(256))), SignError::Application { bytes: 256 });
    assert_eq!(signing(IMAGE, &claims(1).note("n".repeat(4097))), SignError::Note { bytes: 4097 });
    let never = SignError::NeverValid { created: CREATED, expires: CREATED };
    assert_eq!(signing(IMAGE, &claims(1).valid_for(Duration::from_millis(999))), never);
    assert_eq!(signing(b"", &claims(1)), SignError::Empty);
    let (file, _) = signed(1);
    assert_eq!(signing(&file, &claims(2)), SignError::SignedAlready);
    // as long as they may be
    let claims = Claims::new("a".repeat(255), u64::MAX).note("n".repeat(4096));
    sign(IMAGE, &key, &claims).expect("just short enough");
}

#[test]
fn a_key_comes_back_from_its_file_and_is_never_written_over() {
    let folder = Folder::new();
    let (path, public) = (folder.path("release"), folder.path("release.pub"));
    let key = key();
    key.write(&path).expect("a new file");
    key.public().write(&public).expect("a new file");
    assert_eq!(SecretKey::read(&path).expect("a key").public(), key.public());
    assert_eq!(PublicKey::read(&public).expect("a key"), key.public());
    let line = fs::read_to_string(&path).expect("text");
    assert!(matches!(key.write(&path), Err(KeyError::Exists { .. })));
    assert!(matches!(key.public().write(&path), Err(KeyError::Exists { .. })));
    assert_eq!(fs::read_to_string(&path).expect("text"), line);
    // it is shown nowhere but in its file
    let digits = line.trim_end().rsplit(':').next().expect("digits");
    assert!(digits.len() == 64 && !format!("{key:?}").contains(digits));
}

#[test]
#[cfg(unix)]
fn a_secret_is_its_owners() {
    use std::os::unix::fs::PermissionsExt;

    let folder = Folder::new();
    let path = folder.path("release");
    let key = key();
    key.write(&path).expect("a new file");
    let mode = |path| fs::metadata(path).expect("a file").permissions().mode() & 0o777;
    assert_eq!(mode(&path), 0o600);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).expect("its owner may");
    let error = SecretKey::read(&path).expect_err("everybody's");
    assert!(matches!(error, KeyError::Exposed { .. }) && error.to_string().contains("chmod o-rwx"), "{error}");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).expect("its owner may");
    SecretKey::read(&path).expect("a group may share one");
}

#[test]
fn what_is_no_key_says_what_it_is_and_where() {
    let folder = Folder::new();
    let (path, public) = (folder.path("release"), folder.path("release.pub"));
    let key = key();
    key.write(&path).expect("a new file");
    key.public().write(&public).expect("a new file");
    let why = |error| match error {
        KeyError::Parse { error, .. } => error,
        error => panic!("{error}"),
    };
    let error = SecretKey::read(&public).expect_err("the public one");
    assert!(error.to_string().contains(&public.display().to_string()), "{error}");
    assert_eq!(why(error), ParseKeyError::Public);
    assert_eq!(why(PublicKey::read(&path).expect_err("the secret one")), ParseKeyError::Secret);
    assert!(matches!(SecretKey::read(folder.path("none")), Err(KeyError::Io { .. })));

    let begins = "hotswap-public-key:1:";
    let nothing = ParseKeyError::NotAKey { expected: "public key", begins };
    let text = key.public().to_string();
    let zeros = "0".repeat(64);
    let cases = [
        (String::new(), nothing),
        ("ssh-ed25519 AAAA".to_owned(), nothing),
        (text.replace(":1:", ":2:"), ParseKeyError::Format),
        (text[..text.len() - 1].to_owned(), ParseKeyError::Damaged),
        (format!("{text}00"), ParseKeyError::Damaged),
        (format!("{begins}{}", "x".repeat(64)), ParseKeyError::Damaged),
        // a point that everybody can sign for
        (format!("{begins}{zeros}"), ParseKeyError::Damaged),
    ];
    for (text, expected) in cases {
        assert_eq!(text.parse::<PublicKey>().expect_err("no key"), expected, "{text}");
    }
    assert_eq!(format!("  {text}\r\n").parse(), Ok(key.public()));
    // a secret that comes from elsewhere than a file
    let secret = fs::read_to_string(&path).expect("text");
    assert_eq!(secret.parse::<SecretKey>().expect("a key").public(), key.public());
    assert_eq!(text.parse::<SecretKey>().expect_err("the public one"), ParseKeyError::Public);
}

#[test]
fn what_is_refused_is_in_the_audit_of_every_switch_with_why() {
    let folder = Folder::new();
    let (key, other) = (key(), key());
    let images = Images::new(Trust::new("shop").key(key.public()));
    let switches = [1, 2].map(|at| tally::Switch::builder().starting_at(at).build().expect("one to run"));
    // by the clock of the machine, as a program asks
    let signed = |key, serial| sign(IMAGE, key, &Claims::new("shop", serial)).expect("claims as they may be");
    images.trust().accept(&images.trust().verify(&signed(&key, 5)).expect("made now")).expect("the first");

    let foreign = signed(&other, 6);
    let mut wrongly = foreign.clone();
    wrongly[12..20].copy_from_slice(&signed(&key, 6)[12..20]);
    let expired = sign(IMAGE, &key, &claims(6)).expect("claims as they may be");
    let mut altered = signed(&key, 6);
    *altered.last_mut().expect("an image") ^= 1;
    let unsigned = [b"\x7fELF", &[0; 200][..]].concat();
    let path = folder.path("altered");
    fs::write(&path, &altered).expect("a file");

    let refused = |file: &[u8]| {
        let error = images.load_bytes(file).expect_err("refused");
        let LoadError::Trust(error) = error else { panic!("{error}") };
        error
    };
    let errors = [
        refused(&unsigned),
        refused(&foreign),
        refused(&wrongly),
        refused(&expired),
        refused(&signed(&key, 4)),
        refused(&altered),
    ];
    let [
        TrustError::Unsigned,
        TrustError::UnknownKey { .. },
        TrustError::BadSignature { .. },
        TrustError::Expired { .. },
        TrustError::Replayed { serial: 4, last: 5 },
        TrustError::Altered { .. },
    ] = &errors
    else {
        panic!("{errors:?}")
    };
    let again = images.load(&path).expect_err("altered").to_string();
    assert_eq!(again, errors[5].to_string());
    let mut expected: Vec<_> = errors.iter().map(|error| ("load an image".to_owned(), error.to_string())).collect();
    expected.push((format!("load {}", path.display()), again));
    for switch in switches {
        let audit = switch.admin().audit();
        let kept: Vec<_> = audit.refusals.into_iter().map(|refusal| (refusal.what, refusal.why)).collect();
        assert_eq!(kept, expected);
        assert_eq!(audit.changes.len(), 1, "it has started, and nothing came of any");
    }
    assert_eq!((images.list(), images.trust().last_serial()), (vec![], Some(5)));
}
