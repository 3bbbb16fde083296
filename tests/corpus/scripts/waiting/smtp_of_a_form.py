"""A form's text is sent by mail before the answer."""

import asyncio
import email.message
import smtplib
import socketserver
import threading
import time


class Mailbox(socketserver.StreamRequestHandler):
    def handle(self):
        self.wfile.write(b"220 mail ready\r\n")
        for line in self.rfile:
            word = line[:4].upper()
            if word == b"DATA":
                self.wfile.write(b"354 go on\r\n")
                while self.rfile.readline().rstrip() != b".":
                    pass
                time.sleep(0.35)
            if word == b"QUIT":
                self.wfile.write(b"221 bye\r\n")
                return
            self.wfile.write(b"250 ok\r\n")


def send(port, text):
    message = email.message.EmailMessage()
    message["From"], message["To"] = "shop@example.org", "baker@example.org"
    message.set_content(text)
    with smtplib.SMTP("127.0.0.1", port) as client:
        client.send_message(message)  # blocks: waiting


async def submit(port, text):
    await asyncio.sleep(0)
    send(port, text)


async def main():
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Mailbox) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        await asyncio.gather(*(submit(server.server_address[1], "ten rolls") for _ in range(2)))
        server.shutdown()


asyncio.run(main())
