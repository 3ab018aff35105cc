"""Serving bytes: Fairway with a key checked, next to Caddy's own file_server in the same process and nginx."""

import subprocess

from common import Fairway, Missing, fmt, free_port, get, go_tool, in_turns, note, start_nginx, table, times


def run(work, options):
    rounds, seconds = (1, 1) if options.quick else (5, 4) if options.full else (3, 3)
    static, port, least = work / "static", free_port(), free_port()
    sites = (
        f"http://:{port} {{\n\tbind 127.0.0.1\n\troot {static}\n\tfile_server\n}}\n"
        f"http://:{least} {{\n\tbind 127.0.0.1\n\trespond {'x' * 1877}\n}}\n"
    )
    static.mkdir(parents=True, exist_ok=True)
    note("serve: a channel of 2,000 packages and one of 20 MB")
    mkchannel = go_tool(work, "mkchannel")
    subprocess.run([mkchannel, "-dir", work / "serve", "-n", "2000", "-builds", "25"], check=True)
    subprocess.run([mkchannel, "-dir", work / "serve", "-from", "9000000", "-n", "1", "-size", str(20 << 20)], check=True)
    with Fairway(work, work / "data-serve", sites=sites) as fairway:
        key = fairway.key("reader")
        auth = {"Authorization": f"Bearer {key}"}
        fairway.cli("channel", "create", "team")
        fairway.cli("import", str(work / "serve"), "--channel", "team")
        shard = shard_path(fairway, auth)
        package = next(p.name for p in (work / "serve" / "noarch").iterdir() if p.stat().st_size > 10 << 20)
        paths = {"shard": f"/team/noarch/{shard}", "index": "/team/noarch/repodata.json", "package": f"/team/noarch/{package}"}
        sizes, tags = {}, {}
        for what, path in paths.items():
            status, headers, body = get(fairway, path, auth)
            assert status == 200, (path, status)
            copy = static / path[1:]
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(body)
            sizes[what], tags[what] = len(body), headers["ETag"]
        files, respond = Site("file_server", fairway, port), Site("respond", fairway, least)
        with start_nginx(work, free_port(), f"root {static};") as nginx:
            servers = {"fairway, key checked": (fairway, auth), "Caddy file_server": (files, {}), "nginx": (nginx, {})}
            for what, title, connections in (
                ("shard", f"shard of {sizes['shard']:,} bytes", 32),
                ("304", "304 of the shard", 32),
                ("index", f"repodata.json of {sizes['index'] / 1e6:.2f} MB", 16),
                ("package", f"package of {sizes['package'] / 1e6:.1f} MB", 8),
            ):
                note(f"serve: {title}")
                path = paths["shard" if what == "304" else what]
                targets = {}
                for name, (server, headers) in servers.items():
                    if what == "304":
                        tag = get(server, path, headers)[1]["ETag"]
                        headers = dict(headers, **{"If-None-Match": tag})
                    targets[name] = (server, path, headers)
                if what == "shard":
                    targets["Caddy respond, the least there is"] = (respond, "/", {})
                loads = in_turns(targets, rounds, seconds, connections, 304 if what == "304" else 200)
                report(title, loads)
            print(f"\nPeak resident: fairway and file_server (one process) {fmt(fairway.peak())} MiB, nginx {fmt(nginx.peak())} MiB.")


class Site:
    """Another site of the same Caddy process."""

    def __init__(self, name, process, port):
        self.name, self.process, self.port, self.host = name, process, port, process.host

    def pids(self):
        return self.process.pids()


def shard_path(server, auth):
    """The path of some shard, found as a client does but without msgpack: hashes
    follow names in the index, which zstd keeps as they are in raw blocks."""
    import hashlib
    import shutil

    status, _, packed = get(server, "/team/noarch/repodata_shards.msgpack.zst", auth)
    assert status == 200, status
    if shutil.which("zstd") is None:
        raise Missing("zstd is not installed: apt-get install zstd")
    plain = subprocess.run(["zstd", "-dc"], input=packed, capture_output=True, check=True).stdout
    name = b"bench-pkg-000040"
    at = plain.index(name) + len(name) + 2  # bin8, its length
    digest = plain[at : at + 32].hex()
    path = f"shards/{digest}.msgpack.zst"
    status, _, body = get(server, f"/team/noarch/{path}", auth)
    assert status == 200 and hashlib.sha256(body).hexdigest() == digest, status
    return path


def report(title, loads):
    base = loads["Caddy file_server"]
    rows = []
    for name, load in loads.items():
        rows.append((
            name, times(load.med("cpu") / base.med("cpu")), times(load.med("rps") / base.med("rps")),
            load.med("cpu") * 1e3, load.med("rps"), load.med("mbs"), load.med("p50"), load.med("p99"),
        ))
    table(
        f"Serve: {title}",
        ("server", "CPU a request, of file_server's", "requests/s, of file_server's", "CPU µs", "requests/s", "MB/s", "p50 ms", "p99 ms"), rows,
    )
