#!/usr/bin/env python3
"""Usage: benches/sessions.py [GASTOWN]     (target/release/gastown)

What sessions take, beside tmux where that is installed: a flood drained with a log and one viewer, the echo of a
key, the time from attach to the first paint, a look at the screen, many quiet and many ticking sessions, and texts
of 1 to 100 KB into an agent that keeps each prompt. Linux, Python 3; needs no network and no key. Everything
happens in a new folder under the temp directory; the processes that it starts, it ends.
"""
import fcntl, json, os, pathlib, pty, select, shutil, signal, struct, subprocess, sys, tempfile, termios, time, tty

GASTOWN = os.path.abspath(sys.argv[1] if len(sys.argv) > 1 else "target/release/gastown")
FLOOD_MB = int(os.environ.get("FLOOD_MB", "200"))
SESSIONS = int(os.environ.get("SESSIONS", "30"))
NUDGES = int(os.environ.get("NUDGES", "100"))
HOME = pathlib.Path(tempfile.mkdtemp(prefix="gastown-bench-"))
TOWN = HOME / "town"
ENV = {k: v for k, v in os.environ.items() if not k.startswith(("GASTOWN", "GT_", "TMUX"))} | {
    "HOME": str(HOME), "TERM": "xterm-256color", "LANG": "C.UTF-8"}
TMUX = shutil.which("tmux")
SOCKET = ["-L", f"gastown-bench-{os.getpid()}", "-f", "/dev/null"]


def gastown(*words, check=True):
    done = subprocess.run([GASTOWN, *words, "--town", str(TOWN)], env=ENV, cwd=HOME, capture_output=True, text=True)
    if check and done.returncode:
        raise SystemExit(f"{words}: {done.stderr or done.stdout}")
    return done.stdout


def tmux(*words):
    return subprocess.run([TMUX, *SOCKET, *words], env=ENV, check=True, capture_output=True, text=True).stdout


class Window:
    """A terminal of 120x40 with a command in it."""

    def __init__(self, *command):
        self.began = time.perf_counter()
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
            os.execvpe(command[0], command, ENV)
        self.seen = b""

    def read(self, within):
        ready, _, _ = select.select([self.fd], [], [], within)
        if not ready:
            return b""
        try:
            got = os.read(self.fd, 65536)
        except OSError:
            return b""
        self.seen = (self.seen + got)[-200_000:]
        return got

    def until(self, text, within=120):
        end = time.perf_counter() + within
        while text not in self.seen:
            if time.perf_counter() > end:
                raise SystemExit(f"waited for {text!r} in vain: {self.seen[-400:]!r}")
            self.read(0.2)
        return time.perf_counter()

    def close(self):
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        os.close(self.fd)


def spread(times):
    times = sorted(times)
    return f"p50 {times[len(times) // 2] * 1e3:.2f} ms, p99 {times[min(len(times) - 1, len(times) * 99 // 100)] * 1e3:.2f} ms"


def say(what, *figures):
    print(f"| {what} | " + " | ".join(figures) + " |", flush=True)


def script(name, text):
    path = HOME / name
    path.write_text("#!/bin/sh\n" + text)
    path.chmod(0o755)
    return str(path)


def preset(name, command, **fields):
    file = TOWN / "config/agents.json"
    value = json.loads(file.read_text()) if file.exists() else {"version": 1}
    value.setdefault("agents", {})[name] = {"command": command, "brief": "none"} | fields
    file.write_text(json.dumps(value))


def seat(name):
    """Makes the Mayor's session one of this preset."""
    gastown("agent", "stop", "mayor", check=False)
    file = TOWN / "config/town.json"
    value = json.loads(file.read_text())
    value["role_agents"] = {"mayor": name}
    value["policies"] = {"judgement": False, "park_after": "1h", "min_free_memory": "off", "max_memory_stall": "off"}
    file.write_text(json.dumps(value))
    for _ in range(40):
        gastown("agent", "start", "mayor", check=False)
        time.sleep(0.5)
        rows = json.loads(gastown("status", "--json"))["agents"]
        row = next((row for row in rows if row["address"] == "mayor/"), {})
        if row.get("preset") == name:
            return
        # The configuration is taken up within seconds; until then another preset is started.
        if row.get("preset"):
            gastown("agent", "stop", "mayor", check=False)
            time.sleep(1)
    raise SystemExit(f"{name} does not start")


