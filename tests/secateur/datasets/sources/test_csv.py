"""What is read of a CSV file, beside the csv module and pandas, on files that are made up."""

from __future__ import annotations

import bz2
import csv
import gzip
import io

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from secateur.datasets.config import DatasetConfig
from secateur.datasets.dialect import Dialect
from secateur.datasets.missing import WORDS
from secateur.datasets.places import check_place, find
from secateur.datasets.sources.csv_file import read_csv
from secateur.datasets.sources.table import read

_SETTINGS = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])

_CHARACTERS = st.characters(codec="utf-8", exclude_characters="\0\ufffd\ufeff")
_TEXTS = st.text(
    st.one_of(st.sampled_from('",;|\t\n\r ab\u00e9'), _CHARACTERS), min_size=1, max_size=12
)
_CELLS = _TEXTS.filter(lambda text: text.strip() not in WORDS)
_NAMES = st.lists(_TEXTS.map(str.strip), min_size=2, max_size=4, unique=True).filter(
    lambda names: all(names) and "Unnamed: 0" not in names
)


def _load(path, **config):
    """The splits of a file, checked as a command checks it."""
    config = DatasetConfig(path=str(path), **config)
    check_place(config)
    return read(find(str(path)), config, path.parent)


def _rows(text, **dialect):
    """Header and rows, by the csv module."""
    head, *rows = [row for row in csv.reader(io.StringIO(text, newline=""), **dialect) if row]
    return head, rows


@st.composite
def _files(draw, cells=_CELLS):
    """Header, rows, delimiter and the text of a file."""
    names = draw(_NAMES)
    rows = draw(st.lists(st.tuples(*[cells] * len(names)), min_size=1, max_size=6))
    delimiter = draw(st.sampled_from(",;\t|"))
    out = io.StringIO(newline="")
    quoting = draw(st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]))
    if any("\r" in cell for row in [names, *rows] for cell in row):
        quoting = csv.QUOTE_ALL  # Python 3.11's writer forgets the quotes of a lone one
    end = draw(st.sampled_from(["\n", "\r\n"]))
    writer = csv.writer(out, delimiter=delimiter, quoting=quoting, lineterminator=end)
    writer.writerow(names)
    writer.writerows(rows)
    return names, rows, delimiter, out.getvalue()


