"""Passwords that are tried first, as far as they are long enough to be set; without gaps, in lower case."""

from typing import Final

_COMMON: Final = """
    1q2w3e4r5t6y7u8i 1q2w3e4r5t6y7u8i9o0p 1qaz2wsx3edc4rfv 1qaz2wsx3edc4rfv5tgb 1qazxsw23edcvfr4 qazwsxedcrfvtgb
    q1w2e3r4t5y6u7i8 q1w2e3r4t5y6u7i8o9p0 zaq12wsxcde34rfv qwer1234asdf5678 asdfghjkl123456 asdfjklasdfjkl
    zxcvbnmasdfghjkl zxcvbnmasdfghjklqwertyuiop qwertyasdfghzxcvbn mnbvcxzlkjhgfdsa poiuytrewqlkjhg
    aaaaabbbbbccccc aabbccddeeffgghh abc123abc123abc123 abcd1234abcd1234 a1b2c3d4e5f6g7h8 a1b2c3d4e5f6g7h8i9j0
    112233445566778 11223344556677889900 123123123123123 123321123321123 147258369147258 159357159357159
    314159265358979 3141592653589793 271828182845904 987654321987654 1029384756102938
    correcthorsebatterystaple correctbatteryhorsestaple tobeornottobethatisthequestion
    thequickbrownfox thequickbrownfoxjumpsoverthelazydog thisisapassword thisismypassword thisisnotapassword
    thisisasecurepassword thisisastrongpassword mypasswordisstrong mypasswordissecure mypasswordispassword
    iforgotmypassword ihatemypassword idontknowmypassword rememberthispassword mysupersecretpassword
    averylongpassword averysecurepassword averystrongpassword areallylongpassword nevergonnagiveyouup
    supercalifragilisticexpialidocious antidisestablishmentarianism pneumonoultramicroscopic
    maytheforcebewithyou iamyourfather lukeiamyourfather houstonwehaveaproblem winteriscoming thewinteriscoming
    onceuponatimeinafarawayland livelongandprosper hastalavistababy youshallnotpass elementarymydearwatson
    iloveyouforever iloveyousomuch iloveyouverymuch ilovemyfamily ilovemyhusband ilovemychildren
    iloveyoumorethananything
    jesuschristislord jesusismysavior godisgreatgodisgood inthenameofthefather praisethelordjesus
    manchesterunited manchesterunited1 liverpoolfootballclub realmadridclubdefutbol barcelonafootballclub
    harrypotterandthe charlottesweb lordoftherings thelordoftherings starwarsepisode4 pirateofthecaribbean
    happybirthdaytoyou happynewyear2024 happynewyear2025 happynewyear2026 merrychristmas2025
    loremipsumdolorsitamet loremipsumdolorsit foobarbazquxquux hackthisifyoucan hackmeifyoucan youcannothackme
    whatisthepassword whatsthepassword enteryourpassword pleaseletmein pleasechangeme changemeplease
    defaultpassword defaultpassword1 temporarypassword temporarypassword1 initialpassword yourpasswordhere
    insertpasswordhere replacethispassword superadministrator systemadministrator domainadministrator
    democracyisgreat unitedstatesofamerica greatbritain unitedkingdom2024 republicofkorea
    samsungelectronics internetexplorer microsoftwindows microsoftoffice googlechromebrowser
    dockerregistry1 dockerregistry123 containerregistry containerregistry1 kubernetescluster kubernetesadmin
"""

_FRAGMENTS: Final = """
    password passwort motdepasse contrasena passw0rd p4ssw0rd p4ssword passphrase password1 password123 passwd secret
    administrator admin admin123 root toor user username login signin guest test testing tester test123 demo example
    welcome welcome1 letmein changeme changeit qwerty qwertyuiop qwerty123 asdfgh asdfghjkl zxcvbn zxcvbnm qazwsx
    1q2w3e4r 1qaz2wsx abc123 abcdef abcdefgh abcd1234 iloveyou ilove youandme monkey dragon princess sunshine football
    baseball superman batman master shadow michael jordan trustno1 hello helloworld whatever freedom computer internet
    server service default temp temporary company corporate office spring summer autumn winter january february
    monday friday server1 database postgres docker container registry kubernetes moorage github gitlab harbor
    1234 12345 123456 1234567 12345678 123456789 1234567890 0123456789 0000 1111 2222 3333 4444 5555 6666 7777 8888
    9999 4321 54321 654321 87654321 987654321 123123 321321 112233
    1990 1991 1992 1993 1994 1995 1996 1997 1998 1999 2000 2001 2002 2003 2004 2005 2006 2007 2008 2009 2010 2011 2012
    2013 2014 2015 2016 2017 2018 2019 2020 2021 2022 2023 2024 2025 2026 2027 2028 2029 2030
    비밀번호 관리자 안녕하세요 사랑해
"""

COMMON: Final = frozenset(_COMMON.split())
#: Of these a password may be made in part only.
FRAGMENTS: Final = frozenset(_FRAGMENTS.split())

_ROWS: Final = (
    "abcdefghijklmnopqrstuvwxyz" * 2,
    "1234567890" * 4,
    "!@#$%^&*()_+{}|:<>?",
    "qwertyuiopasdfghjklzxcvbnm",
    "qwertyuiop1234567890asdfghjklzxcvbnm",
    "1234567890qwertyuiopasdfghjklzxcvbnm",
    "가나다라마바사아자차카타파하" * 2,
)
#: Whatever is a part of one of these is no password.
RUNS: Final = (*_ROWS, *(row[::-1] for row in _ROWS))
