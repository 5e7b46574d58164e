"""The database opens, is sound, has every row that was told, and no row before its turn."""

import sqlite3
import sys


def main() -> str:
    told = [int(line) for line in sys.stdin]
    database = sqlite3.connect("rows.db", timeout=1)
    try:
        sound = database.execute("PRAGMA integrity_check").fetchone()[0]
        found = [(number, text) for number, text in database.execute("SELECT number, text FROM rows ORDER BY number")]
    except sqlite3.Error as error:
        return f"the database cannot be read: {error}"
    if sound != "ok":
        return f"the database is damaged: {sound}"
    lost = set(told) - {number for number, _ in found}
    if lost:
        return f"row {min(lost)} was committed and is gone"
    if [number for number, _ in found] != list(range(len(found))) or len(found) > len(told) + 1:
        return f"rows {[number for number, _ in found]} after {told} were committed"
    wrong = [number for number, text in found if text != f"row {number} " * 20]
    return f"row {wrong[0]} has another text" if wrong else ""


if __name__ == "__main__":
    sys.exit(main() or None)
