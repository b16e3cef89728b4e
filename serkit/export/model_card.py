"""The model card: what to know of a model before using it."""

from collections.abc import Iterator, Mapping
from typing import Any

from serkit.formatting import counted, markdown_table, percent
from serkit.metrics.bootstrap import Interval

_UNKNOWN = "Not known: the model was exported from a file, without the run that it came from.\n"
_ACTED = (
    "The speakers are actors, or speak on request. How well acted emotions represent felt emotions "
    "is not known, and not measured here."
)
_SYNTHETIC = (
    "These voices are synthetic. They show that the programs run, and say nothing about people."
)
_LIMITS = {
    "tess": "TESS has two speakers, both women, who speak the same 200 words. If most clips of a "
    "class are theirs, the model may recognise the voices instead of the emotion.",
    "ravdess": "RAVDESS' actors speak two sentences, in two intensities. Its calm counts as "
    "neutral.",
    "crema-d": "CREMA-D has no surprise: a model of several corpora may recognise this class by "
    "the recording conditions.",
    "savee": "SAVEE has four speakers, all men.",
}
_SURPRISE = (
    "*Surprise* is what the corpora call so: pleasant surprise in TESS; RAVDESS and SAVEE do not "
    "say which."
)


def model_card(details: Mapping[str, Any]) -> str:
    """Write a model card in Markdown from the known details of a model.

    Args:
        details: content of ``assets.extra/serkit.json``. Required keys: ``name``, ``version``,
            ``classes``, ``spec`` and ``answers`` (the fields of
            :class:`serkit.export.answering.AnswerSettings`, ``draws`` and ``networks``). Optional
            keys: ``serkit``, ``run``, ``protocol`` and ``leaky``; ``data``, ``test`` and
            ``abstention``, see :func:`serkit.studies.deployment.model_card_evidence`;
            ``comparison`` and ``arm``, see
            :func:`serkit.studies.finished_comparison.open_classifier_to_export`.

    Returns:
        The card. Sections without details say that the details are not known.

    Source: Mitchell et al. (2019), Model Cards for Model Reporting, arXiv:1810.03993.
    """
    return "\n".join(section.rstrip("\n") + "\n" for section in _sections(details))


def _sections(details: Mapping[str, Any]) -> Iterator[str]:
    classes, spec, answers = details["classes"], details["spec"], details["answers"]
    yield f"# {details['name']}, version {details['version']}"
    yield (
        f"Classifies speech into {len(classes)} classes: {', '.join(classes)}. Made with serkit "
        f"{details.get('serkit', '')}".rstrip()
        + (f", run `{details['run']}`" if details.get("run") else "")
        + "."
    )
    yield "## Intended use"
    yield (
        "Research on emotion in speech, and prototypes whose users know its limitations. Not for "
        "decisions about people: not for hiring, policing, health, or school. The people who are "
        "recorded must agree."
    )
    yield "## Inputs and outputs"
    yield _answers(spec, answers)
    yield "## Training data"
    yield _data(details["data"]) if details.get("data") else _UNKNOWN
    if details.get("comparison"):
        yield _arm(details["arm"], details["comparison"])
    yield "## Performance"
    if details.get("leaky"):
        yield (
            "**The same speakers are in training and test.** These numbers are higher than on "
            "unseen speakers."
        )
    yield _results(details) if details.get("test") else _UNKNOWN
    if details.get("comparison"):
        yield _compared(details["arm"], details["comparison"])
    yield "## Limitations"
    yield "".join(f"- {line}\n" for line in _limits(details))
    yield "## Licences of the recordings"
    yield _licences(details.get("data", {}))


def _answers(spec: Mapping[str, Any], answers: Mapping[str, Any]) -> str:
    seconds = spec["frames"] * spec["hop"] / spec["sample_rate"]
    many, threshold = answers["networks"], answers["threshold"]
    kind = "One network"
    if answers["draws"]:
        kind = f"One network with random layers, {answers['samples']} Monte Carlo samples"
    elif many > 1:
        kind = f"An ensemble of {many} networks"
    when = (
        "It never abstains: no threshold was chosen."
        if threshold is None
        else f"It abstains where the entropy of its probabilities is above {threshold:.3f} nats."
    )
    return (
        f"WAV files of any rate, width and channel count, split into windows of {seconds:.1f} s at "
        f"{spec['sample_rate']} Hz, or waveforms, or spectrograms. {kind}, with a temperature of "
        f"{answers['temperature']:.2f}. {when}"
    )


