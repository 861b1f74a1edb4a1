"""Rules of normalisation: what ours make of typical abbreviations, once as twice; what a file of the user's may say."""

import re
import unicodedata
from dataclasses import replace
from itertools import product
from pathlib import Path

import pytest

from capas.core.errors import CapasError
from capas.page_formats.alto_write import to_alto
from capas.page_formats.hocr_write import to_hocr
from capas.page_formats.normalise import BUILT_IN, NormalisationRules, load_rules, normalise_page
from capas.page_formats.page import Box, Line, Page, Word
from capas.page_formats.pagexml_write import to_pagexml
from capas.page_formats.tei import read_tei
from capas.page_formats.tei_write import to_tei
from tests.page_formats.drawn import MADE
from tests.page_formats.schemas import faults

# Typed here, after what the two manuscripts of the benchmarks and Castilian and Latin charters commonly write.
EXAMPLES = {
    "old-french": [
        ("Li secons 9mt̃ la lune", "Li secons comment la lune"), ("qͥ fist ꝑ astrenomie", "qui fist par astrenomie"),
        ("ap̾s le soleil ⁊ la t̾re", "apres le soleil et la terre"), ("q̃ uoꝰ le mlt̃ bñ", "que uous le molt bien"),
        ("Qñt li gͣnt rois", "Quant li grant rois"), ("ꝯbatant nõ hõme", "combatant non homme"),
        ("lesꝑon mang̾ pech̾", "lesperon mangier pechier"), ("uen̾ nat᷑e philosopheᷤ", "uener nature philosophes"),
        (".kl̃. .roll̃.", ".kl̃. .roll̃."), ("autͤ destͥer gnͣt", "autre destrier grant"),
    ],
    "castellano": [
        ("ꝑa q̃ ſean", "para que sean"), ("año señor niño", "año señor niño"), ("ẽ tiẽpo cõprar", "en tiempo comprar"),
        ("dh̃o nr̃o sr̃", "dicho nuestro señor"), ("Q̃ ꝑsona ꝓmeto", "Que persona prometo"),
        ("⁊ ꝯprado ⁊c", "e comprado etc"), ("çiẽ mr̃s ꝑ el", "çien maravedis por el"), ("ꝑtes aꝗlla", "partes aquella"),
        ("xp̃iano escr̃iuano", "christiano escriuano"), ("uen̄ qͣl qͥere", "uen̄ qual quiere"),
    ],
    "medieval-latin": [
        ("ꝑ oĩa ſecula", "per oina secula"), ("In nõe dñi nr̃i ih̃u xp̃i", "In none domini nostri iesu christi"),
        ("qͥ ẽ cũ eo", "qui est cum eo"), ("bonoꝝ omnibꝫ quoqꝫ", "bonorum omnibus quoque"),
        ("nõ ꝯfirmo ꝓ tp̃ꝰ", "non confirmo pro tempus"), ("Om̃s scl̃a gr̃a", "Omnes secula gratia"),
        ("pͥmꝰ t̾ra u̾bũ p̄sens", "primus terra uerbum presens"), ("⁊ ⁊c", "et etc"), ("q̄ ꝙ ꝗ", "que quod qui"),
    ],
}  # fmt: skip


@pytest.mark.parametrize("name", EXAMPLES)
def test_typical_abbreviations_are_expanded(name: str) -> None:
    rules = load_rules(name)
    for written, expected in EXAMPLES[name]:
        for form in ("NFC", "NFD"):
            assert rules.apply(unicodedata.normalize(form, written)) == expected


@pytest.mark.parametrize("name", BUILT_IN)
def test_rules_of_ours_applied_twice_are_as_once(name: str) -> None:
    rules = load_rules(name)
    words = [written for rows in EXAMPLES.values() for written, _ in rows]
    marks = ["", *"\u0303\u0304\u033e\u0363\u0364\u0365\u0366\u1dd1\u1de4"]
    made = ["".join(parts) for parts in product("aqpnmdsꝑꝯ⁊", marks, "ermbꝰſ ", marks[:4])]
    for word in [*words, *made]:
        once = rules.apply(word)
        assert rules.apply(once) == once, word


def test_kept_composes_and_does_nothing_else() -> None:
    assert load_rules("kept").apply("an\u0303o  ꝑ\tſ ⁊ ﬁ") == "año  ꝑ\tſ ⁊ ﬁ"


def test_a_word_stays_a_word_and_a_capital_a_capital() -> None:
    for name, rows in EXAMPLES.items():
        for written, _ in rows:
            assert len(load_rules(name).apply(written).split()) == len(written.split())
    assert load_rules("old-french").apply(" ꝐTIE \t ꝯ ") == " ParTIE \t con "


