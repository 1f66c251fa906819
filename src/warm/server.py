"""The fork server for Python scripts: started once, forks a child for each request.

It reads no byte of a request. Its children wait for one, each on its own, at a unix socket; whoever gets one becomes the
script. So nothing of a request is ever in the memory from which the next child is forked. What the server does learn is
which scripts there are: it keeps their compiled code, and imports beforehand what they import.

It is handed to the interpreter as text and uses only what every Python has built in, so that scripts find few modules that
they have not asked for. Its standard input is its life line: at its end the server ends. `control.ts` reads its standard
output, `job.ts` writes what its children read.
"""

import sys

# What Python itself and its site have imported: every script finds it.
INNATE = frozenset(sys.modules)

import _imp
import _signal
import _socket
import atexit
import gc
import os
import select
import time
import warnings

# How many children wait for a request; once there are fewer than half as many, they are made up at once: what the server
# writes to between two forks is copied, page by page.
IDLE_MAX = 6
# How many scripts' code is kept.
SCRIPTS_MAX = 256
# The longest notice of a child, so that it is written in one piece (PIPE_BUF).
NOTICE_MAX = 4000
# How much of a child's standard error is taken at once, and how long it has to wait then, in seconds.
ERRORS_BYTES = 65536
ERRORS_PAUSE = 0.05
# How long the trial of an import may take, in seconds.
TRIAL_SECONDS = 20
# How often it is looked whether modules have changed on disk, in seconds, while requests come.
LOOK_SECONDS = 1
# How long it waits when it cannot fork, or to no end, in seconds.
REST = 0.1
# How often those are told to leave that have not yet, in seconds.
LEAVE = 0.02
# A folder that was changed so lately may be changed again without its time telling, in seconds.
SETTLED_SECONDS = 2
# How often a waiting child looks whether its server is still there, in seconds.
ORPHAN_SECONDS = 2
# How much of a request is read at once, in bytes: more than most have.
JOB_BYTES = 8192
# The environment's first variable: the room in which a child writes by what its request is known.
ROOM = "POLLUX_WARM"

# Modules that look at the script, or do something, when they are imported.
NEVER = {"__future__", "__main__", "antigravity", "cgitb", "idlelib", "sitecustomize", "this", "usercustomize"}

_set_blocking = os.set_blocking

# What every child needs has a name of its own: see "A child".
from _io import BufferedRandom, BufferedReader, BufferedWriter, BytesIO, FileIO, StringIO, TextIOWrapper, _IOBase
from _signal import SIG_DFL, SIGCHLD, SIGURG, signal as set_signal
from atexit import _run_exitfuncs as run_exit_functions
from gc import collect, get_objects
from os import _exit, chdir, close, dup, dup2, getpid, getppid, open as open_file, putenv, pwrite, read, setsid, stat
from os import unsetenv, write

MEMORY_FLAGS = os.O_WRONLY | os.O_CLOEXEC
ENCODING, ENCODING_ERRORS = sys.getfilesystemencoding(), sys.getfilesystemencodeerrors()
POLLIN = select.POLLIN
poll = select.poll()
poll_for, poll_now = poll.register, poll.poll
split = bytes.split
modules, system = sys.modules, sys.__dict__
# In a child: the descriptor that its connection gets.
place = -1


def write_all(fd, data):
    while data:
        data = data[os.write(fd, data):]


class Settings:
    """What is the same for all requests."""

    def __init__(self, fields):
        fields = [os.fsdecode(field) for field in fields]
        self.listen, self.input, nice, umask, cpu, memory, files, processes, count = fields[:9]
        self.nice = int(nice)
        self.umask = int(umask) if umask else None
        self.limits = [
            (name, int(value))
            for name, value in (("CPU", cpu), ("AS", memory), ("NOFILE", files), ("NPROC", processes))
            if value
        ]
        self.flags = fields[9:9 + int(count)]
        self.preload = [name for name in fields[9 + int(count):] if name]


class Code:
    """A script's compiled code, for as long as its file stays the same."""

    def __init__(self, key, code, folder):
        self.key = key
        self.code = code
        self.folder = folder


