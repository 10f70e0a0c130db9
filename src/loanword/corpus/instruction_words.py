"""Words by which low quality in instructions is known.

English and Chinese, which were tuned on data, and for refusals and requests for another language some more, which no
speaker has reviewed. A rule finds what it knows by words in these languages and in no other.
"""

import re

import regex

NO_INPUT = frozenset(
    (
        "noinput", "none", "na", "notapplicable", "noinputneeded", "noinputrequired", "noinputprovided",
        "noinputnecessary", "noinputgiven", "inputnotrequired", "nil", "null", "无输入", "没有输入", "无需输入",
        "不需要输入", "无", "不适用", "空", "未提供输入", "无输入t",
    )
)  # fmt: skip
"""What stands where there is no input, without its punctuation. Source: Stanford Alpaca's prompt asks for <noinput>."""

NO_OUTPUT = frozenset(("noinput", "nooutput", "nooutputrequired", "nooutputneeded", "无输入", "无输出", "没有输出"))
"""What stands where there is no response."""

NOT_WORDS = regex.compile(r"[^\p{L}\p{N}]+")

ENGLISH = frozenset(
    """about an and are as at be because by can could do does for from had has have he her his how if in into is it
    its not of on or our she should than that the their them then there these they this to was we were what when where
    which who will with would you your""".split()  # noqa: SIM905
)
"""Function words that make a text English prose; code and lists have few of them."""

ENGLISH_VERBS = frozenset("are be can could do does had has have is should was were will would".split())  # noqa: SIM905
"""Those without which a text may still be a title or a name."""

OTHER_LANGUAGE = re.compile(
    r"english|translat|french|spanish|german|japanese|latin|英|译|翻|外语|外国|拼音|[法德日韩俄]语|[法德日韩俄]文|西班牙|双语"
    r"|अंग्रे|अँग्रे|अनुवाद|इंग्लिश|इंगलिश|उल्था|इंग्रजी|भाषांतर|ইংরেজ|অনুবাদ|અંગ્રેજી|અનુવાદ|inggris|terjemah"
    r"|ഇംഗ്ലീഷ്|ഇംഗ്ലിഷ്|വിവർത്തന|പരിഭാഷ|kiingereza|tafsiri|ஆங்கில|மொழிபெயர்|ఆంగ్ల|ఇంగ్లీష్|అనువ|انگریزی|ترجم"
    r"|إنجليزي|انجليزي|الإنجليزية|tiếng anh|dịch",
    re.IGNORECASE,
)
"""A question with one of these may ask for another language, and then nothing is said about its response's."""

TRANSLATED_INTO = re.compile(
    r"(?:翻译|译)(?:成|为|到|至|作)\S{0,2}?(?:(?P<Latin>英|法|德|西班牙|意大利|葡萄牙|拉丁|荷兰|瑞典|越南|印尼)"
    r"|(?P<Kana>日)|(?P<Hangul>韩)|(?P<Cyrillic>俄)|(?P<Arabic>阿拉伯)|(?P<Greek>希腊)|(?P<Thai>泰))(?:语|文|国话)"
)
"""A Chinese question that asks for a translation, and the script of the language that it asks for."""

