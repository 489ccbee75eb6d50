"""Rule files to a Ruleset. Every mistake of every file is reported in one go, each with its place and a hint."""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

import yaml

from detector.columns import Field
from detector.errors import InputError, InputErrors, Position, nearest
from detector.protocols import PROTOCOLS
from detector.protocols.fields import ANY_PDU, FIELDS, PACKET, table_of
from detector.protocols.ics import ICS
from detector.rules.compiler import ConditionCompiler, SelectionCompiler, refuse_foreign
from detector.rules.document import Document, read_documents
from detector.rules.followers import followers_of
from detector.rules.keywords import Context
from detector.rules.lexer import Place
from detector.rules.listeners import listeners_of
from detector.rules.model import LEVELS, STATUSES, And, Correlation, Limit, NewValue, Rule, Ruleset, RuleTest, Test
from detector.rules.overrides import Override, apply_overrides, read_overrides, refuse_contradictions
from detector.rules.payload import KEYS as PAYLOAD_KEYS
from detector.rules.payload import read_payload, together
from detector.rules.points import read_devices
from detector.rules.remembered import never_set
from detector.rules.rule_cache import cached
from detector.rules.shares import make_pieces
from detector.rules.suricata import NO_LIMIT, Loaded, newest
from detector.rules.suricata_config import SuricataConfig, read_suricata_yaml
from detector.rules.suricata_thresholds import apply_thresholds
from detector.rules.variables import Variables, make_variables
from detector.rules.zones import read_parts

RULES = ".rules"
SUFFIXES = (".yml", ".yaml", RULES)
KEYS = ("title", "id", "name", "status", "level", "description", "references", "author", "date", "modified", "tags", "falsepositives",
        "protocol", "detection", "traffic", "conditions", "payload", "suricata", "correlation", "anomaly", "alert", "generate", "tests", "license")  # fmt: skip
TABLES = (PACKET, *(protocol.name for protocol in PROTOCOLS), ICS)
CONDITIONS = ("gt", "gte", "lt", "lte", "eq")
DEFAULT_BY = ("ip.src", "ip.dst", "ipv6.src", "ipv6.dst")
DEFAULT_LIMIT_NS = 600 * 10**9  # one alert in ten minutes for each pair of hosts: a flood is told once, and counted
MOST_VALUES = 100_000
LEARN_NS = 24 * 3600 * 10**9
TAG = re.compile(r"[a-z0-9_-]+(\.[A-Za-z0-9_-]+)+")
REFERENCE = re.compile(r"\{\{|\}\}|\{([^{}]*)\}")
MATCH_FACTS = ("count", "group", "stood_for", "note")
OVERRIDES = "overrides.yml"
NO_RULES = (OVERRIDES, "zones.yml", "points.yml")  # in folders of rules


@dataclass
class Draft:
    """A rule whose correlation still names its base rules by name."""

    rule: Rule
    document: Document
    names: Mapping[str, Any]  # every field it names, with the node that names it first
    bases: tuple[tuple[str, Any], ...] = ()
    protocol: Any = None  # the node of its protocol


def load_rules(paths: Sequence[Path | str], *, variables: Mapping[str, str] | None = None, home_net: Sequence[str] = (),
               overrides: Sequence[Path] = (), today: date | None = None, suricata_yaml: Path | str | None = None) -> Ruleset:  # fmt: skip
    """The rules of files and folders, in the order of (path, place). A folder's overrides.yml is an override file.

    Mistakes in YAML are raised, all of them. A Suricata rule with one is left out and stands in `refused`.

    Raises:
        InputErrors: every mistake found, by position.
    """
    errors: list[InputError] = []
    config = read_suricata_yaml(Path(suricata_yaml)) if suricata_yaml else SuricataConfig()
    try:
        values = make_variables(variables or {}, home_net)
    except InputError as error:
        raise InputErrors([error]) from None
    context = context_of(config, values)
    drafts: list[Draft] = []
    loaded: dict[Path, Loaded] = {}
    files, found = expand([Path(path) for path in paths], errors)
    for file in files:
        if file.suffix != RULES:
            drafts += load_file(file, values, context, errors)
    for file, one in cached([file for file in files if file.suffix == RULES], context, make_pieces).items():
        loaded[file] = one if isinstance(one, Loaded) else Loaded()
        errors += [one] if isinstance(one, InputError) else []
    newer, left_out = newest(list(loaded.values()))
    imported = dict(zip(loaded, newer, strict=True))
    refuse_duplicates(drafts, errors, [rule for rules in newer for rule in rules])
    rules = in_order(files, resolve(drafts, errors, [rule for rules in newer for rule in rules]), imported)
    try:
        rules, warnings = apply_thresholds(rules, config.thresholds, context)
    except InputError as error:
        errors.append(error)
        warnings = []
    changes: list[Override] = []
    for path in distinct([*found, *overrides]):
        changes += read_overrides(path, {rule.id: rule for rule in rules}, values, errors)
    refuse_contradictions(changes, today, errors)
    if errors:
        raise InputErrors(sorted(errors, key=place))
    warnings = [*config.warnings, *(one for file in loaded.values() for one in file.warnings), *warnings]
    refused = sorted(
        [*(one for file in loaded.values() for one in file.refused), *left_out], key=lambda one: one.position
    )
    count = sum(len(file.rules) + len(file.refused) for file in loaded.values())
    ruleset = Ruleset(tuple(rules), tuple(warnings), tuple(refused), count)
    ruleset = apply_overrides(ruleset, changes, today)
    unset = map(str, never_set(ruleset.rules))
    ruleset = with_bases(replace(ruleset, warnings=(*ruleset.warnings, *unset)))
    return replace(ruleset, followers=(*followers_of(ruleset.rules), *listeners_of(ruleset.rules)))


