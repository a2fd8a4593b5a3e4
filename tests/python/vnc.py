# vnc.py PORT: how a VNC server begins, and which security it asks for.

import socket
import sys

with socket.create_connection(("127.0.0.1", int(sys.argv[1])), 20) as s:
    version = s.recv(12)
    s.sendall(version)
    count = s.recv(1)[0]
    print(version.decode().strip(), *s.recv(count))
