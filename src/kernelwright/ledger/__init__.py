"""What happened: append-only, hash-chained entries in a database, and blobs by content hash beside it."""

from kernelwright.ledger.bundle import export_bundle, import_bundle
from kernelwright.ledger.chain import Finding
from kernelwright.ledger.installation import installation_key
from kernelwright.ledger.places import default_url, home
from kernelwright.ledger.store import SqlLedger

__all__ = ["Finding", "SqlLedger", "default_url", "export_bundle", "home", "import_bundle", "installation_key"]
