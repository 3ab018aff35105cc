"""Publishing conda packages, next to conda-index and rattler's index_fs."""

import hashlib
import os
import random
import re
import shutil
import statistics
import subprocess
import time

from common import HERE, ROOT, Fairway, ask, connect, fmt, go_tool, note, percentile, table, timed, times, tool, venv

PEERS = ("conda-index", "rattler")
SPARE = 256  # packages beyond a channel's own, to be added one by one


def run(work, o):
    sizes = (1_000, 5_000) if o.quick else (1_000, 50_000, 100_000)
    imports = (1_000,) if o.quick else (10_000, 50_000)
    peer_sizes = (1_000,) if o.quick else (1_000, 10_000, 50_000) if o.full else (1_000, 10_000)
    parts = o.only or {"peers", "import", "add", "large", "decide"}
    pool = Pool(work, max(sizes + imports) + SPARE)
    added, indexed = peers(pool, peer_sizes) if "peers" in parts else ({}, {})
    if "import" in parts:
        imported(work, pool, imports, indexed)
    if "add" in parts:
        uploads(work, pool, sizes, 20 if o.quick else 200, added)
    if "large" in parts:
        large(work, 3 if o.quick else 7)
    if "decide" in parts:
        decide()


class Pool:
    """Packages by number; channel folders hold hard links to them."""

    def __init__(self, work, n):
        self.work, self.dir = work, work / "pool"
        have = len(list((self.dir / "noarch").glob("*.conda"))) if self.dir.exists() else 0
        if have < n:
            note(f"conda: making {n - have:,} packages")
            subprocess.run([go_tool(work, "mkchannel"), "-dir", self.dir, "-from", str(have), "-n", str(n - have)], check=True)
        self.files = sorted((self.dir / "noarch").iterdir())[:n]

    def folder(self, name, n, without=()):
        """A channel of n packages."""
        path, without = self.work / name, set(without)
        shutil.rmtree(path, ignore_errors=True)
        (path / "noarch").mkdir(parents=True)
        for f in [f for f in self.files[: n + len(without)] if f not in without]:
            os.link(f, path / "noarch" / f.name)
        return path

    def add(self, path, i):
        os.link(self.files[i], path / "noarch" / self.files[i].name)


def index_once(peer, path):
    """Wall and CPU seconds and peak MiB of one whole process of a peer."""
    argv = [venv("conda", "python"), str(HERE / "peer_index.py"), peer, str(path)]
    with (path.parent / "peer.log").open("w") as log:
        start = time.perf_counter()
        p = subprocess.Popen(argv, stdout=log, stderr=log)
        _, status, usage = os.wait4(p.pid, 0)
        wall = time.perf_counter() - start
    if status:
        raise RuntimeError(f"{peer}: status {status}\n{(path.parent / 'peer.log').read_text()[-2000:]}")
    return wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def peers(pool, sizes):
    """Seconds to add one package, and to index n from nothing, by peer and n."""
    added, indexed, rows = {}, {}, []
    for n in sizes:
        for peer in PEERS:
            note(f"conda: {peer} indexes {n:,}")
            path = pool.folder(f"peer-{peer}", n)
            indexed[peer, n] = index_once(peer, path)
            runs = []
            for i in range(3 if n <= 10_000 else 2):
                pool.add(path, n + i)
                runs.append(index_once(peer, path))
                complete(peer, path, pool.files[n + i])
            added[peer, n] = tuple(statistics.median(r[k] for r in runs) for k in range(3))
            rows.append((peer, f"{n:,}", *added[peer, n], *indexed[peer, n]))
            shutil.rmtree(path)
    table(
        "Conda peers: json, zst and shards",
        ("peer", "packages", "add one: wall s", "CPU s", "peak MiB", "index all: wall s", "CPU s", "peak MiB"), rows,
    )
    return added, indexed


def complete(peer, path, added):
    """A peer that left something out must not be compared."""
    name, folder = added.name.encode(), path / "noarch"
    plain = (folder / "repodata.json").read_bytes()
    packed = subprocess.run(["zstd", "-dc", folder / "repodata.json.zst"], capture_output=True, check=True).stdout
    if name not in plain or name not in packed or not (folder / "repodata_shards.msgpack.zst").exists():
        raise RuntimeError(f"{peer} did not index {added.name} in every variant")


