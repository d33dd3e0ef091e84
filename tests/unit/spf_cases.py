#!/usr/bin/env python3
"""The RFC 7208 test suite as lines that a C program reads: spf_cases.py FILE.yml

    zone    DESCRIPTION
    record  NAME TYPE DATA      TYPE TIMEOUT: no other type of this name is answered
    test    NAME CLIENT HELO SENDER RESULT...

Fields are separated by tabs; %XX is a byte. A name that is an alias has its target's records,
as a resolver would answer. The suite's own rule: what is given as type SPF is a TXT record too,
unless the name has TXT records of its own ("NONE" for none at all).
"""
import sys

import yaml


def field(text):
    data = text.encode("latin-1", "surrogateescape")
    return "".join(chr(b) if 0x20 < b < 0x7F and b != 0x25 else f"%{b:02X}" for b in data)


def line(*fields):
    print("\t".join(map(field, fields)))


def data_of(kind, value):
    if kind == "MX":
        return f"{value[0]} {value[1]}"
    return "".join(value) if isinstance(value, list) else value


def records_of(zone, name, depth=0):
    """(type, data) of a name, in the suite's order."""
    entries = zone.get(name.lower(), [])
    has_text = any(isinstance(entry, dict) and "TXT" in entry for entry in entries)
    for entry in entries:
        if entry == "TIMEOUT":
            yield "TIMEOUT", ""
            continue
        (kind, value), = entry.items()
        if kind == "CNAME":
            if depth < 8:
                yield from records_of(zone, value, depth + 1)
        elif value == "NONE":
            pass
        elif kind == "SPF":
            if not has_text:
                yield "TXT", data_of(kind, value)
        else:
            yield kind, data_of(kind, value)


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        scenarios = list(yaml.safe_load_all(file))
    for scenario in scenarios:
        line("zone", scenario["description"])
        zone = {str(name).lower(): entries for name, entries in scenario["zonedata"].items()}
        for name in zone:
            for kind, data in records_of(zone, name):
                line("record", name, kind, data)
        for name, test in scenario["tests"].items():
            results = test["result"] if isinstance(test["result"], list) else [test["result"]]
            line("test", name, test["host"], test["helo"], test["mailfrom"] or "", *results)


main()
