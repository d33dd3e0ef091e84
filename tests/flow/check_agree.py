"""oopsctl check: what Postfix and our settings must say alike, or a slip passes unnoticed."""
import subprocess

from check import edit_master, milter_is_away
from lab.mail import free_port, until
from lab.site import Site
from lab.story import ANNA

SETTINGS = {"policy": ({"match": {"sender": ANNA}, "action": "confirm", "threshold": 0.5},
                       {"action": "pass"})}
ONLY = "postfix"  # whose configuration it explains


def lines(site):
    """What check says, but for the letters: smtpd may read what is written here, and stumble."""
    done = site.oopsctl("check")
    assert done.stderr == "" and done.returncode in (0, 69), done
    return [line for line in done.stdout.splitlines() if ": letters: " not in line]


def told(site):
    return [line for line in lines(site) if not line.startswith("ok: ")]


def one(site, kind, *words):
    found = told(site)
    assert len(found) == 1 and found[0].startswith(f"{kind}: postfix: "), found
    assert all(word in found[0] for word in words) and "; change: " in found[0], found


def warning(site, *words):
    one(site, "warning", *words)


def fault(site, *words):
    one(site, "fault", *words)


def clean(site):
    assert not told(site), told(site)


def take(site, **changes):
    """Other settings, taken."""
    site.changes = {**SETTINGS, **changes}
    site.write_settings()
    site.oopsctl("reload", check=True)


def extra(site, **values):
    """Other parameters of main.cf; None takes one out. Postfix itself need not read them."""
    site.postfix.extra.update(values)
    for name in [name for name, value in site.postfix.extra.items() if value is None]:
        del site.postfix.extra[name]
    site.postfix.configure()


def test_recipient_delimiter():
    with Site(SETTINGS) as site:
        extra(site, recipient_delimiter="+")
        warning(site, 'recipient_delimiter = +, and ours is ""',
                'identity: { recipient_delimiter = "+"; }')
        take(site, identity={"recipient_delimiter": "+"})
        clean(site)
        extra(site, recipient_delimiter="-+")
        warning(site, 'recipient_delimiter = -+, and ours is "+"')
        take(site, identity={"recipient_delimiter": "+-"})
        clean(site)
        extra(site, recipient_delimiter=None)
        warning(site, 'recipient_delimiter = , and ours is "+-"')


def table(site, name, text, kind=None):
    path = site.folder / name
    path.write_text(text, encoding="ascii")
    if kind:
        subprocess.run(["postmap", "-c", site.postfix.config_directory, f"{kind}:{path}"],
                       check=True)
    return path


def test_virtual_aliases():
    people = ", ".join(f"person{number}@example.com" for number in range(300))
    with Site(SETTINGS) as site:
        site.allow("postfix/")  # these tables are nothing that it could use
        path = table(site, "virtual", f"all@example.com {people}\n", "hash")
        extra(site, virtual_alias_maps=f"hash:{path}")
        warning(site, f"virtual_alias_maps = hash:{path}, which is not in lists",
                f'lists: ( {{ virtual = "{path}"; }} )')
        take(site, lists=({"virtual": str(path)},))
        clean(site)
        assert any("1 table of virtual_alias_maps in lists" in line for line in lines(site))
        take(site, lists=({"table": f"hash:{path}"},))
        clean(site)
        take(site)
        kinds = ("proxy:hash", "texthash", "lmdb", "cdb", "proxy:btree")
        extra(site, virtual_alias_maps=", ".join(f"{kind}:{path}" for kind in kinds))
        found = told(site)
        assert len(found) == len(kinds) and all(f'virtual = "{path}"' in one for one in found)
        take(site, lists=({"virtual": str(path)},))
        clean(site)
        # what asks something else may be asked by a command of ours
        extra(site, virtual_alias_maps="ldap:/etc/postfix/lists.cf, inline:{ {a@b.c = d@e.f} }")
        take(site)
        found = told(site)
        assert len(found) == 2, found
        assert 'lists: ( { table = "ldap:/etc/postfix/lists.cf"; } )' in found[0], found
        take(site, lists=({"address": "all@example.com", "command": ("/bin/true",)},))
        clean(site)


def test_aliases():
    with Site(SETTINGS) as site:
        path = table(site, "aliases", "all: anna, ben, clara\n")
        extra(site, alias_maps=f"hash:{path}, nis:mail.aliases, hash:/nonexistent/aliases")
        clean(site)  # nothing is delivered by them
        extra(site, mydestination="$myhostname, localhost.$mydomain, localhost, example.com")
        for words in ("nis:mail.aliases: not looked into: NIS is not asked",
                      "hash:/nonexistent/aliases: not looked into: /nonexistent/aliases: No such"):
            assert any(f"ok: postfix: alias_maps = {words}" in line for line in lines(site)), words
        warning(site, f"alias_maps = hash:{path}", f'lists: ( {{ aliases = "{path}"; }} )')
        take(site, lists=({"aliases": str(path)},))
        clean(site)


