"""Writes `_decnet.pyi` from the built module: `stubs.py LIBRARY`, or with `--check` compares it.

PyO3 puts a description of each class and function into the library (feature `experimental-inspect`). A class `XMethods` holds the
methods that `X` and `AioX` inherit, and is written into both. Their type `Answer[T]` is `T` in `X`, and a coroutine in `AioX`.
"""

from __future__ import annotations

import ast
import builtins
import json
import re
import struct
import sys
from pathlib import Path
from typing import Any

PACKAGE = Path(__file__).parent / "python/decnet"
STUB = PACKAGE / "_decnet.pyi"
MODULES = {
    "._asyncio": {"Opening"},
    "collections.abc": {"Coroutine", "Iterable", "Iterator"},
    "os": {"PathLike"},
    "pathlib": {"Path"},
    "typing": {"Any", "ClassVar", "Final", "Literal", "final"},
    "typing_extensions": {"Self", "disjoint_base"},
}
Json = dict[str, Any]


def fragments(library: bytes) -> list[Json]:
    """Finds the descriptions: a length in four bytes, and as many bytes of JSON."""
    found: dict[bytes, Json] = {}
    for match in re.finditer(rb'\{"', library):
        at = match.start()
        (length,) = struct.unpack("<I", library[at - 4 : at]) if at >= 4 else (0,)
        # Most matches are other bytes: their length would copy all that follows.
        if not 2 < length < 1 << 16:
            continue
        text = library[at : at + length]
        if text.endswith(b"}"):
            try:
                fragment = json.loads(text)
            except ValueError:
                continue
            if fragment.get("type") in ("module", "class", "function", "attribute"):
                found[text] = fragment
    return list(found.values())


