"""Where state lives."""

import os
from pathlib import Path


def home() -> Path:
    """Return the folder of all state: KERNELWRIGHT_HOME, else `~/.kernelwright`."""
    named = os.environ.get("KERNELWRIGHT_HOME")
    return Path(named).expanduser().absolute() if named else Path.home() / ".kernelwright"


def default_url() -> str:
    """Return the SQLAlchemy URL of the default ledger, a SQLite file in `home()`."""
    return f"sqlite:///{home() / 'ledger.db'}"
