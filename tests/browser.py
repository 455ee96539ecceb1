"""A real browser without a window."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")


def rendered(page: Path, profile: Path) -> str:
    """The document of an HTML file after its scripts ran, no host of any network being there."""
    browser = next((path for name in NAMES if (path := shutil.which(name))), None)
    assert browser, f"none of {', '.join(NAMES)} is on PATH; .ci/run installs chromium"
    command = [
        browser, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", f"--user-data-dir={profile}",
        "--host-resolver-rules=MAP * ~NOTFOUND", "--virtual-time-budget=20000", "--dump-dom", page.as_uri(),
    ]  # fmt: skip
    got = subprocess.run(command, capture_output=True, encoding="utf-8", timeout=280)
    assert got.returncode == 0 and got.stdout, got.stderr
    return got.stdout