class Writer:
    """Writes a stub."""

    def __init__(self, found: list[Json]) -> None:
        self.classes = {one["id"]: one for one in found if one["type"] == "class"}
        self.names: set[str] = set()
        self.members: dict[str, list[Json]] = {}
        for one in found:
            if one["type"] in ("function", "attribute"):
                self.members.setdefault(one.get("parent", ""), []).append(one)

    def expression(self, node: Json) -> str:
        """Returns the text of an expression."""
        match node["type"]:
            case "id":
                return str(self.classes[node["id"]]["name"])
            case "name":
                return str(node["id"])
            case "attribute":
                module = node["value"].get("id")
                return f"datetime.{node['attr']}" if module == "datetime" else str(node["attr"])
            case "subscript":
                return f"{self.expression(node['value'])}[{self.expression(node['slice'])}]"
            case "tuple":
                return ", ".join(map(self.expression, node["elts"]))
            case "binop":
                return f"{self.expression(node['left'])} | {self.expression(node['right'])}"
            case "constant":
                match node["kind"]:
                    case "str":
                        # An annotation that Rust spells out.
                        return str(node["value"])
                    case "none":
                        return "None"
                    case "ellipsis":
                        return "..."
                    case _:
                        return str(node["value"])
        raise ValueError(node)

    def type(self, node: Json, members: set[str]) -> str:
        text = self.expression(node)
        tree = ast.parse(text, mode="eval")
        for name in (one for one in ast.walk(tree) if isinstance(one, ast.Name)):
            # Within a class, the name of a member hides the builtin.
            if name.id in members and hasattr(builtins, name.id):
                name.id = f"builtins.{name.id}"
            self.names.add(name.id.split(".")[0])
        return ast.unparse(tree)

    def parameter(self, one: Json, members: set[str], prefix: str = "") -> str:
        text = f"{prefix}{one['name']}"
        if "annotation" in one:
            text += f": {self.type(one['annotation'], members)}"
        if "default" in one:
            text += f" = {self.expression(one['default'])}" if "annotation" in one else "=..."
        return text

    def function(self, one: Json, members: set[str], coroutine: bool, indent: str) -> str:
        arguments = one["arguments"]
        listed = [self.parameter(each, members) for each in arguments.get("posonlyargs", [])]
        if one["name"].startswith("__") and one["name"] not in ("__new__",) and len(listed) > 1:
            listed.append("/")
        listed += [self.parameter(each, members) for each in arguments.get("args", [])]
        if vararg := arguments.get("vararg"):
            listed.append(self.parameter(vararg, members, "*"))
        elif arguments.get("kwonlyargs"):
            listed.append("*")
        listed += [self.parameter(each, members) for each in arguments.get("kwonlyargs", [])]
        if kwarg := arguments.get("kwarg"):
            listed.append(self.parameter(kwarg, members, "**"))
        returns = self.expression(one["returns"])
        if answer := re.fullmatch(r"Answer\[(.*)\]", returns):
            returns = answer[1]
            if coroutine:
                returns = re.sub(r"^(Events|Logs|Prepared|PreparedReap)$", r"Aio\1", returns)
                returns = f"Coroutine[Any, Any, {returns}]"
        elif one["name"] == "__new__":
            returns = "Self"
        returns = self.type({"type": "name", "id": returns}, members)
        lines = [f"@{self.expression(each)}" for each in one.get("decorators", [])]
        head = f"def {one['name']}({', '.join(listed)}) -> {returns}:"
        if len(indent + head) > 120:
            head = f"def {one['name']}(\n" + "".join(f"    {each},\n" for each in listed) + f") -> {returns}:"
        lines += head.splitlines()
        if "doc" in one:
            lines += documentation(one["doc"], "    ")
        else:
            lines[-1] += " ..."
        return "".join(f"{indent}{line}".rstrip() + "\n" for line in lines)

    def cls(self, one: Json) -> str:
        inherited = [self.classes[base["id"]] for base in one.get("bases", [])]
        methods = [base for base in inherited if base["name"].endswith("Methods")]
        members = [member for each in [*methods, one] for member in self.members.get(each["id"], [])]
        names = {member["name"] for member in members}
        bases = ", ".join(base["name"] for base in inherited if base not in methods)
        decorators = [self.expression(each) for each in one.get("decorators", [])]
        self.names.update(decorators)
        text = "".join(f"@{each}\n" for each in decorators)
        text += f"class {one['name']}{f'({bases})' if bases else ''}:\n"
        text += "".join(line + "\n" for line in documentation(one["doc"], "    "))
        for member in sorted(members, key=lambda member: (member["name"].startswith("_"), member["name"])):
            text += self.function(member, names, one["name"].startswith("Aio"), "    ")
        if "__eq__" in names and "__hash__" not in names:
            self.names.add("ClassVar")
            text += "    __hash__: ClassVar[None]  # type: ignore[assignment]\n"
        return text

    def depth(self, one: Json) -> int:
        """Returns the number of classes that a class inherits from, directly or not."""
        return sum(1 + self.depth(self.classes[base["id"]]) for base in one.get("bases", []))

    def module(self) -> str:
        classes = [one for one in self.classes.values() if not one["name"].endswith("Methods")]
        functions = [one for one in self.members.get("", []) if one["type"] == "function"]
        parts = [self.function(one, set(), False, "") for one in sorted(functions, key=lambda one: str(one["name"]))]
        # A base precedes what extends it.
        parts += [self.cls(one) for one in sorted(classes, key=lambda one: (self.depth(one), str(one["name"])))]
        types = set(re.findall(r"^(?:class )?(\w+)(?:\(|: TypeAlias| = TypedDict)", (PACKAGE / "types.py").read_text(), re.M))
        modules = {**MODULES, ".types": types}
        imports = [f"import {name}\n" for name in ("builtins", "datetime") if name in self.names]
        for module, names in modules.items():
            if used := sorted(names & self.names):
                imports.append(f"from {module} import (\n" + "".join(f"    {name},\n" for name in used) + ")\n")
        exported = sorted(one["name"] for one in [*classes, *functions])
        listed = "".join(f'    "{name}",\n' for name in [*exported, "__version__"])
        head = '"""The Rust part of `decnet`. Written by `stubs.py`: change the signatures in Rust instead."""\n\n'
        return head + "".join(imports) + f"\n__all__ = [\n{listed}]\n\n__version__: str\n\n" + "\n".join(parts)


def documentation(text: str, indent: str) -> list[str]:
    """Returns the lines of a docstring."""
    lines = text.strip().splitlines()
    last = [f'{indent}"""'] if len(lines) > 1 else []
    end = "" if last else '"""'
    return [f'{indent}"""{lines[0]}{end}', *(f"{indent}{line}".rstrip() for line in lines[1:]), *last]


def main() -> None:
    arguments = [argument for argument in sys.argv[1:] if argument != "--check"]
    written = Writer(fragments(Path(arguments[0]).read_bytes())).module()
    if "--check" not in sys.argv:
        STUB.write_text(written)
    elif STUB.read_text() != written:
        sys.exit(f"{STUB.name} is not that of the Rust signatures: run decnet-py/stubs.py {arguments[0]}")


if __name__ == "__main__":
    main()
