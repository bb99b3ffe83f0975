"""The brain mask of a T1w scan that came without one: the template's, carried to the scan."""

from nigra.errors import NigraError
from nigra.preparation.image import Image
from nigra.shapes import Mask


def extract_brain(head: Image, template: Image, seed: int) -> Mask:
    """The brain inside a whole head."""
    raise NigraError("brain extraction is not there yet; give a mask")
