"""Decodes a subdir's index as conda does: one zstd frame through python-zstandard's
decompressobj, msgpack through python-msgpack.

in:  url (of the subdir, with its final slash), key
out: json_equals_zst, unused (bytes behind the first frame), names (of the shard
     index), files (of repodata.json), shard_files, info (of the shard index),
     hash_types (of the records in the shards)
"""

import hashlib
import json

import msgpack
import requests
import zstandard

from common import answer, question

q = question()
session = requests.Session()
session.trust_env = False
session.headers["Authorization"] = "Bearer " + q["key"]


def get(path):
    r = session.get(q["url"] + path, headers={"Accept-Encoding": "identity"})
    r.raise_for_status()
    return r.content


unused = 0


def frame(raw):
    global unused
    # As conda: the window is bounded by what a shard may have (16 MiB).
    d = zstandard.ZstdDecompressor(max_window_size=2**24).decompressobj()
    out = d.decompress(raw)
    assert d.eof, "the frame has no end"
    unused += len(d.unused_data)
    return out


plain, zst = get("repodata.json"), frame(get("repodata.json.zst"))
index = msgpack.unpackb(frame(get("repodata_shards.msgpack.zst")))
assert index["version"] == 1, index["version"]
shard_files, hash_types = {}, set()
for name, digest in index["shards"].items():
    raw = get("shards/" + digest.hex() + ".msgpack.zst")
    assert hashlib.sha256(raw).digest() == digest, name
    shard = msgpack.unpackb(frame(raw))
    for group in "packages", "packages.conda":
        for file, record in shard[group].items():
            hash_types |= {type(record["sha256"]).__name__, type(record["md5"]).__name__}
            shard_files[file] = record["sha256"].hex()
doc = json.loads(plain)
answer(
    {
        "json_equals_zst": plain == zst,
        "unused": unused,
        "names": sorted(index["shards"]),
        "info": index["info"],
        "files": {f: r["sha256"] for g in ("packages", "packages.conda") for f, r in doc[g].items()},
        "shard_files": shard_files,
        "hash_types": sorted(hash_types),
    }
)
