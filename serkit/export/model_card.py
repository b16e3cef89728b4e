"""The model card: what to know of a model before using it."""

from collections.abc import Iterator, Mapping
from typing import Any

from serkit.formatting import counted, markdown_table

_UNKNOWN = "Not known: the model was exported from a file, without the run that it came from.\n"
_ACTED = (
    "The voices are actors' or speak on request. How well acted emotions stand for felt ones is "
    "not known, and nothing here measures it."
)
_SYNTHETIC = (
    "These voices are made by a program, in the corpora's own layouts. They show that everything "
    "runs, and say nothing about people."
)
_LIMITS = {
    "tess": "TESS is two women, who speak the same 200 words. Where most clips of a class are "
    "theirs, it may have been learned by voice.",
    "ravdess": "RAVDESS' actors speak two sentences, in two intensities. Its calm counts as "
    "neutral.",
    "crema-d": "CREMA-D has no surprise: a model of several corpora may tell it by the recording.",
    "savee": "SAVEE is four men.",
}
_SURPRISE = (
    "*Surprise* is what the corpora call so: pleasant surprise in TESS, and in RAVDESS and SAVEE "
    "whatever their actors took it for."
)


def model_card(details: Mapping[str, Any]) -> str:
    """Write a model card in Markdown from the known details of a model.

    Args:
        details: content of ``assets.extra/serkit.json``. Required keys: ``name``, ``version``,
            ``classes``, ``spec`` and ``answers`` (the fields of
            :class:`serkit.export.answering.AnswerSettings`, ``draws`` and ``networks``). Optional
            keys: ``serkit``, ``run``, ``protocol`` and ``leaky``; ``data``, ``test`` and
            ``abstention``, see :func:`serkit.studies.deployment.gather`; ``comparison`` and
            ``arm``, see :meth:`serkit.studies.finished_comparison.FinishedComparison.keep`.

    Returns:
        The card. Sections without details say that the details are not known.

    Source: Mitchell et al. (2019), Model Cards for Model Reporting, arXiv:1810.03993.
    """
    return "\n".join(section.rstrip("\n") + "\n" for section in _sections(details))


def _sections(details: Mapping[str, Any]) -> Iterator[str]:
    classes, spec, answers = details["classes"], details["spec"], details["answers"]
    yield f"# {details['name']}, version {details['version']}"
    yield (
        f"Tells {len(classes)} classes of speech apart: {', '.join(classes)}. Made with serkit "
        f"{details.get('serkit', '')}".rstrip()
        + (f", run `{details['run']}`" if details.get("run") else "")
        + "."
    )
    yield "## What it is for"
    yield (
        "Research on emotion in speech, and prototypes whose users know what it is. Not for "
        "decisions about people: not for hiring, policing, health, or school. Ask those who are "
        "recorded."
    )
    yield "## What it hears and answers"
    yield _answers(spec, answers)
    yield "## What it was trained on"
    yield _data(details["data"]) if details.get("data") else _UNKNOWN
    if details.get("comparison"):
        yield _arm(details["arm"], details["comparison"])
    yield "## How good it is"
    if details.get("leaky"):
        yield (
            "**The same people were in training and test.** These numbers are higher than what "
            "strangers get."
        )
    yield _results(details) if details.get("test") else _UNKNOWN
    if details.get("comparison"):
        yield _compared(details["arm"], details["comparison"])
    yield "## Limits"
    yield "".join(f"- {line}\n" for line in _limits(details))
    yield "## Licences of the recordings"
    yield _licences(details.get("data", {}))


def _answers(spec: Mapping[str, Any], answers: Mapping[str, Any]) -> str:
    seconds = spec["frames"] * spec["hop"] / spec["sample_rate"]
    many, threshold = answers["networks"], answers["threshold"]
    kind = "One network"
    if answers["draws"]:
        kind = f"One network whose weights or units are drawn, asked {answers['samples']} times"
    elif many > 1:
        kind = f"An ensemble of {many} networks"
    when = (
        "It never abstains: no threshold was chosen."
        if threshold is None
        else f"It abstains where the entropy of its probabilities is above {threshold:.3f} nats."
    )
    return (
        f"WAV files of any rate, width and channel count, heard in windows of {seconds:.1f} s at "
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
    trainings = counted(found["trainings"], "training")
    speakers = counted(found["speakers"], "speaker")
    verdict = f" The comparison's verdict: {found['verdict']}." if found["verdict"] else ""
    return (
        f"In the comparison, single networks of this kind ({trainings} of `{found['classifier']}`, "
        f"arm `{arm}`) reached UAR {_percent(found['uar'])} on {speakers} whom they "
        f"had not heard.{verdict}"
    )


def _results(details: Mapping[str, Any]) -> str:
    test, classes = details["test"], details["classes"]
    groups = test["groups"]
    clips, speakers = (groups[0][name] for name in ("clips", "speakers"))
    head = ["", "speakers", "clips", "UAR", "accuracy", "macro F1"]
    rows = [
        [_name(group), str(group["speakers"]), str(group["clips"])]
        + [_percent(group["measures"][name]) for name in ("uar", "accuracy", "macro_f1")]
        for group in groups
    ]
    recalls = [
        [label, "" if found is None else _percent(found)]
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
    rows = [
        [name, f"{100 * row['error']:.1f} %", f"{row['nll']:.3f}"] for name, row in found.items()
    ]
    return markdown_table(head, rows)


def _abstention(found: Mapping[str, Any]) -> str:
    answered = found["accuracy"]
    right = "" if answered is None else f", {100 * answered:.1f} % of these rightly"
    return (
        f"The threshold was chosen so that {100 * found['validation_coverage']:.0f} % of the "
        f"validation speakers' clips are answered. Of the test clips it answers "
        f"{100 * found['coverage']:.1f} %{right}; without abstaining "
        f"{100 * found['accuracy_of_all']:.1f} % are right.\n"
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
        "What is no speech at all, and languages and microphones that it has not heard, get "
        "answers too, sometimes sure ones."
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


def _percent(found: Mapping[str, float | None]) -> str:
    value = f"{100 * found['value']:.1f}"
    if found["low"] is None:
        return value
    return f"{value} [{100 * found['low']:.1f}, {100 * found['high']:.1f}]"
