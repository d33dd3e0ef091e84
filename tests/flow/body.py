"""What a mail says is read, whatever its encoding, charset and parts."""
import base64
import quopri

from lab import story
from lab.mail import Message
from lab.site import Site
from lab.story import ANNA

BOB = "bob@example.com"
TEXT = "Hi Bob,\n\nis there some left? Grüße\n"
TO = [BOB] + story.COLLEAGUES[:12]


def single(kind, encoding, data):
    """The header and the body of a mail of one part."""
    return [("MIME-Version", "1.0"), ("Content-Type", kind),
            ("Content-Transfer-Encoding", encoding)], data


def plain(charset):
    return base64.encodebytes(TEXT.encode(charset)).decode()


HTML = ("<html><head><style>p { margin: 0 }</style></head><body><p>Hi Bob,</p>"
        "<p>is there some left? Gr&uuml;&szlig;e</p></body></html>\n")
QUOTED = quopri.encodestring(TEXT.encode()).decode()
ALTERNATIVE = ("--in\nContent-Type: text/plain; charset=utf-8\n"
               f"Content-Transfer-Encoding: base64\n\n{plain('utf-8')}\n"
               f"--in\nContent-Type: text/html; charset=utf-8\n\n{HTML}\n--in--\n")
NESTED = ("This is a multi-part message.\n--out\n"
          f"Content-Type: multipart/alternative; boundary=in\n\n{ALTERNATIVE}\n"
          "--out\nContent-Type: application/pdf\n\nno\n--out--\n")
FORMS = {
    "plain": ([], TEXT),
    "quoted-printable": single("text/plain; charset=utf-8", "quoted-printable", QUOTED),
    "base64": single("text/plain; charset=utf-8", "base64", plain("utf-8")),
    "ISO-8859-1": single("text/plain; charset=ISO-8859-1", "base64", plain("iso-8859-1")),
    "UTF-16": single("text/plain; charset=UTF-16", "base64", plain("utf-16")),
    "alternative": single("multipart/alternative; boundary=in", "7bit", ALTERNATIVE),
    "nested": single('multipart/mixed; boundary="out"', "7bit", NESTED),
    "html": single("text/html; charset=utf-8", "quoted-printable",
                   quopri.encodestring(HTML.encode()).decode()),
}


def message(form):
    headers, body = FORMS[form]
    return Message(ANNA, TO, "Cake", body, headers=headers)


def greeting(site, form):
    """What explain says of the greeting."""
    path = site.folder / "message"
    path.write_text(message(form).text(), encoding="utf-8")
    said = site.oopsctl("explain", str(path), check=True).stdout
    line, = [line for line in said.splitlines() if "greeting_to_one" in line]
    return line


def test_every_form_says_the_same():
    with Site({"policy": ({"action": "tag", "threshold": 0.0, "tag_threshold": 0.0},)}) as site:
        story.teach(site)
        lines = {form: greeting(site, form) for form in FORMS}
        assert "+25" in lines["plain"] or "25.0" in lines["plain"], lines["plain"]
        assert len(set(lines.values())) == 1, lines
        for form in FORMS:
            queue_id = site.send(message(form))
            line, = site.audit("judge", queue_id=queue_id)
            assert "greeting_to_one:25.0" in line["reasons"], (form, line)