def ours():
    return Window(GASTOWN, "attach", "mayor", "--town", str(TOWN))


def theirs():
    return Window(TMUX, *SOCKET, "attach")


def flood(window):
    window.until(b"ready to flood")
    began = time.perf_counter()
    (HOME / "go").write_text("")
    end = window.until(b"the flood is over", 600)
    (HOME / "go").unlink()
    window.close()
    return f"{FLOOD_MB / (end - began):.0f} MB/s"


def echo(window):
    window.until(b"echoes")
    times = []
    for n in range(400):
        key = bytes([97 + n % 26])
        while window.read(0.02):
            pass
        window.seen = b""
        began = time.perf_counter()
        os.write(window.fd, key)
        times.append(window.until(key, 10) - began)
    window.close()
    return spread(times)


def paint(open_window, text):
    times = []
    for _ in range(20):
        window = open_window()
        times.append(window.until(text) - window.began)
        window.close()
    return spread(times)


def timed(*command, n=50):
    times = []
    for _ in range(n):
        began = time.perf_counter()
        subprocess.run(command, env=ENV, cwd=HOME, check=True, capture_output=True)
        times.append(time.perf_counter() - began)
    return spread(times)


def weight(pid, seconds=10):
    def ticks():
        fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        return int(fields[11]) + int(fields[12])
    before = ticks()
    time.sleep(seconds)
    share = (ticks() - before) / os.sysconf("SC_CLK_TCK") / seconds * 100
    status = dict(line.split(":", 1) for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines())
    return f"{int(status['VmRSS'].split()[0]) / 1024:.0f} MiB, {share:.1f} % of a core, {status['Threads'].strip()} threads"


KEEPER = r'''
import hashlib, os, re, sys, tty
tty.setraw(0)
sys.stdout.write("\033[?2004h\033[2J\033[Hready> "); sys.stdout.flush()
seen = b""
while True:
    seen += os.read(0, 65536)
    while True:
        found = re.search(rb"\033\[200~(.*?)\033\[201~\r", seen, re.S)
        if not found:
            break
        with open(os.environ["HOME"] + "/prompts", "a") as file:
            file.write(hashlib.sha256(found.group(1).replace(b"\r", b"\n")).hexdigest() + "\n")
        seen = seen[found.end():]
        sys.stdout.write("\033[2J\033[Htook %d\r\nready> " % len(found.group(1))); sys.stdout.flush()
'''


