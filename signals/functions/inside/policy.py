"""The transformer's policy: ordinary Python, with every attribute behind a guard.

RestrictedPython's own policy refuses annotations, `nonlocal`, `match`, `x[i] += 1` and private attributes. Here the
process is the wall, so the policy keeps what bounds a reader's mistakes: no dunder but those of a class, no frame, no
way to a module. What RestrictedPython does not know, such as syntax of a later Python, stays refused.
"""

import ast
from collections.abc import Iterable
from typing import Any

from RestrictedPython.transformer import RestrictingNodeTransformer

from signals.functions.inside.names import (
    DEFINABLE,
    GUARDS,
    OF_MODULES,
    READABLE,
    SPECIAL,
    is_denied,
    is_dunder,
    not_available,
)

FILE = "<function>"
MOST_ERRORS = 20
_PLAIN = (
    *("List", "Tuple", "Set", "Dict", "FormattedValue", "JoinedStr", "Expr", "Call", "Subscript", "Slice", "Constant"),
    *("ListComp", "SetComp", "GeneratorExp", "DictComp", "Assign", "Raise", "Assert", "Delete", "If", "For", "While"),
    *("Try", "With", "withitem", "Return", "Yield", "YieldFrom", "Module", "Match", "match_case", "MatchValue"),
    *("MatchSingleton", "MatchSequence", "MatchOr", "NamedExpr", "Starred", "keyword", "Lambda"),
)


class Refused(Exception):
    """The source uses what functions may not: one row for each place."""

    def __init__(self, rows: list[tuple[int | None, str]]) -> None:
        super().__init__(rows[0][1])
        self.rows = rows


