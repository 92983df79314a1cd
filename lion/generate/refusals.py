"""Refusals in place of a task, in many languages.

A refusal opens with regret and an inability, or with an inability to help. A task may open in a
similar way: "I can't decide which phone to buy." So in English the words must also say what is
refused, and in other languages a text that asks a question is no refusal. Not every refusal is
found: a draft rejected by mistake costs one more draw, an accepted refusal is a training row.
"""

import re

_CANNOT = r"(?:cannot|can['’]t|can not|(?:am|['’]m) (?:unable|not able)|won['’]t|will not|must)"
_ENGLISH = re.compile(
    r"(?:(?:i(?: am|['’]m)(?: \w+)? sorry|sorry|(?:my )?apologies|i apologi[sz]e|i regret)[,.]?"
    rf"(?: but| that)* (?:i ?{_CANNOT}|(?:this|that|your|the)(?: \w+)? (?:is|goes|violates)"
    r"|for the (?:confusion|inconvenience)\b)"
    rf"|(?:unfortunately,? )?i ?{_CANNOT}(?:,? in good conscience,?| \w+ly| be able| to)*"
    r" (?:(?:help|assist)(?: you)?(?: with)? ?(?:(?:this|that|the|your)\b|\.|$)|comply|fulfil"
    r"|(?:provid|generat|creat|writ|answer|respond|do|engag|continu|participat|shar|discuss|complet"
    r"|giv|offer|mak|declin|refus)\w*(?: to| in| with)? (?:this|that|such|any|content|an answer)\b)"
    rf"|unfortunately,? i ?(?:{_CANNOT}|(?:do not|don['’]t) have (?:access|the))[^.?]*\.?$"
    r"|i (?:do not|don['’]t) feel comfortable"
    r" (?:with|help|assist|answer|provid|writ|creat|generat|do)"
    r"|i (?:must|have to)(?: \w+ly)? (?:decline|refuse)\b(?! (?:an?|my)\b)"
    r"|(?:this|that|your) request (?:violates|goes against)"
    r"|as an? (?:ai )?(?:language )?(?:model|assistant),? i\b"
    r"|as an ai\b,?(?: i\b| (?:language|developed)))",
    re.IGNORECASE,
)
_SORRY = (
    r"sorry|tut mir leid|leider|entschuldig|siento|lamento|disculp|me temo|désolé|regrette"
    r"|malheureusement|desculp|sinto muito|infelizmente|dispiace|purtroppo|spijt|helaas|ledsen"
    r"|tyvärr|förlåt|beklager|undskyld|pahoillani|valitettavasti|pahoittel|sajn[áo]|omlouvám|líto"
    r"|bohužel|prepáč|ospravedl|przykro|przepraszam|niestety|pare rău|съжал|жао ми|žao mi|извини"
    r"|прости|сожалени|жаль|прощени|вибач|перепрош|шкода|λυπάμαι|συγγνώμη|üzgün|maalesef|özür"
    r"|عذر|آسف|أعتذر|للأسف|מצטער|סליחה|مت[أا]سف|ببخشید|معذرت|افسوس|क्षम|खेद|माफ|দুঃখিত|மன்னி|క్షమ"
    r"|ക്ഷമ|માફ|සමාව|ขออภัย|ขอโทษ|ຂໍອະໄພ|អភ័យ|សូមទោស|တောင်းပန်|xin lỗi|rất tiếc|maaf|paumanhin"
    r"|pasensya|samahani|抱歉|[对對]不起|不好意思|申し訳|すみません|ごめん|恐れ入り|죄송|미안"
    r"|ბოდიში|ይቅርታ|ներող|кешір|atsipraš|atvain|vabandust|ho sento|barkatu"
)
_UNABLE = (
    r"kann[^.]{0,25}nicht|nicht[^.]{0,15}kann|no (?:puedo|podemos|poder|puc)|ne (?:peux|pouvons)"
    r"|não (?:posso|consigo)|non poss|kan[^.]{0,25} (?:niet|inte|ikke)|en voi|nem (?:tud|segít)"
    r"|nemohu|nemôžem|nie mog|nu (?:pot|put)|не мо[гж]|ne mo[gž]|δεν μπορ|[ae]m[ae]m|[ae]m[ıi]yor"
    r"|لا (?:أستطيع|يمكن)|לא יכול|نمی|نہیں|नहीं|शकत नाही|পার|முடியா|లేను|നാവില്ല|શકતો|නොහැ"
    r"|ไม่สามารถ|ບໍ່ສາມາດ|មិនអាច|မရ|không thể|tidak (?:bisa|dapat)|hindi|siwezi"
    r"|できません|できない|かねます|수 없|ვერ|አልችል|չեմ|алмай|negal|nevaru|ei saa|ezin"
    r"|(?:[无無]法|不能|没有办法|[沒没]辦法|不便|做不到|不[会會])(?![^。！!\n]*[请請](?!求))"
)
_HELP = (
    r"ayud|aider|ajud|aiut|helfen|help|hj[äæe]lp|autta|segít|pomo|pomóc|помо|допомог|βοηθ|yardım"
    r"|مساعد|לעזור|کمک|مدد|मदद|সাহায্য|உதவ|giúp|bantu|[协協]助|[帮幫]助|提供|回答|生成|手伝い|도와"
)
_ELSEWHERE = re.compile(
    rf"(?=[^?？؟]*$)(?:.{{0,20}}?(?:{_SORRY}).{{0,50}}?(?:{_UNABLE})"
    rf"|.{{0,20}}?(?:{_UNABLE}).{{0,25}}?(?:{_HELP}))",
    re.IGNORECASE | re.DOTALL,
)


def is_refusal(text: str) -> bool:
    """Whether `text` opens like a refusal, behind any markup and invisible characters."""
    words = re.sub(r"\A[\W_]+|\*+", "", text).replace("\xa0", " ")
    return bool(_ENGLISH.match(words) or _ELSEWHERE.match(words))
