#!/usr/bin/env python3
"""Usage: benches/quiet.py [GASTOWN [AGENTS [SECONDS]]]

What a town costs in which nothing happens: AGENTS (30) workers land a bead each and are parked, then it is watched for
SECONDS (3600): sessions started, events, share of a core, memory, wake-ups. And how soon a session follows on one that
has handed over, when no back-off is due. GASTOWN is the program (target/release/gastown). Linux, python3 and git;
needs no network and no key. Everything happens in a new folder under the temp directory; what it starts it ends.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from datetime import datetime
from pathlib import Path

HANDOFFS = 100


def main():
    gastown = Path(sys.argv[1] if len(sys.argv) > 1 else "target/release/gastown").resolve()
    agents = int(sys.argv[2]) if len(sys.argv) > 2 else 30
    seconds = float(sys.argv[3]) if len(sys.argv) > 3 else 3600.0
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        keep = {name: os.environ[name] for name in ("PATH", "TMPDIR", "LANG") if name in os.environ}
        env = {**keep, "HOME": folder, "GIT_CONFIG_NOSYSTEM": "1"}

        def say(*words, cwd=None):
            done = subprocess.run(words, cwd=cwd or root, env=env, capture_output=True, text=True)
            if done.returncode:
                sys.exit(f"{' '.join(map(str, words))}: {done.stderr}")
            return done.stdout

        def ask(*words):
            return json.loads(say(gastown, *words, "--json", cwd=root / "town"))

        def events(kind):
            lines = say(gastown, "events", "--type", kind, "--limit", "100000", "--json", cwd=root / "town")
            return [json.loads(line) for line in lines.splitlines()]

        say("git", "init", "-q", "-b", "main", "web")
        say("git", "-C", "web", "-c", "user.name=b", "-c", "user.email=b@example.org", "commit", "-q",
            "--allow-empty", "-m", "start")
        say(gastown, "install", "town", "--agent", "shell")
        say(gastown, "rig", "add", "web", root / "web", "--max-workers", str(agents), cwd=root / "town")
        config = root / "town/web/config.json"
        rig = json.loads(config.read_text())
        config.write_text(json.dumps({**rig, "worker_spawn_delay": "0s"}))
        # One that hands over until it has done so often enough, as what it is told by nobody.
        hands = root / "hands.sh"
        hands.write_text(f"""#!/bin/sh
stty -echo
echo x >> {root}/count
if [ "$(wc -l < {root}/count)" -le {HANDOFFS} ]; then
  gt handoff -m next > /dev/null
else
  gt done --reason 'nothing to do' > /dev/null
fi
while read -r line; do :; done
""")
        hands.chmod(0o755)
        presets = {"version": 1, "agents": {"hands": {"command": str(hands), "brief": "none"}}}
        (root / "town/config/agents.json").write_text(json.dumps(presets))
        beads = [ask("bead", "create", f"Bench {n}", "--rig", "web", "-d", f"```sh\necho x > {n}.txt\n```")["id"]
                 for n in range(agents)]
        say(gastown, "sling", *beads, "web", cwd=root / "town")
        runtime = subprocess.Popen([gastown, "run"], cwd=root / "town", env=env, stdout=subprocess.DEVNULL,
                                   stderr=subprocess.DEVNULL)
        try:
            until(lambda: all(bead["status"] == "closed" for bead in ask("bead", "list", "--all", "--type", "task")))
            until(lambda: all(row["state"] == "parked" for row in ask("agent", "list")))
            parked = len(ask("agent", "list"))
            before, sessions, head = usage(runtime.pid), len(events("agent.started")), len(events(""))
            began = time.monotonic()
            time.sleep(seconds)
            span = time.monotonic() - began
            after = usage(runtime.pid)
            print(f"{parked} parked agents, seats included, watched for {span:.0f} s")
            print(f"  sessions started           {len(events('agent.started')) - sessions}")
            print(f"  events recorded            {len(events('')) - head}")
            print(f"  processor time             {after[0] - before[0]:.2f} s, {(after[0] - before[0]) / span:.4%} of a core")
            print(f"  memory                     RSS {before[1]} KiB, then {after[1]} KiB, {after[2]} threads")
            print(f"  context switches           {(after[3] - before[3]) / span:.1f} a second")

            bead = ask("bead", "create", "Hands over", "--rig", "web")["id"]
            say(gastown, "sling", bead, "web", "--agent", "hands", cwd=root / "town")
            until(lambda: ask("bead", "show", bead)["status"] == "closed")
            ended, took = {}, []
            for event in events("agent"):
                agent = event["data"].get("agent")
                if event["type"] == "agent.stopped":
                    ended[agent] = at(event)
                elif event["type"] == "agent.started" and event["data"]["reason"] == "handoff":
                    took.append(at(event) - ended[agent])
            took.sort()
            p50, p99 = took[len(took) // 2], took[int(len(took) * 0.99) - 1]
            print(f"from the end of a session to the next one's start, {len(took)} hand-overs: "
                  f"p50 {p50 * 1000:.0f} ms, p99 {p99 * 1000:.0f} ms")
        finally:
            runtime.terminate()
            runtime.wait()


def until(condition):
    for _ in range(6000):
        if condition():
            return
        time.sleep(0.1)
    sys.exit("waited ten minutes in vain")


def at(event):
    return datetime.fromisoformat(event["at"].replace("Z", "+00:00")).timestamp()


def usage(pid):
    """Processor time in seconds, resident KiB, threads, context switches."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    ticks = int(fields[11]) + int(fields[12])
    status = Path(f"/proc/{pid}/status").read_text()
    of = lambda text, key: int(next(line for line in text.splitlines() if line.startswith(key)).split()[1])
    switches = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        text = (task / "status").read_text()
        switches += of(text, "voluntary_ctxt_switches") + of(text, "nonvoluntary_ctxt_switches")
    return ticks / os.sysconf("SC_CLK_TCK"), of(status, "VmRSS"), of(status, "Threads"), switches


main()
