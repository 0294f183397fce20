#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Turns what `go test -json` and the other steps said into a report that ./run counts.

    report.py JUNIT_XML [NAME=FILE.json]... [NAME=pass|fail]...

A test that has subtests counts as those. A package that failed outside of any test is a failed
test of its own, so that nothing that breaks early passes for nothing."""
import json
import sys
import xml.etree.ElementTree as tree

RESULTS = {"pass": "run", "fail": "fail", "skip": "notrun"}


def tests(path):
    """Each test's result and output."""
    ended, said = {}, {}
    for line in open(path):
        try:
            event = json.loads(line)
        except ValueError:
            continue
        key = (event.get("Package", ""), event.get("Test", ""))
        if event["Action"] == "output":
            said.setdefault(key, []).append(event["Output"])
        elif event["Action"] in ("run", "pass", "fail", "skip"):
            ended[key] = event["Action"]
    parents = {(package, test.rsplit("/", 1)[0]) for package, test in ended if "/" in test}
    failed = {package for (package, test), action in ended.items() if test and action != "pass"}
    for (package, test), action in sorted(ended.items()):
        if (package, test) in parents and action == "pass":
            continue
        if not test and (action != "fail" or package in failed):
            continue
        yield package, test or "(package)", {"run": "fail"}.get(action, action), \
            "".join(said.get((package, test), []))


def main(report, steps):
    suite = tree.Element("testsuite", name="go")
    for step in steps:
        name, what = step.split("=", 1)
        found = list(tests(what)) if what.endswith(".json") else [("", "", what, "")]
        if not found:
            found = [("", "(no tests ran)", "fail", "")]
        for package, test, result, output in found:
            case = tree.SubElement(suite, "testcase", classname=f"go.{name}",
                                   name=f"{package.rsplit('/', 1)[-1]} {test}".strip() or name,
                                   status=RESULTS[result])
            if result == "fail":
                tree.SubElement(case, "failure")
                print(*output.splitlines()[:30], sep="\n", file=sys.stderr)
            elif result == "skip" and "gate" in output:
                print(f"{name}: {test}: closed", output[output.index("gate"):].splitlines()[0])
    tree.ElementTree(suite).write(report)


main(sys.argv[1], sys.argv[2:])
