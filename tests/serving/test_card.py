from serkit.export.model_card import model_card

BARE = {
    "name": "tiny",
    "version": 3,
    "classes": ["angry", "surprise"],
    "spec": {"frames": 224, "hop": 256, "sample_rate": 16_000},
    "answers": {
        "temperature": 1.5,
        "threshold": 0.6,
        "samples": 30,
        "seed": 0,
        "draws": False,
        "networks": 1,
    },
}


def _measure(value, low=None, high=None):
    return {"value": value, "low": low, "high": high}


MEASURES = {
    **{name: _measure(0.5, 0.4, 0.6) for name in ("uar", "accuracy", "macro_f1")},
    "recalls": [_measure(0.25), None],
}
GROUP = {"attribute": "all", "value": "", "speakers": 4, "clips": 80, "measures": MEASURES}
FULL = BARE | {
    "run": "mine",
    "protocol": "hold-out, one split, one seed",
    "leaky": False,
    "data": {
        "parts": {
            "train": {
                "clips": 100,
                "speakers": 8,
                "corpora": {"tess": {"clips": 100, "speakers": 8}},
            },
            "test": {"clips": 80, "speakers": 4, "corpora": {}},
        },
        "classes": {"angry": 90, "surprise": 10},
        "generated": {"surprise": 80},
        "licences": {"tess": "for research"},
    },
    "test": {
        "groups": [GROUP, GROUP | {"attribute": "gender", "value": ""}],
        "calibration": {"with it": {"error": 0.034, "nll": 1.25}},
    },
    "abstention": {
        "validation_coverage": 0.9,
        "coverage": 0.85,
        "accuracy": 0.7,
        "accuracy_of_all": 0.6,
    },
}


def test_what_is_not_known_is_not_made_up():
    card = model_card(BARE)
    assert card.startswith("# tiny, version 3\n")
    assert card.count("Not known: the model was exported from a file") == 3
    assert "abstains where the entropy of its probabilities is above 0.600 nats" in card
    assert "temperature of 1.50" in card
    assert "segments of 3.6 s at 16000 Hz" in card
    assert "%" not in card


def test_numbers_come_from_the_run():
    card = model_card(FULL)
    assert "| all | 4 | 80 | 50.0 [40.0, 60.0] | 50.0 [40.0, 60.0] |" in card
    assert "| gender: unknown | 4 | 80 |" in card
    assert "| angry | 25.0 |\n| surprise |  |" in card
    assert "| tess | 100 (8) | 0 |" in card
    assert "| generated spectrograms added | 0 | 80 |" in card
    assert "| with it | 3.4 % | 1.250 |" in card
    assert "85.0 %, 70.0 % of these correctly; without abstention 60.0 % are correct" in card
    assert "- tess: for research" in card


def test_limits_are_those_of_the_recordings():
    card = model_card(FULL)
    assert "both women" in card
    assert "pleasant surprise" in card
    assert not any(f"{name} does not say which *surprise*" in card for name in ("RAVDESS", "SAVEE"))
    assert "acted" in card
    assert "same speakers are in training and test" not in card
    leaky = model_card(FULL | {"leaky": True})
    assert "**The same speakers are in training and test.**" in leaky
    data = FULL["data"] | {"synthetic": True, "licences": {"built-in corpus": "serkit's"}}
    made = model_card(FULL | {"data": data, "classes": ["angry", "sad"]})
    assert "voices are synthetic" in made
    assert "both women" not in made
    assert "acted" not in made
    assert "for their owners to say" not in made
    assert "for their owners to say" in card
    both = FULL["data"] | {"synthetic": True, "licences": {"tess": "x", "built-in corpus": "y"}}
    mixed = model_card(FULL | {"data": both})
    assert all(words in mixed for words in ("voices are synthetic", "acted", "both women"))
    assert "*surprise*" not in made


def test_it_says_how_it_answers():
    answers = BARE["answers"] | {"threshold": None, "draws": True}
    assert "30 Monte Carlo samples" in model_card(BARE | {"answers": answers})
    assert "never abstains" in model_card(BARE | {"answers": answers})
    answers = BARE["answers"] | {"networks": 4}
    assert "ensemble of 4" in model_card(BARE | {"answers": answers})


def test_nothing_answered_has_no_accuracy():
    card = model_card(FULL | {"abstention": FULL["abstention"] | {"accuracy": None, "coverage": 0}})
    assert "answers 0.0 %; without" in card


def test_what_a_comparison_says_is_told():
    found = {
        "classifier": "compact",
        "meaning": "other masks",
        "everywhere": ["mixup"],
        "trainings": 10,
        "speakers": 20,
        "uar": {"value": 0.6, "low": 0.5, "high": 0.7},
        "verdict": "specaugment: no effect shown",
    }
    card = model_card(FULL | {"arm": "specaugment", "comparison": found})
    assert "Arm `specaugment` of the comparison: other masks, with mixup as everywhere." in card
    assert "(10 training runs of `compact`, arm `specaugment`) reached UAR 60.0 [50.0" in card
    assert "verdict: specaugment: no effect shown." in card
    found |= {"verdict": None, "trainings": 1, "speakers": 1}
    alone = model_card(FULL | {"arm": "none", "comparison": found})
    assert "verdict" not in alone
    assert "(1 training run of `compact`, arm `none`)" in alone
    assert " on 1 unseen speaker." in alone
    assert "comparison" not in model_card(FULL)


def test_names_are_quoted_as_they_are():
    names = {"name": "<b>", "classes": ["[a](http://b)", "surprise"], "run": "`x`"}
    data = FULL["data"] | {"licences": {"mine|*": "unknown"}}
    card = model_card(FULL | names | {"data": data})
    for shown in (
        r"# \<b>, ver",
        r": [a\](http://b), surprise.",
        r"run \`x\`",
        r"- mine\|\*: unk",
    ):
        assert shown in card