_NOT = (
    r"\b(?:can(?:not|'t| not)|could not|not|n't|unable|không|chưa|tidak)\b|无法|不能|没有|不具|不会|暂时"
    r"|नहीं|छैन|सक्दिन|لا |ليس|لست|نہیں"
)
REFUSALS = re.compile(
    r"(?:\b[Aa]s an? (?:large )?(?:AI|artificial intelligence|language model)\b"
    r"|\bI(?:'m| am) (?:just |only )?an? (?:AI|artificial intelligence|large language model|language model)\b"
    r"|作为(?:一个|一名|一款|一位)?(?:人工智能|AI|(?:大型)?语言模型|聊天机器人)"
    r"|我(?:只|仅)?是(?:一个|一名|一款)?(?:人工智能|AI|语言模型)"
    r"|[Ll]à một (?:mô hình ngôn ngữ|trợ lý AI|trí tuệ nhân tạo)\b"
    r"|(?:एआई|AI|आर्टिफिशियल इंटेलिजेंस) ?(?:भाषा )?(?:मॉडल|सहायक)? ?के रूप में"
    r"|(?:एआई|AI) (?:भाषा )?(?:मोडेल|सहायक) ?को रूपमा"
    r"|[Ss]ebagai (?:sebuah )?(?:model bahasa|AI|asisten AI)\b|(?:كنموذج|بصفتي نموذج) ?(?:لغ|لل|ذكاء)"
    rf"|(?:اے آئی|مصنوعی ذہانت)[^۔\n]{{0,20}}کے طور پر)[^.。\n]{{0,60}}?(?:{_NOT})"
    r"|^(?:(?:I(?:'m| am) )?(?:very |so )?[Ss]orry|I apologi[sz]e|Unfortunately)\b.{0,30}?\bI "
    r"(?:can(?:not|'t| not)|could not|am (?:not able|unable) to|do(?:n't| not) have (?:access|the ability|enough|any)) "
    r"(?:fulfil|provide|answer|complete|generate|assist|help|process|access|create|perform|determine|give|browse|open)"
    r"|^I (?:cannot|can't|am unable to|am not able to) "
    r"(?:fulfil|provide|answer|complete|generate|assist|process|access|create|perform|browse)"
    r"|^(?:非常|很|十分)?(?:抱歉|对不起|不好意思)[，,。 ]?(?:但|但是)?(?:我|本)(?:目前|暂时|现在)?"
    r"(?:无法|不能|没法|没有办法)"
    r"(?:回答|提供|完成|生成|访问|处理|执行|帮助|满足|查看|获取|显示|理解|创建|绘|画|打开|确定|进行)"
)
"""A response that says of itself, as a model or at its very start, that it cannot be given."""

CANNOT = re.compile(
    r"\b(?:GPT|AI|language) ?(?:language )?models? (?:(?:is|are) )?(?:currently )?"
    r"(?:not able|unable|cannot|can ?not|can't)"
    r"|\bcan(?:not| ?not|'t) be (?:completed|done|fulfilled|performed|achieved|executed) (?:by|with) (?:a |an |the )?"
    r"(?:GPT|AI|language)"
    r"|^[<(]?no ?output\b|(?:GPT|语言)[^。\n]{0,6}模型(?:无法|不能)|(?:不能|无法)(?:由|被)[^。\n]{0,8}模型|^无输出"
)
"""A response that says that no model can give it; where the question is about models it is an answer."""

ABOUT_MODELS = re.compile(r"\bAI\b|GPT|artificial|language model|chatbot|assistant|人工智能|语言模型|机器人|助手|模型")

MERGED = re.compile(
    r"^[^\w\n]*(?P<number>\d+)\. ?(?:说明|指令|指示|Instruction)\s*[:：].*"
    r"^[^\w\n]*(?P=number)\. ?(?:输出|Output)\s*[:：]"
    r"|^###? ?(?:Instruction|Response|Input|指令|回复)\s*[:：]",
    re.DOTALL | re.MULTILINE,
)
"""Another instruction of the file that a response came from, left in it."""

MARKERS = re.compile(r"\|\|\|[A-Z_]+\|\|\||<\s*no ?(?:in|out)put\s*>|<无输[入出]>", re.IGNORECASE)
"""What a program wrote in place of text."""

NO_EDITING = re.compile(
    r"\b(?:sort|order|arrange|rank|organi[sz]e|match|read|repeat|transcribe|copy|spell|print|output|select|categori[sz]e)"
    r"|排序|排列|顺序|排名|朗读|读出|重复|抄|转录|匹配|打印|输出|复制|原样|选择|分类",
    re.IGNORECASE,
)
"""A question to which its own input may be the right answer."""