def test_domains_of_postfix():
    with Site(SETTINGS) as site:
        site.allow("postfix/")
        for name in ("virtual_alias_domains", "virtual_mailbox_domains", "mydestination"):
            extra(site, **{name: "example.com, example.org, hash:/etc/domains, $myhostname"})
            warning(site, f"{name} has example.org, which is not in identity.local_domains")
            extra(site, **{name: ""})
        clean(site)


def test_header_checks_that_take_our_tag():
    with Site(SETTINGS) as site:
        site.allow(r"postmap.*open /nonexistent/checks")  # postmap tells the log as well
        path = table(site, "checks", "/^X-Spam/ IGNORE\n")
        extra(site, milter_header_checks=f"regexp:{path}")
        clean(site)
        for action in ("IGNORE", "REPLACE X: y", "HOLD"):
            table(site, "checks", f"/^Oops-/ {action}\n")
            fault(site, f"milter_header_checks = regexp:{path} says \"{action}\" to our tag",
                  "found by nobody")
        for line in ("/^Oops-Milter:/ DUNNO\n/^Oops-/ IGNORE", "/^Oops-/ PREPEND X-P: y",
                     "/^Oops-/ BCC archive@example.com"):
            table(site, "checks", f"{line}\n")
            clean(site)
        extra(site, milter_header_checks="regexp:/nonexistent/checks")
        warning(site, "milter_header_checks = regexp:/nonexistent/checks could not be looked into: ",
                "open /nonexistent/checks: No such file or directory")
        extra(site, milter_header_checks=None)
        table(site, "checks", "/id=/ IGNORE\n")
        edit_master(site, "- 0 cleanup",
                    f"- 0 cleanup\n -o milter_header_checks=regexp:{path}")
        fault(site, "cleanup/unix/milter_header_checks")


def test_milters_of_some_clients():
    with Site(SETTINGS) as site:
        extra(site, smtpd_milter_maps="inline:{127.0.0.1=DISABLE}")
        warning(site, "smtpd_milter_maps = inline:{127.0.0.1=DISABLE}")
        extra(site, smtpd_milter_maps=None)
        edit_master(site, "pickup ", "submission inet n - n - - smtpd\n"
                    " -o smtpd_milter_maps=cidr:/etc/maps\npickup ")
        warning(site, "submission/inet/smtpd_milter_maps")
        site.postfix.configure()
        clean(site)


def test_what_else_must_agree():
    with Site(SETTINGS) as site:
        extra(site, milter_protocol="2")
        fault(site, "milter_protocol = 2", "milter_protocol = 6")
        extra(site, milter_protocol=None)
        edit_master(site, "pickup ", "submission inet n - n - - smtpd\n"
                    " -o milter_protocol=4\npickup ")
        fault(site, "submission/inet/milter_protocol = 4", "in master.cf")
        for size in ("0", "104857601"):
            extra(site, message_size_limit=size, mailbox_size_limit="0")
            warning(site, f"message_size_limit = {size}: ", "104857600")
        extra(site, message_size_limit="104857600")
        clean(site)
        extra(site, milter_default_action="shutdown")  # what Postfix 3.11 does unless told
        clean(site)
        assert any("milter_default_action = shutdown: mail waits" in line
                   for line in lines(site))
        extra(site, milter_default_action=None)
        edit_master(site, "60 1 pickup", "60 1 pickup\n -o receive_override_options=no_milters")
        warning(site, "pickup/unix/receive_override_options", "sendmail command is not judged")


