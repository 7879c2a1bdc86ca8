use std::fs::{self, File};
use std::io::Write;

use kenning_test::power::{Access, PowerDisk};

#[test]
fn what_was_synced_survives_a_cut_and_the_rest_does_not() {
    let disk = match PowerDisk::new(16 << 20) {
        Ok(disk) => disk,
        Err(reason) => return eprintln!("skipped: {reason}"),
    };
    for cycle in 0..3u8 {
        let synced = disk.path().join(format!("synced-{cycle}"));
        let mut file = File::create(&synced).unwrap();
        file.write_all(&[cycle; 1_000]).unwrap();
        file.sync_all().unwrap();
        File::open(disk.path()).unwrap().sync_all().unwrap();
        let lost = disk.path().join(format!("lost-{cycle}"));
        fs::write(&lost, [cycle; 1_000]).unwrap();
        file.write_all(&[cycle; 1_000]).unwrap();
        disk.cut().unwrap();
        assert!(file.sync_all().is_err(), "nothing is synced without power");
        drop(file);
        disk.remount(Access::Write).unwrap();
        assert_eq!(fs::read(&synced).unwrap(), [cycle; 1_000]);
        assert!(!lost.exists(), "an unsynced file survived: the cut is no cut");
    }
    disk.remount(Access::Read).unwrap();
    assert!(File::create(disk.path().join("new")).is_err(), "it is mounted read-only");
}