def imported(work, pool, sizes, indexed):
    rows = []
    for n in sizes:
        note(f"conda: importing {n:,}")
        path, data = pool.folder("import", n), work / "data-import"
        shutil.rmtree(data, ignore_errors=True)
        with Fairway(work, data) as g:
            g.cli("channel", "create", "team")
            cpu = g.cpu()
            wall, _ = timed(lambda: g.cli("import", str(path), "--channel", "team"))
            rows.append((
                f"{n:,}", *(times(indexed[p, n][0] / wall) if (p, n) in indexed else "–" for p in PEERS),
                wall, n / wall, g.cpu() - cpu, g.peak(),
            ))
        shutil.rmtree(data)
        shutil.rmtree(path)
    table(
        "Conda: import of a channel folder, published durably and visible in every variant",
        ("packages", "faster than conda-index", "than rattler", "wall s", "packages/s", "CPU s", "peak MiB"), rows,
    )


VARIANTS = "repodata.json", "repodata.json.zst", "repodata_shards.msgpack.zst"
PHASE = re.compile(r'fairway_publish_phase_seconds_(sum|count)\{phase="(\w+)"\}')


def phases(server):
    out = {}
    for series, value in server.metrics().items():
        if m := PHASE.fullmatch(series):
            out[m[2], m[1]] = value
    return out


def uploads(work, pool, sizes, rounds, added):
    """One upload after the other, into channels of several sizes in turns."""
    # What is uploaded belongs anywhere in the channel, not at its end.
    held = {n: random.Random(n).sample(pool.files[: n + SPARE], SPARE) for n in sizes}
    with Fairway(work, fresh(work / "data-add")) as g:
        for n in sizes:
            note(f"conda: filling a channel of {n:,}")
            path = pool.folder("fill", n, held[n])
            g.cli("channel", "create", f"c{n}")
            g.cli("import", str(path), "--channel", f"c{n}")
            shutil.rmtree(path)
        key = g.key("admin")
        auth, c = {"Authorization": f"Bearer {key}"}, connect(g)
        answer, visible, spent = ({n: [] for n in sizes} for _ in range(3))
        note("conda: uploading")
        for i in range(-5, rounds):  # a few to warm up
            for n in sizes:
                tags = heads(c, n, auth)
                before = phases(g) if i >= 0 and i % 10 == 0 else None
                posted, seen = upload(c, n, auth, held[n][5 + i])
                if set(heads(c, n, auth).values()) & set(tags.values()):
                    raise RuntimeError("an upload was answered before it was visible")
                if i < 0:
                    continue
                answer[n].append(posted)
                visible[n].append(seen)
                if before is not None:
                    after = phases(g)
                    spent[n].append({p: after[p, "sum"] - before.get((p, "sum"), 0) for p, k in after if k == "sum"})
        base, rows = statistics.median(visible[sizes[0]]), []
        for n in sizes:
            med = statistics.median(visible[n])
            peer = [times(added[p, m][0] / med) if (m := nearest(added, p, n)) else "–" for p in PEERS]
            rows.append((
                f"{n:,}", *peer, times(med / base), statistics.median(answer[n]) * 1e3, percentile(answer[n], 95) * 1e3,
                med * 1e3, percentile(visible[n], 95) * 1e3,
            ))
        table(
            "Conda: upload to visible in every variant, one file of 8 KB",
            ("packages", "faster than conda-index*", "than rattler*", f"of the time at {sizes[0]:,}", "answer: median ms", "p95 ms",
             "answer and the first look at all three variants: median ms", "p95 ms"), rows,
        )
        print("\n\\* at the same size, or at the largest below it that the peer was measured at.")
        names = [p for p in ("stage", "inspect", "store", "commit", "index") if any(p in s for s in spent[sizes[0]])]
        table(
            "Conda: phases of an upload, median ms", ("packages", *names),
            [(f"{n:,}", *(statistics.median(s.get(p, 0) for s in spent[n]) * 1e3 for p in names)) for n in sizes],
        )
        print(f"\nFairway's peak resident memory through all of it: {fmt(g.peak())} MiB.")
    restart(work, pool, sizes[-1])


def fresh(path):
    shutil.rmtree(path, ignore_errors=True)
    return path


def nearest(added, peer, n):
    return max((m for p, m in added if p == peer and m <= n), default=None)


def heads(c, n, auth):
    """The ETags of every variant, which makes what the first reader has to make."""
    out = {}
    for v in VARIANTS:
        status, headers, _ = ask(c, "HEAD", f"/c{n}/noarch/{v}", auth)
        if status != 200:
            raise RuntimeError(f"HEAD {v}: status {status}")
        out[v] = headers["ETag"]
    return out


