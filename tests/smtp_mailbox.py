"""An SMTP server for one e-mail, and the Airflow connection to it."""

from __future__ import annotations

import email
import email.policy
import json
import socketserver
import threading
from email.message import Message


class Mailbox(socketserver.TCPServer):
    """An SMTP server for one e-mail."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Delivery)
        self.data, self.rcpt = b"", []
        self.thread = threading.Thread(target=self.handle_request, daemon=True)
        self.thread.start()

    def connection(self) -> str:
        """The value of an environment variable of Airflow."""
        extra = {"from_email": "airflow@shop.example", "disable_ssl": True, "disable_tls": True}
        return json.dumps({"conn_type": "smtp", "host": "127.0.0.1", "port": self.server_address[1], "extra": extra})

    def mail(self) -> Message:
        self.thread.join(60)
        assert not self.thread.is_alive()
        self.server_close()
        return email.message_from_bytes(self.data, policy=email.policy.default)


class Delivery(socketserver.StreamRequestHandler):
    def handle(self):
        self.wfile.write(b"220 here\r\n")
        for line in self.rfile:
            command = line[:4].upper()
            if command == b"DATA":
                self.wfile.write(b"354 go\r\n")
                while (content := self.rfile.readline()) != b".\r\n":
                    self.server.data += content
            if command == b"RCPT":
                self.server.rcpt.append(line.decode().partition("<")[2].partition(">")[0])
            self.wfile.write(b"221 bye\r\n" if command == b"QUIT" else b"250 ok\r\n")
            if command == b"QUIT":
                return
