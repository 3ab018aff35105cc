"""Uploads packages with rattler-build's own uploaders.

in:  backend (prefix, quetz, artifactory), files, url, channel, key,
     force, skip_existing, attestation (path)
out: {} or error: the client's words
"""

from common import answer, question

import rattler_build

q = question()
try:
    match q["backend"]:
        case "prefix":
            rattler_build.upload_package_to_prefix(
                q["files"],
                q["url"],
                q["channel"],
                api_key=q["key"],
                force=q.get("force", False),
                skip_existing=q.get("skip_existing", False),
                attestation_file=q.get("attestation"),
            )
        case "quetz":
            rattler_build.upload_package_to_quetz(q["files"], q["url"], q["channel"], api_key=q["key"])
        case "artifactory":
            rattler_build.upload_package_to_artifactory(q["files"], q["url"], q["channel"], token=q["key"])
    answer({})
except Exception as e:  # noqa: BLE001 - every failure is an answer here
    answer({"error": str(e)})