@_SETTINGS
@given(_files(), st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32"]))
def test_texts_are_those_of_the_csv_module(tmp_path, file, encoding):
    names, _, delimiter, text = file
    path = tmp_path / "data.csv"
    path.write_bytes(text.encode(encoding))
    assert _rows(text, delimiter=delimiter)[0] == names
    marked = encoding not in ("utf-8", "utf-16-le")
    config = {"delimiter": delimiter, "encoding": None if marked else encoding}
    wanted = _rows(text, delimiter=delimiter)[1]
    try:
        raw = _load(path, features=(names[0],), target=(names[-1],), **config)["train"]
    except ValueError:  # a made-up column can be one of numbers, or nearly one, or hold blanks
        assume(False)
    given = raw.inputs.get(names[0])
    if given is not None and given.dtype == object:
        assert given.tolist() == [row[0] for row in wanted]
    if raw.targets[names[-1]].dtype == object:
        assert raw.targets[names[-1]].tolist() == [row[-1] for row in wanted]


_NUMBERS = st.one_of(
    st.integers(-(10**18), 10**18).map(str),
    st.floats(allow_nan=False, allow_infinity=False, width=32).map(repr),
    st.sampled_from(["+1", "1.", ".5", "1e5", "-0.0", " 7", "1E-3 ", "007"]),
)


@_SETTINGS
@given(_files(_NUMBERS))
def test_numbers_are_those_of_pandas(tmp_path, file):
    names, _, delimiter, text = file
    path = tmp_path / "data.csv"
    path.write_text(text, encoding="utf-8", newline="")
    raw = _load(path, delimiter=delimiter, target=(names[-1],), task="regression")["train"]
    frame = pd.read_csv(
        io.StringIO(text), sep=delimiter, float_precision="round_trip", skipinitialspace=True
    )
    wanted = frame[names[:-1]].to_numpy(np.float64).astype(np.float32)
    np.testing.assert_array_equal(raw.inputs[""], wanted)
    np.testing.assert_array_equal(raw.targets[names[-1]], frame[names[-1]].to_numpy())


def _sized(rows, seed=0, long=0):
    """A file of rows with line breaks, quotes and delimiters in their texts."""
    random = np.random.default_rng(seed)
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow(["text", "label"])
    for number in range(rows):
        lines = [
            'say "x", and; so ' * int(random.integers(0, 9)) for _ in range(random.integers(1, 6))
        ]
        writer.writerow(["\n".join([*lines, "." * long]) + "end", "ab"[number % 2]])
    return out.getvalue()


@pytest.mark.parametrize(
    ("rows", "long", "encoding"),
    [(9000, 0, "utf-8"), (3, 1_500_000, "utf-8-sig"), (6000, 0, "utf-16"), (1, 6_000_000, "utf-8")],
)
def test_files_larger_than_the_blocks_of_the_reader(rows, long, encoding, tmp_path):
    text = _sized(rows, seed=rows, long=long)
    path = tmp_path / "data.csv"
    path.write_bytes(text.encode(encoding))
    assert path.stat().st_size > 2_000_000
    raw = _load(path)["train"]
    wanted = _rows(text)[1]
    assert raw.inputs["text"].tolist() == [row[0] for row in wanted]
    assert raw.targets["label"].tolist() == [row[1] for row in wanted]


def test_a_header_of_several_megabytes(tmp_path):
    count = 120_000
    path = tmp_path / "data.csv"
    names = [f"column_{number}" for number in range(count)]
    path.write_text(",".join([*names, "label"]) + "\n" + ",".join(["1.5"] * count) + ",1\n")
    assert path.stat().st_size > 2_000_000
    raw = _load(path, features=(names[-1], names[0]))["train"]
    assert raw.inputs[""].tolist() == [[1.5, 1.5]]


@pytest.mark.parametrize(
    ("text", "delimiter", "decimal"),
    [
        ("a;b;label\n1,5;2;x\n0,25;3;y\n", ";", ","),
        ("a\tb\tlabel\n1.5\t2\tx\n0.25\t3\ty\n", "\t", "."),
        ("a|b|label\n1.5|2|x\n0.25|3|y\n", "|", "."),
        ('a,b,label\n"1,5",2,x\n"0,25",3,y\n', ",", ","),
        ("a;b;label\n1.5;2;x\n0.25;3;y\n", ";", "."),
    ],
)
def test_the_delimiter_and_the_decimal_comma_are_found_and_said(text, delimiter, decimal, tmp_path):
    path = tmp_path / "data.csv"
    path.write_text(text)
    raw = _load(path)["train"]
    np.testing.assert_array_equal(raw.inputs[""], [[1.5, 2], [0.25, 3]])
    assert (raw.understood.delimiter, raw.understood.decimal) == (delimiter, decimal)
    said = " ".join(raw.understood.notices)
    assert ("dataset.delimiter" in said) == (delimiter != ",")
    assert ("dataset.decimal" in said) == (decimal != ".")
    again = _load(path, delimiter=delimiter, decimal=decimal)["train"]
    np.testing.assert_array_equal(again.inputs[""], raw.inputs[""])
    assert not again.understood.notices


@pytest.mark.parametrize(
    ("text", "config", "sentence"),
    [
        ("a,b;c\n1,2;3\n", {"target": ("z",)}, "with a comma or a semicolon between its values"),
        ("a;b;label\n1,500;2;x\n", {}, "'1,500' (row 1 of 'data.csv'), and the comma may stand"),
        ("a;b;label\n1,5;2.5;x\n", {}, "holds '1,5' (row 1 of 'data.csv') where 'b' holds '2.5'"),
        ("a;b;label\n1.234,5;2;x\n1.0,2;3;y\n", {}, "holds '1.234,5' and the like"),
        ("a,b,label\n1,$2,x\n2,$3,y\n", {}, "'b' of 'data.csv' holds '$2' and the like"),
        ("a,b,label\n1,2,x\n2,?,y\n3,4,x\n", {}, "in 1 rows something else: '?' (row 2 of"),
        ("a,label\n1,1\n2,2\n3,x\n", {}, "'label' of 'data.csv' holds numbers, but in 1 rows"),
        ("a,label\n1,cat\n2, cat\n", {}, "holds 'cat' and ' cat' (row 2 of 'data.csv'), which"),
        ('a,label\n1,x\n2,"y\n3,x\n', {}, "a quote that is opened and never closed"),
        ("1,2,0\n3,4,1\n", {}, "or write the names of the columns into the first row"),
        ("a,b,label\n", {}, "'data.csv' has no rows"),
        ("a,b,label", {}, "'data.csv' has no rows"),
    ],
)
def test_what_can_be_read_in_two_ways_is_refused(text, config, sentence, tmp_path):
    path = tmp_path / "data.csv"
    path.write_text(text)
    with pytest.raises(ValueError, match=r"\S") as error:
        _load(path, **config)
    assert sentence in str(error.value)
    assert "\n" not in str(error.value)


def test_another_encoding_is_told_with_its_row_and_read_by_the_parameter(tmp_path):
    path = tmp_path / "data.csv"
    text = "text,label\nplain,x\n\nGr\u00fc\u00dfe,y\n"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(ValueError, match=r"\S") as error:
        _load(path)
    assert "Row 2 of 'data.csv' (line 4), column 'text', has the byte 0xFC" in str(error.value)
    raw = _load(path, encoding="latin-1")["train"]
    assert raw.inputs["text"].tolist() == ["plain", "Gr\u00fc\u00dfe"]
    path.write_bytes(text.encode("utf-16-le"))
    with pytest.raises(ValueError, match="has bytes of zero"):
        _load(path)
    path.write_bytes(text.encode("utf-16") + b"\xd8")
    with pytest.raises(ValueError, match=r"'data\.csv'"):
        _load(path)


def test_an_index_is_no_feature(tmp_path):
    path = tmp_path / "data.csv"
    frame = pd.DataFrame({"a": [1.0, 2.0], "label": [0, 1]}, index=[7, 9])
    frame.to_csv(path)
    raw = _load(path)["train"]
    np.testing.assert_array_equal(raw.inputs[""], [[1], [2]])
    assert "dataset.features takes it in" in raw.understood.notices[0]
    assert [c.name for c in raw.understood.columns if c.role == "left out"] == [""]
    chosen = _load(path, features=("", "a"))["train"]
    np.testing.assert_array_equal(chosen.inputs[""], [[7, 1], [9, 2]])


@pytest.mark.parametrize("word", ["", "NA", "NaN", "nan", "null", " "])
@pytest.mark.parametrize("labels", [("cat", "dog"), ("0", "1"), ("0.5", "1.5")])
def test_a_missing_label_is_told_with_their_number(word, labels, tmp_path):
    path = tmp_path / "data.csv"
    rows = [f"{number},{word if number % 3 == 1 else labels[number % 2]}" for number in range(30)]
    path.write_text("a,label\n" + "\n".join(rows) + "\n")
    with pytest.raises(ValueError, match=r"\S") as error:
        _load(path)
    assert "lacks a value in 10 of 30 examples (the first is row 2 of 'data.csv')" in str(
        error.value
    )


def test_columns_may_come_in_another_order_in_another_file(tmp_path):
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "train.csv").write_text("a,b,label\n1,2,x\n3,4,y\n")
    (folder / "test.csv").write_text("label;b;a\nx;6;5\n")
    raw = _load(folder)
    np.testing.assert_array_equal(raw["test"].inputs[""], [[5, 6]])
    assert raw["train"].understood.where("test", 0) == "row 1 of 'test.csv'"
    (folder / "test.csv").write_text("label,b\nx,6\n")
    with pytest.raises(ValueError, match=r"'test.csv' and 'train.csv' differ .* 'a' is in the"):
        _load(folder)


