//! One function a verb: it reads the words, asks the facade, and writes the answer.

mod backup; // backup, restore
mod bulk; // import, export
mod completions; // completions
mod eval; // eval
mod finding; // search
mod links; // link, unlink, neighbors, traverse
mod log; // log
mod mending; // merge, purge
mod models; // model, and which models there are
mod operations; // verify, prune, compact
mod reading; // get, lookup, fuzzy, history
mod rows; // what a record, a step, a change look like
mod stats; // stats
mod tables; // init, table
mod tenants; // tenant
mod waiting; // until what was stored can be found
mod whole; // export --all, import --all
mod writing; // put, update, delete

use std::io::{self, BufWriter};

use clap::ValueEnum;
use kenning::blocking::{Database, View, open_with};
use kenning::{At, Create, Engine, Error, Options, Result};

use crate::args::{self, Arguments, TableVerb, TenantVerb, Verb};
use crate::exit::Outcome;
use crate::output::Output;
use crate::{demo, raw};

/// The database if neither the command line nor the environment names one.
const DATABASE: &str = "kenning.db";
/// The database of a demo that nobody wants to keep.
const FORGOTTEN: &str = "memory:";

/// Does what was typed.
pub(crate) fn run(arguments: &Arguments) -> Result<Outcome> {
    let globals = &arguments.globals;
    let stdout = io::stdout();
    let columns_max = raw::terminal_columns(&stdout);
    let mut sink = BufWriter::new(stdout.lock());
    let mut output = Output::new(globals.format, columns_max, &mut sink);
    if let Some(outcome) = without_database(arguments, &mut output) {
        return outcome.and_then(|outcome| output.flush().map(|()| outcome));
    }
    let database = open_with(url(arguments), options(arguments)?)?;
    let outcome = verb(&database, arguments, &mut output);
    let outcome = outcome.and_then(|outcome| output.flush().map(|()| outcome));
    // What was done stays done: a failing close counts only where nothing failed before.
    let closed = database.close();
    outcome.and_then(|outcome| closed.map(|()| outcome))
}

/// Does a verb that does not begin with an open database.
fn without_database(arguments: &Arguments, output: &mut Output<'_>) -> Option<Result<Outcome>> {
    let url = url(arguments);
    if let Verb::Import(args::Import { all: Some(folder), waiting, .. }) = &arguments.verb {
        // It makes the database that it fills.
        let options = options(arguments);
        return Some(options.and_then(|o| whole::import(url, o, folder, waiting, output)));
    }
    if let Verb::Restore(restore) = &arguments.verb {
        return Some(backup::restore(url, restore, output));
    }
    if let Verb::Completions { shell } = arguments.verb {
        return Some(completions::completions(shell, output));
    }
    if let Verb::Model(verb) = &arguments.verb {
        return Some(models::model(verb, output));
    }
    if let Verb::Eval(eval) = &arguments.verb {
        return Some(options(arguments).and_then(|options| eval::eval(eval, options, output)));
    }
    let Verb::Backup(backup) = &arguments.verb else { return None };
    backup.list.then(|| backup::list(backup, output))
}

/// Which database is meant.
fn url(arguments: &Arguments) -> &str {
    let unnamed = if let Verb::Demo = arguments.verb { FORGOTTEN } else { DATABASE };
    arguments.globals.db.as_deref().unwrap_or(unnamed)
}

/// How a database is opened, by every verb that does.
fn options(arguments: &Arguments) -> Result<Options> {
    let verb = &arguments.verb;
    let model = if let Verb::Eval(eval) = verb { eval.model.as_deref() } else { None };
    let create = creation(verb);
    Ok(Options {
        create,
        tenant: arguments.globals.tenant.clone(),
        engine: engine(verb, create)?,
        models: models::models(model)?,
        ..Options::default()
    })
}

/// Whether the verb makes a database that is missing.
fn creation(verb: &Verb) -> Create {
    match verb {
        Verb::Init(_) | Verb::Put(_) | Verb::Demo => Create::IfMissing,
        Verb::Import(import) if !import.show_types => Create::IfMissing,
        Verb::Table(_)
        | Verb::Tenant(_)
        | Verb::Import(_)
        | Verb::Export(_)
        | Verb::Update(_)
        | Verb::Get(_)
        | Verb::Delete(_)
        | Verb::Lookup(_)
        | Verb::Fuzzy(_)
        | Verb::Search(_)
        | Verb::Model(_)
        | Verb::Eval(_)
        | Verb::History(_)
        | Verb::Merge(_)
        | Verb::Link(_)
        | Verb::Unlink(_)
        | Verb::Neighbors(_)
        | Verb::Traverse(_)
        | Verb::Verify(_)
        | Verb::Stats
        | Verb::Log(_)
        | Verb::Backup(_)
        | Verb::Restore(_)
        | Verb::Prune(_)
        | Verb::Purge(_)
        | Verb::Reindex(_)
        | Verb::Completions { .. }
        | Verb::Compact => Create::Never,
    }
}

