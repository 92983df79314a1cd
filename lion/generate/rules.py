"""Rules for generated text: which replies of the generator are not valid instructions."""

import re
import string

from lion.chat import UNCLEAR, Reply
from lion.params.pools import Rules
from lion.pools.tokens import folded
from lion.prompts import REMARK, has_several_tasks, is_closed, repeats_prompt, unwrap

# How models open a refusal, in many languages. A task may open in a similar way: "I can't decide
# which phone to buy." So in English and Chinese the words must also say what is refused.
_CANNOT = r"(?:cannot|can['’]t|can not|(?:am|['’]m) (?:unable|not able)|won['’]t|will not)"
_REFUSAL = re.compile(
    r"(i( am|['’]m) (sorry|unable to|not able to)|sorry, (but )?i\b|i apologi[sz]e"
    rf"|unfortunately, i ?({_CANNOT}|must|(do not|don['’]t) have)\b"
    rf"|i {_CANNOT}(,? in good conscience,?| \w+ly| be able| to)* (help|assist|support|comply"
    r"|fulfil|provid|generat|creat|writ|answer|respond|do th|engag|continu|participat|shar|discuss"
    r"|accommodat|complet|giv|offer|mak)(?!\w* my\b)"
    r"|i (must|have to)( \w+ly)? (decline|refuse)\b(?! (an?|my)\b)"
    r"|i (do not|don['’]t) feel comfortable (with|help|assist|answer|provid|writ|creat|generat|do)"
    r"|(this|that|your) request (violates|goes against)"
    r"|as an ai\b(?! (engineer|researcher|student|developer|teacher|expert|company|startup)\b)"
    r"|es tut mir leid, (aber )?ich\b|lo siento, (pero|no) |je suis désolée?, mais"
    r"|desculpe, (mas|não) |извините, (но|я) |к сожалению, я|عذر[اًا]+، |آسف، "
    r"|((很|非常)?抱歉[，,]|[对對]不起[，,]我)[^。！!\n]{0,20}([无無]法|不能|不[会會]|不便|不可以|做不到)"
    r"|申し訳(ありません|ございません)|すみませんが"
    r"|죄송(합니다|하지만|해요)|désolée?, (mais )?je\b|leider kann ich|entschuldigung, (aber )?ich"
    r"|lo lamento, pero|sinto muito, mas|lamento, mas|mi dispiace, (ma|non)\b|het spijt me, maar"
    r"|вибачте, але|на жаль, я|przepraszam, ale|przykro mi, ale|omlouvám se, ale|üzgünüm, "
    r"|xin lỗi, (nhưng )?tôi|maaf, (tapi |namun )?saya|λυπάμαι, αλλά|ขออภัย|क्षमा करें, |मुझे खेद है"
    r"|אני מצטער|מצטער(ת)?, (אבל )?אני|متأسفم، |សូមអភ័យទោស)",
    re.IGNORECASE,
)
# The prompt's own marks, or a remark about the task before or after it.
_PROMPT = re.compile(
    r"</?(?:task|\d+-(?:system|user|assistant)) [0-9a-f]{8,}>|\btask [0-9a-f]{16,}\b"
    rf"|^{REMARK}"
    r"|\n(?:please )?note that this (?:new )?task\b|\nthis (?:new )?task (?:(?:is|was) (?:\w+ )?"
    r"(?:about|based|inspired|related|similar)|has|meets|belongs)\b",
    re.IGNORECASE,
)

REPEATS = "repeats the prompt"
SEVERAL = "several tasks"
CUT = "cut by the limit"


def fault(reply: Reply, rules: Rules) -> str | None:
    """Return why a reply is not a valid instruction, or None.

    Rules `any` suit all languages; `paper` are the paper's rules, which suit English only.
    """
    text = unwrap(reply.text)
    if reply.finish_reason == "length" and not is_closed(reply.text):
        return CUT
    if reply.finish_reason == UNCLEAR:
        return UNCLEAR
    if reply.finish_reason not in ("stop", "length") or not text:
        return "refused or empty"
    return _by_paper_rules(text) if rules == "paper" else _any(text)


def _any(text: str) -> str | None:
    if not folded(text):
        return "nothing but punctuation"
    if _REFUSAL.match(text):
        return "refused or empty"
    if _PROMPT.search(text) or repeats_prompt(text):
        return REPEATS
    return SEVERAL if has_several_tasks(text) else None


def _by_paper_rules(text: str) -> str | None:
    if "instruction" in text.lower():
        return "speaks of instructions"
    if len(re.findall(r"\w+", text)) <= 3:
        return "three words or fewer"
    if text[0] in string.punctuation or not text[0].isascii():
        return "starts with punctuation or non-ASCII"
    return None