def test_a_column_is_one_of_numbers_only_if_it_is_in_every_file(tmp_path):
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "train.csv").write_text("a,label\n1,0\n2,1\n")
    (folder / "test.csv").write_text("a,label\n3,0\n4,one\n")
    with pytest.raises(ValueError, match=r"something else: 'one' \(row 2 of 'test.csv'\)"):
        _load(folder)


@_SETTINGS
@given(st.text(st.sampled_from('a1," \n\r\u00e9'), max_size=40))
def test_whatever_bytes_are_read_as_the_csv_module_does_or_refused(tmp_path, body):
    path = tmp_path / "data.csv"
    path.write_text("x,y\n" + body, encoding="utf-8", newline="")
    try:
        table = read_csv(path, Dialect(",", "utf-8"), ["x", "y"])
    except ValueError:
        return
    rows = _rows("x,y\n" + body)[1]
    assert [list(row.values()) for row in table.to_pylist()] == rows


@pytest.mark.parametrize(("given", "read_as"), [("tab", "\t"), ("\\t", "\t"), (";", ";")])
def test_a_delimiter_is_one_character_or_tab(given, read_as):
    assert DatasetConfig(path="a.csv", delimiter=given).delimiter == read_as
    again = DatasetConfig.model_validate_json(
        DatasetConfig(path="a.csv", delimiter=given).model_dump_json()
    )
    assert again.delimiter == read_as