def _data(data: Mapping[str, Any]) -> str:
    parts = data["parts"]
    head = ["clips (speakers)", *parts]
    corpora = list(dict.fromkeys(name for part in parts.values() for name in part["corpora"]))
    rows = [
        [name, *(_counted(part["corpora"].get(name)) for part in parts.values())]
        for name in corpora
    ]
    rows.append(["all", *(_counted(part) for part in parts.values())])
    classes = data["classes"]
    made = data.get("generated", {})
    head_classes = ["", *classes]
    counts = [["training clips", *(str(value) for value in classes.values())]]
    if made:
        counts.append(["generated spectrograms added", *(str(made.get(n, 0)) for n in classes)])
    return f"{markdown_table(head, rows)}\n{markdown_table(head_classes, counts)}"


def _counted(part: Mapping[str, int] | None) -> str:
    return f"{part['clips']} ({part['speakers']})" if part else "0"


def _arm(arm: str, found: Mapping[str, Any]) -> str:
    everywhere = "".join(f", with {name} as everywhere" for name in found["everywhere"])
    return f"Arm `{arm}` of the comparison: {found['meaning']}{everywhere}."


def _compared(arm: str, found: Mapping[str, Any]) -> str:
    runs = counted(found["trainings"], "training run")
    speakers = counted(found["speakers"], "unseen speaker")
    verdict = f" The comparison's verdict: {found['verdict']}." if found["verdict"] else ""
    return (
        f"In the comparison, single networks of this kind ({runs} of `{found['classifier']}`, "
        f"arm `{arm}`) reached UAR {_interval(found['uar'])} on {speakers}.{verdict}"
    )


def _results(details: Mapping[str, Any]) -> str:
    test, classes = details["test"], details["classes"]
    groups = test["groups"]
    clips, speakers = (groups[0][name] for name in ("clips", "speakers"))
    head = ["", "speakers", "clips", "UAR", "accuracy", "macro F1"]
    rows = [
        [_name(group), str(group["speakers"]), str(group["clips"])]
        + [_interval(group["measures"][name]) for name in ("uar", "accuracy", "macro_f1")]
        for group in groups
    ]
    recalls = [
        [label, "" if found is None else _interval(found)]
        for label, found in zip(classes, groups[0]["measures"]["recalls"], strict=True)
    ]
    text = [
        f"On {counted(clips, 'real clip')} of {counted(speakers, 'speaker')}"
        + (f" ({details['protocol']})" if details.get("protocol") else "")
        + ", in per cent, with 95 % intervals over speakers where there are enough of them.\n",
        markdown_table(head, rows),
        markdown_table(["class", "recall"], recalls),
        _calibration(test["calibration"]),
        _abstention(details["abstention"]) if details.get("abstention") else "",
    ]
    return "\n".join(part for part in text if part)


def _calibration(found: Mapping[str, Mapping[str, float]]) -> str:
    head = ["", "expected calibration error", "negative log likelihood"]
    rows = [[name, percent(row["error"]), f"{row['nll']:.3f}"] for name, row in found.items()]
    return markdown_table(head, rows)


def _abstention(found: Mapping[str, Any]) -> str:
    answered = found["accuracy"]
    right = "" if answered is None else f", {percent(answered)} of these correctly"
    return (
        f"The threshold was chosen so that {percent(found['validation_coverage'], 0)} of the "
        f"validation speakers' clips are answered. Of the test clips it answers "
        f"{percent(found['coverage'])}{right}; without abstention "
        f"{percent(found['accuracy_of_all'])} are correct.\n"
    )


def _limits(details: Mapping[str, Any]) -> Iterator[str]:
    data = details.get("data", {})
    licences, synthetic = data.get("licences", {}), data.get("synthetic", False)
    if synthetic:
        yield _SYNTHETIC
    if not synthetic or len(licences) > 1:
        yield _ACTED
        yield from (_LIMITS[name] for name in licences if name in _LIMITS)
    if any("surprise" in label for label in details["classes"]):
        yield _SURPRISE
    yield (
        "Sounds other than speech, and languages and microphones that are not in the training "
        "data, get predictions too, sometimes with high confidence."
    )


def _licences(data: Mapping[str, Any]) -> str:
    found = data.get("licences", {})
    if not found:
        return _UNKNOWN
    listed = "".join(f"- {name}: {text}\n" for name, text in found.items())
    if data.get("synthetic") and len(found) == 1:
        return listed
    return (
        f"{listed}\n"
        "Whether a model made from them may be passed on or sold is for their owners to say.\n"
    )


def _name(group: Mapping[str, str]) -> str:
    if group["attribute"] == "all":
        return "all"
    return f"{group['attribute']}: {group['value'] or 'unknown'}"


def _interval(found: Mapping[str, Any]) -> str:
    return str(Interval(found["value"], found["low"], found["high"]))
