"""Prompt templates, one text file each: a system part, a line `---`, a user part.

Texts from seeds and models are untrusted. A prompt shows each between marks that carry a fence, a
hash of all these texts, so no text can contain the fence and break out of its marks. The prompt
asks for scores with a score mark, which no text contains either, so a score that carries it comes
from the referee.

The context of a task (its system prompt and earlier turns) is shown in the same way. The prompt for
a task without a context does not mention any.
"""

import hashlib
import itertools
import re
import unicodedata
from collections.abc import Sequence
from functools import cache
from importlib import resources
from string import Template
from typing import Literal

PromptName = Literal[
    "teacher.txt",
    "rewrite.txt",
    "referee.txt",
    "judge.txt",
    "generator_hard.txt",
    "generator_easy.txt",
]
Message = dict[str, str]

_CODE = r"[0-9a-f]{8,}"  # a fence, perhaps miscopied by a model
# A remark such as "Sure, here's a new task inspired by the given example:", in many languages.
# A task may open in the same way ("Here's my task list:"), so no word but these stands at the noun.
_NEW = (
    r"(?:a|an|the|one|another) (?:(?:more|much|less|slightly|new|fresh|similar|different"
    r"|rare|rarer|unique|unusual|uncommon|niche|original|related|comparable|creative|hard|harder"
    r"|challenging|interesting|specific|possible|generated|single|long-tail(?:ed)?|but|and)"
    r",? )*(?:instruction|prompt|task)"
)
_MINE = (
    r"\b(?:[mds]ein(?:e[nmrs]?)?|ihre?|unsere?|mis?|tus?|sus?|mon|ma|mes|ton|ta|votre|notre|minha"
    r"|meu|sua|mi[oae]|miei|tuo|tua|mijn|jouw|uw|moje?|twoje?|benim|senin)\b"
    r"|\b(?:мо|тво|ваш|наш)[а-я]{0,3}\b|(?<![给給为為])[我你您他她][们們]?的|私の|僕の"
    r"|あなたの(?!ため)|나의|\b내 |당신의"
)
_NEW_ELSEWHERE = (
    rf"(?:(?!{_MINE})[^:：\n])*?"
    r"(?:\b(?:aufgabe|tâche|tarea|tarefa|compito|taak|zadanie|görev|nhiệm vụ|задача|задание)\b"
    r"|任务|任務|指令|タスク|課題|과제|작업|مهمة)"
)
# In other languages: an opening word, and somewhere in the line both "new" and "task".
_NEW_ANYWHERE = (
    r"(?:här är|her er|tässä on|íme|zde je|tu je|iată|ось|ορίστε|הנה|(?:در )?این|یہ|यहाँ|এখানে|இதோ"
    r"|นี่คือ|berikut|hii hapa|აი|aquí hay|aqui vai)"
    r"(?=[^:：\n]*(?:\bny\b|uusi|új\b|nov|nou|νέ|חדש|جدید|نیا|नया|নতুন|புதிய|ใหม่|baru|mpya|ახალი|nuev|нов))"
    r"(?=[^:：\n]*(?:uppgift|opp?gave|tehtäv|feladat|úkol|úloh|sarcin|завдан|εργασ|משימה|وظیفه|کام"
    r"|कार्य|কাজ|பணி|งาน|tugas|kazi|დავალება|tarea|tarefa))[^:：\n]{0,60}"
)
_ORIGIN = (
    r"(?: ?[,，、(（]| (?:inspir|based|derived|modell?ed|related|for you\b|as requested"
    r"|(?:that|which) (?:is|was|has|belongs|follows|meets|fits|matches|shares)\b"
    r"|simil|like (?:the|this|that)\b"
    r"|you (?:requested|asked for)\b"
    r"|(?:in|of|from|with|on) (?:a )?(?:similar|the (?:same|style|spirit|domain))"
    r"|im (?:gleichen|selben) |basier|dans le même |basé|semblable|nouvelle|en el mismo |basad|nuev"
    r"|no mesmo |semelhante|nova\b|nello stesso |basat|ispirat|nuov|gebaseerd|geïnspireerd|opart"
    r"|на основе|по образцу|вдохновл|mới|tương tự|جديدة|مستوحاة|أخرى|مماثلة))"
    r"(?![^:：\n]*\bmy\b)[^:：\n]{0,60}"
)
REMARK = (
    r"(?:(?:sure(?: thing)?|certainly|of course|ok(?:ay)?|al(?:l )?right|got it|great|understood"
    r"|absolutely|好的)[,!.，。！]* ?|[^\n:.!！]{1,20}(?:! |！))?"
    rf"(?:(?:here(?:['’]s| is)|below is|the following is) {_NEW}"
    r"|(?:hier (?:ist|is)|voici|aqu[íi] (?:tienes|está)"
    rf"|ecco|вот|oto|işte|đây là|(?:以下|这|這)是|以下[はが]|다음은|إليك){_NEW_ELSEWHERE}"
    rf"|{_NEW_ANYWHERE})"
    rf"(?:です|になります|입니다|이에요|예요)?(?:{_ORIGIN})? ?[:：]"
)
# In other languages a task may open with "Here is a task:" if it does not say that it is new.
PLAIN_REMARK = (
    r"(?:hier|voici|aqu[íi]|ecco|вот|oto|işte|đây|以下|这是|這是|다음은|إليك)"
    r"(?![^\n:：]*(?:neu|nouv|nuev|nov|nuov|нов|nowe|yeni|mới|新|새|جديد|weiter|otr[ao]|autre|друг"
    r"|simil|sembl|ähnlich|parecid|похож|tương tự|비슷|似|مماثل))"
)
_HERE = r"(?:[^\n:.!]{1,20}[!,.] )?here(?:['’]s (?:another |one more )?one| you go) ?[:：]"
# In any language, a line that ends in a colon before the prompt's own mark is a remark.
_PREAMBLE = re.compile(
    rf"(?:{REMARK}|{_HERE})\s*\n(?:\s*-{{3,}}\s*\n)?\s*(?=\S)"
    rf"|[^\n]{{1,200}}[:：][*_]*\s*(?=<task {_CODE}>|\*\*Task {_CODE})",
    re.IGNORECASE,
)
_REMARKS = 600  # characters within which remarks before a task end
_OPENING = re.compile(rf"<task(?:\b[^<>\n]{{0,60}}{_CODE}[^<>\n]{{0,20}})?\s*>")
_NAME = (
    r"(?:(?:(?:new|your|my|another|one more) )?task|new instruction|(?:neue )?aufgabe"
    r"|(?:nouvelle )?tâche|(?:nueva )?tarea|(?:nova )?tarefa|(?:nuovo )?compito|(?:новая )?задача"
    r"|(?:новое )?задание|(?:新的?)?任[务務]|(?:新しい)?(?:タスク|課題)"
    r"|(?:새(?:로운)? ?)?(?:과제|작업))"
)
_BOLD = "[*_]{0,3}"
_TITLE = re.compile(
    rf"(?:(?:#+ |[*_])*{_NAME}(?:(?: \d+)? ?{_BOLD}[:：]| {_CODE}:?){_BOLD}:?\s*"
    rf"|(?:#+ |\*\*)+{_NAME}(?: \d+)?(?:\*\*)?\s*\n\s*)(?=\S)",
    re.IGNORECASE,
)
_LATER_TITLE = re.compile(rf"(?:\n\s*|[.!?] )(?:{_TITLE.pattern})", re.IGNORECASE)
_CLOSING = re.compile(r"</task\b[^<>\n]{0,80}>")
_FENCE = re.compile(rf"</task {_CODE}>")
_TAGGED_TASKS = re.compile(r"(?:<task>(?:(?!</task>).)+</task>\s*){2,}", re.DOTALL)
# A whole text in a code fence without a language, or in quotation marks.
_WRAPPED = re.compile(
    r"```(?:text|txt|markdown|md|plaintext)?\n((?:(?!```).)+)\n```"
    r'|"([^"]+)"|“([^“”]+)”|„([^„“”]+)[“”]|「([^「」]+)」|『([^『』]+)』|«([^«»]+)»|»([^«»]+)«',
    re.DOTALL,
)