@pytest.mark.parametrize("given", ["", "ab", "x", "1", '"', "\n", ".", "\u00e9"])
def test_other_delimiters_are_refused(given):
    with pytest.raises(ValueError, match="delimiter"):
        DatasetConfig(path="a.csv", delimiter=given)


@pytest.mark.parametrize("field", ["delimiter", "decimal", "encoding"])
def test_what_is_of_csv_files_is_refused_elsewhere(field, tmp_path):
    path = tmp_path / "data.npz"
    np.savez(path, x=np.zeros((4, 2)), y=np.arange(4) % 2)
    value = {"delimiter": ";", "decimal": ",", "encoding": "latin-1"}[field]
    with pytest.raises(ValueError, match=rf"dataset\.{field} is given, but .* is no CSV file"):
        check_place(DatasetConfig(path=str(path), **{field: value}))


def test_a_lone_column_of_single_words_is_said_to_be_text(tmp_path):
    path = tmp_path / "data.csv"
    path.write_text("day,label\n2020-01-01,x\n2020-01-02,y\n")
    (notice,) = _load(path)["train"].understood.notices
    assert "holds one word in each row ('2020-01-01' and so on) and is read as text" in notice
    path.write_text("day,label\na first day,x\nsecond,y\n")
    assert not _load(path)["train"].understood.notices


@pytest.mark.parametrize("levels", [1, 2, 3])
@pytest.mark.parametrize("again", [False, True])
def test_an_index_of_several_levels_is_no_feature(levels, again, tmp_path):
    frame = pd.DataFrame({"a": range(20), "b": range(20), "label": ["x", "y"] * 10})
    indexed = frame.set_index(pd.MultiIndex.from_arrays([np.arange(20)] * levels))
    path = tmp_path / "d.csv"
    indexed.to_csv(path)
    if again:
        pd.read_csv(path).to_csv(path)
    raw = _load(path)["train"]
    np.testing.assert_array_equal(raw.inputs[""], frame[["a", "b"]])
    assert raw.understood.notices[0].endswith("dataset.features takes it in.")


