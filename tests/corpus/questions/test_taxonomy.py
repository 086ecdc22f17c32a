import re
from pathlib import Path

import pytest

from univar.corpus.questions.taxonomy import TaxonomyError, read_taxonomy, reference_taxonomy

FAMILIES = {"wvs", "hofstede", "schwartz", "refined", "rokeach"}


def written(folder: Path, text: str) -> Path:
    (folder / "mine.yaml").write_text(text, encoding="utf-8")
    return folder / "mine.yaml"


GOOD = """
families:
  - {id: mine, name: My theory, reference: Me (2026).}
values:
  - {id: candour, name: candour, families: [mine], definition: Saying what one thinks., reference: Me., opposite: tact}
  - {id: tact, name: tact, families: [mine], definition: Sparing others., reference: Me., opposite: candour}
control_topics:
  - {id: sums, name: sums, description: Adding numbers.}
"""

# The values that ship


def test_there_are_87_values_of_five_families_and_at_least_20_control_topics():
    taxonomy = reference_taxonomy()
    assert len(taxonomy.values) == 87
    assert {family.id for family in taxonomy.families} == FAMILIES
    assert len(taxonomy.control_topics) >= 20


def test_every_value_has_a_definition_of_one_or_two_sentences_and_a_reference():
    for value in reference_taxonomy().values:
        assert 1 <= len(re.findall(r"[.!?](?: |$)", value.definition)) <= 2, value.definition
        assert value.reference


def test_every_source_is_of_a_family_of_its_value():
    for value in reference_taxonomy().values:
        assert {source.partition(":")[0] for source in value.sources} == set(value.families), value.id


def test_nothing_of_rokeach_or_of_the_refined_theory_is_left_out():
    sources = {source for value in reference_taxonomy().values for source in value.sources}
    assert len({source for source in sources if source.startswith("rokeach:")}) == 36  # 18 terminal, 18 instrumental
    assert len({source for source in sources if source.startswith("refined:")}) == 19
    assert len({source for source in sources if source.startswith("schwartz:")}) == 10


def test_opposites_are_mutual():
    taxonomy = reference_taxonomy()
    opposed = [value for value in taxonomy.values if value.opposite is not None]
    assert len(opposed) >= 20
    assert all(taxonomy.value(value.opposite or "").opposite == value.id for value in opposed)


def test_a_value_that_is_not_there_is_named():
    with pytest.raises(KeyError, match="no value 'greed'"):
        reference_taxonomy().value("greed")


# Files


def test_a_taxonomy_of_ones_own_is_read(tmp_path):
    taxonomy = read_taxonomy(written(tmp_path, GOOD))
    assert [value.id for value in taxonomy.values] == ["candour", "tact"]
    assert taxonomy.value("tact").families == ("mine",)
    assert taxonomy.control_topics[0].description == "Adding numbers."


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (", definition: Sparing others.", "", r"mine.yaml: values.1.definition \(id 'tact'\): Field required"),
        ("families: [mine], definition: Sparing", "families: [yours], definition: Sparing", "unknown family 'yours'"),
        ("id: tact, name", "id: candour, name", "values: the id 'candour' occurs 2 times"),
        ("opposite: candour", "opposite: rudeness", "its opposite 'rudeness' is no value of the taxonomy"),
        ("families: [mine], definition: Sparing", "families: [], definition: Sparing", "name at least one of mine"),
        ("id: tact, name", "id: Tact!, name", r"values.1.id \(id 'Tact!'\): String should match pattern"),
        ("opposite: candour}", "opposite: candour, colour: red}", "values.1.colour"),
        ("values:", "value:", "values: Field required"),
    ],
)
def test_what_is_wrong_with_a_taxonomy_is_named(tmp_path, old, new, message):
    assert old in GOOD
    with pytest.raises(TaxonomyError, match=message):
        read_taxonomy(written(tmp_path, GOOD.replace(old, new)))


@pytest.mark.parametrize(
    ("text", "message"),
    [("[1, 2", "no YAML in UTF-8"), ("just words", "expected the keys families and values"), ("", "holds no taxonomy")],
)
def test_a_file_that_is_no_taxonomy_is_refused(tmp_path, text, message):
    with pytest.raises(TaxonomyError, match=message):
        read_taxonomy(written(tmp_path, text))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(TaxonomyError, match=r"nowhere.yaml cannot be read: No such file"):
        read_taxonomy(tmp_path / "nowhere.yaml")