def render(
    name: PromptName, *, context: Sequence[Message] = (), **fields: str
) -> tuple[Message, ...]:
    """Return the chat messages of prompt `name`; every field of the template is required.

    `context` are the messages before the task. `$fence` and `$mark` are hashes of all texts.
    """
    system, user = _template(name)
    texts = (*fields.values(), *(message["content"] for message in context))
    values = {**fields, "fence": fence(*texts), "mark": score_mark(*texts)}
    values["context"] = _context(name, context, values["fence"])
    return (
        {"role": "system", "content": system.substitute(values)},
        {"role": "user", "content": user.substitute(values)},
    )


def fence(*texts: str) -> str:
    """Return 16 hex digits: too many for anyone to find texts that contain their own fence.

    More would cost: a prompt repeats it up to eight times, often with one token per digit.
    """
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()[:16]


def score_mark(*texts: str) -> str:
    """Return a few hex digits that none of `texts` contains in any case or spelling.

    A small model copies six digits without errors. Texts that contain many candidates get a longer
    mark.
    """
    plain = (unicodedata.normalize("NFKC", text).casefold() for text in texts)
    shown = [re.sub(r"[^0-9a-z]+", "", text) for text in plain]
    key = fence(*texts)
    digests = (hashlib.sha256(f"{key} {n}".encode()).hexdigest() for n in itertools.count())
    marks = (digest[: 6 + n // 8] for n, digest in enumerate(digests))
    mixed = (mark for mark in marks if not mark.isdecimal() and not mark.isalpha())
    return next(mark for mark in mixed if not any(mark in text for text in shown))


def unwrap(text: str) -> str:
    """Return the new task in the generator's reply `text`.

    Strip the prompt's own marks, a preamble, a title (but not one of several), a code fence or
    quotation marks around the whole, and anything after a closing fence.
    """
    text = text.strip()
    if preamble := _PREAMBLE.match(text, 0, _REMARKS):
        text = text[preamble.end() :]
    text = _untagged(text)
    if wrapped := _WRAPPED.fullmatch(text):
        text = next(filter(None, wrapped.groups())).strip()
    title = _TITLE.match(text)
    return text[title.end() :] if title and not has_several_tasks(text) else text


def _untagged(text: str) -> str:
    """Return `text` without the tags around it; a <task> without the code may be part of a task."""
    opening, closings = _OPENING.match(text), [*_CLOSING.finditer(text)]
    begin = opening.end() if opening else 0
    is_ours = opening is not None and re.search(_CODE, opening[0]) is not None
    if fence := _FENCE.search(text, begin):
        return text[begin : fence.start()].strip()
    if closings and (is_ours or len(closings) == 1):
        last = closings[-1]
        if last.end() == len(text) or (is_ours and len(closings) == 1):
            return text[begin : last.start()].strip()
    return text[begin if is_ours or not closings else 0 :].strip()


def has_several_tasks(text: str) -> bool:
    """Whether `text` is several <task> elements, or has titles such as "Task 1:" and "Task 2:"."""
    if _TAGGED_TASKS.fullmatch(text):
        return True
    title = _TITLE.match(text)
    return title is not None and _LATER_TITLE.search(text, title.end()) is not None


def repeats_prompt(text: str) -> bool:
    """Whether `text` contains a sentence of the generator's prompts."""
    return any(sentence in text for sentence in _sentences())


def is_closed(text: str) -> bool:
    """Whether a generator's reply closes its task with a fence, so that the task is not cut."""
    return _FENCE.search(text) is not None


def _context(name: PromptName, context: Sequence[Message], fence: str) -> str:
    """Return the text above the task: a sentence, and each context message between its marks."""
    if not context:
        return ""
    judged, generated = _template("context.txt")
    intro = (judged if name in ("referee.txt", "judge.txt") else generated).template
    blocks = [
        f"<{number}-{message['role']} {fence}>\n{message['content']}\n"
        f"</{number}-{message['role']} {fence}>"
        for number, message in enumerate(context, start=1)
    ]
    return "\n\n".join([intro, *blocks, ""])


@cache
def _sentences() -> set[str]:
    """Return the sentences of the generator's prompts that no other text is likely to contain."""
    prompts = (_template(f"generator_{side}.txt")[1].template for side in ("hard", "easy"))
    parts = (part.strip(" -") for prompt in prompts for part in re.split(r"[.:\n]", prompt))
    return {part for part in parts if len(part) > 30 and "$" not in part}


@cache
def _template(name: str) -> tuple[Template, Template]:
    text = resources.files(__name__).joinpath(name).read_text(encoding="utf-8")
    system, user = text.split("\n---\n")
    return Template(system.strip()), Template(user.strip())
