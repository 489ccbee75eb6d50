"""suricata.yaml and the files it names, as far as rules need them: variables, classtypes, reference systems, thresholds.

Names of files are taken from suricata.yaml's folder, those of rules from its default-rule-path, as Suricata does.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from detector.errors import InputError, InputErrors, Position, nearest
from detector.flows.streams import check_policy
from detector.lists import read_bounded
from detector.rules.document import Document, read_documents
from detector.rules.signature import Subject, Threshold
from detector.rules.suricata_tables import CLASSIFICATIONS, REFERENCES

LARGEST_FILE = 64 * 2**20
MOST_INCLUDES = 32
MOST_MISTAKES = 100  # of one file of lines
OTHER_HOSTS = (("0.0.0.0/0", "bsd"), ("::/0", "bsd"))  # where host-os-policy says nothing
HINT = "--suricata-yaml names a suricata.yaml"
FILES = ("classification-file", "reference-config-file", "threshold-file")
CLASSIFICATION = re.compile(r"config\s*classification\s*:\s*([A-Za-z][\w-]*)\s*,\s*(.+?)\s*,\s*([0-9]{1,3})\s*")
REFERENCE = re.compile(r"config\s*reference\s*:\s*([A-Za-z][\w-]*)\s+(\S+)\s*")
ENTRY = re.compile(r"\s*(\w+)\s+gen_id\s+([0-9]{1,10})\s*,\s*sig_id\s+([0-9]{1,10})\s*(?:,\s*(.*?))?\s*")
PART = re.compile(r"(\w+)\s+(\[[^\]]*\]|[^,]+?)\s*(?:,\s*|$)")
KINDS = ("limit", "threshold", "both")
TRACKS = {"by_src": Subject.SOURCE, "by_dst": Subject.DESTINATION, "by_both": Subject.PAIR, "by_rule": Subject.RULE}
SUPPRESSED = {"by_src": Subject.SOURCE, "by_dst": Subject.DESTINATION, "by_either": Subject.PAIR}


@dataclass(frozen=True)
class SuppressEntry:
    """suppress of a threshold file. subject PAIR: either address; addresses "": every row."""

    gid: int
    sid: int
    subject: Subject
    addresses: str
    position: Position


@dataclass(frozen=True)
class ThresholdEntry:
    """threshold or event_filter of a threshold file."""

    gid: int
    sid: int
    threshold: Threshold
    position: Position


@dataclass(frozen=True)
class SuricataConfig:
    """What rules are read with. addresses, ports: {NAME: its text as suricata.yaml has it}; rules: files that it names;
    policies: (network, name) of host-os-policy, and Suricata's own for all other hosts. files: all that were read; warnings: what it names and is not there."""

    addresses: Mapping[str, str] = field(default_factory=dict)
    ports: Mapping[str, str] = field(default_factory=dict)
    classifications: Mapping[str, tuple[str, int]] = field(default_factory=lambda: dict(CLASSIFICATIONS))
    references: Mapping[str, str] = field(default_factory=lambda: dict(REFERENCES))
    thresholds: tuple[SuppressEntry | ThresholdEntry, ...] = ()
    rules: tuple[Path, ...] = ()
    policies: tuple[tuple[str, str], ...] = ()
    files: tuple[Path, ...] = ()
    warnings: tuple[str, ...] = ()


def read_suricata_yaml(path: Path) -> SuricataConfig:
    """What a suricata.yaml says of rules.

    Raises:
        InputErrors: every mistake in it and in the files it names, by position.
    """
    reader = ConfigReader(path)
    errors: list[InputError] = []
    try:
        made = reader.read()
    except InputError as error:
        raise InputErrors([error]) from None
    errors += reader.errors
    if errors:
        raise InputErrors(errors)
    return made


