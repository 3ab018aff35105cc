"""Reads the metadata of a remote .conda without downloading it whole, with
conda-package-streaming and with rattler.

in:  url, key, want (path of a member below info/)
out: streaming: {members, content}, rattler: {access, content}
"""

import asyncio

import requests
from conda_package_streaming.url import stream_conda_info
from rattler.networking import AddHeadersMiddleware, Client
from rattler.package_streaming import PackageArchive

from common import answer, question

q = question()
session = requests.Session()
session.trust_env = False
session.headers["Authorization"] = "Bearer " + q["key"]
members, content = [], ""
for tar, member in stream_conda_info(q["url"], session=session):
    members.append(member.name)
    if member.name == q["want"]:
        content = tar.extractfile(member).read().decode()


async def rattler():
    client = Client([AddHeadersMiddleware(lambda host, path: {"Authorization": "Bearer " + q["key"]})])
    archive = await PackageArchive.from_url(client, q["url"], sparse="require")
    raw = await archive.read_file(q["want"])
    return {"access": archive.access, "content": raw.decode()}


answer({"streaming": {"members": members, "content": content}, "rattler": asyncio.run(rattler())})
