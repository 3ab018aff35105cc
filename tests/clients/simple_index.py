"""Reads a simple index with pypi-simple: the names, or the files of one project.

In: index, user, password, project (or none), html (whether to ask for HTML).
Out: {"names": [...]}, or {"files": [{"name", "version", "requires_python", "yanked",
"reason", "metadata", "digest"}], "status", "versions"}, and with "download" the
SHA-256 of that file."""

import hashlib
import os
import tempfile

from common import answer, question
from pypi_simple import ACCEPT_HTML_ONLY, ACCEPT_JSON_PREFERRED, PyPISimple

q = question()
with PyPISimple(
    q["index"], auth=(q["user"], q["password"]), accept=ACCEPT_HTML_ONLY if q.get("html") else ACCEPT_JSON_PREFERRED
) as client:
    if not q.get("project"):
        answer({"names": client.get_index_page().projects})
    else:
        page = client.get_project_page(q["project"])
        out = {
            "versions": page.versions,
            "files": [
                {
                    "name": p.filename,
                    "version": p.version,
                    "requires_python": p.requires_python,
                    "yanked": bool(p.is_yanked),
                    "reason": p.yanked_reason,
                    "metadata": client.get_package_metadata(p) if p.has_metadata else None,
                    "digest": p.digests.get("sha256"),
                }
                for p in page.packages
            ],
        }
        for p in page.packages:
            if p.filename == q.get("download"):
                path = os.path.join(tempfile.mkdtemp(), p.filename)
                client.download_package(p, path)
                with open(path, "rb") as f:
                    out["downloaded"] = hashlib.sha256(f.read()).hexdigest()
        answer(out)
