"""The reference values and the control topics that questions are about."""

import functools
import os
from collections import Counter
from collections.abc import Iterable
from importlib.resources import files
from pathlib import Path
from typing import Annotated

import yaml
from pydantic import ConfigDict, StringConstraints, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

Identifier = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$")]
Text = Annotated[str, StringConstraints(min_length=1, strip_whitespace=True)]
_STRICT = ConfigDict(extra="forbid")


class TaxonomyError(ValueError):
    """A file that is no taxonomy; the message names the entry and what was expected."""


@dataclass(frozen=True, config=_STRICT)
class Family:
    """A theory or survey that values come from."""

    id: Identifier
    name: Text
    reference: Text


@dataclass(frozen=True, config=_STRICT)
class Value:
    """One reference human value.

    Attributes:
        id: In snake case; the name of the value in every file.
        name: As people would say it.
        families: Ids of all families that hold this value, overlaps being merged; at least one.
        definition: What people hold dear who hold it, in one or two sentences.
        reference: Of the work that it is mainly taken from.
        sources: The labels that were merged into it, each as `family: label`.
        opposite: Id of the value that the theory opposes to it, if there is one.
    """

    id: Identifier
    name: Text
    families: tuple[Identifier, ...]
    definition: Text
    reference: Text
    sources: tuple[Text, ...] = ()
    opposite: Identifier | None = None


@dataclass(frozen=True, config=_STRICT)
class ControlTopic:
    """A topic whose questions elicit no values."""

    id: Identifier
    name: Text
    description: Text


@dataclass(frozen=True, config=_STRICT)
class Taxonomy:
    """Values with the families they come from, and control topics."""

    families: tuple[Family, ...]
    values: tuple[Value, ...]
    control_topics: tuple[ControlTopic, ...] = ()

    def value(self, identifier: str) -> Value:
        """The value of an id.

        Raises:
            KeyError: If there is none.
        """
        for value in self.values:
            if value.id == identifier:
                return value
        raise KeyError(f"no value {identifier!r} in the taxonomy")


@functools.cache
def reference_taxonomy() -> Taxonomy:
    """The 87 values of the question bank, from five families (paper, section 4.1), and its control topics."""
    return read_taxonomy(str(files("univar") / "assets" / "questions" / "taxonomy.yaml"))


def read_taxonomy(path: str | os.PathLike[str]) -> Taxonomy:
    """The taxonomy of a YAML file with the keys `families`, `values` and, if there are any, `control_topics`.

    Raises:
        TaxonomyError: If a field is missing or unknown, an id is doubled, or a family or an opposite is not defined;
            the message names the entry.
    """
    file = Path(path)
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise TaxonomyError(f"{file} cannot be read: {error.strerror}; give a YAML file") from error
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        raise TaxonomyError(f"{file} is no YAML in UTF-8: {error}") from error
    if not isinstance(content, dict):
        raise TaxonomyError(f"{file} holds no taxonomy: expected the keys families and values")
    try:
        taxonomy = TypeAdapter(Taxonomy).validate_python(content)
    except ValidationError as error:
        raise TaxonomyError(f"{file}: {_first_problem(error, content)}") from error
    for problem in _problems(taxonomy):
        raise TaxonomyError(f"{file}: {problem}")
    return taxonomy


def _first_problem(error: ValidationError, content: dict[str, object]) -> str:
    """The first thing that pydantic found, with the id of the entry it is in."""
    problem = error.errors()[0]
    place = [str(part) for part in problem["loc"]]
    entries = content.get(place[0]) if place else None
    named = ""
    if isinstance(entries, list) and len(place) > 1 and place[1].isdigit() and int(place[1]) < len(entries):
        entry = entries[int(place[1])]
        named = f" (id {entry['id']!r})" if isinstance(entry, dict) and "id" in entry else ""
    rest = f" and {error.error_count() - 1} more" if error.error_count() > 1 else ""
    return f"{'.'.join(place)}{named}: {problem['msg']}, got {problem['input']!r:.80}{rest}"


def _problems(taxonomy: Taxonomy) -> Iterable[str]:
    for kind in ("families", "values", "control_topics"):
        counts = Counter(entry.id for entry in getattr(taxonomy, kind))
        yield from (f"{kind}: the id {name!r} occurs {count} times" for name, count in counts.items() if count > 1)
    if not taxonomy.values:
        yield "values: none given, at least one is needed"
    families, known = {family.id for family in taxonomy.families}, {value.id for value in taxonomy.values}
    for value in taxonomy.values:
        if not value.families:
            yield f"value {value.id!r}: families is empty; name at least one of {', '.join(sorted(families))}"
        for family in value.families:
            if family not in families:
                yield f"value {value.id!r}: unknown family {family!r}; known are {', '.join(sorted(families))}"
        if value.opposite is not None and value.opposite not in known:
            yield f"value {value.id!r}: its opposite {value.opposite!r} is no value of the taxonomy"