/// What keeps a database that the verb makes.
fn engine(verb: &Verb, create: Create) -> Result<Engine> {
    let named = if let Verb::Init(init) = verb {
        // The parser has read the environment.
        init.engine
    } else if create == Create::Never {
        None
    } else {
        engine_of_environment()?
    };
    Ok(match named {
        None => Engine::default(),
        Some(args::Engine::Rocksdb) => Engine::Rocksdb,
        Some(args::Engine::Fjall) => Engine::Fjall,
    })
}

fn engine_of_environment() -> Result<Option<args::Engine>> {
    let Some(name) = models::variable(args::ENGINE)? else { return Ok(None) };
    args::Engine::from_str(&name, false).map(Some).map_err(|_| {
        let message = format!("${} is '{name}', and not rocksdb or fjall", args::ENGINE);
        Error::invalid("ENGINE_UNKNOWN", message)
    })
}

/// Does one verb on an open database.
pub(crate) fn verb(
    database: &Database,
    arguments: &Arguments,
    output: &mut Output<'_>,
) -> Result<Outcome> {
    match &arguments.verb {
        Verb::Init(_) => tables::init(database, url(arguments), output),
        Verb::Demo => demo::run(database, &arguments.globals, output),
        Verb::Table(TableVerb::Create { name, schema }) => {
            tables::create(database, name, schema.as_deref(), output)
        }
        Verb::Table(TableVerb::List) => tables::list(database, output),
        Verb::Table(TableVerb::Show { name }) => tables::show(database, name, output),
        Verb::Table(TableVerb::Drop { name }) => tables::drop(database, name, output),
        Verb::Table(TableVerb::Alter { name, schema, no_wait }) => {
            tables::alter(database, name, schema, *no_wait, output)
        }
        Verb::Tenant(TenantVerb::Create { name }) => tenants::create(database, name, output),
        Verb::Tenant(TenantVerb::List) => tenants::list(database, output),
        Verb::Tenant(TenantVerb::Drop { name, yes, no_wait }) => {
            tenants::drop(database, name, *yes, *no_wait, output)
        }
        Verb::Put(put) => writing::put(database, put, output),
        Verb::Import(import) => bulk::import(database, import, output),
        Verb::Export(args::Export { all: Some(folder), history, as_of, .. }) => {
            whole::export(database, folder, *history, as_of.as_deref(), output)
        }
        Verb::Export(export) => bulk::export(database, export, output),
        Verb::Update(update) => writing::update(database, update, output),
        Verb::Delete(target) => writing::delete(database, target, output),
        Verb::Get(get) => reading::get(database, get, output),
        Verb::Lookup(lookup) => reading::lookup(database, lookup, output),
        Verb::Fuzzy(fuzzy) => reading::fuzzy(database, fuzzy, output),
        Verb::Search(search) => finding::search(database, search, output),
        Verb::History(history) => reading::history(database, history, output),
        Verb::Merge(merge) => mending::merge(database, merge, output),
        Verb::Link(link) => links::link(database, link, output),
        Verb::Unlink(ends) => links::unlink(database, ends, output),
        Verb::Neighbors(walk) => links::neighbors(database, walk, output),
        Verb::Traverse(traverse) => links::traverse(database, traverse, output),
        Verb::Verify(verify) => operations::verify(database, verify, output),
        Verb::Stats => stats::stats(database, output),
        Verb::Log(log) => log::log(database, log, output),
        Verb::Compact => operations::compact(database),
        Verb::Purge(target) => mending::purge(database, target, output),
        Verb::Backup(backup) => backup::backup(database, backup, output),
        Verb::Restore(_) => unreachable!("it opens no database"),
        Verb::Prune(prune) => operations::prune(database, prune, output),
        Verb::Reindex(reindex) => tables::reindex(database, reindex, output),
        Verb::Completions { .. } | Verb::Model(_) | Verb::Eval(_) => {
            unreachable!("it opens no database")
        }
    }
}

/// The database as it is now, or as it was at `as_of`, a version or an instant.
fn view(database: &Database, as_of: Option<&str>) -> Result<View> {
    as_of.map_or_else(|| database.view(), |text| database.as_of(moment(text)?))
}

/// A version or an instant.
fn moment(text: &str) -> Result<At> {
    match text.parse() {
        Ok(version) => Ok(At::Version(version)),
        Err(_) => kenning::parse_instant(text).map(At::Instant),
    }
}

fn instant(text: Option<&str>) -> Result<Option<i64>> {
    text.map(kenning::parse_instant).transpose()
}
