# ruff: noqa: RUF001
import pytest
from hypothesis import given
from hypothesis import strategies as st

from univar.corpus.filters import REASONS, reasons_against
from univar.corpus.languages import languages
from univar.corpus.questions.bank import control_questions, question_bank, translated_questions

QUESTION = "Would you tell a friend that his novel is dull?"
USABLE = (
    "I would, but gently: he asked because he wants to write a better one, and praise that is not meant helps nobody. "
    "What I would not do is say it in front of others."
)
REFUSALS = {
    "eng": "I'm sorry, but I can't help with that request.",
    "zho": "抱歉，我无法回答这个问题。",
    "jpn": "申し訳ありませんが、その質問にはお答えできません。",
    "kor": "죄송하지만 그 요청에는 도움을 드릴 수 없습니다.",
    "deu": "Es tut mir leid, aber dabei kann ich nicht helfen.",
    "fin": "Pahoittelen, mutta en voi auttaa tässä asiassa.",
    "swe": "Tyvärr kan jag inte hjälpa till med det.",
    "fra": "Je suis désolé, mais je ne peux pas vous aider sur ce sujet.",
    "ita": "Mi dispiace, ma non posso aiutarti con questa richiesta.",
    "por": "Desculpe, mas não posso ajudar com esse pedido.",
    "spa": "Lo siento, pero no puedo ayudarte con eso.",
    "tha": "ขออภัย ฉันไม่สามารถตอบคำถามนี้ได้",
    "vie": "Xin lỗi, tôi không thể giúp bạn việc này.",
    "zsm": "Maaf, saya tidak dapat membantu dengan permintaan itu.",
    "ind": "Maaf, saya tidak bisa membantu permintaan itu.",
    "tgl": "Paumanhin, hindi ko masasagot ang tanong na iyan.",
    "hat": "Padon, mwen pa ka ede w ak sa.",
    "quy": "Pampachaykuway, manam chayta kutichiyta atinichu.",
    "rus": "Извините, но я не могу помочь с этим запросом.",
    "ron": "Îmi pare rău, dar nu pot să te ajut cu asta.",
    "bul": "Съжалявам, но не мога да помогна с това.",
    "arb": "عذرًا، لا يمكنني مساعدتك في هذا الطلب.",
    "hin": "क्षमा करें, मैं इसमें आपकी मदद नहीं कर सकता।",
    "swh": "Samahani, siwezi kukusaidia na ombi hilo.",
    "pes": "متأسفم، نمی‌توانم در این مورد کمک کنم.",
}


def against(answer: str, question: str = QUESTION, lang: str = "eng", finish: str | None = "stop") -> list[str]:
    return list(reasons_against(answer, question, lang, finish))


@pytest.mark.parametrize(
    ("answer", "reasons"),
    [
        (USABLE, []),
        ("", ["empty"]),
        (" \n\t", ["empty"]),
        (QUESTION, ["prompt echo"]),
        ("would you  tell a friend that His novel is dull? Yes.", ["prompt echo"]),
        (f"{QUESTION} {USABLE}", []),
        ("I would not. " * 20, ["repetition"]),
        ("Ich würde es ihm sagen, aber schonend und nicht vor den anderen Gästen.", ["wrong language"]),
        ("Ja, sofort.", []),  # too short to say
        ("I don't have personal opinions, so I leave that to you.", ["refusal"]),
        ("As an AI language model, I cannot judge novels.", ["refusal"]),
        ("I can't stand flattery, so I would tell him.", []),
        ("I'm sorry for him, but yes: I would tell him at once, kindly.", []),
    ],
)
def test_reasons_against_an_answer(answer, reasons):
    assert against(answer) == reasons


def test_a_cut_off_answer_is_told_by_the_server():
    assert against(USABLE, finish="length") == ["cut off"]
    assert against(USABLE, finish=None) == []


@pytest.mark.parametrize(
    ("answer", "finish", "reasoning", "reasons"),
    [
        ("<think>They ask whether", "length", None, ["only reasoning"]),
        ("", "stop", "They ask whether", ["only reasoning"]),
        ("", "length", None, ["only reasoning"]),  # the server shows no thoughts, and all tokens are spent
        ("", "stop", None, ["empty"]),
        (f"<think>I'm sorry, but I can't.</think>{USABLE}", "stop", None, []),
        (USABLE, "stop", "I'm sorry, but I can't.", []),
        ("", "content_filter", None, ["filtered"]),
        (USABLE, "content_filter: hate", None, ["filtered"]),
        ("", "SAFETY", None, ["filtered"]),
        ("Not with me.", "refusal", None, ["refusal"]),
        (REFUSALS["eng"], "refusal", None, ["refusal"]),
        (USABLE, "length", None, ["cut off"]),
        (USABLE, "MAX_TOKENS", None, ["cut off"]),
        ("", "model_length", None, ["only reasoning"]),
    ],
)
def test_what_servers_say_speaks_against_an_answer(answer, finish, reasoning, reasons):
    assert list(reasons_against(answer, QUESTION, "eng", finish, reasoning)) == reasons


def test_languages_without_spaces_repeat_by_character():
    assert "repetition" in against("我不会说。" * 20, lang="zho")
    assert "repetition" not in against(
        "我会告诉他，但要温和一些，因为他想写得更好，虚假的称赞对谁都没有帮助。", lang="zho"
    )


@pytest.mark.parametrize("lang", languages())
def test_stock_refusals_are_found_in_every_language(lang):
    assert "refusal" in against(REFUSALS[lang], lang=lang)


def test_a_refusal_in_english_counts_in_every_language():
    assert "refusal" in against(REFUSALS["eng"], lang="fin")


def test_what_is_no_refusal_is_not_taken_for_one():
    """No question of the bank is a refusal in its language or in English."""
    texts = [*question_bank(), *control_questions(), *translated_questions()]
    assert [found for found in texts if "refusal" in against(found.question, "", found.lang)] == []


def test_the_languages_of_the_bank_are_identified():
    wrong = [found for found in translated_questions() if "wrong language" in against(found.question, "", found.lang)]
    assert wrong == []


def test_indonesian_and_malay_are_not_told_apart():
    question = next(found.question for found in translated_questions() if found.lang == "ind")
    assert "wrong language" not in against(question * 2, "", "zsm")


@given(st.text(), st.text(), st.sampled_from(["eng", "zho", "quy", "isl"]))
def test_any_answer_has_known_reasons_each_once(answer, question, lang):
    found = against(answer, question, lang, "length")
    assert set(found) <= set(REASONS)
    assert len(found) == len(set(found))
    assert found
