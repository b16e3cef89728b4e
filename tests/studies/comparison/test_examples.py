from dataclasses import replace

from serkit.studies.page_sections import gan_section


def test_real_beside_generated_with_sound_for_both(pretended):
    (section,) = gan_section(pretended[0])
    assert section.title == "What the GANs of dcgan make"
    # The samples of this pretended GAN are flat, which the headings say.
    headings = [heading.partition(" (")[0] for heading in section.sounds]
    assert headings == ["angry: real beside generated", "surprise: real beside generated"]
    assert all("flat" in heading for heading in section.sounds)
    captions = [sound.caption for sound in next(iter(section.sounds.values()))]
    assert captions == [f"{kind} {n}" for n in (1, 2, 3) for kind in ("real", "generated")]
    assert all(sound.mp3 for sounds in section.sounds.values() for sound in sounds)
    assert set(section.figures) == {"real-and-dcgan", "losses-dcgan"}


def test_there_is_none_without_a_gan_or_a_rare_class(pretended, monkeypatch):
    comparison, _ = pretended
    monkeypatch.setattr(comparison, "arms", comparison.arms[:2])
    assert gan_section(comparison) == []
    monkeypatch.undo()
    plain = [replace(comparison.folds[0], plan={})]
    monkeypatch.setattr(comparison, "folds", plain)
    assert gan_section(comparison) == []
