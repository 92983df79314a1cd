"""Refusals: replies that decline to write a task, in many languages.

A task may open like a refusal ("I can't decide which phone to buy. Compare these two."). So a reply
with such an opening is a refusal only if its first sentence declines to help, or is all there is.
"""

import re

# How a sentence declines: a negation, then what the reply does not do, or in the language's order.
_CANNOT = (
    r"(?:can['’]?t|can ?not|won['’]t|will not|(?:un|not )able to|not going to"
    r"|(?:must|have to|need to)(?: \w+ly)? (?:decline|refuse)|not allowed|(?:not|n['’]t)(?: feel)?"
    r" comfortable)"
)
_BY = r"(?: \w+ly| just| in good conscience| be able| to)*"
_WRITE = (
    r"(?:writ(?:e|ing)|mak(?:e|ing)|do(?:ing)?|creat(?:e|ing)|answer(?:ing)?|shar(?:e|ing)"
    r"|discuss(?:ing)?|complet(?:e|ing)|giv(?:e|ing)|offer(?:ing)?|respond(?:ing)? to|with)"
)
_POLICY = r"(?:guideline|polic|program|principle|ethic|capabilit|training|knowledge|abilit|purpose)"
_DECLINES = re.compile(
    r"^as an ai(?: (?:language )?(?:model|assistant|chatbot|system))?,? (?:i|my)\b"
    rf"|(?:violat\w+|against|conflicts? with) (?:my|our|openai['’]s|the) (?:\w+ )?{_POLICY}"
    r"|(?:sorry|apologi[sz]e|apologies) for (?:the|any) (?:confusion|misunderstanding)"
    r"|(?:sorry|unfortunately).*\b(?:inappropriate|unethical|not appropriate"
    r"|(?:don['’]t|do not) (?:see|have (?:access|enough)))"
    # Who speaks of "my boss" or "my son" is a user.
    rf"|^(?!.*\bmy (?!{_POLICY})).*{_CANNOT}{_BY}"
    r" (?:help(?:ing)?(?! but)|assist|support|comply|fulfil|provid|generat|engag|participat"
    r"|accommodat|continue with (?:this|that)|(?:this|that|your|the) (?:request|task|prompt"
    rf"|question|instruction)\b|{_WRITE}(?:\W*$| (?:this|that|it|so|such|you|your|any|content"
    r"|instructions|information|advice)\b))"
    rf"|(?:sorry|apologi[sz]e|unfortunately)\b(?!.*\bmy (?!{_POLICY})).*{_CANNOT}{_BY} {_WRITE}\b"
    rf"|\bi {_CANNOT}\W*$"
    r"|\bnicht\b.*(?:helf|unterstütz|beantwort|erfüll|nachkomm|bereitstell|erstell|verfass|schreib"
    r"|entsprech)|kann (?:ich )?(?:das|dies\w*|es)(?: leider)? nicht\W*$"
    r"|\bno (?:me es posible|puedo|podemos|podré)\b.*(?:ayud|asist|cumpl|proporcion|respond|gener"
    r"|crear|escrib|hacerlo|atender)|\bno puedo\W*$"
    r"|\bne (?:peux|suis|pourrai)\b.*(?:aider|assister|répondre|fournir|satisfaire|accéder|générer"
    r"|créer|écrire|rédiger|faire (?:ça|cela))|\bne peux pas\W*$"
    r"|\bnão (?:posso|consigo|poderei)\b.*(?:ajud|auxili|atend|cumpri|fornec|respond|ger|cria"
    r"|escrev|fazer isso)|\bnão posso\W*$"
    r"|\bnon (?:posso|sono)\b.*(?:aiut|assist|forni|rispond|soddisf|gener|crea|scriv|farlo)"
    r"|\bnon posso\W*$"
    r"|\bniet\b.*(?:help|assist|voldo|beantwoord|verstrek|schrijv|mak)|kan dat niet\W*$"
    r"|\bне (?:мог\w*|смог\w*|в состоянии)\b.*(?:помо[чг]|выполнить|ответить|предоставить|написать"
    r"|создать|обсуждать|допомогти|виконати|відповісти|надати|написати|створити)"
    r"|\bnie (?:mogę|jestem)\b.*(?:pomóc|spełni|odpowied|udziel|dostarcz|napis|stworzy)"
    r"|\bne(?:mohu|můžu)\b.*(?:pomo|splnit|vyhov|odpov|poskyt|napsat|vytvoř)"
    r"|(?:yardımcı ol|yardım ed|yanıtlay|cevaplay|getir|sağlay|yaz|oluştur)am\w*"
    r"|\bkhông\b.*(?:giúp|hỗ trợ|đáp ứng|cung cấp|trả lời|thực hiện|viết)"
    r"|\btidak\b.*(?:bantu|penuhi|menjawab|berikan|menyediakan|membuat|menulis|melakukan)"
    r"|\bδεν\b.*(?:βοηθήσ|απαντήσ|εκπληρώσ|παρέχ|παράσχ|γράψ)"
    r"|ไม่.*(?:ช่วย|ตอบ|ให้|ทำ|เขียน)"
    r"|(?:मदद|सहायता|उत्तर|जवाब|पूरा|प्रदान|लिख).*नहीं"
    r"|לא .*(?:לעזור|לסייע|לענות|לספק|למלא|לכתוב)"
    r"|نمی.*(?:کمک|پاسخ|انجام|ارائه|بنویس)|(?:کمک|پاسخ|انجام|ارائه).*نمی"
    r"|(?:لا|لن|غير قادر).*(?:مساعد|أساعد|تلبي|الإجاب|تقديم|تنفيذ|كتاب)"
    r"|មិន.*(?:ជួយ|ឆ្លើយ|បំពេញ|ផ្តល់|សរសេរ)"
    r"|(?:[无無]法|不能|不会|不會|不便).*(?:帮|幫|[协協]助|提供|回答|[满滿]足|完成|生成|[处處]理|[执執]行|写|寫)"
    r"|(?:手伝|答|応|対応|提供|役に立|支援|作成|書|その(?:よう|ご)).*(?:ません|かね|ない)"
    r"|(?:도와|도움|도울|답변|제공|응할|수행|작성|들어|처리|지원).*(?:없|못|않)",
    re.IGNORECASE,
)
# How models open a refusal, in many languages.
_OPENING = re.compile(
    r"(?:i['’]?m (?:(?:very |so |truly )?sorry|unable to|not able to|not comfortable)"
    r"|i am (?:(?:very |so |truly )?sorry|not able to|not comfortable)|sorry, (?:but )?i\b"
    r"|(?:i|my) apologi|unfortunately, i\b(?=.*(?:n['’]t|\bnot|cannot|unable|must)\b)"
    r"|i (?:cannot|can['’]t|can not|am unable|won['’]t|will not)\b"
    r"|i (?:must|have to|need to)(?: \w+ly)? (?:decline|refuse)\b"
    r"|i (?:do not|don['’]t|would not|wouldn['’]t) feel comfortable\b"
    r"|(?:this|that|your|the) (?:request|task|prompt|content|topic) "
    r"(?=(?:violat|goes against|is against|conflicts)\w* )"
    r"|as an ai(?:(?: (?:language )?(?:model|assistant|chatbot|system))?,? (?:i|my)\b"
    rf"|\b[^.\n]{{0,40}}, i(?:['’]m| am)? {_CANNOT})"
    r"|es tut mir leid, (?:aber )?ich\b|lo siento, (?:pero|no) |je suis désolée?, mais"
    r"|desculpe, (?:mas|não) |извините, (?:но|я) |к сожалению, я|عذر[اًا]+، |آسف، "
    r"|(?:很|非常)?抱歉[，,]|[对對]不起[，,]我|申し訳(?:ありません|ございません)|すみませんが"
    r"|죄송(?:합니다|하지만|해요)|désolée?, (?:mais )?je\b|leider kann ich"
    r"|entschuldigung, (?:aber )?ich|lo lamento, pero|sinto muito, mas|lamento, mas"
    r"|mi dispiace, (?:ma|non)\b|het spijt me, maar|вибачте, але|на жаль, я|przepraszam, ale"
    r"|przykro mi, ale|omlouvám se, ale|üzgünüm, |xin lỗi, (?:nhưng )?tôi"
    r"|maaf, (?:tapi |namun )?saya|λυπάμαι, αλλά|ขออภัย(?:ค่ะ|ครับ)? *|क्षमा करें, |मुझे खेद है"
    r"|אני מצטער|מצטער(?:ת)?, (?:אבל )?אני|متأسفم، |សូមអភ័យទោស)",
    re.IGNORECASE,
)
# Thai puts a space between sentences.
_END = re.compile(r"[.!?:](?=\s|$)|[。！？：।؟۔។\n]|(?<=[\u0e00-\u0e7f]) +(?=[\u0e00-\u0e7f])")
_ASKS = re.compile(r"[?？؟]\s*$|\b(?:help|tell|give|show|write) me\b|[帮幫]我", re.IGNORECASE)


def refuses(text: str) -> bool:
    """Whether `text` declines a request instead of making one."""
    opening = _OPENING.match(text)
    if not opening:
        return False
    end = _END.search(text, opening.end())
    first, rest = (text[: end.start()], text[end.end() :]) if end else (text, "")
    return bool(_DECLINES.search(first)) or not (rest.strip() or _ASKS.search(text))