def test_two_columns_of_one_name_are_refused_and_an_unnamed_one_that_is_asked_for(tmp_path):
    (tmp_path / "d.csv").write_text(",,a,a,label\n0,1,2,3,x\n1,2,3,4,y\n")
    with pytest.raises(ValueError, match="two columns 'a'"):
        _load(tmp_path / "d.csv")
    (tmp_path / "d.csv").write_text(",,a,label\n0,1,2,x\n1,2,3,y\n")
    assert _load(tmp_path / "d.csv")["train"].inputs[""].tolist() == [[2], [3]]
    with pytest.raises(ValueError, match="two columns ''"):
        _load(tmp_path / "d.csv", features=("",))


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "'d.csv' is empty"),
        ("\n\n", "'d.csv' is empty"),
        ("sep=;\na;label\n1;x\n", "begins with a line 'sep='"),
        ("sep=,\na,label\n1,x\n", "begins with a line 'sep='"),
        ("a b label\n1 2 x\n", "only 'a b label'; say .* or by dataset.delimiter what stands"),
        ("a:label\n1:x\n", "only 'a:label'; say .* or by dataset.delimiter"),
        ("only\n1\n", "only 'only'; say by dataset.target which of them the model shall give.$"),
        ("a;label\n1\u00a0000;x\n2\u202f000,5;y\n", "1.xa0000. and the like, .* thousands"),
        ("a;label\n1.000,5;x\n2.000,5;y\n", "'1.000,5' and the like, .* between thousands"),
    ],
)
def test_what_is_no_table_is_one_sentence(text, sentence, tmp_path):
    (tmp_path / "d.csv").write_text(text)
    with pytest.raises(ValueError, match=sentence):
        _load(tmp_path / "d.csv")


@pytest.mark.parametrize(
    ("values", "told"),
    [
        (["1.234", "12.345", "123.456"], True),
        (["1.234", "12.345", "0.456"], False),
        (["1.234", "12.345", "23.4"], False),
        (["1234", "12", "123"], False),
    ],
)
@pytest.mark.parametrize("delimiter", [";", ","])
def test_points_that_may_part_thousands_are_told(values, told, delimiter, tmp_path):
    rows = "".join(
        f"{value}{delimiter}{label}\n" for value, label in zip(values, "xyx", strict=True)
    )
    (tmp_path / "d.csv").write_text(f"a{delimiter}label\n{rows}")
    raw = _load(tmp_path / "d.csv")["train"]
    np.testing.assert_array_equal(raw.inputs[""][:, 0], np.array(values, np.float32))
    said = any("read with three decimals" in each for each in raw.understood.notices)
    assert said == (told and delimiter == ";")


def test_numbers_that_float32_does_not_tell_apart_are_told(tmp_path):
    times = 1.7e9 + np.arange(50) * 0.5
    frame = pd.DataFrame({"when": times, "fine": times - times[0], "label": ["x", "y"] * 25})
    frame.to_csv(tmp_path / "d.csv", index=False)
    (said,) = _load(tmp_path / "d.csv")["train"].understood.notices
    lost = 50 - len(np.unique(times.astype(np.float32)))
    assert f"{lost} of its 50 different values become equal to others" in said
    assert "'when'" in said


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (gzip.compress(b"a,label\n1,x\n"), r"compressed by gzip; let its name end in \.csv\.gz"),
        (bz2.compress(b"a,label\n1,x\n"), r"let its name end in \.csv\.bz2"),
        (b"PK\x03\x04" + b"\0" * 99, "as Excel's workbooks are"),
        (b"PAR1" + b"\0" * 99, r"let its name end in \.parquet"),
    ],
)
def test_what_is_something_else_is_told(content, sentence, tmp_path):
    (tmp_path / "d.csv").write_bytes(content)
    with pytest.raises(ValueError, match=sentence):
        _load(tmp_path / "d.csv")