def paths_of(given: Sequence[str], shipped: Path, suricata_yaml: Path | str | None) -> list[Path]:
    """The rules that were asked for; where none were, the shipped packs and those that a suricata.yaml names.

    Raises:
        InputErrors: mistakes in the suricata.yaml.
    """
    if given:
        return [Path(path) for path in given]
    return [shipped, *(read_suricata_yaml(Path(suricata_yaml)).rules if suricata_yaml else ())]


def context_of(config: SuricataConfig, variables: Variables) -> Context:
    """What Suricata's keywords are compiled with: suricata.yaml's variables, and before them those that were given."""
    texts = {**config.addresses, **config.ports}
    texts |= {name: group_of([entry.text for entry in entries]) for name, entries in variables.entries.items()}
    return Context(texts, config.classifications, config.references, Path())


def group_of(entries: Sequence[str]) -> str:
    """A variable's entries as Suricata writes a group; of a range of ports 1..9 it is 1:9, of addresses a-b."""
    parts = [entry.replace("..", ":" if entry[:1].isdecimal() and "." not in entry.replace("..", "") else "-") for entry in entries]  # fmt: skip
    return parts[0] if len(parts) == 1 else f"[{','.join(parts)}]"


def in_order(files: Sequence[Path], written: Sequence[Rule], imported: Mapping[Path, tuple[Rule, ...]]) -> list[Rule]:
    """Rules of YAML and of .rules files, in the order of the files."""
    by_path: dict[str, list[Rule]] = {}
    for rule in written:
        by_path.setdefault(rule.position.path, []).append(rule)
    return [rule for file in files for rule in (imported[file] if file in imported else by_path.get(str(file), ()))]


def with_bases(ruleset: Ruleset) -> Ruleset:
    """The ruleset with correlations that are inactive where a rule is that they count."""
    if all(rule.correlation is None for rule in ruleset.rules):
        return ruleset
    why = {rule.id: rule.inactive for rule in ruleset.rules}
    rules = []
    for rule in ruleset.rules:
        bases = rule.correlation.rules if rule.correlation is not None else ()
        missing = next((why[base] for base in bases if why[base]), "")
        rules.append(replace(rule, inactive=missing) if missing and not rule.inactive else rule)
    return replace(ruleset, rules=tuple(rules))


def place(error: InputError) -> tuple[str, int, int]:
    """What mistakes are ordered by."""
    at = error.position
    return (at.path, at.line, at.column) if at else ("", 0, 0)


def expand(paths: Sequence[Path], errors: list[InputError]) -> tuple[list[Path], list[Path]]:
    """Rule files, and override files, of paths; folders are searched to the bottom."""
    files: list[Path] = []
    overrides: list[Path] = []
    for path in paths:
        if path.is_dir():
            inside = sorted(file for file in path.rglob("*") if file.suffix in SUFFIXES and file.is_file())
            overrides += [file for file in inside if file.name == OVERRIDES]
            files += [file for file in inside if file.name not in NO_RULES and not file.name.startswith("variables")]
            if not inside:
                errors.append(InputError(f"{path}: no rule in this folder", hint="rules are .yml and .rules files"))
        elif not path.exists():
            errors.append(
                InputError(
                    f"{path}: no such file or folder", hint="rules are .yml and .rules files, or folders of them"
                )
            )
        else:
            files.append(path)
    return distinct(files), distinct(overrides)


