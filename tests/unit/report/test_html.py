from twinlens.contract import Label
from twinlens.report.html import Markup, Text, both, display, el, render


def test_what_is_put_in_is_escaped():
    assert el("p", "1 < 2 & 3", title='"') == '<p title="&quot;">1 &lt; 2 &amp; 3</p>'
    assert el("p", el("b", "<")) == "<p><b>&lt;</b></p>"


def test_attributes_lose_their_underscores_and_those_that_are_none():
    assert el("line", class_="a", stroke_width=1.5, x1=2.0, y1=0, id=None) == (
        '<line class="a" stroke-width="1.5" x1="2" y1="0"></line>'
    )
    assert el("br") == "<br>"
    assert el("input", name="language") == '<input name="language">'


def test_contents_may_be_nested_numbers_or_nothing():
    assert render(["a", None, [1, Markup("<br>")]]) == "a1<br>"


def test_a_text_stands_there_in_both_languages_unless_they_are_the_same():
    assert render(Text("hat", "帽子")) == '<span lang="en">hat</span><span lang="zh-Hans">帽子</span>'
    assert render(Text("7", "7")) == "7"


def test_sentences_are_filled_in_each_language_and_escaped_once():
    found = both("{n} < {label}", "{label}：{n}", n=3, label=Text("<hat>", "帽子"))
    assert found.en == "3 &lt; &lt;hat&gt;"
    assert found.zh == "帽子：3"
    assert render(both("{a}", "{a}", a=found)) == render(found)
    assert render(both("{a}", "{a}", a=el("code", "x"))) == "<code>x</code>"


def test_a_label_without_a_chinese_name_has_its_english_one():
    assert display(Label(name="hat", display={"en": "Hat"})) == Text("Hat", "Hat")
    assert display(Label(name="hat", display={"en": "Hat", "zh": "帽子"})) == Text("Hat", "帽子")
