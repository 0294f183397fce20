#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The workflows, without the machines that they are for.

workflows.py lint    actionlint, shellcheck on what the steps run, and the rules below
workflows.py breaks  each of these fails where it should
workflows.py steps   runs the steps for Linux, in a clean clone, but for those that are a test of their
                     own here, or are about the machine that runs workflows; it says which

./run installs what this needs: `./run test workflows`."""
import functools
import itertools
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys
import tempfile

import yaml

ROOT = pathlib.Path(__file__).resolve().parent.parent
FOLDER = ROOT / ".github" / "workflows"
WORK = ROOT / "build" / "workflows"
ACTIONLINT = WORK / "node_modules" / "@tktco" / "node-actionlint"
MACHINES = {"ubuntu-24.04": "x64", "ubuntu-24.04-arm": "arm64"}
# Runners that came after this actionlint.
NEWER = re.compile('label "macos-15-intel" is unknown')
# What is not run here, and why not. Its words are looked at all the same.
ELSEWHERE = [
    (r"^\./run test ", "it is this test, and the others"),
    (r"^\./run check$", "that is the gate"),
    (r"^\./run package ", "by the part packages"),
    (r"^gen/release\.sh ", "by the part packages"),
    (r"^sh tests/on-bsd\.sh$", "takes minutes, for what the part linux builds and runs"),
    (r"^sudo ", "sets up the machine that runs workflows"),
]


class Step:
    """A step that runs something, in one combination of its job's matrix."""

    def __init__(self, job, data, text, shell):
        self.job = job
        self.env = {key: str(value) for key, value in data.get("env", {}).items()}
        self.text = text.strip()
        self.shell = shell

    def commands(self):
        """The lines, without the container that they run in."""
        lines = self.text.replace("\\\n", " ").splitlines()
        return [re.sub(r"^tests/in-container\.sh \S+ ", "", line.strip()) for line in lines]


class Job:
    def __init__(self, file, name, data, values):
        self.file = file
        self.name = name
        self.data = data
        self.values = values
        self.machine = self.fill(data.get("runs-on", ""))
        self.steps = list(self.read_steps(data.get("steps", [])))

    def fill(self, text):
        return re.sub(r"\$\{\{ *matrix\.(\w+) *\}\}",
                      lambda found: str(self.values.get(found[1], found[0])), str(text))

    def read_steps(self, steps):
        for data in steps:
            if "run" in data:
                yield Step(self, data, self.fill(data["run"]), data.get("shell", "bash"))
            elif "run" in data.get("with", {}):  # in another machine, by that machine's shell
                yield Step(self, data, self.fill(data["with"]["run"]), "sh")

    def __str__(self):
        return f"{self.file}: {self.name}{list(self.values.values()) or ''}"


def combinations(job):
    matrix = dict(job.get("strategy", {}).get("matrix", {}))
    include = matrix.pop("include", [])
    if matrix and include:
        raise ValueError("a matrix has lists or include, not both")
    if include:
        return include
    return [dict(zip(matrix, values)) for values in itertools.product(*matrix.values())]


def read(texts):
    """Every job of every workflow, once for each combination of its matrix."""
    return [Job(file, name, data, values)
            for file, text in texts.items() for name, data in yaml.safe_load(text)["jobs"].items()
            for values in combinations(data)]


def texts():
    return {path.name: path.read_text() for path in sorted(FOLDER.iterdir())}


@functools.lru_cache(None)
def from_run(*words):
    return output("./run", *words).stdout


def output(*command, **options):
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False, **options)


# What is wrong with workflows: each of these yields complaints.

def actionlint(all_texts):
    with tempfile.TemporaryDirectory() as folder:
        paths = [pathlib.Path(folder) / name for name in all_texts]
        for path in paths:
            path.write_text(all_texts[path.name])
        said = output("node", "tests/actionlint.js", str(ACTIONLINT), *map(str, paths))
        yield from (line.removeprefix(folder + "/") for line in said.stdout.splitlines()
                    if not NEWER.search(line))
        if said.returncode:
            yield f"actionlint did not run: {said.stderr}"