def key_of(state):
    """What changes with a file or a folder: whatever is done to it, the time of its last change tells."""
    return state.st_ctime_ns, state[:7]


class Unfit(Exception):
    """A script that Python itself has to run."""


def read_script(path):
    """A script's text and state. Raises Unfit for what is no plain source."""
    try:
        with open(path, "rb", 0) as file:
            state = os.fstat(file.fileno())
            source = file.readall()
    except OSError as error:
        raise Unfit("it cannot be read") from error
    if b"\0" in source:
        raise Unfit("it is no source text")
    return state, source


# -- The server ----------------------------------------------------------------------------------------------------------


class Server:
    def __init__(self, settings):
        self.settings = settings
        self.codes = {}
        # Folders in which no module goes before one that is imported here, with their state at that time.
        self.checked = {}
        self.idle = set()
        # Those that were sent home, and perhaps begin all the same.
        self.leaving = set()
        # Standard error's reading end by pid, and pid by that.
        self.errors = {}
        self.pids = {}
        self.paused = {}
        self.trial = None
        self.waiting = []
        self.tried = set()
        self.stamps = {}
        self.looked = 0
        self.retired = False
        # Forking has failed, or children that did nothing: not before this time again.
        self.rest_until = 0

    def start(self):
        if sys.path and sys.path[0] == "":
            del sys.path[0]
        self.control = os.dup(1)
        self.null = os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC)
        # A module that prints when it is imported shall not speak for the server.
        os.dup2(self.null, 1)
        os.setsid()
        self.pid = os.getpid()
        self.installed, self.before = self.folders()
        self.room = find_room()
        os.environ.pop(ROOM, None)
        # Where no locale is set, Python itself sets this one (PEP 538): for a script that is started plainly too.
        self.coerced = os.environ._data.get(b"LC_CTYPE")
        for name in self.settings.preload:
            try:
                __import__(name)
            except BaseException as error:
                self.say("L", b"cannot import %s, which preload names: %s"
                         % (os.fsencode(name), describe(error)))
        self.listener = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
        # As long as nobody else can connect, nobody does: the folder is private.
        self.listener.bind(self.settings.listen)
        self.listener.listen(1024)
        seconds = ORPHAN_SECONDS.to_bytes(8, sys.byteorder)
        self.listener.setsockopt(_socket.SOL_SOCKET, _socket.SO_RCVTIMEO, seconds + bytes(8))
        self.notices, self.noticing = os.pipe()
        self.wakes, self.waking = os.pipe()
        _set_blocking(self.notices, False)
        _set_blocking(self.wakes, False)
        _set_blocking(self.waking, False)
        # Kept, so that a child that sets it aside does not take it apart.
        self.waker = self.wake
        _signal.signal(_signal.SIGCHLD, self.waker)
        # The children's, from their first moment on.
        _signal.signal(_signal.SIGURG, self.leave)
        self.poll = select.poll()
        for fd in (0, self.notices, self.wakes):
            self.poll.register(fd, select.POLLIN)
        self.settle()
        self.say("R")

    def folders(self):
        """The folders whose modules are installed, and those that Python looks into before them, beside the script's own."""
        roots = {os.path.realpath(root) + os.sep for root in (sys.prefix, sys.base_prefix, sys.exec_prefix)}
        site = sys.modules.get("site")
        user = getattr(site, "USER_SITE", None)
        # The standard library first: what stands before it is somebody's own.
        library = os.path.dirname(os.path.realpath(os.__file__))
        installed, before = [], []
        for path in sys.path:
            real = os.path.realpath(path)
            is_own = not installed and real != library and not real.endswith(".zip")
            is_known = real == user or any((real + os.sep).startswith(root) for root in roots)
            if is_own or path == "":
                if path != "":
                    before.append(real)
            elif is_known or real.endswith("dist-packages"):
                installed.append(path)
        return installed, before

    def say(self, kind, text=b"", pid=0):
        write_all(self.control, b"%s %d %d\n%s" % (kind.encode(), pid, len(text), text))

    def wake(self, *_):
        try:
            os.write(self.waking, b".")
        except BlockingIOError:
            pass

    def leave(self, *_):
        if os.getpid() == self.pid:
            return
        try:
            # It may come just after `accept`: then there is a request, which is served.
            os.fstat(place)
        except OSError:
            _exit(0)

    def settle(self):
        """What is there now is there to stay: a child's garbage collector need not look at it, nor copy its pages."""
        self.hand_down()
        gc.collect()
        gc.freeze()
        for module in list(sys.modules.values()):
            path = getattr(module, "__file__", None)
            if isinstance(path, str) and path not in self.stamps:
                self.stamps[path] = stamp(path)

    def hand_down(self):
        """Binds what children need to names that they find at once."""
        settings = self.settings
        self.main = type(sys)("__main__")
        self.main.__builtins__ = sys.modules["builtins"]
        self.main.__file__ = ""
        self.main.__loader__ = sys.modules["_frozen_importlib_external"].SourceFileLoader("__main__", "")
        if sys.version_info < (3, 14):
            self.main.__annotations__ = {}
            self.main.__cached__ = None
        sys.modules["__main__"] = self.main
        globals().update(
            server_pid=self.pid, null=self.null, noticing=self.noticing, room=self.room, listening=self.listener.fileno(),
            own=(self.control, self.notices, self.wakes, self.waking), accept=self.listener._accept,
            input_path=settings.input, nice=settings.nice, umask=settings.umask, limits=settings.limits,
            flags=settings.flags, codes=self.codes, checked=self.checked, before=self.before, coerced=self.coerced,
            environ=os.environ._data, path=sys.path, argv=sys.argv, orig_argv=getattr(sys, "orig_argv", []),
            looks_in_folder=not (getattr(sys.flags, "safe_path", False) or sys.flags.isolated),
            numpy=sys.modules.get("numpy.random"), main_names=self.main.__dict__,
            loader_names=self.main.__loader__.__dict__, last_module=next(reversed(sys.modules)))

    def serve(self):
        while True:
            if len(self.idle) < IDLE_MAX // 2:
                while not self.retired and len(self.idle) < IDLE_MAX and self.rest_until <= time.monotonic():
                    self.fork()
            if self.retired and not self.errors:
                return
            for fd, _ in self.poll.poll(self.patience()):
                if fd == 0:
                    # Nothing is ever said there: this is its end.
                    if not os.read(0, 1):
                        self.poll.unregister(0)
                        self.retire()
                elif fd == self.notices:
                    self.hear()
                elif fd == self.wakes:
                    os.read(self.wakes, 4096)
                    self.reap()
                elif self.trial is not None and fd == self.trial[1]:
                    part = os.read(fd, 65536)
                    self.told += part
                    if not part:
                        self.judge()
                elif fd in self.pids:
                    self.relay(fd)
            self.resume()

    def patience(self):
        """How long nothing needs to be done, in milliseconds."""
        until = list(self.paused.values())
        if self.rest_until > time.monotonic():
            until.append(self.rest_until)
        if self.leaving:
            until.append(time.monotonic() + LEAVE)
        if self.trial is not None:
            until.append(self.trial[2])
        return max(0, int((min(until) - time.monotonic()) * 1000) + 1) if until else None

    def resume(self):
        # A signal that comes just before a child begins to wait is not seen until the next.
        for pid in self.leaving:
            os.kill(pid, _signal.SIGURG)
        now = time.monotonic()
        for fd in [fd for fd, when in self.paused.items() if when <= now]:
            del self.paused[fd]
            self.poll.register(fd, select.POLLIN)
        if self.trial is not None and self.trial[2] <= now:
            os.kill(self.trial[0], _signal.SIGKILL)
            self.judge()

    # Children

    def fork(self):
        reading, writing = os.pipe()
        try:
            pid = os.fork()
        except OSError as error:
            os.close(reading)
            os.close(writing)
            self.rest_until = time.monotonic() + REST
            self.say("L", b"cannot fork: " + describe(error))
            return
        if pid == 0:
            dup2(writing, 2)
            close(writing)
            close(reading)
            become_script(self.pids, self.trial)
        os.close(writing)
        _set_blocking(reading, False)
        self.idle.add(pid)
        self.errors[pid] = reading
        self.pids[reading] = pid
        self.poll.register(reading, select.POLLIN)

    def hear(self):
        """Children say whom they serve, and which script's code they did not find."""
        try:
            lines = os.read(self.notices, 65536).splitlines()
        except BlockingIOError:
            return
        for line in lines:
            pid, kind, text = line.split(b" ", 2)
            self.idle.discard(int(pid))
            self.leaving.discard(int(pid))
            if kind == b"+":
                self.learn(os.fsdecode(text))
            elif kind == b"!":
                self.say("F", text, int(pid))
        if time.monotonic() - self.looked >= LOOK_SECONDS:
            self.looked = time.monotonic()
            if any(stamp(path) != was for path, was in self.stamps.items()):
                self.retire()

    def relay(self, fd):
        try:
            text = os.read(fd, ERRORS_BYTES)
        except OSError:
            text = b""
        if not text:
            self.poll.unregister(fd)
            return
        self.say("E", text, self.pids[fd])
        if len(text) > ERRORS_BYTES // 2:
            self.poll.unregister(fd)
            self.paused[fd] = time.monotonic() + ERRORS_PAUSE

    def reap(self):
        while self.errors or self.trial is not None:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if pid not in self.errors:
                continue
            # What it has said of itself comes first.
            self.hear()
            fd = self.errors.pop(pid)
            del self.pids[fd]
            if self.paused.pop(fd, None) is None:
                try:
                    self.poll.unregister(fd)
                except KeyError:
                    pass
            self.drain(fd, pid)
            os.close(fd)
            if pid not in self.idle and pid not in self.leaving:
                self.say("X", str(status).encode(), pid)
            elif status != 0:
                self.rest_until = time.monotonic() + REST
            self.idle.discard(pid)
            self.leaving.discard(pid)

    def drain(self, fd, pid):
        """What a child has left in its pipe, which holds no more than this."""
        for _ in range(16):
            try:
                text = os.read(fd, ERRORS_BYTES)
            except OSError:
                return
            if not text:
                return
            self.say("E", text, pid)

    def dismiss(self):
        """Sends those home that wait. One that is served meanwhile ignores the signal, as it does by default."""
        for pid in self.idle:
            os.kill(pid, _signal.SIGURG)
        self.leaving |= self.idle
        self.idle = set()

    def retire(self):
        """Takes no more requests, and ends with the last child."""
        if self.retired:
            return
        self.retired = True
        self.say("Q")
        self.listener.close()
        try:
            os.unlink(self.settings.listen)
        except OSError:
            pass
        self.dismiss()

    # What scripts need

    def learn(self, path):
        try:
            state, source = read_script(path)
            key = key_of(state)
            folder = os.path.dirname(os.path.realpath(path))
            known = self.codes.get(path)
            if known is not None and known.key == key:
                self.check(folder)
                return
            with warnings.catch_warnings(record=True) as warned:
                warnings.simplefilter("always")
                tree = compile(source, path, "exec", 0x400, True)
                code = compile(tree, path, "exec", 0, True)
        except Exception:
            return
        if len(self.codes) >= SCRIPTS_MAX:
            del self.codes[next(iter(self.codes))]
        # One whose compilation warns is compiled each time, so that it warns each time.
        self.codes[path] = Code(key, None if warned else code, folder)
        names = sorted(name for name in imports(tree) if self.is_installed(name, folder))
        names = [name for name in names if name not in sys.modules and name not in self.tried]
        self.waiting.extend(names)
        self.tried.update(names)
        self.check(folder)
        if names:
            self.try_imports()
        else:
            self.settle()
            self.dismiss()

    def check(self, folder):
        """Notes that nothing in a folder goes before what is imported, so that children need not look, as long as it stays the same."""
        try:
            state = stat(folder)
            if find_shadow(folder) is None and time.time() - state.st_ctime > SETTLED_SECONDS:
                self.checked[folder] = key_of(state)
                return
        except OSError:
            pass
        self.checked.pop(folder, None)

    def is_installed(self, name, folder):
        """Whether a module is where the interpreter's own are, and nowhere before them."""
        top = name.partition(".")[0]
        if top in NEVER:
            return False
        if top in sys.builtin_module_names:
            return True
        find = sys.modules["_frozen_importlib_external"].PathFinder.find_spec
        own = [folder] + self.before
        try:
            return find(top, own) is None and (_imp.is_frozen(top) or find(top, self.installed) is not None)
        except Exception:
            return False

    def try_imports(self):
        """Has a child import what is waiting to be, since nobody knows what an import does."""
        if self.trial is not None or not self.waiting or self.retired:
            return
        names, self.waiting = self.waiting, []
        reading, writing = os.pipe()
        pid = os.fork()
        if pid == 0:
            try_imports(names, writing, self.null)
        os.close(writing)
        self.told = b""
        self.trial = (pid, reading, time.monotonic() + TRIAL_SECONDS, names)
        self.poll.register(reading, select.POLLIN)

    def judge(self):
        """The trial is over: what went well is imported here too."""
        _, fd, _, names = self.trial
        self.trial = None
        self.poll.unregister(fd)
        os.close(fd)
        told = self.told.decode().splitlines()
        ended = told[-1:] == ["."]
        told = [line for line in told if line != "."]
        for line in told:
            if line[0] == "+":
                try:
                    __import__(line[1:])
                except BaseException:
                    pass
        # The one at which the trial broke off is left out.
        self.waiting[:0] = names[len(told) + (not ended):]
        self.settle()
        for folder in list(self.checked):
            self.check(folder)
        self.dismiss()
        self.try_imports()