class ConfigReader:
    """Reads one suricata.yaml. A key that is given twice counts as it is given last, as in Suricata."""

    def __init__(self, path: Path) -> None:
        self.path, self.folder = path, path.resolve().parent
        self.errors: list[InputError] = []
        self.warnings: list[str] = []
        self.files: list[Path] = []
        self.policies: list[tuple[str, str]] = []
        self.nodes: dict[str, tuple[Document, Any]] = {}  # of the keys that matter
        self.groups: dict[str, dict[str, str]] = {"address-groups": {}, "port-groups": {}}

    def read(self) -> SuricataConfig:
        """All of it. Raises InputError where the file cannot be read."""
        self.file(self.path)
        classifications, references = dict(CLASSIFICATIONS), dict(REFERENCES)
        thresholds: list[SuppressEntry | ThresholdEntry] = []
        if (named := self.named("classification-file")) is not None:
            classifications = read_classifications(named, self.errors)
        if (named := self.named("reference-config-file")) is not None:
            references = read_references(named, self.errors)
        if (named := self.named("threshold-file")) is not None:
            thresholds = read_thresholds(named, self.errors)
        return SuricataConfig(
            self.groups["address-groups"], self.groups["port-groups"], classifications, references, tuple(thresholds),
            tuple(self.rule_files()), (*self.policies, *OTHER_HOSTS), tuple(self.files), tuple(self.warnings),
        )  # fmt: skip

    def file(self, path: Path) -> None:
        """The keys of a file and of those it includes."""
        if len(self.files) == MOST_INCLUDES:
            raise InputError(f"{path}: more than {MOST_INCLUDES} files include each other", hint=HINT)
        document, nodes = read_documents(path, HINT)
        self.files.append(path)
        for node in nodes:
            if not isinstance(node, yaml.MappingNode):
                document.error(node, "suricata.yaml must be a mapping", HINT)
                continue
            for key, value in node.value:
                self.key(document, str(key.value), value)
        self.errors += document.errors

    def key(self, document: Document, name: str, value: Any) -> None:
        """One key at the top."""
        if name == "include":
            for one in value.value if isinstance(value, yaml.SequenceNode) else [value]:
                if included := document.text(one, "include"):
                    self.file(self.folder / included)
        elif name == "vars" and isinstance(value, yaml.MappingNode):
            for kind, groups in value.value:
                if kind.value in self.groups and isinstance(groups, yaml.MappingNode):
                    for group, text in groups.value:
                        self.group(document, str(kind.value), str(group.value), text)
        elif name == "host-os-policy" and isinstance(value, yaml.MappingNode):
            for policy, networks in value.value:
                self.policy(document, policy, networks)
        elif name in (*FILES, "default-rule-path", "rule-files"):
            self.nodes[name] = (document, value)

    def policy(self, document: Document, name: Any, networks: Any) -> None:
        """The hosts of one policy."""
        for node in networks.value if isinstance(networks, yaml.SequenceNode) else [networks]:
            network = document.text(node, "host-os-policy")
            try:
                check_policy(network, str(name.value))
            except InputError as error:
                document.error(
                    name if "policy" in error.problem else node, f"host-os-policy: {error.problem}", error.hint
                )
            else:
                self.policies.append((network, str(name.value)))

    def group(self, document: Document, kind: str, name: str, node: Any) -> None:
        """One variable: a text, or a YAML list of them."""
        if isinstance(node, yaml.SequenceNode):
            text = f"[{','.join(document.texts(node, name))}]"
        else:
            text = document.text(node, name)
        if text:
            self.groups[kind][name] = text

    def named(self, key: str) -> Path | None:
        """The file that a key names; None where there is none, which is a warning."""
        if key not in self.nodes:
            return None
        document, node = self.nodes[key]
        if isinstance(node, yaml.ScalarNode) and node.tag == "tag:yaml.org,2002:null":
            return None
        before = len(document.errors)
        path = self.folder / document.text(node, key)
        self.errors += document.errors[before:]
        if not path.is_file():
            self.warnings.append(f"{document.position(node)}: {key}: there is no {path}")
            return None
        self.files.append(path)
        return path

    def rule_files(self) -> Iterator[Path]:
        """The rule files that it names, in its order; names may have * and ?."""
        if "rule-files" not in self.nodes:
            return
        base = self.folder
        if "default-rule-path" in self.nodes:
            document, node = self.nodes["default-rule-path"]
            base = self.folder / document.text(node, "default-rule-path")
        document, node = self.nodes["rule-files"]
        for one in node.value if isinstance(node, yaml.SequenceNode) else []:
            name = document.text(one, "rule-files")
            whole = base / name
            found = sorted(Path(whole.anchor).glob(str(whole.relative_to(whole.anchor)))) if set("*?[") & set(name) else [whole]  # fmt: skip
            found = [path for path in found if path.is_file()]
            if name and not found:
                self.warnings.append(f"{document.position(one)}: rule-files: there is no {whole}")
            yield from found


def config_lines(path: Path, errors: list[InputError]) -> Iterator[tuple[str, Position]]:
    """(text, position) of each line that says something; a backslash at its end continues it. Ends where more of them are
    mistakes than anybody would read."""
    try:
        text = read_bounded(path, LARGEST_FILE).decode("utf-8-sig", "replace")
    except OSError as error:
        errors.append(InputError(f"{path}: cannot be read: {error.strerror}", hint=HINT))
        return
    except InputError as error:
        errors.append(error)
        return
    joined, began, before = "", 0, len(errors)
    lines = text.splitlines()
    for number, line in enumerate(lines, 1):
        if not joined and (not line.strip() or line.lstrip()[0] == "#"):
            continue
        began = began if joined else number
        joined += line.rstrip()
        if joined.endswith("\\"):
            joined = joined[:-1]
            continue
        shown = lines[began - 1]
        column = len(shown) - len(shown.lstrip()) + 1
        position = Position(str(path), began, column, max(1, len(shown.strip())), shown)
        if len(errors) - before == MOST_MISTAKES:
            errors.append(
                InputError(f"more than {MOST_MISTAKES} mistakes: the rest is not read", position=position,
                           hint="is it the file that was meant?")
            )  # fmt: skip
            return
        yield joined, position
        joined = ""


