"""The Python index and its pass-through, next to four Python servers and nginx."""

import base64
import contextlib
import hashlib
import html
import io
import json
import re
import shutil
import statistics
import time
import urllib.parse
import uuid
import zipfile

import peer_pypi
from common import Fairway, Server, ask, connect, crowd, first_byte, fmt, free_port, get, go_tool, in_turns, note, percentile, start_nginx, table, timed, times

# What pip 26 sends.
PIP = {
    "Accept": "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html; q=0.1, text/html; q=0.01",
    "Accept-Encoding": "gzip, deflate, zstd", "User-Agent": "pip/26.3", "Cache-Control": "max-age=0",
}
GZIP = dict(PIP, **{"Accept-Encoding": "gzip, deflate"})


def run(work, o):
    parts = o.only or {"own", "pass"}
    rounds, seconds = (1, 1) if o.quick else (3, 4) if o.full else (3, 2)
    if "own" in parts:
        for n in (200,) if o.quick else (200, 3000):
            own(work / f"own-{n}", n, rounds, seconds)
    if "pass" in parts:
        passthrough(work / "pass", (200,) if o.quick else (200, 3000), rounds, seconds)


def fresh(path):
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir(parents=True)
    return path


# --- own packages -------------------------------------------------------------


def wheels(name, n):
    """n wheels of 1 KB, 25 a version: file name, version, bytes."""
    module = name.replace("-", "_")
    for i in range(n):
        version = f"1.{i // 25}.0"
        out = io.BytesIO()
        info, record = f"{module}-{version}.dist-info", ""
        with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as z:
            for path, text in {
                f"{module}/__init__.py": f"__build__ = {i}\n",
                f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\nRequires-Python: >=3.9\n",
                f"{info}/WHEEL": f"Wheel-Version: 1.0\nGenerator: bench\nRoot-Is-Purelib: true\nTag: py3-none-any\nBuild: {i % 25}_b\n",
            }.items():
                digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
                record += f"{path},sha256={digest},{len(text)}\n"
                z.writestr(path, text)
            z.writestr(f"{info}/RECORD", f"{record}{info}/RECORD,,\n")
        yield f"{module}-{version}-{i % 25}_b-py3-none-any.whl", version, out.getvalue()


def form(name, version, filename, data):
    """The form that twine posts."""
    boundary, fields = uuid.uuid4().hex, {
        ":action": "file_upload", "protocol_version": "1", "metadata_version": "2.1", "name": name, "version": version,
        "filetype": "bdist_wheel", "pyversion": "py3", "requires_python": ">=3.9",
        "sha256_digest": hashlib.sha256(data).hexdigest(), "md5_digest": hashlib.md5(data).hexdigest(),
    }
    body = "".join(f'--{boundary}\r\nContent-Disposition: form-data; name="{k}"\r\n\r\n{v}\r\n' for k, v in fields.items())
    body += f'--{boundary}\r\nContent-Disposition: form-data; name="content"; filename="{filename}"\r\nContent-Type: application/octet-stream\r\n\r\n'
    return {"Content-Type": f"multipart/form-data; boundary={boundary}"}, body.encode() + data + f"\r\n--{boundary}--\r\n".encode()


def basic(user, password):
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


def upload_all(server, path, headers, page, name, files):
    """Uploads one file after the other; its page is asked for now and then."""
    c, spent = connect(server), []
    for i, (filename, version, data) in enumerate(files):
        if i % 100 == 1:
            status, _, _ = get(server, page[0], page[1])
            assert status == 200, (server.name, status)
        more, body = form(name, version, filename, data)
        start = time.perf_counter()
        status, _, answer = ask(c, "POST", path, dict(headers, **more), body)
        spent.append((time.perf_counter() - start) * 1e3)
        if status != 200:
            raise RuntimeError(f"{server.name}: upload of {filename}: status {status}: {answer[:300]!r}")
    return spent


