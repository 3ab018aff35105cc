"""What the benchmarks share: servers, clients, clocks and tables. Standard library only."""

import contextlib
import http.client
import os
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).resolve().parent
VENV = ROOT / ".cache" / "venv"
TICK = os.sysconf("SC_CLK_TCK")
MIB = 1 << 20


class Missing(Exception):
    """Something that a benchmark needs is not installed."""


def note(text):
    """Says how far a run is, beside the tables on stdout."""
    print(f"# {time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


def tool(name, install):
    path = shutil.which(name) or shutil.which(name, path="/usr/sbin:/sbin")
    if path is None:
        raise Missing(f"{name} is not installed: {install}")
    return path


def nginx():
    return tool("nginx", "apt-get install nginx-light")


def wrk_path():
    return tool("wrk", "apt-get install wrk")


def venv(name, program):
    path = VENV / name / "bin" / program
    if not path.exists():
        raise Missing(f"{path.relative_to(ROOT)} is not there: run 'tests/venv.sh {name}'")
    return str(path)


def go_tool(work, name):
    """Builds one of the Go commands beside this file."""
    path = work / "bin" / name
    if not path.exists():
        env = dict(os.environ, CGO_ENABLED="0")
        env.setdefault("GOFLAGS", "-buildvcs=false -trimpath -tags=nobadger,nomysql,nopgx")
        subprocess.run([tool("go", "see https://go.dev/dl/"), "build", "-o", str(path), f"./tests/bench/{name}"], cwd=ROOT, env=env, check=True)
    return str(path)


@contextlib.contextmanager
def workspace(keep=None):
    """A folder for everything a run makes; on the disk that TMPDIR names."""
    if keep:
        path = Path(keep).resolve()
        path.mkdir(parents=True, exist_ok=True)
        yield path
        return
    path = Path(tempfile.mkdtemp(prefix="fairway-bench-"))
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


# --- processes -----------------------------------------------------------------


def family(pid):
    """A process and its descendants."""
    children = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
                children.setdefault(int(fields[1]), []).append(int(entry.name))
    found, todo = [], [pid]
    while todo:
        p = todo.pop()
        found.append(p)
        todo += children.get(p, [])
    return found


def cpu_of(pids):
    """CPU seconds of processes so far, user and system."""
    ticks = 0
    for pid in pids:
        with contextlib.suppress(OSError):
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            ticks += int(fields[11]) + int(fields[12])
    return ticks / TICK


def memory_of(pids, field):
    """Sum of VmHWM (peak) or VmRSS (now) in MiB."""
    kib = 0
    for pid in pids:
        with contextlib.suppress(OSError, AttributeError):
            kib += int(re.search(rf"{field}:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())[1])
    return kib / 1024


class Server:
    """A server process, on a port of its own unless it is given one."""

    def __init__(self, name, argv, work, port, ready="/", env=None, ok=None, wait=60):
        self.name, self.port, self.host = name, port, "127.0.0.1"
        self.log = work / (re.sub(r"\W+", "-", name) + ".log")
        self.started = time.perf_counter()
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                argv, cwd=work, env=dict(os.environ, **(env or {})), stdout=log, stderr=log, start_new_session=True
            )
        deadline, status = time.monotonic() + wait, None
        while True:
            with contextlib.suppress(OSError, http.client.HTTPException):
                status, _, _ = get(self, ready)
                if status == 200 or (ok and status in ok):
                    break
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise RuntimeError(f"{name} did not start; {ready} has status {status}:\n{self.log.read_text()[-2000:]}")
            time.sleep(0.002)
        self.ready_after = time.perf_counter() - self.started

    def pids(self):
        return family(self.process.pid)

    def cpu(self):
        return cpu_of(self.pids())

    def peak(self):
        return memory_of(self.pids(), "VmHWM")

    def resident(self):
        return memory_of(self.pids(), "VmRSS")

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


class Fairway(Server):
    """bin/fairway on a data folder, with more sites beside it if `sites` names them."""

    def __init__(self, work, data, upstream="off", sites=""):
        self.binary = os.environ.get("FAIRWAY_BIN", str(ROOT / "bin" / "fairway"))
        if not Path(self.binary).exists():
            raise Missing(f"{self.binary} is not there: run 'make build'")
        port, self.admin = free_port(), free_port()
        config = work / f"Caddyfile-{port}"
        config.write_text(
            f"{{\n\tadmin 127.0.0.1:{self.admin}\n\tauto_https off\n\tlog {{\n\t\tformat fairway\n\t}}\n"
            f"\tfairway {{\n\t\tdata {data}\n\t\tupstream pypi {upstream}\n\t}}\n}}\n"
            f"http://:{port} {{\n\tbind 127.0.0.1\n\tfairway\n}}\n{sites}"
        )
        self.env = {"FAIRWAY_ADMIN": f"127.0.0.1:{self.admin}", "HOME": str(work), "XDG_CONFIG_HOME": str(work), "XDG_DATA_HOME": str(work)}
        super().__init__("fairway", [self.binary, "run", "--config", str(config)], work, port, "/-/readyz", self.env)

    def cli(self, *args):
        done = subprocess.run([self.binary, *args], env=dict(os.environ, **self.env), capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"fairway {' '.join(args)}: {done.stderr}{done.stdout}")
        return done.stdout.strip()

    def key(self, role):
        return self.cli("key", "create", "--name", f"bench-{role}-{time.monotonic_ns()}", "--role", role)

    def metrics(self):
        """Every series of /metrics, by its name and labels."""
        c = http.client.HTTPConnection("127.0.0.1", self.admin, timeout=60)
        c.request("GET", "/metrics")
        lines = c.getresponse().read().decode().splitlines()
        return {k: float(v) for k, _, v in (line.rpartition(" ") for line in lines if line and line[0] != "#")}


def start_nginx(work, port, server, http=""):
    """nginx with one server block, on a port."""
    conf = work / f"nginx-{port}.conf"
    conf.write_text(
        f"daemon off; pid {work}/nginx-{port}.pid; worker_processes 2; error_log {work}/nginx-error.log;\n"
        "events { worker_connections 1024; }\n"
        f"http {{ access_log off; sendfile on; keepalive_requests 1000000;\n"
        f"client_body_temp_path {work}/nginx-body; proxy_temp_path {work}/nginx-temp; fastcgi_temp_path {work}/nginx-f;\n"
        f"uwsgi_temp_path {work}/nginx-u; scgi_temp_path {work}/nginx-s;\n"
        f"{http}\nserver {{ listen 127.0.0.1:{port}; {server} }} }}\n"
    )
    if os.geteuid() == 0:
        conf.write_text("user root;\n" + conf.read_text())
    return Server("nginx", [nginx(), "-c", str(conf)], work, port, "/", ok=(403, 404, 502))


# --- clients -------------------------------------------------------------------


def connect(server):
    c = http.client.HTTPConnection(server.host, server.port, timeout=600)
    c.connect()
    c.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return c


def ask(connection, method, path, headers=None, body=None):
    connection.request(method, path, body=body, headers=headers or {})
    r = connection.getresponse()
    return r.status, r.headers, r.read()


def get(server, path, headers=None):
    c = connect(server)
    try:
        return ask(c, "GET", path, headers)
    finally:
        c.close()


def timed(fn):
    """Seconds that fn takes, and what it returns."""
    start = time.perf_counter()
    out = fn()
    return time.perf_counter() - start, out


def first_byte(server, path, headers=None):
    """Seconds to the first byte of the body, and to its last."""
    c = connect(server)
    start = time.perf_counter()
    c.request("GET", path, headers=headers or {})
    r = c.getresponse()
    if r.status != 200:
        raise RuntimeError(f"{server.name}: {path}: status {r.status}")
    r.read(1)
    first = time.perf_counter() - start
    while r.read(1 << 20):
        pass
    c.close()
    return first, time.perf_counter() - start


def crowd(server, path, n, headers=None):
    """n simultaneous requests: seconds until the last has ended, and their statuses."""
    gate, statuses = threading.Barrier(n + 1), []

    def one():
        c = connect(server)
        gate.wait()
        try:
            statuses.append(ask(c, "GET", path, headers)[0])
        except Exception as err:  # a reset counts as an answer that is none
            statuses.append(type(err).__name__)

    threads = [threading.Thread(target=one) for _ in range(n)]
    for t in threads:
        t.start()
    gate.wait()
    start = time.perf_counter()
    for t in threads:
        t.join()
    return time.perf_counter() - start, statuses


class Load:
    """Outcome of wrk runs against one server, one value a round."""

    def __init__(self):
        self.rps, self.cpu, self.p50, self.p99, self.mbs = [], [], [], [], []

    def med(self, what):
        return statistics.median(getattr(self, what))


UNITS = {"us": 1e-3, "ms": 1.0, "s": 1e3, "m": 6e4}


def wrk(server, path, load, seconds, connections=16, headers=None, expect=200):
    """Runs wrk once and adds a round to load: requests/s, CPU ms a request, latencies in ms, MB/s."""
    threads = min(2, connections)
    argv = [wrk_path(), f"-t{threads}", f"-c{connections}", f"-d{seconds}s", "--latency", "--timeout", "60s"]
    for k, v in (headers or {}).items():
        argv += ["-H", f"{k}: {v}"]
    status, _, body = get(server, path, headers)
    if status != expect:
        raise RuntimeError(f"{server.name}: {path}: status {status}, not {expect}: {body[:200]!r}")
    pids = server.pids()
    before = cpu_of(pids)
    out = subprocess.run([*argv, f"http://{server.host}:{server.port}{path}"], capture_output=True, text=True, check=True).stdout
    used = cpu_of(pids) - before
    requests, elapsed, size, unit = re.search(r"(\d+) requests in ([\d.]+)s, ([\d.]+)([KMGT]?)B read", out).groups()
    if "Non-2xx" in out:
        raise RuntimeError(f"{server.name}: {path}: answers failed under load:\n{out}")
    requests, elapsed = int(requests), float(elapsed)
    if requests == 0:
        raise RuntimeError(f"{server.name}: {path}: no request ended within {seconds} s")
    load.rps.append(requests / elapsed)
    load.cpu.append(used / requests * 1e3)
    load.mbs.append(float(size) * {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}[unit] / elapsed / 1e6)
    for field, percentile in ("p50", "50"), ("p99", "99"):
        value, unit = re.search(rf"{percentile}%\s+([\d.]+)(us|ms|s|m)\b", out).groups()
        getattr(load, field).append(float(value) * UNITS[unit])


def in_turns(targets, rounds, seconds, connections, expect=200):
    """Loads every target once a round. targets: name -> (server, path, headers)."""
    loads = {name: Load() for name in targets}
    for round_ in range(rounds):
        order = list(targets.items())
        for name, (server, path, headers) in order if round_ % 2 == 0 else reversed(order):
            wrk(server, path, loads[name], seconds, connections, headers, expect)
    return loads


# --- figures and tables --------------------------------------------------------


def percentile(values, p):
    values = sorted(values)
    return values[min(len(values) - 1, int(len(values) * p / 100))]


def fmt(x):
    """A figure with about three digits."""
    if x is None:
        return "–"
    if isinstance(x, str):
        return x
    if x == 0:
        return "0"
    if abs(x) >= 100:
        return f"{x:,.0f}"
    return f"{x:.1f}" if abs(x) >= 10 else f"{x:.2f}" if abs(x) >= 0.1 else f"{x:.3f}"


def times(x):
    return f"**{fmt(x)}x**"


def table(title, head, rows):
    print(f"\n### {title}\n")
    print("| " + " | ".join(head) + " |")
    print("|" + "---|" * len(head))
    for row in rows:
        print("| " + " | ".join(fmt(x) for x in row) + " |")
    sys.stdout.flush()


def machine():
    """One line about where this was measured."""
    cpu = re.search(r"model name\s*:\s*(.+)", Path("/proc/cpuinfo").read_text())
    mem = int(re.search(r"MemTotal:\s+(\d+)", Path("/proc/meminfo").read_text())[1]) >> 20
    def version(*argv):
        with contextlib.suppress(OSError):
            done = subprocess.run(argv, capture_output=True, text=True)
            return (done.stdout + done.stderr).strip().splitlines()[0]
    parts = [
        f"{os.cpu_count()} cores ({cpu[1] if cpu else os.uname().machine})", f"{mem} GiB", f"Linux {os.uname().release}",
        f"Python {sys.version.split()[0]}", version("go", "version"), version(nginx(), "-v"), (version(wrk_path(), "-v") or "").split(" [")[0].replace("debian/", ""),
        f"load {os.getloadavg()[0]:.1f} at the start",
    ]
    return ", ".join(p for p in parts if p)
