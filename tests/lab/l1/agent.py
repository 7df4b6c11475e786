# SPDX-License-Identifier: LGPL-2.1-or-later
"""Command runner of L1: pid 1's last program.

Reads frames (see frames.py) from the virtio-serial port `lab.agent`, runs
commands, streams their output back.  It also reaps orphans, as pid 1 must.
"""

import json
import os
import selectors
import signal
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import frames  # noqa: E402

MAX_BACKLOG = 1 << 20  # bytes waiting for the port before commands must wait


def find_port():
    base = "/sys/class/virtio-ports"
    while True:
        for port in os.listdir(base) if os.path.isdir(base) else ():
            with open("%s/%s/name" % (base, port)) as handle:
                if handle.read().strip() == "lab.agent":
                    return "/dev/" + port
        time.sleep(0.1)


class Command:
    """One running command and its three pipes."""

    def __init__(self, chan, req):
        self.chan = chan
        self.status = None
        self.timed_out = False
        self.deadline = time.monotonic() + req["timeout"] if req.get("timeout") else None
        self.kill_at = None
        self.ended_at = None
        self.stdin_data = bytearray()
        self.stdin_end = False
        in_r, self.stdin = os.pipe()
        self.stdout, out_w = os.pipe()
        self.stderr, err_w = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            self.child(req, in_r, out_w, err_w)
        for fd in (in_r, out_w, err_w):
            os.close(fd)
        for fd in (self.stdin, self.stdout, self.stderr):
            os.set_blocking(fd, False)

    def child(self, req, in_r, out_w, err_w):
        try:
            os.setsid()
            for src, dst in ((in_r, 0), (out_w, 1), (err_w, 2)):
                os.dup2(src, dst)
            signal.pthread_sigmask(signal.SIG_SETMASK, ())
            for sig in (signal.SIGPIPE, signal.SIGCHLD):
                signal.signal(sig, signal.SIG_DFL)
            for top in req.get("fresh", ()):
                make_fresh(top)
            os.chdir(req.get("cwd") or "/")
            os.execvpe(req["argv"][0], req["argv"], req.get("env") or {})
        except OSError as err:
            os.write(2, ("lab: %s: %s\n" % (req["argv"][0], err.strerror)).encode())
        os._exit(127)

    def signal(self, sig):
        try:
            os.killpg(self.pid, sig)
        except ProcessLookupError:
            pass


def make_fresh(top):
    """Lay an uncached, read-only view of a host folder over itself.

    The root share is cached for ever, but what is being built must be looked
    at anew.  No overlay here: overlayfs does not follow a lower layer that
    changes under it.
    """
    if not os.path.ismount(top):
        os.spawnlp(os.P_WAIT, "mount", "mount", "-o", "bind,ro", "/lab/fresh" + top, top)


