"""Layers of the networks that bench_gan.py measures: channels, kernel, stride, padding."""

GENERATOR = (
    *((512, 4, 1, 0), (256, 4, 2, 1), (128, 6, 2, 1), (64, 6, 3, 1), (64, 6, 2, 1)),
    (1, 4, 2, 1),
)
DISCRIMINATOR = (
    *((64, 4, 2, 2), (256, 4, 2, 2), (512, 4, 2, 2)),
    *((1024, 4, 2, 2), (1024, 5, 2, 2), (1024, 5, 2, 1), (1, 3, 2, 0)),
)
LATENT = 5


def scaled(channels: int, width: float) -> int:
    """Return the number of channels at this width of a layer with ``channels`` at width 1."""
    return channels if channels == 1 else max(8, round(channels * width))


def flops_of_a_step(width: float) -> float:
    """Return operations per example: eight passes of the discriminator, three of the generator.

    Two gradients are not needed and not counted: that by the discriminator's inputs in its own
    step, and that by its weights in the generator's step.
    """
    return 2 * (8 * products("discriminator", width) + 3 * products("generator", width))


def products(network: str, width: float) -> int:
    """Return the multiplications in the forward pass of one example, padding included."""
    total, down = 0, network == "discriminator"
    old, side = (1, 224) if down else (LATENT, 1)
    for channels, kernel, stride, padding in DISCRIMINATOR if down else GENERATOR:
        new, few = scaled(channels, width), side
        if down:
            side = few = (side + 2 * padding - kernel) // stride + 1
        else:
            side = (side - 1) * stride - 2 * padding + kernel
        total += few**2 * kernel**2 * old * new
        old = new
    return total