def own(work, n, rounds, seconds):
    fresh(work)
    name = f"own-{n}"
    files = list(wheels(name, n))
    flat, nested = fresh(work / "flat"), fresh(work / "nested" / name)
    for filename, _, data in files:
        (flat / filename).write_bytes(data)
        (nested / filename).write_bytes(data)
    with contextlib.ExitStack() as stack:
        start = stack.enter_context
        fairway = start(Fairway(work, work / "data"))
        key = fairway.key("admin")
        auth = basic("__token__", key)
        page = f"/pypi/simple/{name}/"
        note(f"python: {n:,} uploads into fairway")
        spent = {"fairway": upload_all(fairway, "/pypi/legacy/", auth, (page, dict(PIP, **auth)), name, files)}
        devpi = start(peer_pypi.devpi(work))
        note(f"python: {n:,} uploads into devpi-server")
        spent["devpi-server"] = upload_all(devpi, "/root/dev/", devpi.auth, (f"/root/dev/+simple/{name}/", PIP), name, files)

        _, headers, packed = get(fairway, page, dict(GZIP, **auth))
        assert headers["Content-Encoding"] == "gzip"
        ready = work / "ready" / "simple" / name
        ready.mkdir(parents=True)
        (ready / "page").write_bytes(packed)
        nginx = start(start_nginx(
            work, free_port(),
            f"root {work}/ready; location /simple/ {{ index page; types {{}} default_type application/vnd.pypi.simple.v1+json; add_header Content-Encoding gzip; }}",
        ))
        targets = {
            "fairway, key checked": (fairway, page, dict(PIP, **auth)),
            "fairway, gzip": (fairway, page, dict(GZIP, **auth)),
            "nginx, ready-made gzip": (nginx, f"/simple/{name}/", GZIP),
            "devpi-server": (devpi, f"/root/dev/+simple/{name}/", PIP),
            "pypiserver": (start(peer_pypi.pypiserver(work, flat)), f"/simple/{name}/", PIP),
            "simple-repository-server": (start(peer_pypi.simple_repository(work, work / "nested")), f"/simple/{name}/", PIP),
        }
        count_links(targets, n)
        note(f"python: own page of {n:,} files")
        slow = {k: v for k, v in targets.items() if k not in list(targets)[:3]}
        loads = in_turns({k: v for k, v in targets.items() if k not in slow}, rounds, seconds, 16)
        loads |= in_turns(slow, rounds, max(seconds, 8 if n > 1000 else 3), 16)
        compare(f"Python: own page of {n:,} files", targets, loads, "fairway, key checked")
        tag = get(fairway, page, dict(PIP, **auth))[1]["ETag"]
        unchanged = in_turns({"": (fairway, page, dict(PIP, **auth, **{"If-None-Match": tag}))}, rounds, seconds, 16, 304)[""]
        print(f"\nA 304 of it: {fmt(unchanged.med('rps'))} requests/s, {fmt(unchanged.med('cpu') * 1e3)} µs CPU. The others send no ETag.")
        uploads(n, spent)


def count_links(targets, n):
    """Every server shows every file, or it is not compared."""
    for label, (server, path, headers) in targets.items():
        status, _, body = get(server, path, dict(headers, **{"Accept-Encoding": "identity"}))
        if label.startswith("nginx, ready"):
            continue
        found = len(set(re.findall(rb"[\w.]+-1\.\d+\.0-\d+_\w+-py3-none-any\.whl", body)))
        if status != 200 or found != n:
            raise RuntimeError(f"{label}: {path}: status {status} with {found} files, not {n}")


def uploads(n, spent):
    devpi = spent["devpi-server"]
    rows = []
    for label, s in spent.items():
        first, last = s[5:55], s[-50:]
        rows.append((
            label, times(statistics.median(devpi[-50:]) / statistics.median(last)), times(statistics.median(last) / statistics.median(first)),
            statistics.median(first), statistics.median(last), percentile(last, 99),
        ))
    table(
        f"Python: upload of a 1 KB wheel into a project of {n:,} files",
        ("server", "faster than devpi-server", "last 50 to first 50", "first 50: median ms", "last 50: median ms", "p99 ms"), rows,
    )


def compare(title, targets, loads, ours):
    base, rows = loads[ours], []
    for label, load in loads.items():
        server, path, headers = targets[label]
        size = len(get(server, path, headers)[2])
        rows.append((
            label, times(base.med("rps") / load.med("rps")), times(load.med("cpu") / base.med("cpu")), load.med("rps"), load.med("cpu"),
            load.med("p50"), load.med("p99"), load.med("mbs"), size / 1e3, server.peak(),
        ))
    table(
        title,
        ("server", "fairway's requests/s to its", "its CPU to fairway's", "requests/s", "CPU ms", "p50 ms", "p99 ms", "MB/s", "body KB", "peak MiB"), rows,
    )


# --- the pass-through ----------------------------------------------------------


def passthrough(work, sizes, rounds, seconds):
    fresh(work)
    with contextlib.ExitStack() as stack:
        start = stack.enter_context
        port = free_port()
        upstream = start(Server("upstream", [go_tool(work, "upstream"), "-listen", f"127.0.0.1:{port}", "-rate", str(50 << 20)], work, port, "/count"))
        url = f"http://127.0.0.1:{port}/simple/"
        fairway = start(Fairway(work, work / "data", upstream=url))
        auth = dict(PIP, **basic("__token__", fairway.key("executor")))
        servers = {
            "fairway, key checked": (fairway, "/pypi/simple/{}/", auth),
            "nginx proxy_cache": (start(peer_pypi.nginx_cache(work, url)), "/simple/{}/", PIP),
            "proxpi": (start(peer_pypi.proxpi(work, url)), "/index/{}/", PIP),
            "devpi-server": (start(peer_pypi.devpi(work, url)), "/root/mirror/+simple/{}/", PIP),
            "simple-repository-server": (start(peer_pypi.simple_repository(work, url, "--stream-http-resources")), "/simple/{}/", PIP),
        }
        hits = Counter(upstream, servers)
        for n in sizes:
            cold_pages(servers, hits, n)
        for n in sizes:
            note(f"python: hot upstream page of {n:,} files")
            targets = {label: (s, path.format(f"p{n}-hot-0"), h) for label, (s, path, h) in servers.items()}
            count_links(targets, n)
            fast = list(targets)[:2]
            loads = in_turns({k: targets[k] for k in fast}, rounds, seconds, 16)
            loads |= in_turns({k: v for k, v in targets.items() if k not in fast}, rounds, max(seconds, 8 if n > 1000 else 3), 16)
            compare(f"Pass-through: cached page of {n:,} files", targets, loads, "fairway, key checked")
        cached_wheel(servers, rounds, seconds)


