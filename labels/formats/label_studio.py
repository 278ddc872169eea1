"""Label Studio's tasks as they are exported and imported (labelstud.io/guide/task_format): a list of JSON objects.

A task has ``data``, ``annotations`` that people made, and ``predictions`` that models made. Each of these has a
``result``, a list of answers to the controls of the labelling page; of these only ``choices`` are labels.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Literal, TypeGuard

from labels.errors import LabelFileError
from labels.formats.json_values import is_too_deep, json_text
from labels.formats.object_table import ObjectTable
from labels.formats.reading import Reading
from labels.places import listed_rows
from labels.taken_names import renames

GIVEN_LABEL = "given_label"
"""The field of ``data`` with the label that an annotation of the task is a review of."""
_TRUSTED, _ORIGINAL = "trusted", "original_label"
_MOST_CONTROLS = 100

Tasks = list[dict[str, Any]]
Choices = dict[str, set[str]]
"""What was chosen for a task, by the name of the control; of one set with several nobody knows which is meant."""


def are_tasks(document: Any) -> TypeGuard[Tasks]:
    """Whether a JSON document is a list of tasks."""
    return (
        isinstance(document, list)
        and bool(document)
        and all(isinstance(task, dict) and isinstance(task.get("data"), dict) for task in document)
    )


def read_tasks(tasks: Tasks) -> Reading:
    """One row a task, in order: the fields of its ``data``, its other fields, and what was chosen.

    Each control with choices becomes a column of its name: the choice on which a task's annotations agree, null where
    they don't. What was skipped doesn't count. If no task is annotated, the predictions are read instead. Where
    ``data`` has ``given_label``, as in the exports of an audit, that is the label until somebody annotates the task;
    then the choice is ``trusted``, and ``given_label`` its ``original_label``. Lists and objects become JSON text.
    Raises ``LabelFileError`` naming the task.
    """
    warnings = []
    given = any(GIVEN_LABEL in task["data"] for task in tasks)
    made: Literal["annotations", "predictions"] = "annotations"
    chosen = [_choices(task, made, number) for number, task in enumerate(tasks, 1)]
    if not given and not any(chosen):
        made = "predictions"
        chosen = [_choices(task, made, number) for number, task in enumerate(tasks, 1)]
        if any(chosen):
            warnings.append("No task is annotated: the labels are those of the predictions.")
    if several := [row for row, each in enumerate(chosen, 1) if any(len(labels) > 1 for labels in each.values())]:
        warnings.append(
            f"The {made} of {len(several)} tasks choose several labels, and so no one to audit: "
            f"first in {listed_rows(several)}."
        )
    controls = tuple(dict.fromkeys(control for each in chosen for control in each))
    if len(controls) > _MOST_CONTROLS:  # each is a column for all tasks, though one task alone may have it
        raise LabelFileError(f"there are {len(controls)} controls with choices, at most {_MOST_CONTROLS} are read")
    reviews = given and len(controls) == 1
    columns = _Columns(tasks, (*controls, *((_TRUSTED, _ORIGINAL) if reviews else ())))
    objects = ObjectTable()
    for number, (task, each) in enumerate(zip(tasks, chosen, strict=True), 1):
        answers = _reviewed(task, each, controls[0]) if reviews else {name: _only(each, name) for name in controls}
        objects.add(columns.row(task, number) | answers)
    labels = controls or ((GIVEN_LABEL,) if given else ())
    return Reading(objects.table(), "label-studio", labels=labels, warnings=tuple(warnings))


def _choices(task: Mapping[str, Any], made: Literal["annotations", "predictions"], number: int) -> Choices:
    found: Choices = {}
    for each in _objects(task.get(made), number, made):
        if each.get("was_cancelled"):
            continue
        for answer in _objects(each.get("result"), number, "result"):
            if answer.get("type") != "choices":
                continue
            control, value = answer.get("from_name"), answer.get("value")
            labels = value.get("choices") if isinstance(value, dict) else None
            if (
                not isinstance(control, str)
                or not isinstance(labels, list)
                or not all(isinstance(label, str) for label in labels)
            ):
                raise LabelFileError(
                    f"task {number}: an answer of type choices needs a from_name and a value with a list of choices",
                    row=number,
                )
            if labels:
                found.setdefault(control, set()).update(labels)
    return found


def _objects(value: Any, number: int, what: str) -> Iterator[dict[str, Any]]:
    if isinstance(value, list):
        value = [each for each in value if not isinstance(each, int)]  # an export may name predictions by their ids
    if value is not None and not (isinstance(value, list) and all(isinstance(each, dict) for each in value)):
        raise LabelFileError(f"task {number}: {what!r} is no list of objects: export the tasks as JSON", row=number)
    yield from value or ()


def _only(chosen: Choices, control: str) -> str | None:
    labels = chosen.get(control, ())
    return next(iter(labels)) if len(labels) == 1 else None


def _reviewed(task: Mapping[str, Any], chosen: Choices, control: str) -> dict[str, Any]:
    given, choice = task["data"].get(GIVEN_LABEL), _only(chosen, control)
    trusted = choice is not None
    return {
        control: choice if chosen else given,
        _TRUSTED: trusted,
        _ORIGINAL: given if trusted else None,
    }


class _Columns:
    """How the fields of all tasks are called in one table, beside the columns that are made of them."""

    def __init__(self, tasks: Tasks, made: tuple[str, ...]) -> None:
        data = list(dict.fromkeys(key for task in tasks for key in task["data"]))
        other = list(dict.fromkeys(key for task in tasks for key in task if key != "data"))
        self._data = {key: key for key in data} | renames(made, data)
        self._other = {key: key for key in other} | renames({*made, *self._data.values()}, other)

    def row(self, task: Mapping[str, Any], number: int) -> dict[str, Any]:
        row = {self._data[key]: value for key, value in task["data"].items()}
        row |= {self._other[key]: value for key, value in task.items() if key != "data"}
        for name, value in row.items():
            if is_too_deep(value):
                raise LabelFileError(f"task {number} is nested too deeply: flatten it", row=number)
            if isinstance(value, list | dict):
                row[name] = json_text(value)
        return row
