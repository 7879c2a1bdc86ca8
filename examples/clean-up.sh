#!/bin/sh
# Two lists of the same people become one: import, find who is there twice, merge, export.
#
# Run it with `sh examples/clean-up.sh`; `kenning` has to be in PATH. The names are made up.
set -eu

# A folder of its own, removed however this ends.
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"

cat > members.csv <<'END'
name,email,joined
Ida Berg,ida@heron.example,2019
Tomas Lind,tomas@heron.example,2021
END
cat > sailors.csv <<'END'
name,email,boat
I. Berg,ida@heron.example,Heron
Mei Sato,mei@heron.example,Otter
END

# The key is the name. The address is indexed and not unique: two records may share it until
# somebody has looked at them.
echo '{"x-kenning": {"key": "name", "indexed": ["email"]}}' > schema.json
kenning init > /dev/null
kenning table create people --schema schema.json > /dev/null
kenning import people members.csv
kenning import people sailors.csv

# A version to come back to. `stats` names the present one.
before=$(kenning --format csv stats | sed -n 's/^version,//p')

echo "addresses that are there twice:"
kenning export people - --as csv 2> /dev/null | tail -n +2 | tr , '\n' | grep @ | sort | uniq -d

# A link to the one that is taken in follows to the one that is kept.
kenning put entities '{"name": "Heron"}' > /dev/null
kenning link "I. Berg" sails Heron > /dev/null
kenning merge "Ida Berg" "I. Berg"
kenning neighbors "Ida Berg"

# Both names lead to her now, and what only one list knew is there.
kenning --format json get people "i. berg" | grep -q '"boat":"Heron".*"joined":2019'

# It was no mistake; if it had been, this is how it is taken back, and done again.
kenning merge --undo "Ida Berg" "I. Berg" > /dev/null
kenning --format json get people "i. berg" | grep -q '"name":"I. Berg"'
kenning merge "Ida Berg" "I. Berg" > /dev/null

# The list as it should be, and beside it the one from before: nothing was lost on the way.
kenning export people clean.csv
kenning export people raw.csv --as-of "$before"
sort clean.csv
[ "$(wc -l < clean.csv)" = 4 ] # a head line and three people
[ "$(wc -l < raw.csv)" = 5 ]
kenning verify