def distinct(paths: Sequence[Path]) -> list[Path]:
    """The paths, each file once, in order."""
    found: dict[Path, Path] = {}
    for path in paths:
        found.setdefault(path.resolve(), path)
    return list(found.values())


def load_file(path: Path, variables: Variables, context: Context, errors: list[InputError]) -> list[Draft]:
    """The rules of one file."""
    try:
        document, nodes = read_documents(path)
    except InputErrors as found:
        errors += found.errors
        return []
    except InputError as error:
        errors.append(error)
        return []
    drafts = [RuleReader(document, variables, context, node).read() for node in nodes]
    errors += document.errors
    if not drafts:
        errors.append(
            InputError(
                "the file holds no rule", position=Position(str(path), 1, 1), hint="a rule begins with title: ..."
            )
        )
    return drafts


def refuse_duplicates(drafts: Sequence[Draft], errors: list[InputError], imported: Sequence[Rule] = ()) -> None:
    """Ids and names are unique; the error names both places. imported: Suricata rules, whose ids are."""
    for what in ("id", "name"):
        seen: dict[str, Rule] = {rule.id: rule for rule in imported} if what == "id" else {}
        for draft in drafts:
            key = getattr(draft.rule, what)
            if key and key in seen:
                errors.append(InputError(f"{what} {key!r} is already used by {seen[key].position}", position=draft.rule.position,
                                         hint=f"give this rule {'an id' if what == 'id' else 'a name'} of its own"))  # fmt: skip
            elif key:
                seen[key] = draft.rule


def resolve(drafts: Sequence[Draft], errors: list[InputError], imported: Sequence[Rule] = ()) -> list[Rule]:
    """Correlations with the ids and the table of their base rules; imported rules may be among those, by their ids."""
    by_name = {rule.id: rule for rule in imported}
    by_name |= {key: draft.rule for draft in drafts for key in (draft.rule.id, draft.rule.name) if key}
    rules = []
    for draft in drafts:
        rule = draft.rule
        if rule.correlation is not None:
            bases: list[Rule] = []
            for name, node in draft.bases:
                base = by_name.get(name)
                if base is None or base.correlation is not None:
                    guess = nearest(name, by_name)
                    problem = f"no rule {name!r} to correlate" if base is None else f"{name!r} is a correlation itself"
                    errors.append(InputError(problem, position=draft.document.position(node),
                                             hint=f"did you mean {guess}?" if guess and base is None else "name base rules by name or id"))  # fmt: skip
                elif bases and base.table != bases[0].table:
                    errors.append(InputError(f"{name!r} tests rows of {base.table}, the rules before it {bases[0].table}",
                                             position=draft.document.position(node), hint="correlate rules of one table"))  # fmt: skip
                else:
                    bases.append(base)
            table = bases[0].table if bases else PACKET
            rule = replace(
                rule, correlation=replace(rule.correlation, rules=tuple(base.id for base in bases)), table=table
            )
            before = len(draft.document.errors)
            if bases:
                refuse_foreign(draft.document, draft.names, table)
                if draft.protocol is not None and draft.protocol.value != table:
                    draft.document.error(
                        draft.protocol, f"the rules it counts test rows of {table}", "leave protocol out"
                    )
            errors += draft.document.errors[before:]
        rules.append(rule)
    return rules


