"""What all tests share: compiled code is kept in a folder of the run's own."""

import os
import tempfile

# Set before anything is compiled, and for the processes that tests start.
if "WENGERT_TEST_CACHE" not in os.environ:
    os.environ["WENGERT_TEST_CACHE"] = tempfile.mkdtemp(prefix="wengert-tests-")
os.environ["XDG_CACHE_HOME"] = os.environ["WENGERT_TEST_CACHE"]
for name in ("WENGERT_CACHE", "WENGERT_CACHE_SIZE", "WENGERT_DEBUG"):
    os.environ.pop(name, None)
