import pandas as pd

from serkit.studies.uncertainty_results import write_uncertainty_figures

CLASSES = ("angry", "sad")


def _answers(rng, method, twin):
    probability = rng.random(60)
    rows = pd.DataFrame({"p_angry": probability, "p_sad": 1 - probability, "total": rng.random(60)})
    rows["truth"] = rng.choice(CLASSES, 60)
    known = rows.assign(kind="known", speaker="a")
    ood = rows.assign(kind="noise", truth="", speaker="")
    return pd.concat([known, ood]).assign(method=method, twin=twin, seed=0, fold=1)


def test_two_figures_for_each_network(rng, tmp_path):
    answers = pd.concat(
        [
            _answers(rng, "small", ""),
            _answers(rng, "small, dropout", "small"),
            _answers(rng, "a larger one", ""),
        ]
    )
    written = write_uncertainty_figures(answers, CLASSES, tmp_path)
    assert [path.name for path in written] == [
        "reliability-small.png",
        "risk-coverage-small.png",
        "reliability-a-larger-one.png",
        "risk-coverage-a-larger-one.png",
    ]
    assert sorted(tmp_path.iterdir()) == sorted(written)
    contents = [path.read_bytes() for path in written]
    assert len(set(contents)) == 4
    assert all(content.startswith(b"\x89PNG") for content in contents)
    # OOD inputs are not shown.
    write_uncertainty_figures(answers[answers["kind"] == "known"], CLASSES, tmp_path)
    assert [path.read_bytes() for path in written] == contents
