"""Asks something of a program at a Unix socket, and says what it answered: `knock.py SOCKET METHOD TARGET`."""

import http.client
import json
import socket
import sys


class AtSocket(http.client.HTTPConnection):
    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.connect(sys.argv[1])


connection = AtSocket("localhost", timeout=30)
try:
    connection.request(sys.argv[2], sys.argv[3])
except PermissionError:
    print("permission denied")
else:
    answer = connection.getresponse()
    print(answer.status, json.loads(answer.read()).get("detail", ""))
