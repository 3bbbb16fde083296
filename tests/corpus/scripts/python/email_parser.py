"""A large mail is taken apart."""

import asyncio
import email
import email.policy

PART = "--x\r\nContent-Type: text/plain\r\nX-Number: %d\r\n\r\nSome words about bread.\r\n"
MAIL = "Content-Type: multipart/mixed; boundary=x\r\n\r\n" + "".join(PART % n for n in range(9_000)) + "--x--\r\n"


class Inbox:
    def __init__(self):
        self.parts = 0

    async def receive(self, text):
        message = email.message_from_string(text, policy=email.policy.default)  # blocks: python
        self.parts += len(message.get_payload())


async def main():
    inbox = Inbox()
    await asyncio.gather(inbox.receive(MAIL), asyncio.sleep(0))
    print(inbox.parts)


asyncio.run(main())
