"""Tries to open each of FILES TIMES times, and prints how often it was refused: burst.py TIMES FILES..."""
import sys

refused = 0
for _ in range(int(sys.argv[1])):
    for path in sys.argv[2:]:
        try:
            open(path).close()
        except PermissionError:
            refused += 1
print(refused)
