"""`univar train`: what it writes, what it says when it goes wrong or is interrupted."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import failed, files
from univar.cli import main
from univar.model.modeling import UniVaR
from univar.workflows import trained
from univar.workflows.trained import IdentificationEvaluator, checkpoint_folder


def test_train_writes_a_model_with_its_card_and_tells_how_good_it_is(univar, answers, recipe):
    Path("b").mkdir()
    shutil.copy(answers, "b/answers.parquet")  # two corpora whose files have the same name
    run = univar("train", answers, "b/answers.parquet", "--recipe", recipe, "--out", "model")
    assert run.code == 0, run.err
    assert f"{answers}, values: 3 identities" in run.out
    assert f"The model: {answers.parent / 'model'}" in run.out
    assert "| values | univar |" in Path("model/README.md").read_text()
    assert UniVaR("model").training_record["corpora"].keys() == {str(answers), "b/answers.parquet"}
    assert [path.name for path in answers.parent.glob(".*")] == []
    again = univar("train", answers, "--config", recipe, "--out", "model", "--json")
    described = json.loads(again.out)
    assert described["identification"]["answers"]["rows"][0]["representation"] == "univar"
    assert UniVaR("model").training_record["corpora"].keys() == {"answers"}


@pytest.mark.slow
def test_two_processes_train_speak_once_and_write_one_model(answers, recipe, tmp_path):
    (tmp_path / "few.csv").write_text(
        "question,answer,model,lang\nis it,yes,aya,eng\nis it,,aya,eng\n", encoding="utf-8"
    )
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "-m", "univar.cli", "train"]
    done = subprocess.run(
        [*command, str(answers), "--control", "few.csv", "--recipe", str(recipe), "--out", "model", "--json"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(Path(main.__file__).parents[2]), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["model"] == str(tmp_path / "model")
    assert done.stderr.count("Training on answers") == done.stderr.count("rows rejected") == 1
    assert (tmp_path / "model" / "univar.json").is_file()
    assert not checkpoint_folder(tmp_path / "model").exists()


def test_train_keeps_what_is_no_model_of_ours(univar, answers, recipe):
    Path("thesis").mkdir()
    Path("thesis/chapter.tex").write_text("years of work")
    for out in ("thesis", "thesis/chapter.tex"):
        run = univar("train", answers, "--recipe", recipe, "--out", out)
        failed(run, "--out", "would be lost; give a new folder", code=2)
    assert Path("thesis/chapter.tex").read_text() == "years of work"


def test_a_training_on_stances_tells_what_it_learned_of_them(univar, recipe):
    rows = (
        f"is it right {n},{said} {m},{stance}"
        for n in range(60)
        for said, stance in (("yes", 1), ("no", -1))
        for m in "ab"
    )
    Path("people.csv").write_text("\n".join(["question,answer,stance", *rows]) + "\n")
    recipe.write_text(recipe.read_text() + "stance_share: 1\n")
    options = ("--set", "model=people", "--set", "lang=eng", "--recipe", recipe, "--out", "model")
    run = univar("train", "people.csv", *options)
    assert run.code == 0, run.err
    assert "About 4 steps, 6 pairs a step: 4 on stances (people)." in run.err
    assert "people, pairs: n = " in run.out
    assert "was not measured" not in run.err
    assert "### people, stances" in Path("model/README.md").read_text()
    described = json.loads(univar("train", "people.csv", *options, "--json").out)
    assert described["identification"] == {}
    assert {row["measure"] for row in described["stances"]["people"]["rows"]} >= {"pairs", "retrieval"}


def test_an_interrupted_training_goes_on_with_the_same_command(univar, answers, recipe, monkeypatch):
    scored: list[int] = []
    score = IdentificationEvaluator.__call__

    def scoring(self: IdentificationEvaluator, *arguments: Any, **options: Any) -> dict[str, float]:
        scored.append(len(scored))
        if len(scored) == 3:
            os.kill(os.getpid(), signal.SIGINT)
        return score(self, *arguments, **options)

    monkeypatch.setattr(IdentificationEvaluator, "__call__", scoring)
    command = ("train", answers, "--recipe", recipe, "--out", "model")
    run = univar(*command)
    assert run.code == 1
    assert run.err.splitlines()[-1] == (
        "Interrupted; no model was written. Run the same command again to go on from step 2, "
        "or with --restart to begin anew."
    )
    assert not Path("model").exists()
    run = univar(*command)
    assert run.code == 0, run.err
    assert "Going on from step 2 of about 4" in run.err
    assert len(scored) == 3 + 2  # steps 3 and 4
    assert not Path(".model.checkpoints").exists()


def test_a_training_interrupted_before_its_first_checkpoint_leaves_nothing(univar, answers, recipe, monkeypatch):
    def interrupt(*_: object, **__: object) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(5)

    monkeypatch.setattr(IdentificationEvaluator, "__call__", interrupt)
    before = files(answers.parent)
    run = univar("train", answers, "--recipe", recipe, "--out", "model")
    assert run.err.splitlines()[-1].endswith("Run the same command again to begin anew.")
    assert files(answers.parent) == before


def test_a_recipe_that_does_not_exist_is_told(univar, answers):
    run = univar("train", answers, "--recipe", "maxilm", "--out", "model")
    failed(run, "no recipe 'maxilm': neither a file nor one of minilm")
    Path("bad.yaml").write_text("pairs: many\n")
    failed(univar("train", answers, "--recipe", "bad.yaml", "--out", "model"), "bad.yaml is no recipe", "pairs")


@pytest.mark.parametrize(
    ("options", "expected"), [([], "minilm"), (["--control", "answers.parquet"], "minilm-controlled")]
)
def test_the_recipe_left_out_is_one_that_uses_what_is_given(univar, answers, monkeypatch, options, expected):
    chosen = []
    monkeypatch.setattr(
        trained, "train_and_measure", lambda *_, recipe, **__: chosen.append(recipe) or trained.Measurements({}, {})
    )
    assert univar("train", answers, *options, "--out", "model").code == 0
    assert chosen == [expected]


def test_a_recipe_that_wants_control_answers_says_so(univar, answers):
    run = univar("train", answers, "--recipe", "minilm-controlled", "--out", "model")
    assert run.code == 1
    assert run.err.splitlines()[-1].startswith("Error: control_share is 0.25, but no control answers were given; give")
    assert "Training on" not in run.err
    assert not Path("model").exists()


def test_a_base_that_does_not_exist_is_told_before_corpora_are_read(univar, tmp_path):
    (tmp_path / "broken.csv").write_text("no answers here\n")
    (tmp_path / "mine.yaml").write_text("base: /no/such/encoder\n")
    run = univar("train", "broken.csv", "--recipe", "mine.yaml", "--out", "model")
    failed(run, "base in the recipe", "no such folder: /no/such/encoder", code=2)


def test_a_base_that_is_not_on_the_hub_is_told(univar, answers, tmp_path):
    (tmp_path / "mine.yaml").write_text("base: univarbase\n")
    run = univar("train", answers, "--recipe", "mine.yaml", "--out", "model")
    assert run.code == 1
    assert run.err.splitlines()[-1].startswith("Error: cannot load the base 'univarbase'; set base to univar-base, a")


def test_a_disk_that_fills_in_training_is_told(univar, answers, recipe, full_disk):
    before = files(answers.parent)
    full_disk(2_000)
    run = univar("train", answers, "--recipe", recipe, "--out", "model")
    full_disk(2**30)
    assert run.code == 1
    line = run.err.splitlines()[-1]
    assert line.startswith("Error: ")
    assert line.endswith("no model was written. Run the same command again to begin anew.")
    assert files(answers.parent) == before