def stamp(path):
    try:
        return key_of(stat(path))
    except OSError:
        return None


def describe(error):
    return ("%s: %s" % (type(error).__name__, error)).encode("utf-8", "backslashreplace")


def imports(tree):
    """The modules that a script imports before it does anything else: those of its outermost blocks."""
    found = set()
    blocks = [tree.body]
    while blocks:
        for node in blocks.pop():
            kind = type(node).__name__
            if kind == "Import":
                found.update(alias.name for alias in node.names)
            elif kind == "ImportFrom" and node.level == 0 and node.module:
                found.add(node.module)
            elif kind in ("Try", "TryStar", "With"):
                blocks.append(node.body)
    return found


def try_imports(names, writing, null):
    """In a child: imports, and says of each module whether it did so and nothing else. Never returns."""
    try:
        _signal.set_wakeup_fd(-1)
        _signal.signal(_signal.SIGCHLD, _signal.SIG_DFL)
        reading, printing = os.pipe()
        _set_blocking(printing, False)
        for fd in (0, 1, 2):
            os.dup2(null if fd == 0 else printing, fd)
        for name in names:
            before = traces()
            try:
                __import__(name)
                is_good = True
            except BaseException:
                is_good = False
            for stream in (sys.stdout, sys.stderr):
                stream.flush()
            is_clean = traces() == before and not select.select([reading], [], [], 0)[0]
            write_all(writing, b"%s%s\n" % (b"+" if is_good and is_clean else b"-", name.encode()))
            if not is_clean:
                break
        write_all(writing, b".\n")
    finally:
        os._exit(0)


