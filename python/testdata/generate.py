"""Writes packaging.json.gz: what the reference implementation says about names,
versions, specifiers, markers, requirements and file names.

Run it in a virtual environment of its own:

    python3 -m venv /tmp/packaging
    /tmp/packaging/bin/pip install packaging==26.3
    /tmp/packaging/bin/python generate.py

The same version of packaging gives the same file.
"""

import gzip
import json
import pathlib
import random

import packaging
from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name, parse_sdist_filename, parse_wheel_filename
from packaging.version import Version

assert packaging.__version__ == "26.3", packaging.__version__
rnd = random.Random(440)
pick = rnd.choice
HUGE = ["18446744073709551616", "99999999999999999999999999", "00000000000000000000000000000000017"]
# Characters that Python and other languages treat differently: Unicode digits and
# blanks, letters whose other case is ASCII, a character of two UTF-16 units.
ODD = ["\u0661", "\uff11", "\u00b2", "\u017f", "\u212a", "\u0130", "\u00a0", "\u2003", "\u3000", "\x1f", "\x85",
       "\u200b", "\ufeff", "\x00", "\n", "\r", "\t", "\v", "\U0001f40d", "é", " ", "/", "\\", "'", '"', "%", "*"]


def attempt(func, *args):
    try:
        return func(*args)
    except (ValueError, RecursionError):
        return None


def mutate(text):
    """One small change, such as a typing error or an attack."""
    at = rnd.randrange(len(text) + 1)
    kind = rnd.randrange(5)
    if kind == 0 and text:
        return text[:at - 1] + text[at:] if at else text[1:]
    if kind == 1:
        return text[:at] + pick(ODD) + text[at:]
    if kind == 2:
        return text[:at] + pick(list("-_.+!0aA19vxX,;()[]<>=~*")) + text[at:]
    if kind == 3:
        return text[:at] + text[at:].swapcase()
    return text + text[:at]


def unique(make, count, fixed=()):
    out = dict.fromkeys(fixed)
    while len(out) < count:
        out[make()] = None
    return list(out)


def number():
    return pick(["0", "1", "2", "3", "10", "00", "01", "007", "20261124", str(rnd.randrange(40)), pick(HUGE)]) \
        if rnd.random() < 0.6 else str(rnd.randrange(4))


def version(local=0.15, spelled=0.6):
    sep = lambda: pick(["", ".", "-", "_"]) if rnd.random() < spelled else ""
    out = pick(["v", "V"]) if rnd.random() < 0.1 * spelled else ""
    if rnd.random() < 0.12:
        out += number() + "!"
    out += ".".join(number() for _ in range(pick([1, 2, 2, 3, 3, 4, 6])))
    if rnd.random() < 0.35:
        label = pick(["a", "b", "rc", "alpha", "beta", "c", "pre", "preview", "RC", "Alpha"])
        out += sep() + label + (sep() + number() if rnd.random() < 0.9 else "")
    if rnd.random() < 0.25:
        if rnd.random() < 0.2 * spelled:
            out += "-" + number()
        else:
            dot = "." if rnd.random() > spelled else sep()
            out += dot + pick(["post", "rev", "r", "POST"]) + (sep() + number() if rnd.random() < 0.9 else "")
    if rnd.random() < 0.25:
        out += ("." if rnd.random() > spelled else sep()) + pick(["dev", "DEV"]) + (sep() + number() if rnd.random() < 0.9 else "")
    if rnd.random() < local:
        parts = [pick(["ubuntu", "1", "01", "0", "abc", "ABC", "1a", "a1", "deadbeef", number()]) for _ in range(pick([1, 1, 2, 3]))]
        out += "+" + pick([".", "-", "_"]).join(parts)
    return out


