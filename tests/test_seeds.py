from serkit.seeds import derive_seed


def test_same_names_same_seed_other_names_other_seed():
    assert derive_seed(1, "gan", "male_sad") == derive_seed(1, "gan", "male_sad")
    seeds = {derive_seed(seed, "gan", name) for seed in range(50) for name in range(50)}
    assert len(seeds) == 2500
    assert all(0 <= seed < 2**31 for seed in seeds)


def test_value_does_not_change_between_versions():
    """Seeds are part of what a run can be repeated by."""
    assert derive_seed(0, "split") == 877757775