def test_mail_is_kept_beyond_the_longest_hold():
    """It counts from when a mail came in: one that was on hold for longer bounces at once."""
    with Site(SETTINGS) as site:
        clean(site)
        assert any("maximal_queue_lifetime = 5d: longer than a mail can be on hold (3d 1h)" in line
                   for line in lines(site))
        extra(site, maximal_queue_lifetime="4d")
        warning(site, "maximal_queue_lifetime = 4d, and a mail can be on hold for 3d 1h",
                'expires of policy "rule 1" with undo.grace',
                "in main.cf: maximal_queue_lifetime = 5d")
        extra(site, maximal_queue_lifetime="300000s", bounce_queue_lifetime="1d")
        warning(site, "maximal_queue_lifetime = 300000s")
        extra(site, maximal_queue_lifetime="1w")
        clean(site)
        take(site, undo={"grace": "3d"})
        warning(site, "maximal_queue_lifetime = 1w, and a mail can be on hold for 6d",
                "maximal_queue_lifetime = 8d")
        take(site, confirm={"on_expiry": "send"}, undo={"announce_within": "3d"})
        warning(site, "on hold for 6d 1h", "with undo.announce_within and undo.grace")
        take(site, policy=({"name": "slow", "action": "undo", "window": "6d"},))
        warning(site, "on hold for 6d 1h", 'window of policy "slow"')
        take(site, storm={"enabled": True, "hold": "7d"})
        warning(site, "on hold for 7d (storm.hold)")
        take(site)
        edit_master(site, "300 1 qmgr", "300 1 qmgr\n -o maximal_queue_lifetime=2d")
        warning(site, "qmgr/maximal_queue_lifetime = 2d", "in master.cf, service qmgr")


def restart(site, **changes):
    """Both programs by settings that need it; Postfix need not know them yet."""
    milter_is_away(site)
    for name in ("oops-web", "oops-milter"):
        if name in site.running:
            site.end(name)
    site.changes = {**SETTINGS, **changes}
    site.write_settings()
    site.ready, ready = lambda name: True, site.ready  # the lab knows no sockets but its own
    for name, word in (("oops-milter", "listening on "), ("oops-web", "pages at ")):
        before = len(site.log(name))
        site.run(name)
        until(lambda name=name, word=word, before=before:
              any(word in line for line in site.log(name)[before:]), 60, f"{name} listens")
    site.ready = ready


def listen(site, socket):
    restart(site, milter={"socket": socket})


def test_one_socket_by_many_names():
    with Site(SETTINGS) as site:
        port = free_port()
        for ours, theirs, others in (
                (f"inet:{port}@127.0.0.1", ("{{ inet:localhost:{} }}",),
                 ("inet:[::1]:{}", "inet:127.0.0.2:{}")),
                (f"inet6:{port}@::1", ("inet:[::1]:{}",), ("inet:127.0.0.1:{}",)),
                (f"inet:{port}@0.0.0.0", ("inet:127.0.0.1:{}",), ("inet:192.0.2.1:{}",)),
                (f"inet:{port}@localhost", ("inet:127.0.0.1:{}",), ())):
            listen(site, ours)
            for other in theirs:
                site.postfix.configure(smtpd_milters=other.format(port),
                                       non_smtpd_milters="$smtpd_milters")
                clean(site)
            for other in others:
                site.postfix.configure(smtpd_milters=other.format(port),
                                       non_smtpd_milters="$smtpd_milters")
                found = told(site)
                assert any("smtpd_milters does not name us" in line for line in found), found
                if ours.startswith("inet6"):
                    assert any(f", inet:[::1]:{port}" in line for line in found), found
        listen(site, f"inet6:{port}@::1")
        site.postfix.configure(smtpd_milters=f"inet:[::1]:{port}")
        assert any(f"ok: oops-milter: answers at [::1]:{port}" in line for line in lines(site))
        site.end("oops-milter")
        found = told(site)
        assert any(f"cannot connect to [::1]:{port}: " in line for line in found), found
        listen(site, f"inet6:{port}@::1")


def test_one_path_by_many_names():
    with Site(SETTINGS) as site:
        milter_is_away(site)
        (site.folder / "link").symlink_to(site.folder / "run")
        (site.folder / "other.sock").symlink_to(site.folder / "run" / "milter.sock")
        for name in ("link/milter.sock", "other.sock", "run/../run//milter.sock"):
            site.postfix.configure(smtpd_milters=f"unix:{site.folder}/{name}",
                                   non_smtpd_milters="$smtpd_milters")
            clean(site)
        site.end("oops-milter")  # the folder still tells
        found = told(site)
        assert not any("does not name us" in line or "our socket is" in line for line in found), found
        site.run("oops-milter")
        site.postfix.configure(smtpd_milters=f"unix:{site.folder}/milter.sock")
        fault_lines = told(site)
        assert any("smtpd_milters does not name us" in line for line in fault_lines), fault_lines


def test_pages_at_an_address_of_six():
    with Site(SETTINGS) as site:
        restart(site, web={"listen": f"[::1]:{site.web_port}",
                           "base_url": f"http://[::1]:{site.web_port}"})
        assert any(f"ok: oops-web: answers at http://[::1]:{site.web_port}/" in line
                   for line in lines(site))
