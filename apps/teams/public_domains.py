"""Email domains at which anyone can get an address.

Having one shows nothing about a team.
"""

_TEXT = """
126.com 139.com 163.com aim.com aol.com att.net bellsouth.net bluewin.ch bol.com.br btinternet.com
comcast.net cox.net disroot.org duck.com email.com fastmail.com fastmail.fm free.fr freenet.de
gmail.com gmx.at gmx.ch gmx.com gmx.de gmx.net gmx.us googlemail.com hey.com hotmail.co.uk
hotmail.com hotmail.de hotmail.es hotmail.fr hotmail.it hushmail.com icloud.com inbox.lv inbox.ru
interia.pl juno.com keemail.me laposte.net libero.it list.ru live.co.uk live.com live.de live.fr
live.nl mac.com mail.com mail.de mail.ee mail.ru mailbox.org mailfence.com me.com msn.com naver.com
o2.pl onet.pl online.de orange.fr outlook.com outlook.de outlook.es outlook.fr passport.com pm.me
posteo.de posteo.net proton.me protonmail.ch protonmail.com qq.com rediffmail.com riseup.net
rocketmail.com rogers.com runbox.com sbcglobal.net seznam.cz sfr.fr shaw.ca sina.com skynet.be
sohu.com startmail.com swissmail.com sympatico.ca t-online.de telenet.be terra.com.br tiscali.it
tuta.com tuta.io tutamail.com tutanota.com tutanota.de ukr.net uol.com.br verizon.net virgilio.it
virginmedia.com vodafone.de wanadoo.fr web.de wp.pl yahoo.ca yahoo.co.in yahoo.co.jp yahoo.co.uk
yahoo.com yahoo.com.br yahoo.de yahoo.es yahoo.fr yahoo.it yandex.com yandex.ru yeah.net ymail.com
zoho.com zohomail.com
"""
PUBLIC_DOMAINS = frozenset(_TEXT.split())
