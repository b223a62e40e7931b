"""Pictures decode to the numbers that were put in, upright; the arrays are the reference."""

from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image, ImageOps

from secateur.datasets.pictures.decode import DTYPES, Rule, decode, resized
from secateur.datasets.pictures.pictures import Pictures
from tests.secateur.datasets.pictures.written import png, tiff

SIDES = st.tuples(st.integers(1, 7), st.integers(1, 7))


def _arrays(dtype, channels=None, **elements):
    shape = SIDES.map(lambda s: s if channels is None else (*s, channels))
    kind = hnp.from_dtype(np.dtype(dtype), **elements)
    return shape.flatmap(lambda s: hnp.arrays(dtype, s, elements=kind))


def _encoded(image, form, **options):
    file = io.BytesIO()
    image.save(file, form, **options)
    return file.getvalue()


def _alone(content, size=None):
    """As a data set of this one picture decodes it, and the kind of its values."""
    pictures = Pictures("set", size)
    pictures.look(content, "one")
    values = pictures.decode(content, "one")
    assert values.dtype == DTYPES[pictures.rule.kind]
    return values, pictures.rule


def _on_white(colours, alpha, top):
    """Exact values of colours of which `alpha` of `top` parts are seen before white."""
    return (colours * alpha.astype(float) + top * (top - alpha.astype(float))) / top


@given(_arrays(np.uint8), st.sampled_from(["PNG", "BMP", "TIFF", "GIF"]))
def test_gray(values, form):
    if form == "GIF":  # Pillow opens it as a palette of grays, or as gray
        decoded, _ = _alone(_encoded(Image.fromarray(values), form))
        np.testing.assert_array_equal(decoded, np.broadcast_to(values[..., None], decoded.shape))
        return
    decoded, rule = _alone(_encoded(Image.fromarray(values), form))
    assert rule == Rule("8-bit", 1)
    np.testing.assert_array_equal(decoded[..., 0], values)


@given(_arrays(np.uint8, 3), st.sampled_from(["PNG", "BMP", "TIFF", "WEBP"]))
def test_colours(values, form):
    options = {"lossless": True} if form == "WEBP" else {}
    decoded, rule = _alone(_encoded(Image.fromarray(values), form, **options))
    assert rule == Rule("8-bit", 3)
    np.testing.assert_array_equal(decoded, values)


@given(_arrays(np.bool_))
def test_black_and_white(values):
    decoded, rule = _alone(_encoded(Image.fromarray(values), "PNG"))
    assert rule == Rule("8-bit", 1)
    np.testing.assert_array_equal(decoded[..., 0], 255 * values)


@given(_arrays(np.uint8, max_value=3), hnp.arrays(np.uint8, (4, 3)), hnp.arrays(np.uint8, 4))
def test_a_palette_with_transparent_colours(values, palette, alpha):
    image = Image.fromarray(values, "P")
    image.putpalette(palette.tobytes())
    plain, rule = _alone(_encoded(image, "PNG"))
    assert rule == Rule("8-bit", 3)
    np.testing.assert_array_equal(plain, palette[values])
    clear, _ = _alone(_encoded(image, "PNG", transparency=alpha.tobytes()))
    wanted = _on_white(palette[values], alpha[values][..., None], 255)
    np.testing.assert_allclose(clear, wanted, atol=1)


@given(st.sampled_from([2, 4]).flatmap(lambda c: _arrays(np.uint8, c)))
def test_what_is_transparent_lies_on_white(values):
    decoded, rule = _alone(png(values))
    assert rule.channels == values.shape[2] - 1
    np.testing.assert_allclose(decoded, _on_white(values[..., :-1], values[..., -1:], 255), atol=1)


@given(_arrays(np.uint8, 4))
def test_inks_become_colours(values):
    decoded, rule = _alone(_encoded(Image.fromarray(values, "CMYK"), "TIFF"))
    ink = 255 - values.astype(float)
    assert rule == Rule("8-bit", 3)
    np.testing.assert_allclose(decoded, ink[..., :3] * ink[..., 3:] / 255, atol=1)


def _of_lab(values):
    """Red, green and blue between 0 and 1 of CIE Lab at D50 (not clipped), by its definition."""
    y = (values[..., 0] / 255 * 100 + 16) / 116
    a, b = np.moveaxis(values[..., 1:].astype(np.int8).astype(float), -1, 0)
    bent = np.stack([y + a / 500, y, y - b / 200], axis=-1)
    white = np.array([0.9642, 1.0, 0.8249])
    xyz = np.where(bent > 6 / 29, bent**3, 3 * (6 / 29) ** 2 * (bent - 4 / 29)) * white
    linear = xyz @ np.linalg.inv(
        [[0.43607, 0.22249, 0.01392], [0.38515, 0.71687, 0.09708], [0.14307, 0.06061, 0.71410]]
    )
    high = 1.055 * np.maximum(linear, 0.0031308) ** (1 / 2.4) - 0.055
    return np.where(linear > 0.0031308, high, linear * 12.92)


