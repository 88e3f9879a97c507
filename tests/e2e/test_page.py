"""What a visitor sees and does: photos in, answers out, two languages, errors in words, the camera."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, FilePayload, expect

from tests import models
from tests.e2e import pictures
from tests.e2e.visit import file, scores, top_label, visit


def picture(colour: str, name: str = "") -> FilePayload:
    return file(name or f"{colour}.png", models.encoded(models.picture(colour), "PNG"))


def test_many_photos_are_answered_in_their_order(browser: Browser, dist: Path, colours: Path) -> None:
    order = [models.LABELS[index * 5 % len(models.LABELS)] for index in range(40)]
    with visit(browser, dist, colours) as visited:
        results = visited.give([picture(colour) for colour in order])
        assert [top_label(result) for result in results] == order
        expect(visited.page.get_by_test_id("status")).to_have_text("40 photos done")


def test_an_answer_has_bars_with_text_and_exact_numbers(browser: Browser, dist: Path, colours: Path) -> None:
    with visit(browser, dist, colours) as visited:
        (result,) = visited.give([picture("red")])
        found = scores(result)
        assert found.shape == (len(models.LABELS),)
        assert found.sum() == pytest.approx(1, abs=1e-12)
        best = np.argsort(-found, kind="stable")[:5]

        expect(result.get_by_test_id("top-label")).to_have_text("Red")
        top_score = result.get_by_test_id("top-score")
        assert float(top_score.get_attribute("data-value") or "") == found[best[0]]
        expect(top_score).to_have_text(f"{found[best[0]]:.1%}")
        rows = result.locator(".bar")
        expect(rows.locator(".label")).to_have_text([models.LABELS[index].capitalize() for index in best])
        widths = rows.locator(".fill").evaluate_all(
            "fills => fills.map(fill => fill.getBoundingClientRect().width / fill.parentElement.offsetWidth)"
        )
        assert widths == pytest.approx(found[best].tolist(), abs=0.01)
        expect(result).to_contain_text("red.png")
        expect(result).to_contain_text("PNG · 96 × 80")
        assert result.locator("canvas").evaluate("canvas => [canvas.width, canvas.height]") == [96, 80]


def test_photos_that_come_before_the_model_wait_for_it(browser: Browser, dist: Path, colours: Path) -> None:
    with visit(browser, dist, colours) as visited:
        assert visited.page.locator("body").get_attribute("data-state") == "loading"
        (result,) = visited.give([picture("blue")])
        assert top_label(result) == "blue"
        expect(visited.page.get_by_test_id("backend")).to_have_text("wasm")


def test_loading_shows_bytes(browser: Browser, dist: Path, colours: Path) -> None:
    with visit(browser, dist, colours) as visited:
        seen = visited.page.evaluate(
            """() => new Promise(resolve => {
                const status = document.querySelector('[data-testid=status]');
                const seen = [status.textContent];
                new MutationObserver(() => {
                    seen.push(status.textContent);
                    if (document.body.dataset.state === 'ready') resolve(seen);
                }).observe(status, { childList: true, characterData: true, subtree: true });
            })"""
        )
        assert [text for text in seen if re.fullmatch(r"Loading the model: \d+\.\d MB of \d+\.\d MB", text)]
        assert seen[-1] == "Ready"


def test_every_photo_that_cannot_be_read_says_why(browser: Browser, dist: Path, colours: Path) -> None:
    image = Image.fromarray(pictures.noise())
    jpeg = pictures.saved(image, "JPEG")
    bomb = bytearray(pictures.saved(image, "PNG"))
    bomb[16:24] = (20_000).to_bytes(4, "big") * 2
    given = {
        "notes.txt": (b"Dear diary, today", "not_an_image", "not an image"),
        "nothing.jpg": (b"", "not_an_image", "empty"),
        "cut-off.jpg": (jpeg[: len(jpeg) // 2], "broken_image", "broken"),
        "cut-off.png": (pictures.saved(image, "PNG")[:2000], "broken_image", "broken"),
        "header.gif": (b"GIF89a", "broken_image", "broken"),
        "scan.tiff": (pictures.saved(image, "TIFF"), "server_only_format", "server only"),
        "phone.heic": (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "unsupported_format", "HEIC"),
        "bomb.png": (bytes(bomb), "too_many_pixels", "20000 × 20000"),
    }
    with visit(browser, dist, colours) as visited:
        files = [file(name, data) for name, (data, _, _) in given.items()]
        *failed, last = visited.give([*files, picture("green")])
        for result, (name, (_, code, words)) in zip(failed, given.items(), strict=True):
            expect(result).to_have_attribute("data-error", code)
            expect(result).to_contain_text(words)
            expect(result).to_contain_text(name)
            assert result.get_attribute("data-scores") is None
        assert top_label(last) == "green"
        status = visited.page.get_by_test_id("status")
        expect(status).to_have_text(f"{len(given) + 1} photos done, {len(given)} without an answer")


def test_chinese_by_address_by_browser_and_by_switch(browser: Browser, dist: Path, colours: Path) -> None:
    with visit(browser, dist, colours, query="?lang=zh") as visited:
        (result,) = visited.give([picture("red")])
        expect(result.get_by_test_id("top-label")).to_have_text("红色")
        assert top_label(result) == "red"
        expect(visited.page.get_by_test_id("status")).to_have_text("已完成 1 张照片")
        (broken,) = visited.give([file("notes.txt", b"text")])
        expect(broken).to_contain_text("不是图片")

        visited.page.get_by_role("button", name="English").click()
        expect(result.get_by_test_id("top-label")).to_have_text("Red")
        expect(broken).to_contain_text("not an image")
        assert visited.page.locator("html").get_attribute("lang") == "en"
        assert visited.page.url.endswith("?lang=en")
    with visit(browser, dist, colours, locale="zh-CN") as visited:
        expect(visited.page.get_by_role("heading", level=1)).to_have_text("照片里是什么？")
        assert visited.page.locator("html").get_attribute("lang") == "zh-Hans"
        # A label without a Chinese name is shown under its English one.
        (result,) = visited.give([picture("blue")])
        expect(result.get_by_test_id("top-label")).to_have_text("Blue")


def test_dropped_photos(browser: Browser, dist: Path, colours: Path) -> None:
    with visit(browser, dist, colours) as visited:
        visited.wait_until_ready()
        visited.page.evaluate(
            """async () => {
                const canvas = new OffscreenCanvas(80, 80);
                const context = canvas.getContext('2d');
                context.fillStyle = 'rgb(0 255 255)';
                context.fillRect(0, 0, 80, 80);
                const transfer = new DataTransfer();
                transfer.items.add(new File([await canvas.convertToBlob()], 'dropped.png'));
                const options = { bubbles: true, cancelable: true, dataTransfer: transfer };
                document.body.dispatchEvent(new DragEvent('dragenter', options));
                document.body.dispatchEvent(new DragEvent('drop', options));
            }"""
        )
        result = visited.page.get_by_test_id("result")
        expect(result).to_contain_text("dropped.png")
        assert top_label(result) == "cyan"
        expect(visited.page.locator("body")).not_to_have_class(re.compile("dropping"))


def test_clear_empties_the_page_while_photos_are_on_their_way(browser: Browser, dist: Path, colours: Path) -> None:
    with visit(browser, dist, colours) as visited:
        visited.wait_until_ready()
        visited.page.get_by_test_id("file-input").set_input_files([picture("red", f"{n}.png") for n in range(30)])
        visited.page.get_by_role("button", name="Clear").click()
        expect(visited.page.get_by_test_id("result")).to_have_count(0)
        (result,) = visited.give([picture("green")])
        assert top_label(result) == "green"
        expect(visited.page.get_by_test_id("status")).to_have_text("1 photo done")