_TEXTS = (
    r"文章|段落|段话|句子|句话|文本|文字|短文|段文|对话|摘录|引文|短语|陈述|语句|段代码|代码|图片|照片|图像|图表|表格|段视频|视频|录音"
    r"|音频|诗|歌词|单词列表|列表|清单|邮件|信件|报告|论文|故事|评论|新闻|数据集|数据|材料|内容|方程式?|文档|推文"
)
_MEASURE = r"(?:这|一)?[一两几]?[篇段首个句张幅份组封些]?"
MISSING_ZH = re.compile(
    rf"(?:(?:以下|下面|下列|上面|上述|给定|所给|给出的|提供的|所附|附上)的?{_MEASURE}"
    rf"|这一?[篇段首张幅份组封]|(?<![\u4e00-\u9fff])本)(?:{_TEXTS})"
)
_PROGRAMS_ZH = (
    r"函数|程序|算法|脚本|查询|SQL|Python|Java|正则|公式|伪代码|模型|如何|怎么|怎样|什么是|为什么|方法|系统|网站|应用"
    r"|代码来|代码片段"
)
NOT_MISSING_ZH = re.compile(
    rf"[:：\"“”「」『』《》\n<>\[\]()（）=|`'‘’]|[。？！?!]\s*\S|\d\s*[,，、]\s*\d|{_PROGRAMS_ZH}"
)
_TEXTS_EN = (
    r"text|passage|paragraph|article|sentences?|poem|code(?: snippet)?|data ?set|data|list|table|image|picture"
    r"|photo(?:graph)?|story|document|e-?mail|letter|conversation|dialogue|quote|phrase|statement|paper|report|review|tweet"
    r"|video|audio|song|lyrics|equation|chart|graph|excerpt|essay|recipe|information|input|content|news(?: story)?"
)
MISSING_EN = re.compile(
    rf"\b(?:the|this|these) (?:following|given|provided|attached|above|below) (?:\w+ ){{0,1}}(?:{_TEXTS_EN})\b"
    rf"|\b(?:this|these) (?:{_TEXTS_EN})\b|\b(?:the )?(?:{_TEXTS_EN}) (?:below|above|provided|given)\b",
    re.IGNORECASE,
)
NOT_MISSING_EN = re.compile(
    r"[:\"“”\n<>\[\]()=|`‘’]|(?<!\w)'|[.?!]\s+\S|\d\s*,\s*\d|\b(?:function|program|algorithm|script|query|SQL|Python|Java\w*"
    r"|C\+\+|regex|class|model|method|how|why|write|create|design|develop|build|construct|generate|compose|app|API)\b",
    re.IGNORECASE,
)
"""A question about a text that is nowhere; where its words may hold the text, or ask for a program, it is none."""

STAND_IN = re.compile(
    r"图|照片|相片|链接|文章|附|插入|音频|视频|录音|文件|网址|段落|文本|艺术品"
    r"|\b(?:image|photo|picture|painting|link|article|insert|attach|audio|video|sound|file|chart|graph|dataset|url|text"
    r"|document|paragraph|screenshot)",
    re.IGNORECASE,
)
"""What stands in brackets for an input that was never there."""

BEHIND_LINK = re.compile(
    r"^(?!.*(?:\bURL|网址))(?:.|\n)*(?:文章|论文|总结|概括|摘要|概述|视频|图片|照片|图像|歌曲|曲|标题|主题|故事|报告"
    r"|评论|艺术|画|新闻|页面|设计"
    r"|article|paper|summar|video|image|photo|picture|song|title|topic|story|report|review|art|paint|news|page|design)",
    re.IGNORECASE,
)
"""A question about what is behind a link, and not about the link."""

CODE_WORDS = re.compile(
    r"^[^\S\n]*(?:返回|如果|否则如果|否则|别的|对于|导入|打印|函数|定义|公共|私人|私有|静态|尝试|让|变量|班级|课|类|结束|创建表|在哪里"
    r"|整数|字符串|布尔|同时|而)\s*.{0,80}[:：;；(（{]\s*\S{0,40}[:：;；)）{}]?\s*$|^[^\S\n]*(?:返回|归还|回报)\s*\S{1,40}[;；]?\s*$",
    re.MULTILINE,
)
"""Lines that begin with a word of code which was translated into Chinese."""

CODE = re.compile(
    r"\bdef |\bfunction\b|\bint \w+|\bprint(?:f|ln)?\s*[(（]|[{}]\s*$|#include|<html|<body|\bSELECT\b|\bimport \w"
    r"|==|\+\+|</",
    re.MULTILINE,
)
"""Signs of code, of which no translation changes anything."""