def nudges():
    import hashlib
    wanted, began = [], time.perf_counter()
    for n in range(NUDGES):
        size = 1024 + (99 * 1024) * n // max(1, NUDGES - 1)
        text = f"nudge {n}\n" + "".join(f"line {i} of {n}\n" for i in range(size // 14))
        text = text[:size].rstrip()
        file = HOME / "text"
        file.write_text(text)
        gastown("nudge", "mayor", "-f", str(file))
        wanted.append(hashlib.sha256(text.encode()).hexdigest())
    took = time.perf_counter() - began
    time.sleep(0.5)
    got = (HOME / "prompts").read_text().split()
    return f"{sum(one == other for one, other in zip(wanted, got))} of {NUDGES} whole and in order, {len(got)} prompts, {took / NUDGES * 1e3:.0f} ms each"


def crowd(name, count):
    bead = lambda n: json.loads(gastown("bead", "create", "--title", f"{name} {n}", "--rig", "web", "--json"))["id"]
    beads = [bead(n) for n in range(count)]
    for one in beads:
        gastown("sling", one, "web", "--agent", name)
    for _ in range(600):
        status = json.loads(gastown("status", "--json"))
        if sum(bool(row["pid"]) and "/polecats/" in row["address"] for row in status["agents"]) >= count:
            return
        time.sleep(0.5)
    raise SystemExit("they do not all start")


def main():
    big = HOME / "big.log"
    line = b"2026-01-31T12:00:00Z INFO request 0123456789 served in 12 ms by worker abcdef, 200 OK\n"
    with open(big, "wb") as file:
        for _ in range(FLOOD_MB):
            file.write(line * (1_000_000 // len(line)))
    flooding = script("flooding", f"echo ready to flood; while [ ! -e {HOME}/go ]; do sleep 0.01; done; cat {big}; echo the flood is over; sleep 1000\n")
    echoing = script("echoing", "stty raw -echo; printf 'it echoes'; exec cat\n")
    idle = script("idle", "echo idle; exec sleep 1000\n")
    ticking = script("ticking", "while :; do date; sleep 1; done\n")
    keeping = HOME / "keeping.py"
    keeping.write_text(KEEPER)
    subprocess.run([GASTOWN, "install", str(TOWN), "--agent", "shell"], env=ENV, check=True, capture_output=True)
    for name, command in [("flooding", flooding), ("echoing", echoing), ("idle", idle), ("ticking", ticking)]:
        preset(name, command, silent_after="1h")
    preset("keeping", sys.executable, args=[str(keeping)], ready=["screen:ready>"])
    run = subprocess.Popen([GASTOWN, "run", "--town", str(TOWN)], env=ENV, cwd=HOME, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        while subprocess.run([GASTOWN, "tree", "--town", str(TOWN)], env=ENV, capture_output=True).returncode:
            time.sleep(0.1)
        print("| what | gastown | tmux |\n|---|--:|--:|")
        none = "not installed"
        seat("flooding")
        here, there = flood(ours()), none
        if TMUX:
            tmux("new-session", "-d", "-x", "120", "-y", "40", flooding)
            tmux("pipe-pane", f"cat > {HOME}/tmux.log")
            there = flood(theirs())
            tmux("kill-server")
        say(f"{FLOOD_MB} MB with log and one viewer", here, there)
        seat("echoing")
        if TMUX:
            tmux("new-session", "-d", "-x", "120", "-y", "40", echoing)
        for _ in range(2):
            say("echo of a key, 400", echo(ours()), echo(theirs()) if TMUX else none)
        say("attach until the first paint, 20", paint(ours, b"it echoes"), paint(theirs, b"it echoes") if TMUX else none)
        say("a look at the screen, 50", timed(GASTOWN, "peek", "mayor", "--town", str(TOWN)),
            timed(TMUX, *SOCKET, "capture-pane", "-p") if TMUX else none)
        if TMUX:
            tmux("kill-server")
        seat("keeping")
        say(f"{NUDGES} texts of 1 to 100 KB", nudges(), "")
        origin = HOME / "origin"
        git = lambda *words: subprocess.run(["git", "-C", str(origin), "-c", "user.name=x", "-c", "user.email=x@x", *words], env=ENV, check=True, capture_output=True)
        origin.mkdir()
        git("init", "-q", "-b", "main"); git("commit", "-q", "--allow-empty", "-m", "start")
        gastown("rig", "add", "web", str(origin), "--max-workers", str(2 * SESSIONS))
        file = TOWN / "web/config.json"
        value = json.loads(file.read_text()) | {"worker_spawn_delay": "0s", "workers": [f"w{n}" for n in range(2 * SESSIONS)]}
        file.write_text(json.dumps(value))
        base = weight(run.pid, 5)
        say("no workers", base, "")
        for name, command, count in [("idle", idle, SESSIONS), ("ticking", ticking, 2 * SESSIONS)]:
            crowd(name, SESSIONS)
            time.sleep(5)
            there = none
            here = weight(run.pid)
            if TMUX:
                if name == "idle":
                    tmux("new-session", "-d", command)
                for _ in range(SESSIONS):
                    tmux("new-session", "-d", command)
                there = weight(tmux("display-message", "-p", "#{pid}").strip())
            say(f"{count} sessions, {SESSIONS if name == 'ticking' else 'none'} of them printing a line a second" if name == "ticking" else f"{count} idle sessions", here, there)
    finally:
        if TMUX:
            subprocess.run([TMUX, *SOCKET, "kill-server"], env=ENV, capture_output=True)
        gastown("stop", "--all", check=False)
        run.wait(20)
        shutil.rmtree(HOME, ignore_errors=True)


main()
