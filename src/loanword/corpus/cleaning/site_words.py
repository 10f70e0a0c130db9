"""Words that sites and wikis write around text, in the languages where they are well known. Compared without case."""

SITE_LINES = frozenset(
    """
    skip to content|skip to main content|skip to navigation|jump to navigation|jump to search|jump to content
    back to top|return to top|go to top|read more|read more »|continue reading|view all|see all|load more
    show more
    next page|previous page|next post|previous post|older posts|newer posts|older entries|newer entries
    next article|previous article|related articles|related posts|you may also like|recommended for you
    log in|login|sign in|sign up|log in / sign up|create account|my account|add to cart|toggle navigation
    main menu
    leave a comment|leave a reply|post a comment|add a comment|cancel reply|no comments|no comments yet
    share this|share this article|share this post|share this page|share on|print this page|email this page
    follow us|follow us on|subscribe to our newsletter|sign up for our newsletter|enter your email address
    privacy policy|cookie policy|terms of use|terms of service|terms and conditions|contact us|about us
    site map|sitemap
    accept cookies|accept all cookies|accept all|reject all|cookie settings|manage cookies|got it!
    all rights reserved|advertisement|sponsored content|page not found|edit this page|view source
    首页|返回首页|网站首页|回到顶部|返回顶部|上一页|下一页|上一篇|下一篇|上一章|下一章|返回目录|阅读更多
    查看更多|查看全文|阅读全文
    展开全文|点击加载更多|加载更多|登录|注册|登录注册|登录/注册|关于我们|联系我们|隐私政策|使用条款
    服务条款|用户协议|网站地图
    版权所有|版权声明|保留所有权利|免责声明|分享到|相关阅读|相关推荐|相关文章|热门推荐|猜你喜欢|发表评论
    暂无评论
    首頁|返回首頁|回到頂部|返回頂部|上一頁|下一頁|上一篇|返回目錄|閱讀更多|查看更多|閱讀全文|登入|註冊
    關於我們|聯絡我們|聯繫我們
    隱私政策|隱私權政策|使用條款|服務條款|網站地圖|版權所有|版權聲明|保留所有權利|免責聲明|分享到|相關閱讀
    相關文章|發表評論
    الصفحة الرئيسية|الرئيسية|اقرأ المزيد|اقرأ أيضا|اقرأ أيضًا|تسجيل الدخول|إنشاء حساب|سياسة الخصوصية
    شروط الاستخدام
    اتصل بنا|من نحن|جميع الحقوق محفوظة|خريطة الموقع|العودة إلى الأعلى|الصفحة التالية|الصفحة السابقة|اترك تعليقا
    صفحہ اول|مزید پڑھیں|ہم سے رابطہ کریں|ہمارے بارے میں|جملہ حقوق محفوظ ہیں|تمام حقوق محفوظ ہیں
    मुखपृष्ठ|मुख्य पृष्ठ|और पढ़ें|अधिक पढ़ें|यह भी पढ़ें|लॉग इन करें|गोपनीयता नीति|उपयोग की शर्तें
    संपर्क करें|हमारे बारे में
    सर्वाधिकार सुरक्षित|अधिक वाचा|हे पण वाचा|आमच्याबद्दल|संपर्क साधा|थप पढ्नुहोस्|गृहपृष्ठ|हाम्रो बारेमा
    सम्पर्क गर्नुहोस्
    আরও পড়ুন|গোপনীয়তা নীতি|যোগাযোগ করুন|আমাদের সম্পর্কে|সর্বস্বত্ব সংরক্ষিত|લોગ ઇન કરો|વધુ વાંચો
    મુખપૃષ્ઠ|અમારા વિશે
    மேலும் படிக்க|முகப்பு|எங்களை பற்றி|எங்களைப் பற்றி|ఇంకా చదవండి|మా గురించి|കൂടുതൽ വായിക്കുക|ഞങ്ങളെക്കുറിച്ച്
    beranda|baca juga|baca selengkapnya|selengkapnya|kembali ke atas|halaman selanjutnya
    halaman sebelumnya|kebijakan privasi
    syarat dan ketentuan|hubungi kami|tentang kami|hak cipta dilindungi undang-undang|tinggalkan komentar
    trang chủ|xem thêm|đọc thêm|đọc tiếp|xem tiếp|đăng nhập|đăng ký|chính sách bảo mật|điều khoản sử dụng
    liên hệ|về chúng tôi
    bài viết liên quan|trang sau|trang trước|lên đầu trang|ukurasa wa mwanzo|soma zaidi|wasiliana nasi
    kuhusu sisi
    sera ya faragha
    """.casefold().replace("\n", "|").replace("    ", "").split("|")
) - {""}  # fmt: skip
"""Lines that are nothing but a site's own: navigation, accounts, sharing, notices."""