class Policy(RestrictingNodeTransformer):
    def __init__(self) -> None:
        super().__init__([], [], {})
        self.rows: list[tuple[int | None, str]] = []
        self.classes: list[str] = []  # around the node

    def error(self, node: ast.AST, info: str) -> None:
        if len(self.rows) < MOST_ERRORS:
            self.rows.append((getattr(node, "lineno", None), info))

    def not_allowed(self, node: ast.AST) -> None:
        self.error(node, not_available(_WORDS.get(type(node).__name__, type(node).__name__)))

    def _plain(self, node: ast.AST) -> ast.AST:
        return self.node_contents_visit(node)

    def _name(self, node: ast.AST, name: str | None) -> None:
        if name is not None and (name in GUARDS or (is_dunder(name) and name not in DEFINABLE | OF_MODULES)):
            self.error(node, f"{name!r} is a name that functions may not use")

    def visit_Name(self, node: ast.Name) -> ast.AST:
        if not (node.id == "__name__" and isinstance(node.ctx, ast.Load)):
            self._name(node, node.id)
        return node

    def _mangled(self, name: str) -> str:
        """Return the name that Python gives to the attribute `__x` inside a class: `_Class__x`."""
        around = self.classes[-1].lstrip("_") if self.classes else ""
        if not around or not name.startswith("__") or name.endswith("__"):
            return name
        return f"_{around}{name}"

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        node.attr = self._mangled(node.attr)
        self._attribute(node, node.attr)
        value = self.visit(node.value)
        if isinstance(node.ctx, ast.Load):
            return self._guard("_getattr_", value, node.attr, node)
        return ast.copy_location(
            ast.Attribute(self._guard("_write_", value, node.attr, node), node.attr, node.ctx), node
        )

    def _attribute(self, node: ast.AST, name: str) -> None:
        if is_dunder(name) and name not in DEFINABLE | READABLE:
            self.error(node, f"{name!r} is an attribute that functions may not use")

    def _guard(self, guard: str, value: Any, name: str, node: ast.expr) -> ast.Call:
        return ast.copy_location(ast.Call(ast.Name(guard, ast.Load()), [value, ast.Constant(name)], []), node)

    def visit_AugAssign(self, node: ast.AugAssign) -> ast.AST:
        return self._plain(node)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST | None:
        """Annotations say nothing at run time: `x: int = 1` becomes `x = 1`."""
        if node.value is None:
            self._name(node.target, getattr(node.target, "id", None))
            changed: ast.AST = ast.Pass()
        else:
            changed = self.visit(ast.copy_location(ast.Assign([node.target], node.value), node))
        return ast.copy_location(changed, node)

    def _field(self, node: ast.AnnAssign, annotation: str) -> ast.AST:
        """Keep that a class annotates a name, which makes a field: `x: int = 1` becomes `x: None = 1`."""
        means = "InitVar" in annotation or "KW_ONLY" in annotation
        node.annotation = self.visit(node.annotation) if means else ast.Constant(None)
        node.target = self.visit(node.target)
        node.value = None if node.value is None else self.visit(node.value)
        return node

    def visit_comprehension(self, node: ast.comprehension) -> ast.AST:
        if node.is_async:
            self.not_allowed(node)
        return self._plain(node)

    def visit_ExceptHandler(self, node: ast.ExceptHandler) -> ast.AST:
        self._name(node, node.name)
        return self._plain(node)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        self._name(node, node.name)
        node.returns = None
        self._no_type_parameters(node)
        return self._plain(node)

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        """Leave the choice of a metaclass to `classes.build_class`."""
        self._name(node, node.name)
        self._no_type_parameters(node)
        for each in node.keywords:
            if each.arg is None:
                self.error(node, not_available("a class's **keywords"))
        node.decorator_list = [self.visit(each) for each in node.decorator_list]
        node.bases = [self.visit(each) for each in node.bases]
        node.keywords = [self.visit(each) for each in node.keywords]
        self.classes.append(node.name)
        node.body = [self._of_class(each) for each in node.body]
        self.classes.pop()
        return node

    def _of_class(self, node: ast.stmt) -> Any:
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            annotation = ast.unparse(node.annotation)
            if "ClassVar" not in annotation:
                return self._field(node, annotation)
        return self.visit(node)

    def _no_type_parameters(self, node: ast.AST) -> None:
        if getattr(node, "type_params", None):
            self.error(node, not_available("a type parameter"))

    def visit_arguments(self, node: ast.arguments) -> ast.AST:
        return self._plain(node)

    def visit_arg(self, node: ast.arg) -> ast.AST:
        self._name(node, node.arg)
        node.annotation = None
        return node

    def visit_Global(self, node: ast.Global) -> ast.AST:
        for name in node.names:
            self._name(node, name)
        return node

    def visit_Nonlocal(self, node: ast.Nonlocal) -> ast.AST:
        for name in node.names:
            self._name(node, name)
        return node

    def visit_Import(self, node: ast.Import) -> ast.AST:
        return self._imported(node, node.names)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> ast.AST:
        if node.module == "__future__":
            return ast.copy_location(ast.Pass(), node)
        if node.level or not node.module:
            self.error(node, not_available("a relative import"))
        return self._imported(node, node.names)

    def _imported(self, node: ast.AST, names: Iterable[ast.alias]) -> ast.AST:
        for each in names:
            if each.name == "*" or any(part.startswith("_") for part in each.name.split(".")):
                self.error(node, not_available(f"import of {each.name!r}"))
            self._name(node, each.asname)
        return node

    def visit_MatchAs(self, node: Any) -> ast.AST:
        self._name(node, node.name)
        return self._plain(node)

    def visit_MatchStar(self, node: Any) -> ast.AST:
        self._name(node, node.name)
        return self._plain(node)

    def visit_MatchMapping(self, node: Any) -> ast.AST:
        self._name(node, node.rest)
        node.keys = [each if isinstance(each, ast.Attribute) else self.visit(each) for each in node.keys]
        node.patterns = [self.visit(each) for each in node.patterns]
        self._pattern_names(node, node.keys)
        return node

    def visit_MatchValue(self, node: Any) -> ast.AST:
        self._pattern_names(node, [node.value])  # the grammar allows no call there, so no guard
        return node

    def visit_MatchClass(self, node: Any) -> ast.AST:
        """A class pattern reads attributes without a guard, so the names that guards close are refused here."""
        self._pattern_names(node, [node.cls])
        for name in node.kwd_attrs:
            self._pattern_attribute(node, name)
        node.patterns = [self.visit(each) for each in node.patterns]
        node.kwd_patterns = [self.visit(each) for each in node.kwd_patterns]
        return node

    def _pattern_attribute(self, node: ast.AST, name: str) -> None:
        if name.startswith("_") or is_denied(name) or name in SPECIAL:
            self.error(node, f"{name!r} is an attribute that patterns may not read")

    def _pattern_names(self, node: ast.AST, values: Iterable[ast.AST]) -> None:
        for value in values:
            for each in ast.walk(value):
                if isinstance(each, ast.Attribute):
                    self._pattern_attribute(node, each.attr)
                elif isinstance(each, ast.Name):
                    self._name(node, each.id)
                elif isinstance(each, ast.Call):
                    self.error(node, "a pattern calls nothing")


for _each in _PLAIN:
    if _each not in ("MatchValue",):
        setattr(Policy, f"visit_{_each}", Policy._plain)

_WORDS = {
    "AsyncFunctionDef": "async def",
    "Await": "await",
    "AsyncFor": "async for",
    "AsyncWith": "async with",
    "TryStar": "except*",
    "comprehension": "an asynchronous comprehension",
    "TemplateStr": "a template string",
    "TypeAlias": "type",
}


def compile_function(source: str, *, restricted: bool = True) -> Any:
    """Return the code of a user's source. Raises SyntaxError, Refused, RecursionError, MemoryError or ValueError."""
    tree = ast.parse(source, FILE)
    if restricted:
        policy = Policy()
        tree = policy.visit(tree)
        if policy.rows:
            raise Refused(sorted(policy.rows, key=lambda row: row[0] or 0))
        ast.fix_missing_locations(tree)
    return compile(tree, FILE, "exec", dont_inherit=True, optimize=0)