def shellcheck(all_texts):
    seen = set()
    for job in read(all_texts):
        for step in job.steps:
            if step.shell not in ("bash", "sh") or step.text in seen:
                continue
            seen.add(step.text)
            text = re.sub(r"\$\{\{.*?\}\}", "EXPRESSION", step.text)
            said = output("shellcheck", "--shell", step.shell, "--format", "gcc", "-", input=text)
            for line in said.stdout.splitlines():
                yield f"{job}: {line}"


def rules(all_texts):
    """Nothing has more rights or time than it needs, and what others wrote is of a known version."""
    for name, text in all_texts.items():
        data = yaml.safe_load(text)
        if data.get("permissions") != {"contents": "read"}:
            yield f"{name}: permissions are not those to read the contents, alone"
        if not data.get("concurrency"):
            yield f"{name}: no concurrency group"
        for job, inside in data["jobs"].items():
            if "timeout-minutes" not in inside:
                yield f"{name}: {job}: no timeout"
            if "permissions" in inside and "refs/tags/" not in inside.get("if", ""):
                yield f"{name}: {job}: more rights, and not for a tag alone"
            for step in inside["steps"]:
                if "uses" in step and not re.fullmatch(r"[\w.-]+/[\w.-]+@v\d+", step["uses"]):
                    yield f"{name}: {job}: {step['uses']} is not of a major version"
        if f"workflows/{name}" not in (ROOT / "README.md").read_text():
            yield f"{name}: README.md does not point to it"


def names(all_texts):
    """The scripts that steps name are there, and ./run knows the words that it is given."""
    known = from_run("help")
    for job in read(all_texts):
        for step in job.steps:
            for line in step.text.splitlines():
                for path in re.findall(r"(?<![\w/$])(?:\./)?((?:tests|gen)/[\w.-]+\.\w+|run)(?=[\s)]|$)", line):
                    if path == "run" and "./run" not in line:
                        continue
                    if not (ROOT / path).is_file():
                        yield f"{job}: there is no {path}"
                    elif line.startswith(path) and path.endswith(".sh") and not os.access(ROOT / path, os.X_OK):
                        yield f"{job}: {path} is no program"
                for word in re.findall(r"\./run +(\S+)", line):
                    if f"./run {word}" not in known:
                        yield f"{job}: ./run knows no {word}"


def parts(all_texts):
    """On each machine every part that ./run has for it runs once."""
    for machine, processor in MACHINES.items():
        there = from_run("parts", processor).split()
        run = [part for job in read(all_texts) if job.machine == machine
               for step in job.steps for line in step.commands()
               for part in (re.findall(r"^\./run test (.*)", line) or [""])[0].split()]
        for part in sorted(set(run) | set(there)):
            if part not in there:
                yield f"{machine}: there is no part {part}"
            elif run.count(part) != 1:
                yield f"{machine}: the part {part} runs {run.count(part)} times"


CHECKS = (actionlint, shellcheck, rules, names, parts)


def complaints(check, all_texts):
    try:
        return list(check(all_texts))
    except (yaml.YAMLError, ValueError, KeyError, TypeError, AttributeError) as error:
        return [f"{check.__name__}: cannot be read: {error}"]


def lint():
    found = [text for check in CHECKS for text in complaints(check, texts())]
    print(*found, sep="\n", end="\n" if found else "")
    return not found


