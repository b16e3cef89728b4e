"""The model card: what to know of a model before using it."""

from collections.abc import Iterator, Mapping
from typing import Any

from serkit.formatting import counted, markdown_table, markdown_text, percent
from serkit.metrics.bootstrap import Interval

_NOT_KNOWN = "Not known: the model was exported from a file, without the run that it came from.\n"
_REFITTED = (
    "**The exported model itself was not tested**: after these measurements it was fitted on all "
    "speakers. The numbers are those of models that were fitted in the same way, each without the "
    "speakers that it was tested on.\n"
)
_ACTED_SPEECH = (
    "The speakers are actors, or speak on request. How well acted emotions represent felt emotions "
    "is not known, and not measured here."
)
_SYNTHETIC_VOICES = (
    "These voices are synthetic. They show that the programs run, and say nothing about people."
)
_LIMITS_OF_CORPORA = {
    "tess": "TESS has two speakers, both women, who speak the same 200 words. If most clips of a "
    "class are theirs, the model may recognise the voices instead of the emotion.",
    "ravdess": "RAVDESS' actors speak two sentences, in two intensities. Its calm counts as "
    "neutral.",
    "crema-d": "CREMA-D has no surprise: a model of several corpora may recognise this class by "
    "the recording conditions.",
    "savee": "SAVEE has four speakers, all men.",
}
_SURPRISE_IN_CORPORA = {
    "tess": "In TESS, *surprise* is pleasant surprise.",
    "ravdess": "RAVDESS does not say which *surprise* is meant.",
    "savee": "SAVEE does not say which *surprise* is meant.",
}


def model_card(details: Mapping[str, Any]) -> str:
    """Write a model card in Markdown from the known details of a model.

    Args:
        details: content of ``assets.extra/serkit.json``. Required keys: ``name``, ``version``,
            ``classes``, ``spec`` and ``answers`` (the fields of
            :class:`serkit.export.exportable_model.PredictionSettings`, ``draws`` and
            ``networks``). Optional keys: ``serkit``, ``run``, ``protocol`` and
            ``leaky``; ``refitted``, whether the model was fitted on the tested speakers after the
            test; ``data``, ``test`` and ``abstention``, see
            :func:`serkit.studies.deployment.model_card_evidence`; ``enrollment``, see
            :func:`serkit.studies.enrollment.enrollment_scores`; ``comparison`` and ``arm``, see
            :func:`serkit.studies.finished_comparison.open_classifier_to_export`.

    Returns:
        The card. Sections without details say that the details are not known.

    Source: Mitchell et al. (2019), Model Cards for Model Reporting, arXiv:1810.03993.
    """
    return "\n".join(section.rstrip("\n") + "\n" for section in _sections(details))


def _sections(details: Mapping[str, Any]) -> Iterator[str]:
    classes, spec, answers = details["classes"], details["spec"], details["answers"]
    class_list = markdown_text(", ".join(classes))
    yield f"# {markdown_text(details['name'])}, version {details['version']}"
    yield (
        f"Classifies speech into {len(classes)} classes: {class_list}. Made with serkit "
        f"{details.get('serkit', '')}".rstrip()
        + (f", run {markdown_text(details['run'])}" if details.get("run") else "")
        + "."
    )
    yield "## Intended use"
    yield (
        "Research on emotion in speech, and prototypes whose users know its limitations. Not for "
        "decisions about people: not for hiring, policing, health, or school. The people who are "
        "recorded must agree."
    )
    yield "## Inputs and outputs"
    yield _inputs_and_outputs(spec, answers)
    yield "## Training data"
    yield _training_data(details["data"]) if details.get("data") else _NOT_KNOWN
    if details.get("comparison"):
        yield _arm_sentence(details["arm"], details["comparison"])
    yield "## Performance"
    if details.get("leaky"):
        yield (
            "**The same speakers are in training and test.** These numbers are higher than on "
            "unseen speakers."
        )
    yield _test_results(details) if details.get("test") else _NOT_KNOWN
    if details.get("comparison"):
        yield _comparison_sentence(details["arm"], details["comparison"])
    yield "## Limitations"
    yield "".join(f"- {line}\n" for line in _limits(details))
    yield "## Licences of the recordings"
    yield _licences(details.get("data", {}))