VERSIONS = """1.0 1 1.0.0 0 v1.0 1.0a 1.0-1 1.0-a1 1.0.post 1.0post1 1.0.dev 1.0dev1 1.0rc 1.0c1 1.0pre1 1.0preview-2 1.0r4 1.0rev
1!1.0 0!1.0 01!1.0 1.0+ubuntu.1 1.0+UBUNTU_1 1.0+ubuntu-01 1.0+1.a 1.0a1.post2.dev3+x.4 1.0.dev1.post1 1.0post1.dev 1.0--1 1..0 .1 1. a1
1.0+ 1.0+a+b 1.0+a..b 1.0+-a 1!2!3 !1 1! 1.0!2 1.0a1b2 1.0.post1.post2 1.0.* * 1.* latest 2004d 0.1.0-alpha-1 1.0-1-2 1.0-1.post2 1.0.0.0.0.0
1.0.rc.1 1.0_alpha_1 1.0__a1 1.0.dev-1 1.0-dev_1 vv1 v v.1 1,0 1.0/2 ١.٠ １.０ 1.０ 1.0\u00a0 \u00a01.0 \u20031.0\u3000 1.0\u200b
1.0\x00 1.0\n 1.0\x1f \x1c1.0 1.0+é 1.0po\u017ft1 1.0\u212a 1e5 0x10 +1 -1 1.0-0 1.0-00 1.0-post 1.0-r 1.0-rev1 1.0.r1 1.0dev.1 1.0.DEV1
1.0RC1 1.0Rc.1 1.0+1 1.0+10 1.0+2 1.0+a 1.0+1a 1.0+a.1 1.0+a.a 1.0+a1 1.0+0 1.0+00 1.0+01.02 99999999999999999999 1.18446744073709551616
18446744073709551616!1 1.0a18446744073709551616 1.0.post18446744073709551616 1.0.dev18446744073709551616 1.0+18446744073709551616
1.0+18446744073709551617 1.0+018446744073709551616""".split(" ")
VERSIONS = [v for line in VERSIONS for v in line.split("\n")] + ["", " ", " 1.0 ", "\t1.0\n", "1 .0", "1.0 a1", "1.0.post 1"]


def versions():
    texts = unique(lambda: mutate(version()) if rnd.random() < 0.35 else version(), 5000, VERSIONS)
    rows, good = [], []
    for text in texts:
        v = attempt(Version, text)
        rows.append([text, None] if v is None else
                    [text, str(v), v.public, v.base_version, v.is_prerelease, v.is_postrelease, v.local or ""])
        if v is not None:
            good.append((v, str(v)))
    # Groups of equal versions, oldest first.
    good.sort(key=lambda pair: (pair[0], pair[1]))
    order = []
    for v, text in good:
        if order and order[-1][0] == v:
            if order[-1][1][-1] != text:
                order[-1][1].append(text)
        else:
            order.append((v, [text]))
    return rows, [texts for _, texts in order]


NAMES = ["a", "A", "0", "Django", "foo-bar", "Foo__Bar", "foo.-_bar", "-foo", "foo-", ".foo", "foo_", "", "foo bar", "foo\n", "é", "\u0130",
         "\u212aelvin", "ſ", "x" * 200, "a--b", "a..b", "a__b", "A.B_C-D", "foo/bar", "foo%2fbar", "..", ".", "-", "_", "foo\x00"]


def names():
    def make():
        out = "".join(pick("abcXYZ019") + pick(["", "", "", "-", "_", ".", "--", "-_.", "..."]) for _ in range(pick([1, 2, 4, 8])))
        return mutate(out) if rnd.random() < 0.4 else out
    rows = []
    for name in unique(make, 2000, NAMES):
        valid = attempt(lambda: canonicalize_name(name, validate=True)) is not None
        rows.append([name, valid, canonicalize_name(name) if name.isascii() else None])
    return rows


PROBES = """0 0.9 1 1.0 1.0.0 1.0.1 1.1 1.2 1.2.3 1.2.3.4 1.10 2 2.0 2.1 3.0 10 1.dev0 1.0.dev1 1.0a0 1.0a1 1.0a1.dev1 1.0a1.post1 1.0a1.post1.dev2
1.0b1 1.0b2.post3 1.0rc1 1.0rc1.dev4 1.0.post0 1.0.post1 1.0.post1.dev1 1.0.post2 1.0+local 1.0+1 1.0+2 1.0+10 1.0+local.1 1.0.post1+local
1.0.dev1+local 1.0a1+local 1.1.dev0 1.1a1 1.1.post1 1.2.dev1 1.2a1 1.2rc1 1.2.post1 1.2.3.dev1 1.2.3a1 1.2.3.post1 1.2.3+x 2.dev0 2.0a1 2.0rc1
2.0.post1 2.0+x 1!0 1!1 1!1.0 1!1.0a1 1!1.0.post1 1!1.0.dev1 1!1.0+x 1!1.2 1!2 2!1.0 99999999999999999999.0 99999999999999999999.1
1.99999999999999999999 1.0.post99999999999999999999 1.0a99999999999999999999 1.0+99999999999999999999""".split()

