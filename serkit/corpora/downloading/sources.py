"""The recordings that may be downloaded, each from where its authors put it.

SAVEE is not among them: its owners give it out on request only.
"""

from dataclasses import dataclass

from serkit.errors import InputError, check_choice

_CREMAD = "CheyneyComputerScience/CREMA-D"
_CREMAD_COMMIT = "1658cd342dff90010aa843eaeebd53610a08b1dc"


@dataclass(frozen=True)
class Source:
    """Where a corpus comes from, and what its users must know.

    Attributes:
        name: as on the command line; also the folder's name.
        title: the corpus' full name.
        licence: the licence's name; it binds whoever downloads.
        citation: the publication to cite.
        homepage: where a person can read about it, and download by hand.
        kind: what stands at ``address``: ``zip`` the recordings; ``dataverse`` a list of files as
            JSON; ``git-lfs`` a tar.gz of Git LFS pointers.
        address: of the archive or list.
        size: bytes of all that is downloaded, for telling the user; TESS' is an estimate.
        recordings: number of .wav files.
        checksum: ``md5:`` of the zip; ``sha256:`` of the pointers' table, see ``_pointers``; empty
            where the list, which can change, gives the checksums.
        files_address: what single files' addresses begin with; empty for a zip.
    """

    name: str
    title: str
    licence: str
    citation: str
    homepage: str
    kind: str
    address: str
    size: int
    recordings: int
    checksum: str = ""
    files_address: str = ""


SOURCES = {
    source.name: source
    for source in (
        Source(
            name="ravdess",
            title="Ryerson Audio-Visual Database of Emotional Speech and Song, speech only",
            licence="CC BY-NC-SA 4.0",
            citation="Livingstone SR, Russo FA (2018), The Ryerson Audio-Visual Database of "
            "Emotional Speech and Song (RAVDESS), PLoS ONE 13(5): e0196391, "
            "https://doi.org/10.1371/journal.pone.0196391",
            homepage="https://zenodo.org/records/1188976",
            kind="zip",
            address="https://zenodo.org/records/1188976/files/"
            "Audio_Speech_Actors_01-24.zip?download=1",
            size=208_468_073,
            recordings=1_440,
            checksum="md5:bc696df654c87fed845eb13823edef8a",
        ),
        Source(
            name="tess",
            title="Toronto emotional speech set",
            licence="CC BY-NC-ND 4.0 (the archive's page has the last word)",
            citation="Pichora-Fuller MK, Dupuis K (2020), Toronto emotional speech set (TESS), "
            "Borealis, https://doi.org/10.5683/SP2/E8H2MF",
            homepage="https://doi.org/10.5683/SP2/E8H2MF",
            kind="dataverse",
            address="https://borealisdata.ca/api/datasets/:persistentId/"
            "?persistentId=doi:10.5683/SP2/E8H2MF",
            size=280_000_000,
            recordings=2_800,
            files_address="https://borealisdata.ca/api/access/datafile/",
        ),
        Source(
            name="crema-d",
            title="Crowd-sourced Emotional Multimodal Actors Dataset",
            licence="Open Database License (ODbL) 1.0, contents under the Database Contents "
            "License (DbCL) 1.0",
            citation="Cao H, Cooper DG, Keutmann MK, Gur RC, Nenkova A, Verma R (2014), CREMA-D: "
            "Crowd-sourced Emotional Multimodal Actors Dataset, IEEE Transactions on Affective "
            "Computing 5(4):377-390, https://doi.org/10.1109/TAFFC.2014.2336244",
            homepage=f"https://github.com/{_CREMAD}",
            kind="git-lfs",
            address=f"https://github.com/{_CREMAD}/archive/{_CREMAD_COMMIT}.tar.gz",
            size=605_899_936,
            recordings=7_442,
            checksum="sha256:2b62f27621ccc4c90a0705aa8282a4ec60db60e82047edc50ebeac62371fdcd4",
            files_address="https://media.githubusercontent.com/media/"
            f"{_CREMAD}/{_CREMAD_COMMIT}/AudioWAV/",
        ),
    )
}


def find_source(name: str) -> Source:
    """The source of a corpus by its name.

    Raises:
        InputError: for SAVEE, with the address to ask at, and for an unknown name.
    """
    if name == "savee":
        raise InputError(
            "corpus='savee' cannot be downloaded by a program: ask its owners, the University of "
            "Surrey, at http://kahlan.eps.surrey.ac.uk/savee/Download.html (free for research "
            "after registration)"
        )
    check_choice("corpus", name, SOURCES)
    return SOURCES[name]
