"""The report page's sections on the arms of one protocol and classifier."""

from typing import Any

from serkit.comparison.arms import NONE
from serkit.comparison.engine import Comparison
from serkit.comparison.exports import arm_cells, beside_cells, interval, per_cent
from serkit.comparison.results import EFFECTS
from serkit.reporting import comparison_figures as drawn
from serkit.reporting import figures
from serkit.reporting.page import Section, Table

# More lines than these cannot be told apart.
_MOST_CURVES, _MOST_MATRICES = 7, 3


class ArmSections:
    """What the page says of one protocol and classifier.

    Args:
        comparison: which was run.
        results: of :func:`serkit.comparison.results.make_results`.
        protocol: key of its ``protocols``.
        classifier: key of the protocol's ``classifiers``.
    """

    def __init__(
        self, comparison: Comparison, results: dict[str, Any], protocol: str, classifier: str
    ) -> None:
        self.comparison, self.results = comparison, results
        self.protocol, self.classifier = protocol, classifier
        found = results["protocols"][protocol]
        self.arms = found["classifiers"][classifier]["arms"]
        self.name = f"{protocol}-{classifier}"
        self.measured = "UAR, LEAKY" if found["leaky"] else "UAR"
        several = len(results["protocols"]) > 1 or len(found["classifiers"]) > 1
        self.leaky = found["leaky"]
        marked = "LEAKY, " if self.leaky else ""
        self.head = f"{marked}{classifier}, {protocol}: " if several or self.leaky else ""

    def _title(self, text: str) -> str:
        return self.head + text if self.head else text.capitalize()

    def sections(self) -> list[Section]:
        """In the order in which a reader asks."""
        made = [self._answer(), self._power(), self._errors(), self._speakers(), self._learning()]
        for figure, _ in (pair for section in made for pair in section.figures.values()):
            if self.leaky:
                # A picture may leave the page.
                stamp = "LEAKY: speakers in training and test"
                figure.text(0.995, 0.005, stamp, color="#b0413e", fontsize=7, ha="right")
        return made

    def _answer(self) -> Section:
        head, rows = arm_cells(self.arms)
        apart = {
            name: arm["difference"]["uar"]["estimate"]
            for name, arm in self.arms.items()
            if "difference" in arm
        }
        drawing = {}
        if apart:
            caption = "Each arm less none, the same classifier on the same clips."
            drawing[f"forest-{self.name}"] = drawn.forest(apart, self.measured), caption
        text = [
            arm["difference"]["verdict"] + "." for arm in self.arms.values() if "difference" in arm
        ]
        tables = [Table(head, rows)]
        head, beside = beside_cells(self.arms)
        if beside:
            tables.append(Table(head, beside))
        return Section(self._title("what helps"), text, tables, drawing)

    def _power(self) -> Section:
        rows = []
        for name, arm in self.arms.items():
            if apart := arm.get("difference"):
                needed = [str(apart["speakers_needed"][f"{100 * e:g}"] or "") for e in EFFECTS]
                visible = [
                    "" if apart["uar"][key] is None else per_cent(apart["uar"][key])
                    for key in ("visible", "visible_with_more_seeds")
                ]
                rows.append([name, str(apart["speakers"]), *visible, *needed])
        columns = ["arm", "speakers", "points that would be seen", "with very many seeds"]
        columns += [f"speakers for {100 * effect:g}" for effect in EFFECTS]
        text = (
            "How large a difference this comparison would have seen in four cases of five, of one "
            "arm alone at the 5 % level (several arms, corrected for their number, take more); "
            "what it would see if each arm were trained with very many seeds (known "
            "where an arm has several); and how many such speakers it takes to see a difference of "
            f"{', '.join(f'{100 * effect:g}' for effect in EFFECTS)} points."
        )
        return Section(self._title("what could be seen at all"), [text], [Table(columns, rows)])

    def _errors(self) -> Section:
        shares = {
            name: {label: found["value"] for label, found in arm["recalls"].items()}
            for name, arm in self.arms.items()
        }
        drawing = {
            f"recalls-{self.name}": (
                drawn.recalls(shares, self.results["rare"]),
                "Recall of every class, per cent.",
            )
        }
        for name in self._shown(_MOST_MATRICES):
            drawing[f"confusion-{self.name}-{name}"] = (
                figures.confusion(self.arms[name]["confusion"], self.results["classes"], name),
                f"Test clips by true and predicted class, {name}, all seeds.",
            )
        drawing[f"calibration-{self.name}"] = (
            drawn.calibration({n: self.arms[n]["calibration"] for n in self._shown(4)}),
            "How often a classifier was right, by how sure it was; ECE: the mean distance from "
            "the dotted line, in points.",
        )
        groups = self._groups()
        return Section(self._title("where they are right and wrong"), [], groups, drawing)

    def _groups(self) -> list[Table]:
        first = self.arms[NONE]["groups"]
        if not first:
            return []
        columns = ["UAR, per cent", "speakers", *self.arms]
        rows = [
            [group["value"] or f"{group['attribute']} unknown", str(group["speakers"])]
            + [interval(arm["groups"][number]["uar"]) for arm in self.arms.values()]
            for number, group in enumerate(first)
        ]
        return [Table(columns, rows)]

    def _speakers(self) -> Section:
        apart = {
            name: arm["difference"]["uar_of_speakers"]
            for name, arm in self.arms.items()
            if "difference" in arm
        }
        rows = [
            [who, *(per_cent(arm["uar_of_speakers"][who]) for arm in self.arms.values())]
            for who in self.arms[NONE]["uar_of_speakers"]
        ]
        drawing = {}
        if apart:
            figure = drawn.speaker_differences(apart, self.measured)
            drawing[f"speakers-{self.name}"] = figure, "Each speaker's own difference to none."
        table = Table(["UAR, per cent", *self.arms], rows)
        return Section(self._title("speaker by speaker"), [], [table], drawing)

    def _learning(self) -> Section:
        histories = {}
        for name in self._shown(_MOST_CURVES):
            arm = next(each for each in self.comparison.arms if each.name == name)
            mine = self.comparison.trainings(self.protocol, self.classifier, arm)
            histories[name] = [training.history() for training in mine]
        caption = "Means of all trainings; solid: validation speakers, dashed: training batches."
        drawing = {f"learning-{self.name}": (drawn.mean_curves(histories), caption)}
        return Section(self._title("how they learned"), [], [], drawing)

    def _shown(self, most: int) -> list[str]:
        """``none`` and the arms that were best on validation speakers."""
        others = sorted(
            (name for name in self.arms if name != NONE),
            key=lambda name: -self.arms[name]["validation_uar"],
        )
        return [NONE, *others[: most - 1]]
