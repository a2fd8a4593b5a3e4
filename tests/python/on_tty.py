# on_tty.py [TEXT ANSWER ...] -- COMMAND ...
#
# Runs COMMAND on a terminal, answers each TEXT that it writes, in turn, and
# copies all of it to stdout.  Ends as the command does; fails if it ends
# before the last TEXT, or says nothing for a minute.
#
# A newline or control character is typed again until there is an answer:
# virsh throws away what was typed before its console is there, and sees its
# escape character only where a read begins.

import os
import pty
import select
import sys

split = sys.argv.index("--")
script = sys.argv[1:split]
command = sys.argv[split + 1:]

pid, fd = pty.fork()
if pid == 0:
    os.environ["LC_ALL"] = "C"
    os.execvp(command[0], command)

seen = b""
knock, silent = b"", 0
while True:
    while script and script[0].encode() in seen:
        seen = seen[seen.index(script[0].encode()) + len(script[0]):]
        answer = script[1].encode()
        os.write(fd, answer)
        knock = answer if len(answer) == 1 and answer < b" " else b""
        script = script[2:]
    if not select.select([fd], [], [], 1)[0]:
        silent += 1
        if silent == 60:
            print("nothing for a minute", file=sys.stderr)
            sys.exit(99)
        os.write(fd, knock)
        continue
    silent = 0
    try:
        data = os.read(fd, 4096)
    except OSError:
        data = b""
    if not data:
        break
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()
    seen += data

status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
if script:
    print("ended (%d) without %r" % (status, script[0]), file=sys.stderr)
    status = status or 98
sys.exit(status if status >= 0 else 97)