def traces():
    """What an import may have changed that all scripts would see."""
    try:
        threads = len(os.listdir("/proc/self/task"))
    except OSError:
        threads = len(sys._current_frames())
    signals = [_signal.getsignal(number) for number in range(1, 32)]
    hooks = (sys.excepthook, sys.displayhook, sys.stdout, sys.stderr, sys.stdin, list(sys.path), os.getcwd(),
             sorted(os.environ.items()))
    return threads, signals, hooks


def find_room():
    """Where in memory the value of the first variable of the environment stands, and its length; None where that is not told."""
    try:
        with open("/proc/self/stat", "rb", 0) as file:
            fields = file.read().rpartition(b") ")[2].split()
        start, end = int(fields[47]), int(fields[48])
        memory = os.open("/proc/self/mem", os.O_RDONLY | os.O_CLOEXEC)
        text = os.pread(memory, end - start, start)
        os.close(memory)
    except (OSError, IndexError, ValueError):
        return None
    name = ROOM.encode() + b"="
    # It begins where a variable does.
    at = 0 if text.startswith(name) else text.find(b"\0" + name) + 1
    if at == 0 and not text.startswith(name):
        return None
    return start + at, text.index(b"\0", at) - at


# -- A child -------------------------------------------------------------------------------------------------------------


