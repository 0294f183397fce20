# SPDX-License-Identifier: MIT
"""report.py OUT.xml FILE.trx... FILE.xml... FILE.txt...: one JUnit report of what dotnet test
wrote, of other JUnit reports, and of lines "passed NAME", "failed NAME", "skipped NAME"."""
import sys
import xml.etree.ElementTree as tree

SPACE = "{http://microsoft.com/schemas/VisualStudio/TeamTest/2010}"
WORDS = {"Passed": "passed", "Failed": "failed"}


def outcomes(path):
    if path.endswith(".trx"):
        for result in tree.parse(path).getroot().iter(SPACE + "UnitTestResult"):
            yield WORDS.get(result.get("outcome"), "skipped"), result.get("testName")
    elif path.endswith(".xml"):
        for case in tree.parse(path).getroot().iter("testcase"):
            said = {child.tag for child in case}
            yield ("failed" if said & {"failure", "error"} else
                   "skipped" if "skipped" in said else "passed"), case.get("name")
    else:
        with open(path) as lines:
            for line in lines:
                yield line.strip().split(" ", 1)


suite = tree.Element("testsuite", name="csharp")
for path in sys.argv[2:]:
    for outcome, name in outcomes(path):
        case = tree.SubElement(suite, "testcase", name=name, classname="csharp")
        if outcome != "passed":
            tree.SubElement(case, "failure" if outcome == "failed" else "skipped")
tree.ElementTree(suite).write(sys.argv[1])
