"""How much the processes of one candidate have written, where no file system of their own bounds it."""

import contextlib
import os

DISK_BYTES = 512 << 20
MAX_FILES = 20_000
# How often somebody looks; what a disk takes in this time is the most that a candidate can write past the limit.
WATCH_S = 0.1


def is_over_limit(folder: str) -> bool:
    """Return whether the files under `folder` use more than 512 MiB or are more than 20,000."""
    used = count = 0
    pending = [folder]
    while pending:
        with contextlib.suppress(OSError), os.scandir(pending.pop()) as entries:
            for entry in entries:
                count += 1
                with contextlib.suppress(OSError):
                    used += entry.stat(follow_symlinks=False).st_blocks * 512
                    if entry.is_dir(follow_symlinks=False):
                        pending.append(entry.path)
                if used > DISK_BYTES or count > MAX_FILES:
                    return True
    return False
