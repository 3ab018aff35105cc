"""Indexes a channel folder with conda-index and with rattler.

in:  dir (subdirs with packages), out (an empty folder)
out: conda_index, rattler: the folder of each one's indexes
"""

import asyncio
import shutil
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "shim"))

from common import answer, question  # noqa: E402

q = question()
out = Path(q["out"])
folders = {}
for peer in "conda_index", "rattler":
    folders[peer] = str(out / peer)
    shutil.copytree(q["dir"], folders[peer])


def main():
    from conda_index.index import ChannelIndex
    from rattler.index import index_fs

    indexer = ChannelIndex(
        folders["conda_index"],
        "channel",
        threads=1,
        write_zst=True,
        write_run_exports=True,
        write_shards=True,
        write_current_repodata=False,
    )
    indexer.index(None)
    indexer.update_channeldata()
    asyncio.run(index_fs(folders["rattler"]))
    answer(folders)


if __name__ == "__main__":  # conda-index starts processes of its own
    main()
