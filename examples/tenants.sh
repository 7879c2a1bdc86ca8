#!/bin/sh
# Two tenants in one database, a backup, a mishap, and only the tenant that met it goes back.
#
# Run it with `sh examples/tenants.sh`; `kenning` has to be in PATH. The names are made up.
set -eu

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"

# Each tenant has tables and keys of its own: both have a record 'Log'.
kenning init > /dev/null
for tenant in heron otter; do
    kenning tenant create "$tenant" > /dev/null
    kenning --tenant "$tenant" put entities "{\"name\": \"Log\", \"boat\": \"$tenant\"}" > /dev/null
    seq 100 | sed 's/.*/{"name": "day &"}/' \
        | kenning --tenant "$tenant" import entities - --as jsonl
done

# One backup has all tenants, at one version.
kenning backup backups > /dev/null

# Life goes on in one of them, and in the other somebody deletes too much.
kenning --tenant otter put entities '{"name": "day 101"}' > /dev/null
for day in $(seq 40); do
    kenning --tenant heron delete entities "day $day" > /dev/null
done

# The whole database as it was, in a folder of its own. Nothing is written over.
kenning --db before.db restore backups > /dev/null
kenning --db before.db verify

# Of it only one tenant is wanted. --full keeps ids and aliases, so these are the same records
# as before and not new ones of the same name.
kenning --db before.db --tenant heron export entities heron.jsonl --full
kenning --tenant heron import entities heron.jsonl --full
kenning --tenant heron --format csv lookup "day 1" "day 40" | cut -d, -f2,3

# The other tenant has kept what it wrote since the backup.
kenning --tenant otter --format csv lookup "day 101" | cut -d, -f2,3

# A tenant can go, with its past. Nobody else misses anything.
kenning --tenant heron tenant drop otter --yes
if kenning --tenant otter get entities log 2> /dev/null; then exit 1; fi
[ "$(kenning --tenant heron export entities - --as jsonl 2> /dev/null | wc -l)" = 101 ]
kenning verify
