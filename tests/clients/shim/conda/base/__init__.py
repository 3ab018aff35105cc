"""The two names of conda that conda-index needs; conda itself is not on PyPI."""
