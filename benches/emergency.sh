#!/bin/sh
# Usage: benches/emergency.sh [GASTOWN] [AGENTS]
#
# How quickly a town ends, stands still and comes back: AGENTS (30) agents that sleep, with a child each that
# has shed its environment and its session, then as many that take every core. GASTOWN is the program
# (target/release/gastown). Linux, POSIX sh, awk, pgrep and git; needs no network and no key. Everything happens in a
# new folder under the temp directory; the processes that it starts, it ends.
set -eu

gastown=${1:-target/release/gastown}
agents=${2:-30}
case $gastown in /*) ;; *) gastown=$PWD/$gastown ;; esac
home=$(mktemp -d)
town=$home/town
pid=
unset GASTOWN_TOWN GT_TOWN 2>/dev/null || :
export HOME="$home" GIT_CONFIG_NOSYSTEM=1
trap '[ -z "$pid" ] || kill -KILL "$pid" 2>/dev/null || :; sleep 1; rm -rf "$home"' EXIT
trap 'exit 130' INT TERM

# Nanoseconds since the epoch; the start of `date` itself, about a millisecond, is in every figure.
now() { date +%s%N; }
since() { echo "$1 $(now)" | awk '{ printf "%.0f ms", ($2 - $1) / 1e6 }'; }

# Living processes of the agents: their command lines name the folder, also when they have shed all else.
left() { pgrep -f -c "$home" || :; }

# Starts the runtime and waits until it says that so many sessions have a process.
start() {
    began=$(now)
    "$gastown" run >"$home/log" 2>&1 &
    pid=$!
    until [ "$(running)" -ge "$1" ]; do
        kill -0 "$pid" 2>/dev/null || { cat "$home/log" >&2; exit 1; }
    done
}
running() {
    # Some programs print a number as "pid": 1.
    "$gastown" agent list --json 2>/dev/null | tr ',' '\n' | grep -c '"pid":[ ]*[0-9]' || :
}

# Waits until nothing of the town lives.
until_gone() {
    while [ "$(left)" -gt 0 ]; do :; done
}

preset() {
    cat >"$town/config/agents.json" <<EOF
{"version": 1, "agents": {"bench": {"command": "sh", "args": ["-c", "$1"],
  "brief": "none", "stop": {"type": "/exit", "ask": "20s", "term": "20s"}}}}
EOF
}

git init -q -b main "$home/web"
git -C "$home/web" -c user.name=b -c user.email=b@example.org commit -q --allow-empty -m start
"$gastown" install "$town" --agent shell >/dev/null
cd "$town"
"$gastown" rig add web "$home/web" --max-workers "$agents" >/dev/null
sed -i 's/"worker_spawn_delay": "[^"]*"/"worker_spawn_delay": "0s"/' web/config.json
# Each starts a child that nothing but its mark names, and hears no signal that it can ignore.
preset "(env -i setsid sh -c 'trap : TERM HUP; while :; do sleep 1; done' $home &); trap : TERM HUP; while :; do sleep 1; done"
n=0
beads=
while [ "$n" -lt "$agents" ]; do
    n=$((n + 1))
    beads="$beads $("$gastown" bead create --title "Bench $n" --rig web --json | sed 's/.*"id":"\([^"]*\)".*/\1/')"
done
# shellcheck disable=SC2086
"$gastown" sling $beads web --agent bench >/dev/null

start "$agents"
echo "first start, worktrees included      $agents sessions after $(since "$began")"
sleep 2 # lets them start their children
reaper=$(for proc in /proc/[0-9]*; do
    case $(cat "$proc/cmdline" 2>/dev/null | tr '\0' ' ') in
    *__reaper*) grep -q "^PPid:[[:space:]]*$pid\$" "$proc/status" 2>/dev/null && echo "${proc#/proc/}" ;;
    esac
done)
awk '/^Rss|^Pss:|^Private_Dirty/ { printf "%-36s %s kB\n", "reaper " $1, $2 }' "/proc/$reaper/smaps_rollup"
before=$(left)

kill -KILL "$pid"
from=$(now)
wait "$pid" 2>/dev/null || :
until_gone
echo "SIGKILL of the runtime               nothing of $before processes left after $(since "$from")"
start "$agents"
echo "the next run                         $agents sessions back after $(since "$began")"
sleep 2

kill -KILL "$pid"
wait "$pid" 2>/dev/null || :
start "$agents"
echo "a run right behind the kill          $agents sessions back after $(since "$began")"
sleep 2

before=$(left)
from=$(now)
"$gastown" stop --all >/dev/null
echo "stop --all                           answered after $(since "$from"), $(left) of $before processes left"
wait "$pid" || :

preset ": $home; trap : TERM HUP; while :; do :; done"
start "$agents"
"$gastown" estop >/dev/null
"$gastown" thaw >/dev/null
n=0
while [ "$n" -lt 50 ]; do
    n=$((n + 1))
    from=$(now)
    "$gastown" version >/dev/null
    echo "$from $(now)" | awk '{ print ($2 - $1) / 1e6 }' >>"$home/version"
    from=$(now)
    "$gastown" status >/dev/null
    echo "$from $(now)" | awk '{ print ($2 - $1) / 1e6 }' >>"$home/status"
    from=$(now)
    "$gastown" estop --reason bench >/dev/null
    echo "$from $(now)" | awk '{ print ($2 - $1) / 1e6 }' >>"$home/estop"
    "$gastown" thaw >/dev/null
done
for what in version status estop; do
    sort -n "$home/$what" | awk -v what="$what" '{ v[NR] = $1 }
        END { printf "%-36s p50 %.0f ms, p99 %.0f ms, of %d\n", "busy agents: " what, v[int(NR * 0.5) + 1], v[int(NR * 0.99) + 1], NR }'
done
from=$(now)
"$gastown" stop --all >/dev/null
echo "busy agents: stop --all              answered after $(since "$from"), $(left) processes left"
wait "$pid" || :
pid=
