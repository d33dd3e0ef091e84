"""Opening links and pressing buttons, with nothing done behind the test's back."""
import http.client
import re
import urllib.parse


class Page:
    """An answer: status, headers (lower case), text."""

    def __init__(self, answer):
        self.status = answer.status
        self.headers = {name.lower(): value for name, value in answer.getheaders()}
        self.text = answer.read().decode(errors="replace")


def request(method, link, body=None, headers=None):
    """One request of a link such as http://127.0.0.1:8025/h/TOKEN; redirects are not followed."""
    parts = urllib.parse.urlsplit(link)
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=120)
    try:
        path = (parts.path or "/") + ("?" + parts.query if parts.query else "")
        connection.request(method, path, body, headers or {})
        return Page(connection.getresponse())
    finally:
        connection.close()


def get(link, headers=None):
    return request("GET", link, headers=headers)


def head(link, headers=None):
    return request("HEAD", link, headers=headers)


def fields(link, do):
    """A form for do=send, undo, restore or lift, made for what the page shows now."""
    mark = re.search(r'name="at" value="([^"]*)"', get(link).text)
    sure = "&sure=yes" if do == "restore" else ""
    return f"at={mark.group(1) if mark else '0-0'}{sure}&do={do}"


def post(link, body, headers=None):
    """Sends a form."""
    given = {"Content-Type": "application/x-www-form-urlencoded", **(headers or {})}
    return request("POST", link, body, given)


def press(link, do, headers=None):
    """What a person does: looks, ticks the box if there is one, presses the button."""
    return post(link, fields(link, do), headers)


def link_in(delivery):
    """The link in a letter's plain text part, whatever its transfer encoding."""
    import email  # only here: everything else works on bytes as they came
    letter = email.message_from_bytes(delivery.data)
    for part in letter.walk():
        if part.get_content_type() == "text/plain":
            text = part.get_payload(decode=True).decode(errors="replace")
            found = re.search(r"https?://\S+/h/[A-Za-z0-9_-]+", text)
            if found:
                return found.group(0)
    raise AssertionError("no link in the letter")