# From its fork on a child costs what it touches: each page of memory that it writes to for the first time is copied, which
# takes as long as a hundred lines of a function. And Python writes to whatever it looks at, since it counts references: to the
# name of an attribute and to what has it, to a function and its code. So what every child does stands in few functions, which
# find what they need by names of their own.


def become_script(others, trial):
    """In a child: waits for a request and runs its script. Never returns.

    It has descriptors that it has no use for: those of others' standard error, and that of a trial.
    """
    try:
        connection, fields = receive(others, trial)
        ready = load(connection, fields, *prepare(connection, fields))
    except Unfit as unfit:
        try:
            write(noticing, b"%d ! %s\n" % (getpid(), describe(unfit)[:NOTICE_MAX].replace(b"\n", b" ")))
            args, pairs = rest(fields)
            os.execve(fields[1], [fields[1], *flags, fields[2], *args], dict(zip(pairs, pairs)))
        finally:
            _exit(127)
    except BaseException:
        # It has not begun: whoever wants the script sees its end and does without.
        _exit(127)
    status = 1
    try:
        status = run(*ready)
    finally:
        _exit(status)


def receive(others, trial):
    """Waits for a request, and takes it: its connection, and its fields as `job.ts` writes them."""
    global place
    set_signal(SIGCHLD, SIG_DFL)
    for fd in own:
        close(fd)
    for fd in others:
        close(fd)
    if trial is not None:
        close(trial[1])
    place = dup(null)
    close(place)
    while True:
        try:
            connection, _ = accept()
            break
        except BlockingIOError:
            if getppid() != server_pid:
                _exit(0)
    set_signal(SIGURG, SIG_DFL)
    if getppid() != server_pid:
        _exit(0)
    data = read(connection, JOB_BYTES)
    while len(data) < 8 or len(data) < 8 + int(data[:8], 16):
        part = read(connection, 65536)
        if not part:
            _exit(0)
        data += part
    return connection, split(data[8:], b"\0")


