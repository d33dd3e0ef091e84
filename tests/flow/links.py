"""Links that open nothing teach nothing; tokens are worth nothing anywhere else."""
import sqlite3

from lab import story, web
from lab.site import Site
from lab.story import ANNA


def without_time(page):
    headers = {name: value for name, value in page.headers.items() if name != "date"}
    return page.status, headers, page.text


def test_wrong_foreign_and_expired_tokens_look_the_same():
    with Site() as site, Site() as foreign:
        links = []
        for one in (site, foreign):
            story.teach(one)
            story.slip(one, story.announce(one))
            links.append(one.link(ANNA))
        base, _, token = links[0].rpartition("/")
        stranger = links[1].rpartition("/")[2]
        with sqlite3.connect(site.folder / "state" / "holds" / "holds.db", timeout=10) as rows:
            table = [name for (name,) in rows.execute(
                "SELECT name FROM sqlite_master WHERE type = 'table'") if "token" in name][0]
            assert token not in "".join(map(str, rows.execute(f"SELECT * FROM {table}")))
            rows.execute(f"UPDATE {table} SET expires = 1")
        answers = [without_time(web.get(f"{base}/{one}")) for one in (
            token, stranger, "A" * 22, "A" * 21, "A" * 23, "A" * 5000, "..%2f..%2fetc", "%00", "")]
        assert answers[0][0] == 404
        assert all(answer == answers[0] for answer in answers[:4]), "they can be told apart"
        assert all(answer[0] in (400, 404, 414, 431) for answer in answers), answers
        for one in (token, stranger, "A" * 22):
            assert without_time(web.press(f"{base}/{one}", "send"))[0] == 404
        assert not site.audit("request") and len(site.held()) == 1


def test_wrong_requests():
    with Site() as site:
        story.teach(site)
        _, queue_id = story.slip(site, story.announce(site))
        link = site.link(ANNA)
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        assert web.request("PUT", link, "do=send", form).status == 405
        assert web.request("DELETE", link).status == 405
        assert web.request("POST", link, "do=explode", form).status in (400, 422)
        assert web.request("POST", link, "", form).status in (400, 411, 422)
        assert web.request("POST", link, "do=send&do=undo", form).status in (400, 422)
        assert web.request("POST", link, "do=send" + "x" * 5000, form).status in (400, 413)
        assert web.request("POST", link, "do=send", {
            **form, "Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"}).status == 403
        assert site.mta.queued(queue_id) == "hold" and not site.audit("request")
