use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};

use kenning_store::{World, block_on};
use kenning_test::ManualWorld;

#[test]
fn sleepers_wake_when_enough_has_passed() {
    let world = ManualWorld::new(1);
    let (sender, woken) = mpsc::channel();
    for ms in [300, 100, 200] {
        let (inner, sender) = (Arc::clone(&world), sender.clone());
        world.spawn(
            "sleeper",
            Box::new(move || {
                block_on(inner.sleep(ms));
                sender.send(ms).unwrap();
            }),
        );
    }
    world.wait_for_sleepers(3);
    world.advance(99);
    assert_eq!(world.sleepers(), 3);
    for expected in [100, 200, 300] {
        world.advance(if expected == 100 { 1 } else { 100 });
        assert_eq!(woken.recv().unwrap(), expected);
    }
    world.wait_for_threads();
    assert_eq!((world.sleepers(), world.threads()), (0, 0));
}

#[test]
fn a_clock_that_jumps_wakes_nobody() {
    let world = ManualWorld::new(1);
    let woke = Arc::new(AtomicBool::new(false));
    let (inner, flag) = (Arc::clone(&world), Arc::clone(&woke));
    world.spawn(
        "sleeper",
        Box::new(move || {
            block_on(inner.sleep(50));
            flag.store(true, Ordering::SeqCst);
        }),
    );
    world.wait_for_sleepers(1);
    world.set(5);
    assert_eq!(world.now_ms(), 5);
    world.set(u64::MAX / 2);
    assert_eq!(world.sleepers(), 1);
    assert!(!woke.load(Ordering::SeqCst));
    world.advance(50);
    world.wait_for_threads();
    assert!(woke.load(Ordering::SeqCst));
}

#[test]
fn chance_is_a_seed() {
    let draw = |seed| {
        let world = ManualWorld::new(seed);
        (0..100).map(|_| world.random()).collect::<Vec<_>>()
    };
    assert_eq!(draw(7), draw(7));
    assert_ne!(draw(7), draw(8));
    let mut numbers = draw(7);
    numbers.sort_unstable();
    numbers.dedup();
    assert_eq!(numbers.len(), 100);
}