CLAUSES = """==1.0 ==1.0.* !=1.0.* ==1.* ==1!1.* ==1.0+local ==1.0+LOCAL ===1.0 ===1.0+local ===1.0.0 ===foobar === ===1.0a1 ===1.0.dev1 === 1.0
~=1.0 ~=1 ~=1.0a1 ~=1.2.3 ~=1.2.post1 ~=1!1.0 ~=1.0.dev1 ~=1.0+x ~=v1.2 ~=1.0.* <1.0 <1.0a1 <1.0.post1 <1.0.dev1 <1.0+x <=1.0 <=1.0a1 <=1.0.post1
<=1.0+x >1.0 >1.0a1 >1.0.post1 >1.0.dev1 >1.0.post1.dev1 >1.0a1.post1 >1.0a1.dev1 >1.0+x >=1.0 >=1.0a1 >=1.0.dev1 >=1.0+x >1 >1! >=1!1 <1!1
==1.0a1.* ==1.0.post1.* ==1.0.dev1.* ==1.0+x.* ==* * 1.0 =1.0 =>1.0 ><1 ==V1.0 ==1.0-1 ==1.0.RC.1 !=1.0 !=1.0a1 !=1.0+local !=1.0.post1 ==01.0
==1.0.00.* ==v1.* >=1.0, ,>=1.0 >=1.0,,<2 >=1.0;<2 (>=1.0) >=99999999999999999999 ==99999999999999999999.* ~=99999999999999999999.0
>=1.0po\u017ft1 ==1.0rc\u212a ==\u0661.0 ==1.0\u00a0 \u00a0==1.0 ==\u20031.0 ===\u00a01.0 ===a,b ===a;b ===a)b ===(a ==1.0,===1.0 ==1.0\x00
~=1.0.post1 ~=1.0.0.0 ~=1a1 ~=1.0a1.post2.dev3""".replace("\n", " ").split(" ") + ["", ",", ", ,", "== 1.0", " == 1.0 ", "> = 1", "\t>=1\n,\n<2", "==1.0 .*"]


def clause():
    op = pick(["==", "!=", "<", ">", "<=", ">=", "~=", "===", "==", ">=", "<", ">"])
    if rnd.random() < 0.5:
        text = pick(PROBES)
    else:
        text = version(local=0.1, spelled=0.3)
    if op in ("==", "!=") and rnd.random() < 0.3:
        text = ".".join(number() for _ in range(pick([1, 2, 3]))) + ".*"
    return op + pick(["", "", " "]) + text


def specifiers():
    def make():
        text = pick([",", ", ", " ,"]).join(clause() for _ in range(pick([1, 1, 1, 2, 2, 3])))
        return mutate(text) if rnd.random() < 0.2 else text
    probes = [Version(p) for p in PROBES]
    rows = []
    for text in unique(make, 3000, CLAUSES):
        s = attempt(SpecifierSet, text)
        if s is None:
            rows.append([text, None])
            continue
        holds = "".join("01"[s.contains(p, prereleases=True)] for p in probes)
        kept = {str(p) for p in s.filter(probes)}
        chosen = "".join("01"[str(p) in kept] for p in probes)
        half = probes[::2]
        few = [p for p in half if p.is_prerelease]
        rows.append([text, holds, chosen, bool(s.prereleases), [str(p) for p in s.filter(few)]])
    return rows


VARIABLES = """python_version python_full_version os_name os.name sys_platform sys.platform platform_release platform_system platform.version
platform_machine platform.machine platform.python_implementation platform_python_implementation python_implementation implementation_name
implementation_version extra extras dependency_groups""".split()
MARKERS = ["python_version<'3'", "python_version < '3' and os_name=='nt' or extra == \"x\"", "('3' > python_version)", "'a' == 'b'", "os_name",
           "os_name ==", "== 'x'", "os_name == nt", "unknown == 'x'", "os_name = 'x'", "os_name === 'x'", "os_name not in 'x'", "os_name notin 'x'",
           "os_name not  in 'x'", "os_name not\tin 'x'", "os_name in'x'", "'x'in os_name", "os_namein 'x'", "'linux' in sys_platform",
           "os_name == 'x'and os_name == 'y'", "os_name == 'x' andos_name == 'y'", "os_name == 'x' and", "and os_name == 'x'", "(os_name == 'x'",
           "os_name == 'x')", "((os_name == 'x'))", "()", "", " ", "os_name == 'it''s'", "os_name == \"'\"", "os_name == '\"'", "os_name == 'a\\'b'",
           "os_name == '\\x'", "os_name == '\\N'", "os_name == 'a\\", "os_name == '\n'", "os_name == 'x' xor os_name == 'y'", "os_name == 'x' OR os_name == 'y'",
           "not os_name == 'x'", "os_name ~= 'x'", "os_name <> 'x'", "platform.release == 'x'", "sys.os_name == 'x'", "python_version>='3'or(os_name=='nt')",
           "os_name=='a'or os_name=='b'", "os_name=='a' or'b'==os_name", "os_name\n==\n'x'", "(" * 30 + "os_name=='x'" + ")" * 30,
           "'3.8' in python_version and ('a' not in extra or extra=='')", "os_name == 'é'", "os_name\u00a0== 'x'", "os_name == 'x' # no", "extra=='a' and extra=='b' or extra=='c'"]


