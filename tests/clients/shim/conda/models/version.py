"""conda.models.version, by way of py-rattler."""

from rattler import Version as VersionOrder  # noqa: F401