# A check that never fails proves nothing. (check, file, what is there, what it becomes, what is said)
BREAKS = [
    (actionlint, "test.yml", "    steps:\n", "    step:\n", 'unexpected key "step"'),
    (actionlint, "test.yml", "    runs-on: ", "   runs-on: ", "could not parse|did not find expected"),
    (actionlint, "test.yml", "matrix.parts }}", "matrix.part }}", '"part" is not defined'),
    (actionlint, "systems.yml", "windows-2025", "windows-1995", "windows-1995.* is unknown"),
    (actionlint, "packages.yml", "    needs: build\n", "    needs: built\n", "built"),
    (shellcheck, "packages.yml", '"$GITHUB_REF_NAME" >/dev/null', "$GITHUB_REF_NAME >/dev/null", "SC2086"),
    (shellcheck, "systems.yml", "export ASSUME_ALWAYS_YES=yes", "export ASSUME=$(ls)", "SC2155"),
    (rules, "test.yml", "  contents: read\n", "  contents: write\n", "test.yml: permissions"),
    (rules, "test.yml", "concurrency:", "env:", "no concurrency"),
    (rules, "test.yml", "    timeout-minutes: 40\n", "", "check: no timeout"),
    (rules, "packages.yml", "    if: startsWith(github.ref, 'refs/tags/v')\n", "", "not for a tag alone"),
    (rules, "systems.yml", "freebsd-vm@v1", "freebsd-vm@main", "@main is not of a major"),
    (names, "systems.yml", "sh tests/on-bsd.sh\n", "sh tests/on-bds.sh\n", "no tests/on-bds.sh"),
    (names, "test.yml", "./run check", "./run czech", "knows no czech"),
    (parts, "test.yml", "parts: bsd }", "parts: bds }", "there is no part bds"),
    (parts, "test.yml", "parts: ntsim }", "parts: bsd }", "bsd runs 2 times(.|\n)*ntsim runs 0"),
    (parts, "test.yml", "machine: ubuntu-24.04-arm, parts: bsd }", "machine: ubuntu-24.04-arm, parts: bsd windows }",
     "arm: there is no part windows"),
    (parts, "test.yml", "- { machine: ubuntu-24.04, parts: bsd }", "", "bsd runs 0 times"),
    (rules, "test.yml", "jobs:", "jbos:", "cannot be read"),
]


def breaks():
    whole = texts()
    bad = []
    for check, file, old, new, culprit in BREAKS:
        said = "\n".join(complaints(check, {file: whole[file].replace(old, new)}))
        if old not in whole[file]:
            bad.append(f"{file}: has no {old!r} to break")
        elif not re.search(culprit, said):
            bad.append(f'{check.__name__}: {old!r} became {new!r}: nothing says "{culprit}", but: {said or "silence"}')
    print(*bad, sep="\n", end="\n" if bad else "")
    return not bad


# Stands in for programs that speak to where releases are: it says what it was called with.
STAND_IN = '#!/bin/sh\necho "$(basename "$0") $*" >>"$STAND_IN_LOG"\n'


def steps():
    """A step that is not known to be done elsewhere is run."""
    clone = WORK / "clone"
    shutil.rmtree(clone, ignore_errors=True)
    subprocess.run(["git", "clone", "--quiet", "--no-hardlinks", "--depth", "1", f"file://{ROOT}", str(clone)], check=True)
    bin_folder = clone / "build" / "bin"
    bin_folder.mkdir(parents=True)
    (bin_folder / "gh").write_text(STAND_IN)
    (bin_folder / "gh").chmod(0o755)
    log = clone / "build" / "gh.log"
    (clone / "packages").mkdir()
    (clone / "packages" / "SHA256SUMS").write_text("")
    environment = dict(os.environ, CI="true", GITHUB_REF_NAME="v1.0.0", STAND_IN_LOG=str(log),
                       PATH=f"{bin_folder}:{os.environ['PATH']}")
    good, seen = True, set()
    for job in read(texts()):
        for step in job.steps:
            if job.machine not in MACHINES or step.text in seen:
                continue
            seen.add(step.text)
            why = [reason for line in step.commands() for form, reason in ELSEWHERE if re.search(form, line)]
            if step.shell == "sh":
                why = ["in another system"]
            if why:
                print(f"not run: {job}: {step.text.splitlines()[0]}: {why[0]}")
                continue
            shell = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step.text]
            said = subprocess.run(shell, cwd=clone, env={**environment, **step.env}, capture_output=True, text=True,
                                  stdin=subprocess.DEVNULL, check=False)
            print(f"{'ran' if said.returncode == 0 else 'FAILED'}: {job}: {step.text.splitlines()[0]}")
            if said.returncode:
                print(said.stdout[-3000:], said.stderr[-3000:])
                good = False
    called = log.read_text() if log.exists() else ""
    if "gh release upload v1.0.0 --clobber packages/SHA256SUMS\n" not in called:
        print(f"FAILED: the packages are not attached: {called or 'nothing was called'}")
        good = False
    return good


if __name__ == "__main__":
    commands = {"lint": lint, "breaks": breaks, "steps": steps}
    if sys.argv[1:] not in [[name] for name in commands]:
        sys.exit(__doc__)
    sys.exit(not commands[sys.argv[1]]())
