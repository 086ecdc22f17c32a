# ruff: noqa: RUF001
"""The thoughts of an LLM apart from its answer, by the marks of many families.

What counts as thoughts:

- a block at the beginning of a reply, up to its closing mark, or all of the reply if that never came;
- a block that begins a line further down, unless it stands in code; if it was never closed, only from a mark that has
  its line to itself;
- all before a closing mark that nothing opened (the chat template did), unless the mark is quoted, in code or a word
  of a sentence.

An answer that only speaks of marks keeps them. Marks of turns at both ends of a reply, and another turn that the LLM
ran on with, are no part of the answer either.
"""

import re
from typing import NamedTuple


class Parted(NamedTuple):
    """A reply as what was thought and what was said.

    Attributes:
        answer: Untouched if the reply has no marks; empty if it is only thoughts.
        reasoning: None if there is none.
    """

    answer: str
    reasoning: str | None


class _Pair(NamedTuple):
    """Marks around thoughts, as patterns.

    Attributes:
        opening: Of the mark before them.
        closing: Of the mark after them.
        alone: Of a mark after thoughts that nothing opened; None if there is no telling.
        first_only: Whether they are words that mean thoughts at the very beginning of a reply only.
        closed_only: Whether they mean so only if both are there.
    """

    opening: str
    closing: str
    alone: str | None = None
    first_only: bool = False
    closed_only: bool = False


_TAGS = (
    *("think", "thinking", "thought", "thoughts", "reason", "reasoning", "reflection", "scratchpad"),
    *("seed:think", "mm:think", "longcat_think"),  # Seed-OSS, MiniMax, LongCat
)
_TOKENS = (
    ("◁think▷", "◁/think▷"),  # Kimi
    ("[THINK]", "[/THINK]"),  # Magistral
    ("[REASONING]", "[/REASONING]"),
    ("<|START_THINKING|>", "<|END_THINKING|>"),  # Cohere
    ("<|begin_of_thought|>", "<|end_of_thought|>"),  # OpenThoughts
    ("<|inner_prefix|>", "<|inner_suffix|>"),  # Apertus
    ("<|think:start|>", "<|think:end|>"),  # Solar
    ("<|channel>thought", "<channel|>"),  # Gemma
    ("[unused16]", "[unused17]"),  # Pangu
)
_FINAL = r"(?:<\|start\|>assistant)?<\|channel\|>final[^<\n]{0,40}<\|message\|>"
_PAIRS = (
    *(_Pair(re.escape(f"<{tag}>"), re.escape(f"</{tag}>"), re.escape(f"</{tag}>")) for tag in _TAGS),
    *(_Pair(re.escape(opening), re.escape(closing), re.escape(closing)) for opening, closing in _TOKENS),
    _Pair(r"<\|think\|>", r"<\|end\|>"),  # Solar, earlier
    _Pair(  # gpt-oss
        r"(?:<\|start\|>assistant)?<\|channel\|>(?:analysis|commentary)\b[^<\n]{0,80}"
        r"(?:<\|constrain\|>[^<\n]{0,40})?<\|message\|>",
        r"<\|(?:end|call|return)\|>|(?=(?:<\|start\|>(?:assistant)?)?<\|channel\|>)",
        rf"<\|end\|>{_FINAL}",
    ),
    _Pair(r"(?-i:analysis(?=[A-Z]))", r"(?-i:assistantfinal)", first_only=True),  # the same, its tokens left out
    _Pair(r"(?:Here is|Here's) my thought process:", r"(?:Here is|Here's) my response:", None, True, True),  # Granite
    _Pair(r"Here are my reasoning steps:", r"\[BEGIN FINAL RESPONSE\]", None, True, True),  # Apriel
)