def marker(depth=0):
    if depth < 3 and rnd.random() < 0.35:
        inner = pick([" and ", " or ", "and ", " or"]).join(marker(depth + 1) for _ in range(pick([1, 2, 2, 3])))
        return pick(["(%s)", "( %s )", "%s"]) % inner
    value = lambda: pick(["'%s'", '"%s"']) % pick(["3.8", "linux", "", "a b", "x;y", "3.*", "CPython", "("])
    left, right = pick(VARIABLES), value()
    if rnd.random() < 0.2:
        left, right = right, left
    op = pick(["==", "!=", "<", ">", "<=", ">=", "~=", "===", " in ", " not in ", " not  in "])
    pad = pick(["", " "])
    return left + pad + op + pad + right


def valid_marker(text):
    return attempt(Marker, text) is not None


def markers():
    texts = unique(lambda: mutate(marker()) if rnd.random() < 0.4 else marker(), 2000, MARKERS)
    return [[text, valid_marker(text)] for text in texts]


REQUIREMENTS = ["a", "A.B-c_d", "name>=1", "name >= 1, <2", "name(>=1)", "name (>=1,<2) ; os_name=='nt'", "name[a]", "name[a,b]>=1", "name [ a , b ] >=1",
                "name[]", "name[,]", "name[a,]", "name[a b]", "name[a", "name]", "name>=1 <2", "name>=1,", "name,>=1", "name>=1,,<2", "name (>=1", "name >=1)", "name ()",
                "name ( )", "name @ https://h/p.whl", "name@https://h/p.whl", "name @ https://h/p.whl ; os_name=='nt'", "name @ https://h/p.whl; os_name=='nt'",
                "name @ https://h/p.whl;os_name=='nt'", "name @", "name @ ", "name @ x", "name @ https://h/a b", "name[a]@git+https://h/r@v1#egg=x", "name @ u >=1",
                "name>=1 @ u", "name;os_name=='nt'", "name ; ", "name;", ";os_name=='nt'", "", " ", " name ", "name\n", "\nname", "name\t>=1", "-name", "name-", "name-.x", "na me",
                "name===1.0;os_name=='nt'", "name===a,b", "name===", "name== 1.*", "name>1.*", "name~=1", "name 1.0", "name=1", "name==1.0+local", "name>1+local",
                "name (==1.0) , >2", "name (===a)", "é", "name[é]", "name>=1;python_version<'3' and (extra=='x' or extra=='y')", "name \\>=1", "./name", "name/x", "name==1.0\u00a0",
                "name\u00a0>=1", "name>=1 \\", "name>=1 --hash=sha256:0", "name>=1 # note", "name((>=1))", "name<2!1", "name[a][b]", "name[a](>=1)[b]", "name==1.0.*,!=1.0.3", "0", "1>=1"]


def requirement():
    out = pick(["name", "Foo.Bar", "a", "x-y_z", "n0"])
    if rnd.random() < 0.3:
        out += pick(["", " "]) + "[" + pick([",", ", ", " , "]).join(pick(["a", "b-c", "D.e"]) for _ in range(pick([1, 2, 3]))) + "]"
    if rnd.random() < 0.15:
        out += pick([" @ ", "@", " @"]) + pick(["https://h/x.whl", "git+ssh://h/x@1", "file:///x"]) + (" " if rnd.random() < 0.8 else "")
    elif rnd.random() < 0.8:
        text = pick([",", ", "]).join(clause() for _ in range(pick([1, 1, 2, 3])))
        out += pick([" %s", "%s", " (%s)", "(%s)", "( %s )"]) % text
    if rnd.random() < 0.4:
        out += pick([";", "; ", " ; "]) + marker()
    return out


def requirements():
    rows = []
    for text in unique(lambda: mutate(requirement()) if rnd.random() < 0.35 else requirement(), 2500, REQUIREMENTS):
        r = attempt(Requirement, text)
        rows.append([text, None] if r is None else
                    [text, r.name, sorted(r.extras), r.url or "", sorted(str(s) for s in r.specifier), r.marker is not None])
    return rows


