"""A plugin of mypy: `model.changed(…)` takes the fields of its model, each with its type.

Without it a misspelt field would pass, and be lost when the object is stored. The constructor that
pydantic's plugin writes has the fields; `changed` takes any of them.
"""

from __future__ import annotations

from collections.abc import Callable

from mypy.nodes import ARG_NAMED_OPT, FuncDef
from mypy.plugin import MethodSigContext, Plugin
from mypy.types import CallableType, FunctionLike, Instance, get_proper_type

MODEL = "evaluation_operator.api.base.Model"


class ChangedPlugin(Plugin):
    def get_method_signature_hook(
        self, fullname: str
    ) -> Callable[[MethodSigContext], FunctionLike] | None:
        return _fields_of_model if fullname.endswith(".changed") else None


def _fields_of_model(context: MethodSigContext) -> FunctionLike:
    model = get_proper_type(context.type)
    if not isinstance(model, Instance) or not model.type.has_base(MODEL):
        return context.default_signature
    found = model.type.get_method("__init__")
    made = get_proper_type(found.type) if isinstance(found, FuncDef) else None
    if not isinstance(made, CallableType):
        return context.default_signature
    fields = list(zip(made.arg_names[1:], made.arg_types[1:], strict=True))
    return context.default_signature.copy_modified(
        arg_names=[name for name, _ in fields],
        arg_types=[type_ for _, type_ in fields],
        arg_kinds=[ARG_NAMED_OPT for _ in fields],
    )


def plugin(_: str) -> type[Plugin]:
    return ChangedPlugin
