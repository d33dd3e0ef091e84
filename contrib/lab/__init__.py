"""The lab: a private mail site on loopback, for the flow tests and the quickstart.

    postfix.py   a Postfix of our own, away from the host's
    sendmail.py  a Sendmail of our own, with the same interface
    receiver.py  the mail server at the far end, which keeps what it gets
    site.py      the programs of oops-milter wired to them
    mail.py      writing and sending mail, waiting for things
    web.py       opening links and pressing buttons
    milter.py    speaking to a milter as an MTA does
    dns.py       a DNS that only the test's own programs ask
    alone.py     oops-milter without any of the others
    spaces.py    several labs side by side, and none that stays

Standard library only. Everything lives in one temporary folder and on 127.0.0.1.
"""