WHEELS = """a-1-py3-none-any.whl a-1-1-py3-none-any.whl a-1-1x-py3-none-any.whl a-1-x1-py3-none-any.whl A_b-1.0-py2.py3-none-any.whl a.b-1-py3-none-any.whl
a__b-1-py3-none-any.whl a-b-1-py3-none-any.whl _a-1-py3-none-any.whl a_-1-py3-none-any.whl a-1-py3-none.whl a-1-py3-none-any-x-y.whl a-1-py3-none-any.WHL
a-1-py3-none-any -1-py3-none-any.whl a--py3-none-any.whl a-x-py3-none-any.whl a-1.0+local-py3-none-any.whl a-1.0+lo_cal.1-cp313-cp313-manylinux_2_17_x86_64.manylinux2014_x86_64.whl
a-1.0_1-py3-none-any.whl a-1!2-py3-none-any.whl a-v1-py3-none-any.whl a-1.0.post1.dev2-cp39.cp310-abi3-win32.whl é-1-py3-none-any.whl a-1-py3-none-.whl a-1--none-any.whl
a-1-py3..py2-none-any.whl a-1-py3.-none-any.whl a-1-3-none-any.whl a-1-py3-none-any.whl.whl a-1-1-1-py3-none-any.whl a-1-0-py3-none-any.whl a-1-99999999999999999999-py3-none-any.whl
a-1.0-1_b-py3-none-any.whl ../a-1-py3-none-any.whl a-1/2-py3-none-any.whl a-1-py3-none-a/b.whl a-1-PY3-NONE-ANY.whl""".split()


def wheels():
    def make():
        out = pick(["a", "Foo", "foo_bar", "foo.bar", "x1"]) + "-" + version(spelled=0.2).replace("-", "_")
        if rnd.random() < 0.2:
            out += "-" + pick(["1", "2b", "007", "1_a", "0"])
        out += "-" + pick(["py3", "py2.py3", "cp313", "pp311", "cp39.cp310"]) + "-" + pick(["none", "abi3", "cp313t"]) + "-" + pick(["any", "win_amd64", "macosx_11_0_arm64", "linux_x86_64.manylinux_2_17_x86_64"]) + ".whl"
        return mutate(out) if rnd.random() < 0.45 else out
    rows = []
    for name in unique(make, 1500, WHEELS):
        parsed = attempt(parse_wheel_filename, name)
        rows.append([name, None] if parsed is None else
                    [name, parsed[0], str(parsed[1]), "".join(map(str, parsed[2])), sorted(map(str, parsed[3]))])
    return rows


SDISTS = """a-1.tar.gz a-1.zip a-1.tar.bz2 a-1.tgz a-1.TAR.GZ a-1 a.tar.gz -1.tar.gz a-.tar.gz a-b-1.tar.gz a_b-1.0.tar.gz a.b-1.tar.gz a-1.0-1.tar.gz a-1.0-alpha.tar.gz
a-1.0+local.tar.gz a-1.0_1.tar.gz a-1!1.tar.gz é-1.tar.gz a-1-2.zip a--1.tar.gz _a-1.tar.gz a_-1.tar.gz a-v1.tar.gz a-1.tar.gz.tar.gz ../a-1.tar.gz a/b-1.tar.gz .-1.tar.gz""".split()


def sdists():
    def make():
        out = pick(["a", "Foo", "foo_bar", "foo.bar", "foo-bar", "x1"]) + "-" + version(spelled=0.4) + pick([".tar.gz", ".tar.gz", ".zip"])
        return mutate(out) if rnd.random() < 0.45 else out
    rows = []
    for name in unique(make, 1500, SDISTS):
        parsed = attempt(parse_sdist_filename, name)
        rows.append([name, None] if parsed is None else [name, parsed[0], str(parsed[1])])
    return rows


rows, order = versions()
table = {
    "packaging": packaging.__version__,
    "names": names(),
    "versions": rows,
    "order": order,
    "probes": PROBES,
    "specifiers": specifiers(),
    "markers": markers(),
    "requirements": requirements(),
    "wheels": wheels(),
    "sdists": sdists(),
}
out = pathlib.Path(__file__).with_name("packaging.json.gz")
with out.open("wb") as raw, gzip.GzipFile(fileobj=raw, mode="wb", mtime=0, filename="") as f:
    f.write(json.dumps(table, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "surrogatepass"))
for key, value in table.items():
    print(key, len(value))