_ENDS = (
    *("<|im_end|>", "<|eot_id|>", "<|eom_id|>", "<|end_of_text|>", "<|endoftext|>", "<|endofturn|>", "<|end_of_turn|>"),
    *("</s>", "<eos>", "<end_of_turn>", "<turn|>", "<|end|>", "<|return|>", "<|eos|>", "<EOT>", "<seed:eos>"),
    *("<|END_OF_TURN_TOKEN|>", "<|END_RESPONSE|>", "<|END_TEXT|>", "<｜end▁of▁sentence｜>", "<|assistant_end|>"),
    *("[/INST]", "[unused10]", "[END FINAL RESPONSE]", "<|end_of_solution|>", "<|end_of_box|>"),
    *("<|user|>", "<|observation|>", "<|im_start|>", "<|start|>"),
)
_ENDING = f"(?-i:{'|'.join(map(re.escape, _ENDS))})"
_OTHERS_TURN = (
    r"<\|im_start\|>(?!assistant)|<\|start_header_id\|>(?!assistant)|<start_of_turn>(?!model)|<\|turn>(?!model)|"
    r"<\|user\|>|<\|START_OF_TURN_TOKEN\|><\|USER_TOKEN\|>|\[INST\]|<｜User｜>|<\|start\|>user|<\|user_start\|>"
)
_FLAGS = re.IGNORECASE
_ROLE = re.compile(  # whose turn it is, where it is the turn of the LLM
    rf"\s*(?:<\|im_start\|>assistant|<\|start_header_id\|>assistant<\|end_header_id\|>|<\|assistant\|>|"
    rf"<start_of_turn>model|<\|turn>model|<\|START_OF_TURN_TOKEN\|>|<\|CHATBOT_TOKEN\|>|<\|START_RESPONSE\|>|"
    rf"<\|START_TEXT\|>|<｜Assistant｜>|\[/INST\]|<\|assistant_start\|>|<\|begin_of_solution\|>|<\|begin_of_box\|>|"
    rf"<\|begin\|>assistant|<\|content\|>|{_FINAL})",
    _FLAGS,
)
_WRAP = re.compile(r"\s*<(answer|response|output)>", _FLAGS)  # of an answer, after thoughts
_KINDS = [
    rf"(?P<turn>{_ENDING}\s*(?={_OTHERS_TURN}))",
    *(rf"(?P<c{number}>{pair.alone})" for number, pair in enumerate(_PAIRS) if pair.alone),
    *(rf"(?P<o{number}>{pair.opening})" for number, pair in enumerate(_PAIRS)),
]
_MARK = re.compile(rf"(?=[<\[◁ah])(?:{'|'.join(_KINDS)})", _FLAGS)
_CLOSINGS = [re.compile(pair.closing, _FLAGS) for pair in _PAIRS]
_ANY_CLOSING = re.compile(
    "|".join(map(re.escape, [*(f"</{tag}>" for tag in _TAGS), *(closing for _, closing in _TOKENS)])), _FLAGS
)
_ANOTHERS = re.compile(_OTHERS_TURN, _FLAGS)
_REST_OF_LINE = re.compile(rf"[ \t]*(?:{_ENDING}[ \t]*)*(?:\n|\Z|{_OTHERS_TURN})", _FLAGS)
_SIGN = re.compile(r"<[|/｜]|<[a-z:_]{3,14}>|\[/?(?:think|reasoning|inst)\]|\[unused|\[end |◁", _FLAGS)  # of any mark
_FIRST_WORDS = re.compile(r"\s*(?:analysis[A-Z]|here(?: is|'s| are) my )", _FLAGS)
_INDENT = re.compile(r" {0,3}")
_QUOTES = "\"'`“”„‘’«»"
_ENDS_OF_SENTENCES = ".!?…。！？।؟)]*|>\"'”’»"


def split_reasoning(text: str, known: str | None = None) -> Parted:
    r"""What an LLM said, without what it thought.

    Args:
        text: As the server gave it, or a corpus has it. Without marks it comes back as it is.
        known: Thoughts that came apart from the text; those of the text follow them.

    Example:
        >>> split_reasoning("<think>They ask whether to lie.</think>\n\nI would not.")
        Parted(answer='I would not.', reasoning='They ask whether to lie.')
        >>> split_reasoning("Put it between `<think>` and `</think>`.")
        Parted(answer='Put it between `<think>` and `</think>`.', reasoning=None)
    """
    known = known.strip() or None if known else None
    if not (_SIGN.search(text) or _FIRST_WORDS.match(text)):
        return Parted(text, known)
    reply = _Reply(text)
    reply.read()
    thoughts = [known] if known else []
    thoughts += [thought for thought in reply.thoughts if thought not in (known or "")]
    return Parted(reply.answer(), "\n\n".join(thoughts) or None)