HOME = "home|homepage|首页|首頁|الرئيسية|मुखपृष्ठ|होम|गृहपृष्ठ|beranda|trang chủ|mwanzo|صفحہ اول|মূলপাতা|முகப்பு|హోమ్|હોમ|പ്രധാന താൾ"
"""What a path of links starts with."""

RIGHTS = (
    "all rights reserved|版权所有|版權所有|保留所有权利|保留所有權利|保留一切权利|جميع الحقوق محفوظة"
    "|جملہ حقوق محفوظ|تمام حقوق محفوظ"
    "|सर्वाधिकार सुरक्षित|সর্বস্বত্ব সংরক্ষিত|hak cipta dilindungi|haki zote zimehifadhiwa|giữ bản quyền"
)
"""That all rights are reserved."""

NETWORKS = (
    "facebook|twitter|whatsapp|pinterest|linkedin|reddit|tumblr|telegram|instagram|youtube|tiktok|messenger"
    "|email|e-mail|rss"
    "|微博|新浪微博|微信|朋友圈|qq空间|qq|豆瓣|フェイスブック|فيسبوك|تويتر|واتساب|فیس بک|ٹویٹر|फेसबुक|ट्विटर"
    "|व्हाट्सएप|ফেসবুক|টুইটার"
)
"""Where text is shared."""

CATEGORY = (
    "category|template|分类|分類|模板|تصنيف|قالب|زمرہ|سانچہ|श्रेणी|साँचा|वर्ग|साचा|ढाँचा|বিষয়শ্রেণী"
    "|টেমপ্লেট|શ્રેણી|ઢાંચો|பகுப்பு|வார்ப்புரு|వర్గం|మూస"
    "|വർഗ്ഗം|ഫലകം|kategori|templat|jamii|kigezo|thể loại|bản mẫu"
)
"""The names of a wiki's categories and templates before their colon."""

EDIT = (
    "edit|edit source|编辑|編輯|编辑源代码|編輯原始碼|عدل|تعديل|ترمیم|संपादित करें|संपादन|सम्पादन|সম্পাদনা"
    "|ફેરફાર કરો|ફેરફાર|தொகு|మార్చు"
    "|തിരുത്തുക|sunting|sunting sumber|sửa|sửa đổi|sửa mã nguồn|hariri|hariri chanzo"
)
"""A wiki's link for editing a section."""

EMPTY_SECTIONS = frozenset(
    """
    references|external links|see also|further reading|notes|notes and references|footnotes|bibliography
    sources|citations
    参考资料|参考文献|參考資料|參考文獻|参考|參考|注释|註釋|注釋|脚注|腳註|外部链接|外部連結|外部鏈接|参见
    參見|延伸阅读|延伸閱讀|相关条目|相關條目
    مراجع|المراجع|وصلات خارجية|انظر أيضا|انظر أيضًا|حوالہ جات|بیرونی روابط|مزید دیکھیے
    सन्दर्भ|संदर्भ|बाहरी कड़ियाँ|इन्हें भी देखें|यह भी देखें|संदर्भ आणि नोंदी|बाह्य दुवे|हे सुद्धा पहा
    सन्दर्भ सामग्री|बाह्य कडीहरू
    তথ্যসূত্র|বহিঃসংযোগ|আরও দেখুন|સંદર્ભ|બાહ્ય કડીઓ|આ પણ જુઓ|மேற்கோள்கள்|வெளி இணைப்புகள்|இவற்றையும் பார்க்கவும்
    మూలాలు|బయటి లింకులు|ఇవి కూడా చూడండి|അവലംബം|അവലംബങ്ങൾ|പുറത്തേക്കുള്ള കണ്ണികൾ
    പുറത്തേയ്ക്കുള്ള കണ്ണികൾ|പുറം കണ്ണികൾ|ഇതും കാണുക
    referensi|pranala luar|lihat pula|catatan kaki|tham khảo|chú thích|liên kết ngoài|xem thêm|đọc thêm
    marejeo|viungo vya nje|tazama pia|tanbihi
    """.casefold().replace("\n", "|").replace("    ", "").split("|")
) - {""}  # fmt: skip
"""Headings of a wiki's last sections, whose lists are often left out when its text is taken."""
