"""Indexes a channel folder once with one peer: peer_index.py conda-index|rattler DIR

Everything is written: repodata.json, repodata.json.zst, shards. It is run as a
process of its own, whose whole time and peak memory count.
"""

import os
import sys
from pathlib import Path

peer, folder = sys.argv[1:]


def conda_index():
    sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "clients" / "shim"))
    from conda_index.index import ChannelIndex

    indexer = ChannelIndex(
        folder, "channel", threads=1, subdirs=["noarch"], write_zst=True, write_shards=True, write_run_exports=False, write_current_repodata=False
    )
    indexer.index(None)


def rattler():
    import asyncio

    from rattler.index import index_fs

    asyncio.run(index_fs(folder, write_zst=True, write_shards=True))


if __name__ == "__main__":  # conda-index starts processes of its own
    {"conda-index": conda_index, "rattler": rattler}[peer]()
    sys.stdout.flush()
    os._exit(0)  # py-rattler was seen to crash at the interpreter's end