class RuleReader:
    """Reads one rule of a document; mistakes go to the document."""

    def __init__(self, document: Document, variables: Variables, context: Context, node: Any) -> None:
        self.document, self.variables, self.context, self.node = document, variables, context, node
        self.names: dict[str, Any] = {}  # every field the rule names, with the node that names it first
        self.keys = document.mapping(node, "a rule", KEYS, ("title", "id", "level"))

    def value(self, key: str) -> Any:
        """The node of a key's value, or None."""
        return self.keys[key][1] if key in self.keys else None

    def text(self, key: str, choices: Sequence[str] = ()) -> str:
        """A text."""
        node = self.value(key)
        return "" if node is None else self.document.text(node, key, choices)

    def texts(self, key: str) -> tuple[str, ...]:
        """A list of texts."""
        node = self.value(key)
        return () if node is None else self.document.texts(node, key)

    def read(self) -> Draft:
        """The rule; parts that are wrong are left empty, and the mistakes keep it from being used."""
        document = self.document
        self.variables.missing.clear()
        test = self.detection()
        payload = read_payload(document, self.keys, self.context)
        if payload is not None:
            test = together(payload.test, test)
            for name in payload.fields:
                self.names.setdefault(name, self.keys[payload.key][1])
        correlation, bases = self.correlation()
        new_value = self.new_value()
        if (
            correlation is None
            and test is None
            and new_value is None
            and self.keys
            and not set(PAYLOAD_KEYS) & set(self.keys)
        ):
            document.error(self.keys.get("title", (self.node,))[0], "the rule has neither detection nor correlation",
                           "add detection: with selections and a condition, or traffic: and payload:")  # fmt: skip
        if correlation is not None and (test is not None or new_value is not None):
            document.error(
                self.keys["correlation"][0], "a correlation has no detection of its own", "put them into two rules"
            )
        message, limit = self.alert(correlation)
        table = self.table() if correlation is None else PACKET
        missing = ", ".join(f"${name}" for name in sorted(self.variables.missing))
        position = document.position(self.keys["id"][1] if "id" in self.keys else self.node)
        rule = Rule(
            id=self.identity(), name=self.text("name"), title=self.text("title"), level=self.text("level", LEVELS) or "low",
            status=self.text("status", STATUSES), description=self.text("description"), references=self.texts("references"),
            author=self.text("author"), date=self.date(), tags=self.tags(), falsepositives=self.texts("falsepositives"),
            table=table, test=test if test is not None or correlation is not None else And(()) if new_value else None,
            correlation=correlation, new_value=new_value, message=message, limit=limit, fields=tuple(self.names), tests=self.tests(),
            position=position, silent=self.text("generate", ("true", "false")) == "false" or (payload is not None and payload.is_silent),
            inactive=f"{missing} is not set" if missing else payload.inactive if payload is not None else "",
            source=payload.source if payload is not None else "", signature=payload.signature if payload is not None else None,
            category=payload.category if payload is not None else "",
        )  # fmt: skip
        if payload is not None and (table != payload.table or correlation is not None or new_value is not None):
            document.error(self.keys[payload.key][0], f"{payload.key} tests rows of {payload.table}, and the rule " + (
                f"tests rows of {table}" if table != PACKET else "is a correlation or an anomaly"),
                "put them into two rules and a correlation")  # fmt: skip
        return Draft(rule, document, self.names, bases, self.value("protocol"))

    def identity(self) -> str:
        """The id, a UUID."""
        text = self.text("id")
        if text:
            try:
                return str(uuid.UUID(text))
            except ValueError:
                self.document.error(
                    self.value("id"),
                    f"id must be a UUID, not {text!r}",
                    f"for example {uuid.uuid5(uuid.NAMESPACE_URL, text)}",
                )
        return ""

    def date(self) -> str:
        """The day on which the rule was written."""
        text = self.text("date")
        try:
            return str(date.fromisoformat(text.replace("/", "-"))) if text else ""
        except ValueError:
            self.document.error(self.value("date"), f"date is no day: {text!r}", f"for example {date(2026, 11, 24)}")
            return ""

    def tags(self) -> tuple[str, ...]:
        """Tags such as attack.ics.t0855."""
        node = self.value("tags")
        if node is None:
            return ()
        for one in node.value if isinstance(node, yaml.SequenceNode) else [node]:
            if isinstance(one, yaml.ScalarNode) and not TAG.fullmatch(one.value):
                self.document.error(
                    one, f"a tag has a namespace and a name, not {one.value!r}", "for example attack.ics.t0855"
                )
        return self.document.texts(node, "tags")

    def table(self) -> str:
        """The table whose rows are tested: what `protocol` says, else the one whose fields are named."""
        owners = [table_of(name) for name in self.names if name in FIELDS]
        wanted = self.text("protocol", TABLES) if "protocol" in self.keys else ""
        if not wanted:
            wanted = next((owner for owner in owners if owner not in (PACKET, ANY_PDU)), PACKET)
        refuse_foreign(self.document, self.names, wanted)
        return wanted

    def detection(self) -> Test | None:
        """Selections and their condition."""
        if "detection" not in self.keys:
            return None
        document, (_, node) = self.document, self.keys["detection"]
        parts = document.mapping(node, "detection", None, ("condition",))
        compiler = SelectionCompiler(document, FIELDS, self.variables, self.names)
        selections = {name: compiler.selection(value) for name, (_, value) in parts.items() if name != "condition"}
        if "condition" not in parts:
            return And(())
        where = parts["condition"][1]
        text = document.text(where, "condition")
        if not text:
            return And(())
        try:
            condition = ConditionCompiler(text, document.place(where), selections)
            test = condition.compile()
        except InputError as error:
            document.errors.append(error)
            return And(())
        for name in selections:
            if name not in condition.used:
                document.error(
                    parts[name][0], f"selection {name!r} is never used", "name it in condition, or remove it"
                )
        return test

    def field(self, node: Any, name: str) -> str:
        """A field's name, checked."""
        field: Field | None = FIELDS.get(name)
        if field is None:
            guess = nearest(name, FIELDS)
            self.document.error(
                node, f"unknown field {name!r}", f"did you mean {guess}?" if guess else "all fields: detector fields"
            )
        else:
            self.names.setdefault(name, node)
        return name

    def field_list(self, node: Any) -> tuple[str, ...]:
        """A list of fields' names."""
        nodes = node.value if isinstance(node, yaml.SequenceNode) else [node]
        return tuple(self.field(one, self.document.text(one, "a field")) for one in nodes)

    def correlation(self) -> tuple[Correlation | None, tuple[tuple[str, Any], ...]]:
        """Sigma's correlation, and the names of its base rules with their nodes."""
        if "correlation" not in self.keys:
            return None, ()
        document, (_, node) = self.document, self.keys["correlation"]
        parts = document.mapping(node, "correlation", ("type", "rules", "group-by", "timespan", "condition"),
                                 ("type", "rules", "timespan", "condition"))  # fmt: skip
        kind = document.text(parts["type"][1], "type", ("event_count", "value_count")) if "type" in parts else ""
        rules = parts["rules"][1] if "rules" in parts else None
        nodes = [] if rules is None else rules.value if isinstance(rules, yaml.SequenceNode) else [rules]
        bases = tuple((document.text(one, "rules"), one) for one in nodes)
        group_by = self.field_list(parts["group-by"][1]) if "group-by" in parts else ()
        timespan = document.span(parts["timespan"][1], "timespan") if "timespan" in parts else 1
        condition, field = self.counting(parts["condition"][1], kind) if "condition" in parts else ({"gte": 1}, "")
        if kind == "value_count":
            return Correlation("value_count", (), group_by, timespan, condition, field), bases
        return Correlation("event_count", (), group_by, timespan, condition), bases

    def counting(self, node: Any, kind: str) -> tuple[dict[str, int], str]:
        """A correlation's condition: {gte: 10}, for value_count with the field whose values are counted."""
        document = self.document
        parts = document.mapping(node, "condition", (*CONDITIONS, "field"))
        field = ""
        if "field" in parts:
            field = self.field(parts["field"][1], document.text(parts["field"][1], "field"))
        if (kind == "value_count") != bool(field) and kind:
            document.error(node, "value_count counts the values of a field" if kind == "value_count" else "event_count counts events, not values",
                           "condition: {field: ip.dst, gte: 10}" if kind == "value_count" else "remove field, or use type: value_count")  # fmt: skip
        numbers = {
            name: document.number(value, name, 1 if name != "lt" else 2)
            for name, (_, value) in parts.items()
            if name != "field"
        }
        if not numbers and parts:
            document.error(node, "the condition has no number", "for example gte: 10")
        if any(number > 100_000 for number in numbers.values()):
            document.error(
                node,
                "a count above 100000 would need too much memory for every group",
                "count less, in a shorter timespan",
            )
        return numbers or {"gte": 1}, field

    def new_value(self) -> NewValue | None:
        """`anomaly: {type: new_value, ...}`."""
        if "anomaly" not in self.keys:
            return None
        document, (_, node) = self.document, self.keys["anomaly"]
        parts = document.mapping(node, "anomaly", ("type", "fields", "learn", "max_values"), ("type", "fields"))
        if "type" in parts:
            document.text(parts["type"][1], "type", ("new_value",))
        fields = self.field_list(parts["fields"][1]) if "fields" in parts else ()
        learn = document.span(parts["learn"][1], "learn") if "learn" in parts else LEARN_NS
        most = document.number(parts["max_values"][1], "max_values", 1) if "max_values" in parts else MOST_VALUES
        if most > 10_000_000:
            document.error(
                parts["max_values"][1],
                "max_values above 10000000 would need too much memory",
                "each value takes 32 bytes",
            )
        return NewValue(fields, learn, most)

    def alert(self, correlation: Correlation | None) -> tuple[str, Limit]:
        """Message and limit."""
        by = correlation.group_by if correlation and correlation.group_by else DEFAULT_BY
        default = Limit(by, 1, DEFAULT_LIMIT_NS)
        if "alert" not in self.keys:
            return "", default
        document, (_, node) = self.document, self.keys["alert"]
        parts = document.mapping(node, "alert", ("message", "limit"))
        message = document.text(parts["message"][1], "message") if "message" in parts else ""
        place = document.place(parts["message"][1]) if message else Place()
        for found in REFERENCE.finditer(message):
            name = found.group(1)
            if name in FIELDS:
                self.names.setdefault(name, parts["message"][1])
            elif name is not None and name not in MATCH_FACTS:
                guess = nearest(name, [*FIELDS, *MATCH_FACTS])
                document.errors.append(InputError(
                    f"unknown field {name!r}", position=place.position(found.start(1), len(name), message),
                    hint=f"did you mean {guess}?" if guess else "all fields: detector fields"))  # fmt: skip
        for lone in re.finditer(r"[{}]", REFERENCE.sub(lambda match: " " * len(match.group()), message)):
            document.errors.append(InputError(
                f"a lone {lone.group()} in the message", position=place.position(lone.start(), 1, message),
                hint="a field is written {ip.src}, a brace itself {{ or }}"))  # fmt: skip
        return message, self.limit(parts["limit"][1], default) if "limit" in parts else default

    def limit(self, node: Any, default: Limit) -> Limit:
        """`{by: [...], count: 1, every: 10m}`, or none."""
        if isinstance(node, yaml.ScalarNode) and node.value == "none":
            return NO_LIMIT
        parts = self.document.mapping(node, "limit", ("by", "count", "every"))
        by = self.field_list(parts["by"][1]) if "by" in parts else default.by
        count = self.document.number(parts["count"][1], "count", 1) if "count" in parts else default.count
        every = self.document.span(parts["every"][1], "every") if "every" in parts else default.every_ns
        return Limit(by, count, every)

    def tests(self) -> tuple[RuleTest, ...]:
        """The rule's own tests."""
        node = self.value("tests")
        if node is None:
            return ()
        if not isinstance(node, yaml.SequenceNode):
            self.document.error(node, "tests must be a list", "- {capture: a.pcap, alerts: 1}")
            return ()
        return tuple(self.one_test(one) for one in node.value)

    def one_test(self, node: Any) -> RuleTest:
        """One test: packets or a capture, and how many alerts."""
        document = self.document
        parts = document.mapping(
            node,
            "a test",
            ("packets", "capture", "alerts", "variables", "learn", "zones", "conduits", "devices"),
            ("alerts",),
        )
        alerts = document.number(parts["alerts"][1], "alerts") if "alerts" in parts else 0
        if ("packets" in parts) == ("capture" in parts) and parts:
            document.error(
                node, "a test has either packets or a capture", "packets: ['IP(dst=\"10.0.0.5\")/TCP(dport=502)']"
            )
        packets: tuple[tuple[str, Position], ...] = ()
        if "packets" in parts:
            listed = parts["packets"][1]
            nodes = listed.value if isinstance(listed, yaml.SequenceNode) else [listed]
            if not nodes:
                document.error(
                    listed, "a test without packets tests nothing", "packets: ['IP(dst=\"10.0.0.5\")/TCP(dport=502)']"
                )
            packets = tuple((document.text(one, "a packet"), document.position(one)) for one in nodes)
        capture = ""
        if "capture" in parts:
            named = document.text(parts["capture"][1], "capture")
            capture = "" if "\0" in named else str((Path(document.path).parent / named).resolve())
            if not Path(capture).is_file():
                document.error(
                    parts["capture"][1], "no such capture", "the path is taken from the folder of the rule file"
                )
        variables: dict[str, str] = {}
        if "variables" in parts:
            for name, (_, value) in document.mapping(parts["variables"][1], "variables").items():
                variables[name] = ",".join(document.texts(value, name))
        learn = document.number(parts["learn"][1], "learn") if "learn" in parts else 0
        zones, devices = read_parts(document, parts), read_devices(document, parts)
        return RuleTest(document.position(node), alerts, packets, capture, variables, learn, zones, devices)