def rest(fields):
    """A script's arguments, and the names and values of its environment."""
    at = 5 + int(fields[4])
    end = at + 1 + int(fields[at])
    return fields[at + 1:end], iter(fields[end:])


def prepare(connection, fields):
    """Gives the child what a script is started with, up to the line that it has begun: until then it can still back out.

    Returns the script's path, its `Code` where that is known, its folder, and whether nothing in there goes before what is
    imported.
    """
    token, _, name, cwd, count = fields[:5]
    chdir(cwd)
    setsid()
    if umask is not None:
        os.umask(umask)
    if nice:
        os.nice(nice)
    if token:
        stdin = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
        stdin.connect(input_path)
        stdin.sendall(token)
        dup2(stdin.fileno(), 0)
        stdin.close()
    else:
        dup2(null, 0)
    # Whoever wanted it may have given up; then it is run elsewhere by now. Nothing else is ever said there.
    poll_for(connection, POLLIN)
    if poll_now(0):
        _exit(0)
    dup2(connection, 1)
    script = str(name, ENCODING, ENCODING_ERRORS)
    known = codes[script] if script in codes else None
    is_checked = is_known = False
    try:
        if known is not None and known.key != key_of(stat(script)):
            known = None
        folder = os.path.dirname(os.path.realpath(script)) if known is None else known.folder
        state = stat(folder)
        is_checked = folder in checked and checked[folder] == key_of(state)
        is_known = known is not None and (is_checked or time.time() - state.st_ctime <= SETTLED_SECONDS)
    except OSError:
        known = None
        folder = os.path.dirname(script)
    is_told = is_known or len(name) > NOTICE_MAX or b"\n" in name
    mark(b"\0".join(fields[5:5 + int(count)]))
    if limits:
        # A limit that cannot be set ends this child: where the script is run plainly, it is said why.
        import resource
        for limit, value in limits:
            resource.setrlimit(getattr(resource, "RLIMIT_" + limit), (value, value))
    pid = getpid()
    # The server first: the end of a child that has begun has to be told, the end of one that has not is nobody's.
    write(noticing, b"%d %s\n" % (pid, b"= " if is_told else b"+ " + name))
    write(connection, b"%011d\n" % pid)
    return script, known, folder, is_checked