class _Reply:
    """A reply that is read from left to right, once: of every mark it is said at once what it is."""

    def __init__(self, text: str) -> None:
        self.thoughts: list[str] = []
        self._text = text
        self._end = _without_ends(text, _ends_of(text))
        self._marked = self._end < len(text)
        self._kept: list[str] = []  # of the answer, each but the last ends with a line
        self._fences = 0
        self._spoken_of: set[int] = set()  # pairs whose opening mark the answer mentions
        self._never_closed: set[int] = set()
        self._wraps: tuple[str, ...] = ()
        self._place = self._start = 0
        self._begin(0)

    def read(self) -> None:
        """Takes the thoughts out."""
        while mark := _MARK.search(self._text, self._place, self._end):
            self._pass_over(mark.start())
            self._place = mark.end()
            kind = str(mark.lastgroup)
            if kind == "turn" and not self._in_code():
                self._end, self._marked = mark.start(), True
                break
            pair = int(kind[1:]) if kind != "turn" else -1
            if (kind[0] == "o" and self._opened(mark, pair)) or (kind[0] == "c" and self._closed(mark, pair)):
                continue
            if kind[0] == "o" and not self._quoted(mark):
                self._spoken_of.add(pair)
            self._pass_over(self._place, mark.start())

    def answer(self) -> str:
        """What is left; the text itself if it had no marks."""
        if not self._marked:
            return self._text
        answer = "".join([*self._kept, self._text[self._start : self._end]]).strip()
        return answer[: _without_ends(answer, _ends_of(answer) + self._wraps)].strip()

    def _begin(self, place: int) -> None:
        """The answer begins, or goes on, at a place: what says whose turn it is, is passed over."""
        while not self._kept:
            mark = _ROLE.match(self._text, place, self._end)
            if not mark and self._marked and (mark := _WRAP.match(self._text, place, self._end)):
                self._wraps += (f"</{mark[1].lower()}>",)
            if not mark:
                break
            place, self._marked = mark.end(), True
        while self._kept and place < self._end and self._text[place].isspace():
            place += 1
        if self._kept and self._kept[-1].rstrip().endswith(_ENDS) and _ANOTHERS.match(self._text, place, self._end):
            self._end = place
        self._start = self._place = place
        self._ticks, self._blank, self._empty = 0, True, not self._kept

    def _pass_over(self, end: int, start: int | None = None) -> None:
        """Takes note of what the text up to a mark says about the place of the mark."""
        passed = self._text[self._place if start is None else start : end]
        self._fences += passed.count("```")
        _, line, rest = passed.rpartition("\n")
        self._ticks = rest.count("`") + (0 if line else self._ticks)
        self._blank = (bool(line) or self._blank) and _INDENT.fullmatch(rest) is not None
        self._empty = self._empty and not passed.strip()

    def _in_code(self) -> bool:
        return bool(self._fences % 2 or self._ticks % 2)

    def _opened(self, mark: re.Match[str], pair: int) -> bool:
        """Whether thoughts begin with a mark; if so, they are taken."""
        marks, first = _PAIRS[pair], self._empty
        if not first and (marks.first_only or not self._blank or self._in_code()):
            return False
        closing = self._closing(pair, mark.end())
        if closing is None and (
            marks.closed_only or not (first or _REST_OF_LINE.match(self._text, mark.end(), self._end))
        ):
            return False
        kept = self._text[self._start : mark.start()].rstrip(" ")
        self._kept += [kept] if kept.strip() else []
        self._think(self._text[mark.end() : closing.start() if closing else self._end])
        self._marked = True
        self._begin(closing.end() if closing else self._end)
        return True

    def _closing(self, pair: int, place: int) -> re.Match[str] | None:
        """The mark that closes a block: its own, or else another one of thoughts."""
        for known, pattern in ((pair, _CLOSINGS[pair]), (-1, _ANY_CLOSING)):
            if known in self._never_closed or (known == -1 and _PAIRS[pair].first_only):
                continue
            for mark in pattern.finditer(self._text, place, self._end):
                if not self._quoted(mark):
                    return mark
            self._never_closed.add(known)
        return None

    def _closed(self, mark: re.Match[str], pair: int) -> bool:
        """Whether all before a mark was thought; if so, it is taken."""
        before = self._text[max(self._start, mark.start() - 2) : mark.start()]
        in_sentence = len(before) == 2 and before[1] in " \t" and not before[0].isspace()
        in_sentence = in_sentence and before[0] not in _ENDS_OF_SENTENCES
        if (
            pair in self._spoken_of
            or self._in_code()
            or self._quoted(mark)
            or (in_sentence and not _REST_OF_LINE.match(self._text, mark.end(), self._end))
        ):
            return False
        self._think("".join([*self._kept, self._text[self._start : mark.start()]]))
        self._kept, self._fences, self._marked = [], 0, True
        self._spoken_of.clear()
        self._begin(mark.end())
        return True

    def _quoted(self, mark: re.Match[str]) -> bool:
        around = self._text[mark.start() - 1 : mark.start()], self._text[mark.end() : mark.end() + 1]
        return all(character and character in _QUOTES for character in around)

    def _think(self, thought: str) -> None:
        thought = thought[: _without_ends(thought, _ENDS)].strip()
        self.thoughts += [thought] if thought else []


def _ends_of(text: str) -> tuple[str, ...]:
    """The marks that may end a turn in a text; in one that strikes something out, `</s>` ends that."""
    return _ENDS if "<s>" not in text else tuple(mark for mark in _ENDS if mark != "</s>")


def _without_ends(text: str, marks: tuple[str, ...]) -> int:
    """Where a text ends without the marks at its end; with none there, at its end."""
    end = place = len(text)
    while True:
        while place and text[place - 1].isspace():
            place -= 1
        mark = next((mark for mark in marks if text.endswith(mark, 0, place)), None)
        if mark is None:
            return end
        end = place = place - len(mark)