def upload(c, n, auth, path):
    """Seconds until the answer, and until a look at every variant has ended."""
    data = path.read_bytes()
    headers = dict(auth, **{
        "X-File-Name": path.name, "X-File-SHA256": hashlib.sha256(data).hexdigest(), "Content-Type": "application/octet-stream",
    })
    start = time.perf_counter()
    status, _, body = ask(c, "POST", f"/api/v1/upload/c{n}", headers, data)
    posted = time.perf_counter() - start
    if status != 201:
        raise RuntimeError(f"upload: status {status}: {body[:300]!r}")
    heads(c, n, auth)
    return posted, time.perf_counter() - start


def restart(work, pool, n):
    """Start to ready with one channel of n, warm and with the derived cache deleted."""
    note(f"conda: starting with {n:,}")
    path, data, rows = pool.folder("fill", n), fresh(work / "data-start"), []
    with Fairway(work, data) as g:
        g.cli("channel", "create", "team")
        g.cli("import", str(path), "--channel", "team")
    shutil.rmtree(path)
    for what in ("warm", "warm", "warm", "without derived/"):
        if what != "warm":
            shutil.rmtree(data / "derived")
        with Fairway(work, data) as g:
            key = g.key("reader")
            auth, c = {"Authorization": f"Bearer {key}"}, connect(g)
            ready, rss = g.ready_after, g.resident()
            for v in VARIANTS:
                status, _, _ = ask(c, "GET", f"/team/noarch/{v}", auth)
                assert status == 200, status
            rows.append((what, ready, rss, g.resident(), g.peak()))
    table(
        f"Conda: start with {n:,} packages",
        ("derived cache", "ready after s", "resident at ready MiB", "after each variant was read once MiB", "peak MiB"), rows,
    )


def go_bench(package, name):
    argv = [tool("go", "see https://go.dev/dl/"), "test", "-run", "^$", "-bench", f"^{name}$", "-benchmem", "-count", "3", package]
    return subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=True, env=dict(os.environ, CGO_ENABLED="0")).stdout


def large(work, rounds):
    """Uploads of 100 MB: how fast, next to hashing alone, and what they take of memory."""
    note("conda: uploads of 100 MB")
    folder, size, wall, stage = fresh(work / "large"), 100_000_000, [], []
    subprocess.run([go_tool(work, "mkchannel"), "-dir", folder, "-from", "9100000", "-n", str(rounds), "-size", str(size)], check=True)
    with Fairway(work, fresh(work / "data-large")) as g:
        g.cli("channel", "create", "c")
        auth, c = {"Authorization": f"Bearer {g.key('admin')}"}, connect(g)
        before = g.resident()
        for path in (folder / "noarch").iterdir():
            data = path.read_bytes()
            headers = dict(auth, **{"X-File-Name": path.name, "X-File-SHA256": hashlib.sha256(data).hexdigest()})
            spent = phases(g)
            took, (status, _, body) = timed(lambda: ask(c, "POST", "/api/v1/upload/c", headers, data))
            if status != 201:
                raise RuntimeError(f"upload: status {status}: {body[:300]!r}")
            wall.append(took)
            stage.append(phases(g)["stage", "sum"] - spent.get(("stage", "sum"), 0))
        grown = g.peak() - before
    shutil.rmtree(folder)
    limit = statistics.median(float(x) for x in re.findall(r"([\d.]+) MB/s", go_bench("./blob", "BenchmarkHashLimit")))
    rate = size / statistics.median(stage) / 1e6
    table(
        "Conda: upload of 100 MB, durable", ("receiving, of hashing alone", "receive and hash MB/s", "hashing alone MB/s", "whole upload: median s", "memory above idle, most MiB"),
        [(times(rate / limit), rate, limit, statistics.median(wall), grown)],
    )


def decide():
    note("Decide")
    out, found = go_bench("./authz", "BenchmarkDecide"), {}
    for keys, ns, size, allocs in re.findall(r"keys=(\d+)\S*\s+\d+\s+([\d.]+) ns/op\s+(\d+) B/op\s+(\d+) allocs/op", out):
        found.setdefault(int(keys), []).append((float(ns), int(allocs)))
    table(
        "Decide: one decision, 1,000 policies", ("keys", "ns, median", "allocations"),
        [(f"{k:,}", statistics.median(x[0] for x in v), max(x[1] for x in v)) for k, v in found.items()],
    )