def read_classifications(path: Path, errors: list[InputError]) -> dict[str, tuple[str, int]]:
    """classification.config: {classtype: (what it is called, priority)}. Of a name that is given twice the first counts."""
    found: dict[str, tuple[str, int]] = {}
    for text, position in config_lines(path, errors):
        if entry := CLASSIFICATION.fullmatch(text.strip()):
            found.setdefault(entry[1].lower(), (entry[2], int(entry[3])))
        else:
            errors.append(InputError("not a classification", position=position,
                                     hint="config classification: attempted-recon,Attempted Information Leak,2"))  # fmt: skip
    return found


def read_references(path: Path, errors: list[InputError]) -> dict[str, str]:
    """reference.config: {system: what stands before its ids}. Of a name that is given twice the first counts."""
    found: dict[str, str] = {}
    for text, position in config_lines(path, errors):
        if entry := REFERENCE.fullmatch(text.strip()):
            found.setdefault(entry[1].lower(), entry[2])
        else:
            errors.append(InputError("not a reference system", position=position, hint="config reference: cve https://www.cve.org/CVERecord?id=CVE-"))  # fmt: skip
    return found


def read_thresholds(path: Path, errors: list[InputError]) -> list[SuppressEntry | ThresholdEntry]:
    """threshold.config: its suppress, threshold and event_filter lines, in order. rate_filter changes what Suricata does
    with packets, never whether it alerts: there is nothing to keep of it."""
    found: list[SuppressEntry | ThresholdEntry] = []
    for text, position in config_lines(path, errors):
        try:
            if (entry := threshold_entry(text, position)) is not None:
                found.append(entry)
        except InputError as error:
            errors.append(InputError(error.problem, position=position, hint=error.hint))
    return found


def threshold_entry(text: str, position: Position) -> SuppressEntry | ThresholdEntry | None:
    """One line of a threshold file; None: rate_filter. Raises InputError without a position."""
    kinds = ("suppress", "threshold", "event_filter", "rate_filter")
    entry = ENTRY.fullmatch(text)
    if entry is None or entry[1] not in kinds:
        word = text.split()[0]
        guess = "" if word in kinds else nearest(word, kinds)
        raise InputError("not an entry of a threshold file", hint=f"did you mean {guess}?" if guess else
                         "suppress gen_id 1, sig_id 2000001, track by_src, ip 10.0.0.7")  # fmt: skip
    kind, gid, sid = entry[1], int(entry[2]), int(entry[3])
    if kind == "rate_filter":
        return None
    parts: dict[str, str] = {}
    at, rest = 0, entry[4] or ""
    while at < len(rest):
        part = PART.match(rest, at)
        if part is None or part[1] in parts:
            raise InputError(f"{rest[at:].strip()[:30]!r} is not understood", hint="parts are name value, with commas between them")  # fmt: skip
        parts[part[1]] = part[2]
        at = part.end()
    if kind == "suppress":
        if set(parts) not in (set(), {"track", "ip"}):
            raise InputError("suppress has either track and ip, or neither", hint="suppress gen_id 1, sig_id 2000001, track by_src, ip 10.0.0.7")  # fmt: skip
        if not parts:
            return SuppressEntry(gid, sid, Subject.RULE, "", position)
        return SuppressEntry(gid, sid, chosen(SUPPRESSED, "track", parts["track"]), parts["ip"], position)
    missing = {"type", "track", "count", "seconds"} ^ set(parts)
    if missing:
        raise InputError(f"{kind} has type, track, count and seconds: {', '.join(sorted(missing))} is {'missing' if missing - set(parts) else 'too much'}",
                         hint=f"{kind} gen_id 1, sig_id 2000001, type limit, track by_src, count 1, seconds 60")  # fmt: skip
    for name in ("count", "seconds"):
        if not parts[name].isdecimal() or not 0 < int(parts[name]) < 2**31:
            raise InputError(f"{name} must be a whole number above zero, not {parts[name]!r}", hint=f"{name} 60")
    choice = chosen({one: one for one in KINDS}, "type", parts["type"])
    subject = chosen(TRACKS, "track", parts["track"])
    return ThresholdEntry(gid, sid, Threshold(choice, subject, int(parts["count"]), int(parts["seconds"])), position)


def chosen(among: Mapping[str, Any], what: str, word: str) -> Any:
    """One of the words. Raises InputError without a position."""
    if word not in among:
        guess = nearest(word, among)
        raise InputError(f"{what} cannot be {word!r}", hint=f"did you mean {guess}?" if guess else f"one of {', '.join(among)}")  # fmt: skip
    return among[word]
