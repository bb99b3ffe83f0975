import matplotlib as mpl
import pytest
from PIL import Image

from nigra.figures.style import page, save, styled, write

HOSTILE = "sub-<b>&$\\frac{$"


@styled
def picture():
    figure = page(30)
    write(figure, 10, 10, HOSTILE)
    return figure


def test_the_same_picture_is_the_same_file(tmp_path):
    first, second = save(picture(), tmp_path / "a"), save(picture(), tmp_path / "b")
    assert [path.name for path in first] == ["a.png", "a.svg"]
    for one, other in zip(first, second, strict=True):
        assert one.read_bytes() == other.read_bytes()


def test_svg_keeps_text_as_text_escaped_and_undated(tmp_path):
    text = save(picture(), tmp_path / "a", ("svg",))[0].read_text(encoding="utf-8")
    assert "sub-&lt;b&gt;&amp;$\\frac{$" in text
    assert "dc:date" not in text


def test_png_is_fit_for_print(tmp_path):
    with Image.open(save(picture(), tmp_path / "a", ("png",))[0]) as image:
        assert image.size == (2125, 354)  # 180 x 30 mm at 300 dpi


def test_a_name_with_dots_keeps_them(tmp_path):
    assert save(picture(), tmp_path / "z.1.5", ("png",))[0].name == "z.1.5.png"


def test_the_users_settings_neither_leak_in_nor_change():
    with mpl.rc_context({"font.size": 33, "text.parse_math": True}):
        figure = picture()
        assert mpl.rcParams["font.size"] == 33
    assert figure.texts[0].get_fontsize() == pytest.approx(7)
