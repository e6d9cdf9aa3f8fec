#!/bin/sh
# Usage: benches/town.sh [GASTOWN] [SECONDS]
#
# What a town takes and how quickly it answers: start, idle share of a CPU, memory, round trips through
# the socket, a kill and what comes after it, the demo. GASTOWN is the program (target/release/gastown),
# SECONDS how long the idle town is watched (60). Linux, POSIX sh and awk; needs no network and no key.
# Everything happens in a new folder under the temp directory; the processes that it starts, it ends.
set -eu

gastown=${1:-target/release/gastown}
span=${2:-60}
case $gastown in /*) ;; *) gastown=$PWD/$gastown ;; esac
runs=200
home=$(mktemp -d)
town=$home/town
pid=
# Never the operator's own town.
unset GASTOWN_TOWN GT_TOWN 2>/dev/null || :
trap '[ -z "$pid" ] || kill "$pid" 2>/dev/null || :; rm -rf "$home"' EXIT
trap 'exit 130' INT TERM

# Nanoseconds since the epoch; the start of `date` itself, about a millisecond, is in every figure.
now() { date +%s%N; }
since() { echo "$1 $(now)" | awk '{ printf "%.1f", ($2 - $1) / 1e6 }'; }

# Starts the town and waits until it answers.
start() {
    began=$(now)
    "$gastown" run >"$home/log" 2>&1 &
    pid=$!
    tries=0
    until "$gastown" tree >/dev/null 2>&1; do
        kill -0 "$pid" 2>/dev/null || { cat "$home/log" >&2; exit 1; }
        tries=$((tries + 1))
        [ "$tries" -lt 1000 ] || { echo "the town does not answer" >&2; exit 1; }
    done
}

# Times a command as often as told and prints its p50 and p99.
timed() {
    name=$1
    shift
    n=0
    : >"$home/took"
    while [ "$n" -lt "$runs" ]; do
        n=$((n + 1))
        from=$(now)
        "$@" >/dev/null
        since "$from" >>"$home/took"
        echo >>"$home/took"
    done
    sort -n "$home/took" | awk -v name="$name" '{ v[NR] = $1 }
        END { printf "%-34s p50 %s ms, p99 %s ms, of %d\n", name, v[int(NR * 0.5) + 1], v[int(NR * 0.99)], NR }'
}

"$gastown" install "$town" --agent shell >/dev/null
cd "$town"

start
echo "start of an empty town to an answer  $(since "$began") ms"

ticks() { awk '{ sub(/.*\) /, ""); print $12 + $13 }' "/proc/$pid/stat"; }
before=$(ticks)
sleep "$span"
echo "$before $(ticks) $span $(getconf CLK_TCK)" |
    awk '{ printf "%-34s %.2f %% of one core over %s s\n", "idle", 100 * ($2 - $1) / $4 / $3, $3 }'
awk '/^VmRSS|^VmHWM|^Threads/ { printf "%-34s %s %s\n", "idle " $1, $2, $3 }' "/proc/$pid/status"

timed "nothing but the program's start" "$gastown" version
timed "status" "$gastown" status
timed "bead create" "$gastown" bead create --title "one more"

kill -KILL "$pid"
wait "$pid" 2>/dev/null || :
pid=
start
echo "start after SIGKILL to an answer     $(since "$began") ms"
count=$("$gastown" bead list --json | grep -o '"id"' | wc -l)
echo "beads after SIGKILL                  $count of $runs"

# A worker that sits in one long command, and is looked at.
git init -q -b main "$home/origin"
git -C "$home/origin" -c user.name=bench -c user.email=bench@example.org commit -q --allow-empty -m start
"$gastown" rig add web "$home/origin" >/dev/null 2>&1
bead=$("$gastown" bead create --title "Sit" --rig web --silent --description "$(printf '```sh\necho sitting; sleep 600\n```')")
"$gastown" sling "$bead" web >/dev/null
until "$gastown" peek web/frontend 2>/dev/null | grep -q '^sitting'; do
    kill -0 "$pid" 2>/dev/null || { cat "$home/log" >&2; exit 1; }
done
timed "peek" "$gastown" peek web/frontend
"$gastown" stop >/dev/null
wait "$pid" || :
pid=

export TMPDIR="$home" # where the demo makes its folder
from=$(now)
"$gastown" run --demo --json >"$home/demo.json" 2>"$home/demo.log" && code=0 || code=$?
echo "demo                                 $(since "$from") ms, exit $code"

# A town killed when its first change has landed, and the run that finishes it.
mkdir "$home/killed"
TMPDIR=$home/killed "$gastown" run --demo >"$home/demo.log" 2>&1 &
pid=$!
until grep -qs '"type":"mq.landed"' "$home"/killed/*/town/.beads/feed.jsonl; do
    kill -0 "$pid" 2>/dev/null || { cat "$home/demo.log" >&2; exit 1; }
done
kill -KILL "$pid"
wait "$pid" 2>/dev/null || :
pid=
cd "$home"/killed/*/town
before=$(grep -c '"type":"mq.landed"' .beads/feed.jsonl)
from=$(now)
"$gastown" run --until-idle >"$home/resumed.log" 2>&1 && code=0 || code=$?
took=$(since "$from")
after=$(grep -c '"type":"mq.landed"' .beads/feed.jsonl)
echo "demo killed after $before landed, resumed  $took ms, exit $code, $after of 6 landed"
