//! What holds whatever the data: each law on every engine.

#[path = "../model/chance.rs"]
#[allow(dead_code, reason = "the laws need less chance than the model")]
mod chance; // chance with a seed, and failures with a sentence
mod copies; // exported and imported again
mod laws; // the laws
#[path = "../model/place.rs"]
mod place; // where the database of a test is

use kenning::{Engine, Options};
use kenning_store::block_on;

use place::Place;

macro_rules! hold {
    ($of:ident: $($law:ident),+ $(,)?) => {
        $(
            mod $law {
                #[test]
                fn in_memory() {
                    super::memory(|place, options| {
                        super::block_on(super::$of::$law(place, options))
                    });
                }

                #[test]
                fn on_rocksdb() {
                    super::disk(super::Engine::Rocksdb, |place, options| {
                        super::block_on(super::$of::$law(place, options))
                    });
                }

                #[test]
                fn on_fjall() {
                    super::disk(super::Engine::Fjall, |place, options| {
                        super::block_on(super::$of::$law(place, options))
                    });
                }
            }
        )+
    };
}

hold! {
    laws:
    a_deleted_hub_leaves_no_link,
    a_dropped_tenant_is_missed_by_nobody,
    a_follower_sees_each_change_once,
    a_held_view_does_not_move,
    a_new_birth_has_no_old_links,
    a_rebuilt_index_is_the_kept_one,
    a_second_open_is_held,
    an_hour_is_too_long,
    an_instant_is_its_last_version,
    closed_is_closed,
    instants_never_go_back,
    one_claimant_wins,
    one_id_lands_once,
    tenants_do_not_see_each_other,
}

hold! {
    copies:
    a_copy_knows_the_same,
}

fn memory(law: impl Fn(&Place, &Options) -> chance::Check) {
    law(&Place::Memory, &Options::default()).expect("the law holds in memory");
}

fn disk(engine: Engine, law: impl Fn(&Place, &Options) -> chance::Check) {
    let folder = tempfile::tempdir().expect("a test machine has a temporary folder");
    let place = Place::Folder(folder.path().join("db"));
    let options = Options { engine, ..Options::default() };
    law(&place, &options).expect("the law holds on disk");
}
