"""Colouring photographs: how far the colours are from the true ones, against leaving the picture grey.

The photographs are those of ``super_resolution`` (street scenes, tested on other scenes), given as lightness alone.
ΔE2000 is the mean over the pixels of pictures 256 pixels long, then over pictures; 1 is about what an eye notices.
Everything is at its default, on one core.

Expected: ΔE below that of grey.
"""

from benchmarks.super_resolution import measure


def main() -> None:
    """Learn and test once."""
    names = ("delta_e", "psnr", "ssim", "delta_e_gain")
    measure("colourise", "colourise", "Colouring photographs: against grey", __doc__ or "", names)


if __name__ == "__main__":
    main()