def _inputs_and_outputs(spec: Mapping[str, Any], answers: Mapping[str, Any]) -> str:
    network_count, threshold = answers["networks"], answers["threshold"]
    predictor = "One linear classifier" if "encoder" in spec else "One network"
    if answers["draws"]:
        predictor = f"One network with random layers, {answers['samples']} Monte Carlo samples"
    elif network_count > 1:
        predictor = f"An ensemble of {network_count} networks"
    abstention = (
        "It never abstains: no threshold was chosen."
        if threshold is None
        else f"It abstains where the entropy of its probabilities is above {threshold:.3f} nats."
    )
    if answers.get("ood_threshold") is not None:
        abstention += (
            " It also abstains on recordings that are unlike all training clips, such as noise or "
            "music, and says so in the note."
        )
    if "encoder" in spec:
        inputs = (
            f"or waveforms at {spec['sample_rate']} Hz, of which the speech encoder "
            f"{spec['encoder']} computes features. OpenAI's weights of Whisper are under the MIT "
            "licence."
        )
    else:
        seconds = spec["frames"] * spec["hop"] / spec["sample_rate"]
        inputs = (
            f"split into segments of {seconds:.1f} s at {spec['sample_rate']} Hz, or waveforms, or "
            "spectrograms."
        )
    return (
        f"WAV files of any rate, width and channel count, {inputs} {predictor}, with a "
        f"temperature of {answers['temperature']:.2f}. {abstention}"
    )


def _training_data(data: Mapping[str, Any]) -> str:
    partitions = data["parts"]
    corpora = dict.fromkeys(name for part in partitions.values() for name in part["corpora"])
    rows = []
    for corpus in corpora:
        cells = [_clips_and_speakers(part["corpora"].get(corpus)) for part in partitions.values()]
        rows.append([corpus, *cells])
    rows.append(["all", *(_clips_and_speakers(part) for part in partitions.values())])
    partition_table = markdown_table(["clips (speakers)", *partitions], rows)
    clips_of_class = data["classes"]
    rows = [["training clips", *map(str, clips_of_class.values())]]
    if generated := data.get("generated", {}):
        counts = [str(generated.get(label, 0)) for label in clips_of_class]
        rows.append(["generated spectrograms added", *counts])
    class_table = markdown_table(["", *clips_of_class], rows)
    return f"{partition_table}\n{class_table}"


def _clips_and_speakers(counts: Mapping[str, Any] | None) -> str:
    return f"{counts['clips']} ({counts['speakers']})" if counts else "0"


def _arm_sentence(arm: str, comparison: Mapping[str, Any]) -> str:
    everywhere = "".join(f", with {name} as everywhere" for name in comparison["everywhere"])
    return f"Arm `{arm}` of the comparison: {comparison['meaning']}{everywhere}."


def _comparison_sentence(arm: str, comparison: Mapping[str, Any]) -> str:
    runs = counted(comparison["trainings"], "training run")
    speakers = counted(comparison["speakers"], "unseen speaker")
    verdict = (
        f" The comparison's verdict: {comparison['verdict']}." if comparison["verdict"] else ""
    )
    return (
        f"In the comparison, single networks of this kind ({runs} of `{comparison['classifier']}`, "
        f"arm `{arm}`) reached UAR {_format_interval(comparison['uar'])} on {speakers}.{verdict}"
    )


