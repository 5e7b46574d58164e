"""Three rows into a SQLite database, one transaction each; a row's number is printed once its commit has returned.

write.py FOLDER JOURNAL SYNCHRONOUS      for example: delete full, wal full; `setup` as JOURNAL makes the empty table
"""

import sqlite3
import sys
from pathlib import Path

ROWS = 3


def main(folder: str, journal: str, synchronous: str) -> None:
    database = sqlite3.connect(Path(folder) / "rows.db", isolation_level=None)
    database.execute(f"PRAGMA journal_mode={journal}").fetchall()
    database.execute(f"PRAGMA synchronous={synchronous}")
    if not database.execute("SELECT 1 FROM sqlite_master WHERE name = 'rows'").fetchall():
        database.execute("CREATE TABLE rows (number INTEGER PRIMARY KEY, text TEXT)")
        database.close()
        return
    for number in range(ROWS):
        database.execute("BEGIN IMMEDIATE")
        database.execute("INSERT INTO rows VALUES (?, ?)", (number, f"row {number} " * 20))
        database.execute("COMMIT")
        print(number, flush=True)
    database.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
