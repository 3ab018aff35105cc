"""Starts the Python servers that the benchmarks compare with, each on a port of its own."""

import base64
import json
import subprocess

from common import Server, ask, connect, free_port, start_nginx, venv


def devpi(work, upstream=None):
    """devpi-server with an empty stage index root/dev, and with a mirror of an upstream."""
    folder, port = work / "devpi", free_port()
    if not folder.exists():
        subprocess.run([venv("peers", "devpi-init"), "--serverdir", folder, "--no-root-pypi"], check=True, capture_output=True)
    server = Server(
        "devpi-server", [venv("peers", "devpi-server"), "--serverdir", str(folder), "--host", "127.0.0.1", "--port", str(port), "--enable-core-metadata"],
        work, port, "/+api",
    )
    c = connect(server)
    _, _, body = ask(c, "POST", "/+login", {"Content-Type": "application/json"}, json.dumps({"user": "root", "password": ""}))
    token = json.loads(body)["result"]["password"]
    server.auth = {"X-Devpi-Auth": base64.b64encode(f"root:{token}".encode()).decode()}
    indexes = {"dev": {"type": "stage", "bases": [], "volatile": True}}
    if upstream:
        indexes["mirror"] = {"type": "mirror", "mirror_url": upstream, "volatile": True}
    for name, config in indexes.items():
        status, _, body = ask(c, "PUT", f"/root/{name}", dict(server.auth, **{"Content-Type": "application/json"}), json.dumps(config))
        if status not in (200, 409):
            raise RuntimeError(f"devpi: making root/{name}: {status} {body[:300]!r}")
    return server


def pypiserver(work, folder):
    port = free_port()
    argv = [venv("peers", "pypi-server"), "run", "-i", "127.0.0.1", "-p", str(port), "--disable-fallback", "--backend", "cached-dir", "-a", ".", "-P", "."]
    return Server("pypiserver", [*argv, str(folder)], work, port, "/")


def simple_repository(work, source, *more):
    port = free_port()
    argv = [venv("peers", "simple-repository-server"), "--host", "127.0.0.1", "--port", str(port), *more, str(source)]
    return Server("simple-repository-server", argv, work, port, "/simple/")


def proxpi(work, upstream):
    port = free_port()
    cache = work / "proxpi-cache"
    cache.mkdir(exist_ok=True)
    argv = [venv("peers", "gunicorn"), "--threads", "16", "--bind", f"127.0.0.1:{port}", "proxpi.server:app"]
    return Server("proxpi", argv, work, port, "/health", env={"PROXPI_INDEX_URL": upstream, "PROXPI_CACHE_DIR": str(cache)})


def nginx_cache(work, upstream):
    """nginx that caches an upstream, a request of each URL at a time."""
    cache = work / "nginx-cache"
    origin = upstream.removesuffix("/simple/")
    return start_nginx(
        work, free_port(),
        f"location / {{ proxy_pass {origin}; proxy_cache c; proxy_cache_lock on; proxy_cache_lock_timeout 60s; proxy_cache_valid 200 1h;\n"
        "proxy_set_header Accept-Encoding ''; proxy_http_version 1.1; proxy_set_header Connection ''; proxy_max_temp_file_size 1024m; }",
        f"proxy_cache_path {cache} keys_zone=c:10m max_size=10g use_temp_path=off;",
    )