def _test_results(details: Mapping[str, Any]) -> str:
    test, classes = details["test"], details["classes"]
    groups = test["groups"]
    all_clips = groups[0]
    header = ["", "speakers", "clips", "UAR", "accuracy", "macro F1"]
    rows = []
    for group in groups:
        counts = [str(group["speakers"]), str(group["clips"])]
        measures = [group["measures"][name] for name in ("uar", "accuracy", "macro_f1")]
        rows.append([_group_name(group), *counts, *map(_format_interval, measures)])
    recall_rows = [
        [label, "" if recall is None else _format_interval(recall)]
        for label, recall in zip(classes, all_clips["measures"]["recalls"], strict=True)
    ]
    text = [
        f"On {counted(all_clips['clips'], 'real clip')} of "
        f"{counted(all_clips['speakers'], 'speaker')}"
        + (f" ({details['protocol']})" if details.get("protocol") else "")
        + ", in per cent, with 95 % intervals over speakers where there are enough of them.\n",
        markdown_table(header, rows),
        markdown_table(["class", "recall"], recall_rows),
        _REFITTED if details.get("refitted") else "",
        _calibration(test["calibration"]),
        _abstention(details["abstention"]) if details.get("abstention") else "",
        _enrollment(details["enrollment"]) if details.get("enrollment") else "",
    ]
    return "\n".join(part for part in text if part)


def _calibration(calibration: Mapping[str, Mapping[str, float]]) -> str:
    header = ["", "expected calibration error", "negative log likelihood"]
    rows = [[name, percent(row["error"]), f"{row['nll']:.3f}"] for name, row in calibration.items()]
    return markdown_table(header, rows)


def _enrollment(scores: Mapping[str, Any]) -> str:
    return (
        "For enrolled speakers the model has a second classifier, which adapts. After enrollment "
        f"of {scores['clips']} clips of a speaker, of emotions that it is not told, its UAR on the "
        f"speaker's other clips is {_format_interval(scores['uar'])}; without enrollment that of "
        f"this classifier is {_format_interval(scores['unknown_speaker_uar'])}.\n"
    )


def _abstention(abstention: Mapping[str, Any]) -> str:
    accuracy = abstention["accuracy"]
    correct = "" if accuracy is None else f", {percent(accuracy)} of these correctly"
    return (
        f"The threshold was chosen so that {percent(abstention['validation_coverage'], 0)} of the "
        f"clips of {abstention.get('chosen_on', 'the validation speakers')} are answered. Of the "
        f"test clips it answers "
        f"{percent(abstention['coverage'])}{correct}; without abstention "
        f"{percent(abstention['accuracy_of_all'])} are correct.\n"
    )


def _limits(details: Mapping[str, Any]) -> Iterator[str]:
    data = details.get("data", {})
    licences, synthetic = data.get("licences", {}), data.get("synthetic", False)
    if synthetic:
        yield _SYNTHETIC_VOICES
    if not synthetic or len(licences) > 1:
        yield _ACTED_SPEECH
        yield from (_LIMITS_OF_CORPORA[name] for name in licences if name in _LIMITS_OF_CORPORA)
    if any("surprise" in label for label in details["classes"]):
        yield from (text for name, text in _SURPRISE_IN_CORPORA.items() if name in licences)
    yield (
        "Languages and microphones that are not in the training data get predictions too, "
        "sometimes with high confidence"
        + ("." if details["answers"].get("ood_threshold") else "; so do sounds other than speech.")
    )


def _licences(data: Mapping[str, Any]) -> str:
    licences = data.get("licences", {})
    if not licences:
        return _NOT_KNOWN
    licence_list = "".join(f"- {markdown_text(name)}: {text}\n" for name, text in licences.items())
    if data.get("synthetic") and len(licences) == 1:
        return licence_list
    return (
        f"{licence_list}\n"
        "Whether a model made from them may be passed on or sold is for their owners to say.\n"
    )


def _group_name(group: Mapping[str, str]) -> str:
    if group["attribute"] == "all":
        return "all"
    return f"{group['attribute']}: {group['value'] or 'unknown'}"


def _format_interval(estimate: Mapping[str, Any]) -> str:
    return str(Interval(estimate["value"], estimate["low"], estimate["high"]))
