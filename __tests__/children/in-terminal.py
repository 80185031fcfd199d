"""Runs a command in a pseudo-terminal of some columns and prints what it drew there.

    in-terminal.py COLUMNS FILE COMMAND...      # stdout into FILE, or '-' for the terminal too
"""

import fcntl
import os
import pty
import struct
import subprocess
import sys
import termios

columns, out, *command = sys.argv[1:]
terminal, inner = pty.openpty()
fcntl.ioctl(inner, termios.TIOCSWINSZ, struct.pack("HHHH", 24, int(columns), 0, 0))
stdout = inner if out == "-" else open(out, "w")
process = subprocess.Popen(command, stdin=inner, stdout=stdout, stderr=inner)
os.close(inner)
while True:
    try:
        drawn = os.read(terminal, 65536)
    except OSError:  # the end, on Linux
        break
    if not drawn:
        break
    sys.stdout.buffer.write(drawn)
sys.exit(process.wait())