def write(tmp_path: Path, content: str) -> str:
    (tmp_path / "mine.toml").write_text(content, encoding="utf-8")
    return str(tmp_path / "mine.toml")


def test_rules_of_the_user_are_taken_in_their_order(tmp_path: Path) -> None:
    file = write(tmp_path, "name = 'mine'\nform = 'NFKC'\nreplace = [['ꝑ(?=a)', 'p'], ['ꝑ', 'per'], ['(.)9', '\\1us']]")
    rules = load_rules(file)
    assert rules.apply("ꝑa ꝑ de9 ﬁ") == "pa per deus fi" and rules.name == "mine"
    again = NormalisationRules.model_validate(rules.model_dump(mode="json"))
    assert again == rules and again.hash == rules.hash
    assert rules.model_copy(update={"name": "other"}).hash == rules.hash != load_rules("kept").hash
    assert rules.model_copy(update={"replace": rules.replace[::-1]}).hash != rules.hash


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("replace = []", "name"), ("name = 'a'\nwords = 1", "words"), ("name = ", "Invalid value"),
        ("name = 'a'\nform = 'NFX'", "form"), ("name = 'a'\nreplace = [['(', 'b']]", r"\("),
        ("name = 'a'\nreplace = [['a', '\\2']]", "group"), ("name = 'a'\nreplace = [['a', 'b c']]", "two words"),
        ("name = 'a'\nreplace = [['a*', 'b']]", "nothing at all"), ("name = 'a'\nreplace = [['a']]", "replace"),
    ],
)  # fmt: skip
def test_rules_that_cannot_be_read_are_told(content: str, told: str, tmp_path: Path) -> None:
    with pytest.raises(CapasError) as refused:
        load_rules(write(tmp_path, content))
    assert refused.value.key == "rules_broken" and re.search(told, str(refused.value))


def test_unknown_rules_are_told_with_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(CapasError) as refused:
        load_rules(str(tmp_path / "castelano"))
    assert refused.value.key == "rules_unknown" and "castellano" in str(refused.value)
    (tmp_path / "latin.toml").write_bytes(b"name = '\xff'")
    with pytest.raises(CapasError) as refused:
        load_rules(str(tmp_path / "latin.toml"))
    assert refused.value.key == "rules_broken"


def page() -> Page:
    box = Box(left=10, top=10, right=40, bottom=30)
    words = tuple(Word(text=text, box=box, confidence=0.5) for text in ("ꝑa", "ſu", "casa"))
    lines = (
        Line(id="l1", baseline=((10, 30), (90, 30)), text="ꝑa ſu casa", words=words, confidence=0.5),
        Line(id="l2", baseline=((10, 60), (90, 60)), text="nr̃o mr̃s an\u0303o"),
        Line(id="l3", baseline=((10, 90), (90, 90)), text="q̃"),
    )
    return Page(width=100, height=100, image="a.jpg", lines=lines)


@pytest.mark.slow  # the grammar has a million characters
def test_tei_says_what_was_written_and_what_was_made_of_it(tmp_path: Path) -> None:
    found = normalise_page(page(), load_rules("castellano"))
    assert [line.text for line in found.lines] == ["para su casa", "nuestro maravedis año", "que"]
    content = to_tei(found, MADE)
    assert faults(content, "tei_all-4.3.0.rng.gz") == []
    text = re.sub(r">\s+<", "><", content.decode())
    assert "<choice><abbr>ꝑa</abbr><expan>para</expan></choice></w>" in text
    assert "<choice><orig>ſu</orig><reg>su</reg></choice></w>" in text and ">casa</w>" in text
    assert "<choice><abbr>nr̃o</abbr><expan>nuestro</expan></choice>" in text and "año" in text
    (tmp_path / "page.xml").write_bytes(content)
    back = read_tei(tmp_path / "page.xml").page
    assert [line.text for line in back.lines] == [line.text for line in found.lines]
    assert [word.text for word in back.lines[0].words] == ["para", "su", "casa"]


def test_what_is_kept_has_no_choice() -> None:
    found = normalise_page(page(), load_rules("kept"))
    assert all(line.original_text == "" for line in found.lines)
    assert b"choice" not in to_tei(found, MADE)
    assert [line.text for line in found.lines][1] == "nr̃o mr̃s año"
    assert replace(found.lines[0], original_text="") == page().lines[0]


@pytest.mark.parametrize("written", [to_alto, to_pagexml, to_hocr])
def test_other_standards_hold_the_expanded_text(written) -> None:  # type: ignore[no-untyped-def]
    text = written(normalise_page(page(), load_rules("castellano")), MADE).decode()
    assert "para" in text and "nuestro maravedis" in text and "ꝑ" not in text
