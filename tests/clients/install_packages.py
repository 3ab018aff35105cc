"""Solves and installs with rattler, as pixi does: Gateway -> solve -> install.

in:  channel, specs, prefix, cache, auth ("", bearer, basic, basic-user, path),
     host, key, sharded, zstd, platforms, fetch_only
out: records: [{file, url, sha256, indexed_timestamp}]
"""

import asyncio
from pathlib import Path

from common import answer, question, rattler_auth

q = question()
rattler_auth(q.get("auth"), q.get("host", "127.0.0.1"), q.get("key"))

from rattler import Channel, Gateway, SourceConfig, install, solve  # noqa: E402
from rattler.networking import AuthenticationMiddleware, Client  # noqa: E402


async def main():
    client = Client([AuthenticationMiddleware()])
    gateway = Gateway(
        cache_dir=Path(q["cache"]) / "repodata",
        default_config=SourceConfig(
            sharded_enabled=q.get("sharded", True),
            zstd_enabled=q.get("zstd", True),
            bz2_enabled=False,
        ),
        client=client,
    )
    records = await solve(
        [Channel(q["channel"])],
        q["specs"],
        gateway=gateway,
        platforms=q.get("platforms", ["linux-64", "noarch"]),
    )
    if not q.get("fetch_only"):
        await install(
            records,
            target_prefix=q["prefix"],
            cache_dir=Path(q["cache"]) / "packages",
            show_progress=False,
            client=client,
        )
    answer(
        {
            "records": [
                {
                    "file": r.file_name,
                    "url": r.url,
                    "sha256": r.sha256.hex(),
                    "indexed_timestamp": r.indexed_timestamp and r.indexed_timestamp.timestamp(),
                }
                for r in records
            ]
        }
    )


asyncio.run(main())
