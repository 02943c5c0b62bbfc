#!/usr/bin/env bash
# CPython, whatever `python3` is; seen with 3.8.18, 3.10.13, 3.11.7, 3.12.1 and 3.13.0 on Linux
# Surprise: signal.sigtimedwait answers None when its time is up. If it was interrupted on the way and its time is up when it goes on
# (the process was stopped and continued, or a handler of another signal took long), it answers a siginfo instead, of a signal that nobody
# sent: the structure was never filled, and its si_signo is whatever lay in memory.
# Why it matters: `while sigtimedwait({SIGTERM}, seconds) is None: work()` works in turns until it is told to stop. Ctrl-Z and fg,
# end it. In 3.11.7 the invented number is 1, which reads as a SIGHUP. Ask whether si_signo was waited for.
set -euo pipefail
tmp=$(mktemp -d); trap 'rm -rf "$tmp"' EXIT; cd "$tmp"
cat > wait.py <<'E'
import signal
import sys
import time

wanted = {signal.SIGUSR1}
signal.signal(signal.SIGUSR2, lambda *_: time.sleep(1))
signal.pthread_sigmask(signal.SIG_BLOCK, wanted)
print("waits", flush=True)
info = signal.sigtimedwait(wanted, 0.5)
print("None" if info is None else "wanted" if info.si_signo in wanted else f"siginfo, si_signo={info.si_signo}")
E
python3 - <<'E'
import signal
import subprocess
import sys
import time

print("Python", sys.version.split()[0])


def waited(*signals):
    child = subprocess.Popen([sys.executable, "wait.py"], stdout=subprocess.PIPE, universal_newlines=True)
    child.stdout.readline()
    for each in signals:
        time.sleep(0.1)
        child.send_signal(each)
        if each == signal.SIGSTOP:
            time.sleep(1)
    return child.communicate()[0].strip()


seen = {
    "undisturbed": waited(),
    "sent SIGUSR1, which is waited for": waited(signal.SIGUSR1),
    "stopped and continued past its end": waited(signal.SIGSTOP, signal.SIGCONT),
    "SIGUSR2, whose handler took long": waited(signal.SIGUSR2),
}
for name, answer in seen.items():
    print(f"{name}: {answer}")
plain, sent, stopped, handled = seen.values()
assert (plain, sent) == ("None", "wanted")
if not (stopped.startswith("siginfo") and handled.startswith("siginfo")):
    sys.exit("changed")
print("still so")
E