class Agent:
    def __init__(self):
        self.port = os.open(find_port(), os.O_RDWR | os.O_NONBLOCK)
        self.out = bytearray(frames.pack(frames.HELLO, 0))
        self.reader = frames.Reader()
        self.commands = {}
        self.sel = selectors.DefaultSelector()
        self.sel.register(self.port, selectors.EVENT_READ)
        self.child_r, child_w = os.pipe()
        os.set_blocking(self.child_r, False)
        os.set_blocking(child_w, False)
        signal.set_wakeup_fd(child_w)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        self.sel.register(self.child_r, selectors.EVENT_READ)

    def send(self, kind, chan, data=b""):
        self.out += frames.pack(kind, chan, data)

    def close(self, cmd, name):
        fd = getattr(cmd, name)
        if fd >= 0:
            try:
                self.sel.unregister(fd)
            except KeyError:
                pass
            os.close(fd)
            setattr(cmd, name, -1)

    def start(self, chan, req):
        try:
            cmd = Command(chan, req)
        except OSError as err:
            self.send(frames.STDERR, chan, ("lab: cannot start: %s\n" % err).encode())
            self.send(frames.EXIT, chan, json.dumps({"status": 126}).encode())
            return
        self.commands[chan] = cmd

    def handle(self, kind, chan, data):
        cmd = self.commands.get(chan)
        if kind == frames.PING:
            self.send(kind, chan, data)
        elif kind == frames.RUN:
            self.start(chan, json.loads(data))
        elif kind == frames.STDIN and cmd:
            cmd.stdin_data += data
            cmd.stdin_end = cmd.stdin_end or not data
            self.feed(cmd)
        elif kind == frames.KILL and cmd:
            cmd.deadline = 0

    def feed(self, cmd):
        """Pass input on as far as the command takes it."""
        try:
            while cmd.stdin >= 0 and cmd.stdin_data:
                count = os.write(cmd.stdin, cmd.stdin_data[:65536])
                del cmd.stdin_data[:count]
        except BlockingIOError:
            return
        except BrokenPipeError:
            cmd.stdin_data.clear()
            cmd.stdin_end = True
        if cmd.stdin_end and not cmd.stdin_data:
            self.close(cmd, "stdin")

    def drain(self, cmd, name, kind):
        fd = getattr(cmd, name)
        try:
            data = os.read(fd, frames.CHUNK)
        except BlockingIOError:
            return False
        if not data:
            self.close(cmd, name)
            return False
        self.send(kind, cmd.chan, data)
        return True

    def reap(self):
        try:
            os.read(self.child_r, 4096)
        except BlockingIOError:
            pass
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if not pid:
                return
            for cmd in self.commands.values():
                if cmd.pid == pid:
                    code = os.waitstatus_to_exitcode(status)
                    cmd.status = code if code >= 0 else 128 - code
                    cmd.ended_at = time.monotonic()

    def finish(self, cmd):
        """End of a command: all output read, or only orphans hold the pipes."""
        while cmd.stdout >= 0 and self.drain(cmd, "stdout", frames.STDOUT):
            pass
        while cmd.stderr >= 0 and self.drain(cmd, "stderr", frames.STDERR):
            pass
        if cmd.stdout >= 0 or cmd.stderr >= 0:
            if time.monotonic() - cmd.ended_at < 0.3:
                return
        for name in ("stdin", "stdout", "stderr"):
            self.close(cmd, name)
        status = 124 if cmd.timed_out else cmd.status
        answer = {"status": status, "timeout": cmd.timed_out}
        self.send(frames.EXIT, cmd.chan, json.dumps(answer).encode())
        del self.commands[cmd.chan]

    def limits(self, now):
        for cmd in list(self.commands.values()):
            if cmd.status is not None:
                self.finish(cmd)
            elif cmd.kill_at and now >= cmd.kill_at:
                cmd.signal(signal.SIGKILL)
            elif cmd.deadline is not None and now >= cmd.deadline and not cmd.kill_at:
                cmd.timed_out = True
                cmd.kill_at = now + 3
                cmd.signal(signal.SIGTERM)

    def watch(self):
        """What to wait for: less of it while the port is behind."""
        behind = len(self.out) > MAX_BACKLOG
        events = selectors.EVENT_READ | (selectors.EVENT_WRITE if self.out else 0)
        self.sel.modify(self.port, events)
        for cmd in self.commands.values():
            for name, wanted in (("stdout", not behind), ("stderr", not behind),
                                 ("stdin", bool(cmd.stdin_data))):
                fd = getattr(cmd, name)
                known = fd >= 0 and fd in self.sel.get_map()
                if fd >= 0 and wanted and not known:
                    kind = selectors.EVENT_WRITE if name == "stdin" else selectors.EVENT_READ
                    self.sel.register(fd, kind, (cmd, name))
                elif known and not wanted:
                    self.sel.unregister(fd)

    def step(self):
        self.watch()
        busy = any(c.ended_at or c.kill_at for c in self.commands.values())
        for key, mask in self.sel.select(0.1 if busy else 1):
            if key.fd == self.port:
                self.port_event(mask)
            elif key.fd == self.child_r:
                self.reap()
            elif key.data and getattr(key.data[0], key.data[1]) == key.fd:
                cmd, name = key.data
                if name == "stdin":
                    self.feed(cmd)
                else:
                    self.drain(cmd, name, frames.STDOUT if name == "stdout" else frames.STDERR)
        self.limits(time.monotonic())

    def port_event(self, mask):
        if mask & selectors.EVENT_READ:
            try:
                data = os.read(self.port, 65536)
            except BlockingIOError:
                data = None
            if data == b"":
                time.sleep(0.2)  # the other end is away
            for frame in self.reader.feed(data or b""):
                self.handle(*frame)
        if mask & selectors.EVENT_WRITE and self.out:
            try:
                del self.out[: os.write(self.port, self.out[:frames.CHUNK])]
            except BlockingIOError:
                pass


def main():
    # Answer the heartbeat however busy the commands keep the CPUs.
    os.sched_setscheduler(
        0, os.SCHED_RR | os.SCHED_RESET_ON_FORK, os.sched_param(1))
    agent = Agent()
    print("lab: ready", flush=True)
    while True:
        agent.step()


main()
