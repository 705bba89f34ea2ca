//! Uploads that break at random, again and again, of files that change meanwhile.

use selvedge_testing::{Random, seed};

use super::*;

const ROUNDS: usize = 40;
/// Calls of which each breaks once at most, and one that does not.
const CALLS: usize = 6;

/// Something goes wrong with one of the next requests. What is tried again within a call is no end of it.
fn random_fault(random: &mut Random, server: &ObjectServer) {
    let fault = match random.below(6) {
        0 => Fault::Status(500),
        1 => Fault::Drop,
        2 => Fault::Lost,
        _ => Fault::Status(403),
    };
    let before = usize::try_from(random.below(PARTS + 8)).unwrap();
    server.fault(before, fault);
}

#[test]
fn whatever_breaks_and_changes_the_object_is_the_file_at_the_end() {
    let mut random = Random(seed());
    let (mut broken, mut resumed, mut anew) = (0, 0, 0);
    for round in 0..ROUNDS {
        let world = World::new();
        let overwrite = random.below(2) == 0;
        let mut done = None;
        for call in 1..=CALLS {
            world.server.take_fault();
            if call < CALLS {
                random_fault(&mut random, &world.server);
            }
            let pushed = world.push(overwrite);
            anew += pushed.anew().len();
            match &pushed.result {
                Ok(pushed) => {
                    resumed += usize::from(pushed.resumed > 0);
                    done = Some(pushed.bytes);
                    break;
                }
                Err(ObjectError::Write { .. }) => broken += 1,
                Err(other) => panic!("round {round}, call {call}: {other}"),
            }
            // An object of the file as it was may be there by now, and only `overwrite` replaces that.
            if overwrite && random.below(3) == 0 {
                match random.below(3) {
                    0 => fs::write(&world.path, content((PARTS - 2) * PART + 9)).unwrap(),
                    _ => world.change(random.below((PARTS - 3) * PART)),
                }
            }
            if random.below(8) == 0 {
                world.server.forget_uploads();
            }
        }
        assert!(
            done.is_some(),
            "round {round}: nothing came of {CALLS} calls"
        );
        world.assert_whole();
    }
    assert!(
        broken > ROUNDS / 5 && resumed > ROUNDS / 10 && anew > 0,
        "{broken} {resumed} {anew}"
    );
}