class Counter:
    """Counts upstream requests; every server gets names of its own."""

    def __init__(self, upstream, servers):
        self.upstream, self.slots = upstream, {label: i for i, label in enumerate(servers)}

    def count(self, prefix):
        return int(get(self.upstream, "/count?prefix=" + urllib.parse.quote(prefix))[2])


def cold_pages(servers, hits, n):
    """First requests, one after the other and 16 at once, each with a name nobody asked for yet."""
    note(f"python: cold upstream page of {n:,} files")
    rows, plain = [], []
    direct = []
    for i in range(5):
        direct.append(timed(lambda: get(hits.upstream, f"/simple/p{n}-cold-{35 + i}/", PIP))[0])
    for label, (server, path, headers) in servers.items():
        slot = hits.slots[label]
        get(server, path.format(f"p{n}-hot-0"), headers)  # connections are made, lists of names are read
        spent = []
        for i in range(5):
            took, (status, _, _) = timed(lambda: get(server, path.format(f"p{n}-cold-{slot * 6 + i}"), headers))
            assert status == 200, (label, status)
            spent.append(took * 1e3)
        walls, requests, good = [], [], []
        for i in range(3):
            name = f"p{n}-crowd-{slot * 6 + i}"
            wall, statuses = crowd(server, path.format(name), 16, headers)
            walls.append(wall * 1e3)
            requests.append(hits.count(f"/simple/{name}"))
            good.append(statuses.count(200))
        rows.append((label, statistics.median(spent), f"{max(requests)}", f"{min(good)} of 16", statistics.median(walls)))
    rows.append(("the upstream itself", statistics.median(direct) * 1e3, "–", "–", None))
    table(
        f"Pass-through: first requests for a page of {n:,} files",
        ("server", "one: median ms", "16 at once: upstream requests, most of 3 tries", "answered 200, fewest", "until the last, median ms"), rows,
    )


def wheel_path(server, page, headers):
    """The path of the only wheel of a page."""
    status, answer, body = get(server, page, dict(headers, **{"Accept-Encoding": "identity"}))
    assert status == 200, (server.name, page, status)
    if "json" in answer["Content-Type"]:
        link = json.loads(body)["files"][0]["url"]
    else:
        link = html.unescape(re.search(rb'href="([^"]+\.whl[^"]*)"', body)[1].decode())
    parts = urllib.parse.urlsplit(urllib.parse.urljoin(f"http://{server.host}:{server.port}{page}", link))
    return parts.path + ("?" + parts.query if parts.query else "")


def cached_wheel(servers, rounds, seconds):
    """A wheel of 20 MB that the upstream sends at 50 MB/s, then the same from the cache."""
    note("python: wheel of 20 MB")
    targets, cold = {}, {}
    for slot, (label, (server, path, headers)) in enumerate(servers.items()):
        spent = []
        for i in range(3):
            wheel = wheel_path(server, path.format(f"wheel-big-{slot * 6 + i}"), headers)
            spent.append(first_byte(server, wheel, headers))
        cold[label] = [statistics.median(x[k] for x in spent) * 1e3 for k in (0, 1)]
        targets[label] = (server, wheel, headers)
    slow = {k: targets.pop(k) for k in ("simple-repository-server",)}  # has no cache: the upstream would be measured
    loads = in_turns(targets, rounds, max(seconds, 3), 8)
    base, rows = loads["nginx proxy_cache"], []
    for label in servers:
        row = (label, *cold[label])
        if label in slow:
            rows.append((*row, "–", "–", None, None, None))
            continue
        load = loads[label]
        rows.append((*row, times(load.med("mbs") / base.med("mbs")), times(load.med("cpu") / base.med("cpu")), load.med("mbs"), load.med("cpu"), targets[label][0].peak()))
    table(
        "Pass-through: wheel of 20 MB",
        ("server", "cold: first byte ms", "last byte ms", "cached: MB/s, of nginx's", "CPU, of nginx's", "MB/s", "CPU ms", "peak MiB"), rows,
    )