def mark(marks):
    """Writes by what the request is known over the environment that this process was started with, where others look."""
    if room is None or not marks or len(marks) + 1 > room[1]:
        return
    try:
        memory = open_file("/proc/self/mem", MEMORY_FLAGS)
        pwrite(memory, marks + b"\0", room[0])
        close(memory)
    except OSError:
        pass


def load(connection, fields, script, known, folder, is_checked):
    """Its code, in a `__main__` of its own. Raises Unfit where a module of the script's folder goes before one that is there."""
    args, pairs = rest(fields)
    # As `os.environb` would, which checks, and encodes, what is bytes already.
    for name in environ:
        unsetenv(name)
    environ.clear()
    for name in pairs:
        value = next(pairs)
        putenv(name, value)
        environ[name] = value
    if coerced is not None and b"LC_CTYPE" not in environ:
        putenv(b"LC_CTYPE", coerced)
        environ[b"LC_CTYPE"] = coerced
    error = None
    code = None if known is None else known.code
    if code is None:
        try:
            _, source = read_script(script)
            code = compile(source, script, "exec", 0, True)
        except Unfit:
            raise
        except Exception as failure:
            error = failure
    folders = before
    if looks_in_folder:
        path[:0] = [folder]
        folders = before if is_checked else [folder, *before]
    for looked in folders:
        shadow = find_shadow(looked)
        if shadow is not None:
            raise Unfit("%s goes before a module that is imported already" % os.path.join(looked, shadow))
    argv[:] = [script, *[str(arg, ENCODING, ENCODING_ERRORS) for arg in args]] if args else [script]
    orig_argv[:] = [str(fields[1], ENCODING, ENCODING_ERRORS), *flags, *argv]
    if numpy is not None:
        numpy.seed()
    main_names["__file__"] = loader_names["path"] = script
    for fd in (noticing, null, listening, connection):
        close(fd)
    return code, error


def find_shadow(folder):
    """The name of a module in a folder that scripts would import from there, were it not imported from elsewhere already."""
    try:
        names = os.listdir(folder)
    except OSError:
        return None
    for name in names:
        top = name.partition(".")[0]
        if top in sys.modules and top not in INNATE and top not in sys.builtin_module_names:
            return name
    return None


def run(code, error):
    """Runs the script as Python runs its own first file; its exit status."""
    status = 0
    interrupted = False
    try:
        if error is not None:
            raise error
        exec(code, main_names)
    except SystemExit as leave:
        status = leave_with(leave)
    except BaseException as failure:
        status = 1
        interrupted = isinstance(failure, KeyboardInterrupt)
        trace = failure.__traceback__
        while trace is not None and trace.tb_frame.f_code is not code:
            trace = trace.tb_next
        report(failure, trace)
        trace = None
    code = error = None
    status = finish(status)
    if interrupted:
        _signal.signal(_signal.SIGINT, _signal.SIG_DFL)
        os.kill(os.getpid(), _signal.SIGINT)
    return status