def test_lab_becomes_colours():
    """Near the edge of what red, green and blue can show, Pillow's tables are rough."""
    random = np.random.default_rng(0)
    values = random.integers(0, 256, (200, 200, 3)).astype(np.uint8)
    values[..., 1:] = (values[..., 1:].astype(np.int8) // 3).astype(np.uint8)
    decoded, rule = _alone(_encoded(Image.fromarray(values, "LAB"), "TIFF"))
    assert rule == Rule("8-bit", 3)
    wanted = _of_lab(values)
    inside = ((wanted > 0.2) & (wanted < 0.98)).all(axis=-1)
    assert inside.sum() > 10_000
    off = np.abs(decoded[inside] - wanted[inside] * 255).max(axis=-1)
    assert np.median(off) < 1
    assert np.quantile(off, 0.95) < 3


@given(
    _arrays(np.uint16),
    st.sampled_from(["png", "<1", ">1", "<0"]),
)
def test_sixteen_bits_of_gray(values, form):
    if form == "png":
        content = png(values[..., None])
    else:
        held = values if form[1] == "1" else 65535 - values  # 0 is white
        content = tiff(held, photometric=int(form[1]), order=form[0])
    decoded, rule = _alone(content)
    assert rule == Rule("16-bit", 1)
    np.testing.assert_array_equal(decoded[..., 0], values)


@given(_arrays(np.uint16, 1), st.integers(0, 65535))
def test_a_transparent_gray_of_sixteen_bits(values, key):
    decoded, _ = _alone(png(values, (b"tRNS", key.to_bytes(2, "big"))))
    np.testing.assert_array_equal(decoded, np.where(values == key, 65535, values))


@settings(deadline=None)
@given(st.sampled_from([2, 3, 4]).flatmap(lambda c: _arrays(np.uint16, c)))
def test_sixteen_bits_of_colours_and_alpha(values):
    decoded, rule = _alone(png(values))
    colours = values if values.shape[2] == 3 else values[..., :-1]
    alpha = np.full_like(values[..., :1], 65535) if values.shape[2] == 3 else values[..., -1:]
    assert rule == Rule("16-bit", 1 if values.shape[2] == 2 else 3)
    np.testing.assert_allclose(decoded, _on_white(colours, alpha, 65535), atol=1)


@given(st.sampled_from([np.int16, np.int32, np.uint32]).flatmap(_arrays))
def test_whole_numbers_with_a_sign_or_of_32_bits(values):
    decoded, rule = _alone(tiff(values))
    assert rule == Rule("32-bit", 1)
    np.testing.assert_array_equal(decoded[..., 0], values.astype(np.int64))


@given(_arrays(np.float32, allow_nan=False, allow_infinity=False), st.sampled_from("<>"))
def test_floats(values, order):
    decoded, rule = _alone(tiff(values, order=order))
    assert rule == Rule("float", 1)
    np.testing.assert_array_equal(decoded[..., 0], values)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_floats_that_are_none_are_refused_with_their_file(bad):
    with pytest.raises(ValueError, match="'one' has values that are not finite"):
        _alone(tiff(np.array([[0.5, bad]], np.float32)))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP", "TIFF", "16-bit PNG"])
def test_photographs_stand_upright(form, orientation):
    values = np.random.default_rng(orientation).integers(0, 256, (5, 8, 3)).astype(np.uint8)
    exif = Image.Exif()
    exif[0x0112] = orientation
    if form == "TIFF":
        content = tiff(values, photometric=2, orientation=orientation)
    elif form == "16-bit PNG":
        content = png(values.astype(np.uint16) * 257, (b"eXIf", exif.tobytes()[6:]))
    else:
        content = _encoded(Image.fromarray(values), form, exif=exif)
    lying = values
    if form in ("JPEG", "WEBP"):  # they lose something; compare with what they kept
        lying = np.asarray(Image.open(io.BytesIO(content)).convert("RGB"))
    stored = Image.fromarray(lying)
    stored.getexif()[0x0112] = orientation
    wanted = np.asarray(ImageOps.exif_transpose(stored))
    decoded, rule = _alone(content)
    if form == "16-bit PNG":
        assert rule.kind == "16-bit"
        decoded = decoded // 257
    np.testing.assert_array_equal(decoded, wanted)
    assert wanted.shape == ((8, 5, 3) if orientation > 4 else (5, 8, 3))


def test_damaged_metadata_turn_nothing():
    values = np.arange(12, dtype=np.uint8).reshape(3, 4)
    content = _encoded(Image.fromarray(values), "PNG", exif=b"Exif\0\0MM\0\x2a\xff\xff")
    np.testing.assert_array_equal(_alone(content)[0][..., 0], values)


def test_one_rule_for_a_set_of_several_modes():
    gray = np.array([[0, 128, 255]], np.uint8)
    deep = np.array([[0, 300, 65535]], np.uint16)
    pictures = Pictures("set", None)
    contents = [png(gray[..., None]), png(deep[..., None]), png(np.stack([gray] * 3, axis=-1))]
    for number, content in enumerate(contents):
        pictures.look(content, f"picture {number}")
    assert pictures.rule == Rule("16-bit", 3)
    first, second, third = (pictures.decode(content, "") for content in contents)
    np.testing.assert_array_equal(first, np.stack([gray.astype(int) * 257] * 3, axis=-1))
    np.testing.assert_array_equal(second, np.stack([deep] * 3, axis=-1))
    np.testing.assert_array_equal(third, first)
    (said,) = pictures.notices()
    assert "8 bits (picture 0) and 16 (picture 1)" in said


def test_kinds_without_a_common_range_are_refused():
    pictures = Pictures("set", None)
    pictures.look(png(np.zeros((2, 2, 1), np.uint8)), "a.png")
    pictures.look(tiff(np.zeros((2, 2), np.float32)), "b.tif")
    with pytest.raises(ValueError, match=r"8-bit \(a.png\) and float \(b.tif\), .* convert them"):
        _ = pictures.rule


def test_a_photograph_that_lies_on_its_side_is_of_the_size_of_the_others():
    exif = Image.Exif()
    exif[0x0112] = 6
    values = np.random.default_rng(0).integers(0, 256, (4, 6), np.uint8)
    turned = _encoded(Image.fromarray(values), "PNG", exif=exif)
    upright = png(np.zeros((6, 4, 1), np.uint8))
    pictures = Pictures("set", None)
    for content in (upright, turned):
        pictures.look(content, "one")
    assert [pictures.decode(c, "one").shape for c in (upright, turned)] == [(6, 4, 1)] * 2
    assert pictures.about()["turned_upright"] == 1
    other = Pictures("set", None)
    for content, name in ((png(np.zeros((4, 6, 1), np.uint8)), "a"), (turned, "b")):
        other.look(content, name)
    other.decode(png(np.zeros((4, 6, 1), np.uint8)), "a")
    with pytest.raises(ValueError, match=r"a has 4x6, b 6x4.*dataset.image_size"):
        other.decode(turned, "b")


@pytest.mark.parametrize("form", ["GIF", "TIFF", "WEBP", "PNG"])
def test_the_first_of_several_frames_is_read_and_it_is_said(form):
    frames = [Image.new("RGB", (4, 4), (value, 0, 0)) for value in (200, 10, 20)]
    options = {"lossless": True} if form == "WEBP" else {}
    content = _encoded(frames[0], form, save_all=True, append_images=frames[1:], **options)
    pictures = Pictures("set", None)
    pictures.look(content, "film")
    np.testing.assert_array_equal(pictures.decode(content, "film"), np.asarray(frames[0]))
    (said,) = pictures.notices()
    assert "1 of 1 images of 'set' have several frames (film): the first one" in said


def test_tiffs_of_deep_colours_are_told():
    values = np.random.default_rng(0).integers(0, 65536, (3, 4, 3)).astype(np.uint16)
    pictures = Pictures("set", None)
    content = tiff(values, photometric=2)
    pictures.look(content, "deep.tif")
    np.testing.assert_array_equal(pictures.decode(content, "deep.tif"), values >> 8)
    (said,) = pictures.notices()
    assert "(deep.tif), of which the upper 8 are read; as PNG" in said


@given(_arrays(np.uint16, 3), SIDES)
def test_deep_pictures_are_resized_as_bytes_are(values, size):
    bytes_ = (values >> 8).astype(np.uint8)
    wanted = np.asarray(Image.fromarray(bytes_).resize(size[::-1], Image.Resampling.BILINEAR))
    ours = resized(bytes_.astype(np.uint16) * 257, size)
    assert ours.dtype == np.uint16
    np.testing.assert_allclose(ours / 257, wanted, atol=1)
    np.testing.assert_array_equal(resized(bytes_, size), wanted)


@given(st.binary(max_size=200), st.integers(0, 60))
def test_damaged_pictures_are_refused_in_one_sentence(noise, at):
    content = bytearray(png(np.arange(48, dtype=np.uint8).reshape(4, 4, 3)))
    content[at : at + len(noise)] = noise
    said = "'a.png'"
    try:
        decode(bytes(content), Rule("8-bit", 3), "a.png")
    except ValueError as error:
        said = str(error)
    assert "'a.png'" in said
    assert "\n" not in said