def report(failure, trace):
    """Tells of an exception that nobody has caught, without the frames of this server."""
    failure.__traceback__ = trace
    sys.last_type, sys.last_value, sys.last_traceback = type(failure), failure, trace
    sys.last_exc = failure
    flush(sys.stdout)
    try:
        sys.excepthook(type(failure), failure, trace)
    except SystemExit as leave:
        os._exit(leave_with(leave))
    except BaseException as second:
        print("Error in sys.excepthook:", file=sys.stderr)
        sys.__excepthook__(type(second), second, second.__traceback__)
        print("\nOriginal exception was:", file=sys.stderr)
        sys.__excepthook__(type(failure), failure, trace)


def leave_with(leave):
    code = leave.code
    if code is None:
        return 0
    if isinstance(code, int):
        return code & 0xFF
    flush(sys.stdout)
    try:
        print(code, file=sys.stderr)
    except BaseException:
        pass
    return 1


def finish(status):
    """Does what Python does at its end, as far as a script can tell: all but taking the interpreter apart."""
    threading = modules["threading"] if "threading" in modules else None
    if threading is not None:
        try:
            threading._shutdown()
        except BaseException as failure:
            sys.excepthook(type(failure), failure, failure.__traceback__)
    run_exit_functions()
    status = flush_last(status)
    if threading is None or threading.active_count() == 1:
        # The script's own objects end now: files that it has not closed are written, __del__ is called.
        own = [main_names]
        # What was imported since, or all if the last that was before is there no more: the order is that of importing.
        for name in reversed(modules):
            if name == last_module:
                break
            module = modules[name]
            if not is_installed_file(getattr(module, "__file__", None)):
                own.append(module.__dict__)
        del modules["__main__"]
        for attribute in ("last_type", "last_value", "last_traceback", "last_exc"):
            if attribute in system:
                del system[attribute]
        for names in own:
            clear(names)
        collect()
    close_files()
    return flush_last(status)


def is_installed_file(path):
    return path is None or any(path.startswith(root + os.sep) for root in (sys.prefix, sys.base_prefix))


def clear(names):
    """Empties a module as Python does: names that begin with one underscore first."""
    for name in list(names):
        if type(name) is str and name[:1] == "_" and name[:2] != "__":
            names[name] = None
    for name in list(names):
        if type(name) is str and name != "__builtins__":
            names[name] = None


def close_files():
    """Files that something else still holds: what they have to write is written."""
    plain = []
    for thing in get_objects():
        if not isinstance(thing, _IOBase):
            continue
        if type(thing) is TextIOWrapper:
            plain.insert(0, thing)
        elif type(thing) in (BufferedWriter, BufferedRandom):
            plain.append(thing)
        elif not isinstance(thing, (FileIO, BufferedReader, BytesIO, StringIO)):
            try:
                thing.close()
            except BaseException:
                pass
    for thing in plain:
        flush(thing)


def flush(stream):
    try:
        stream.flush()
    except BaseException:
        pass


def flush_last(status):
    """Standard output that cannot be written is an error of its own (120), as Python has it."""
    for stream in (sys.stdout, sys.__stdout__):
        if stream is None or getattr(stream, "closed", False):
            continue
        try:
            stream.flush()
        except BaseException as failure:
            text = "Exception ignored in: %r\n%s: %s\n" % (stream, type(failure).__name__, failure)
            try:
                os.write(2, text.encode("utf-8", "backslashreplace"))
            except OSError:
                pass
            status = 120
            break
    flush(sys.stderr)
    return status


def main():
    length = int(read_exactly(8), 16)
    server = Server(Settings(read_exactly(length).split(b"\0")))
    try:
        server.start()
        server.serve()
    finally:
        for pid in server.idle:
            os.kill(pid, _signal.SIGTERM)
        if server.trial is not None:
            os.kill(server.trial[0], _signal.SIGKILL)


def read_exactly(length):
    data = b""
    while len(data) < length:
        part = os.read(0, length - len(data))
        if not part:
            os._exit(0)
        data += part
    return data


main()
# What is left is taken down at once: at the end of its life line nobody waits for it.
os._exit(0)
